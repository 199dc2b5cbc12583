"""One HTTP POST that cannot surprise: one connection, one request, one deadline, nothing followed, nothing repeated."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from facepair.advance.errors import NoAnswer, Unreached

LONGEST_ANSWER = 1_000_000
"""Bytes; the documented answers have about a thousand."""


@dataclass(frozen=True)
class Reply:
    """A complete HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Deadline:
    """Cuts a connection off when its time is up, wherever it stands.

    A socket's own timeout starts again with every byte: a server that trickles holds a caller as long as it likes.
    """

    def __init__(self, connection: HTTPConnection, seconds: float) -> None:
        self.passed = False
        self._connection = connection
        self._connected: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)

    def connected(self) -> None:
        """Keep the socket: the connection forgets it when the answer's headers say `Connection: close`."""
        self._connected = self._connection.sock

    def _cut(self) -> None:
        self.passed = True
        sock = self._connected or self._connection.sock
        if sock:
            # The plain socket's shutdown wakes a blocked read, and leaves the TLS object to the thread that uses it.
            with suppress(OSError):  # closed in the meantime
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()
        self._connection.close()


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float) -> Reply:
    """POST on a connection of its own, so that none is used that died while the environment was frozen.

    `seconds` limit all of it, from the look-up of the name to the last byte of the answer. A redirect is an answer like
    any other: following it would send the body twice and the token to another host.

    Raises Unreached if nothing was sent, NoAnswer if something was and no complete answer came back.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    with Deadline(connection, seconds) as deadline:
        try:
            connection.connect()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise Unreached(f"cannot reach {parts.netloc}: {error}") from error
        deadline.connected()
        if deadline.passed:
            raise Unreached(f"cannot reach {parts.netloc}: no connection within {seconds:g} s")
        try:
            connection.request("POST", parts.path, body=body, headers=headers, preload_content=False)
            response = connection.getresponse()
            answer = response.read(LONGEST_ANSWER + 1)
        except Exception as error:  # whatever it is: the request was on its way
            reason = f"no answer within {seconds:g} s" if deadline.passed else str(error) or type(error).__name__
            raise NoAnswer(f"called {parts.netloc}, then: {reason}") from error
        if deadline.passed:
            raise NoAnswer(f"called {parts.netloc}, then: no complete answer within {seconds:g} s")
        if len(answer) > LONGEST_ANSWER:
            raise NoAnswer(f"{parts.netloc} answered more than {LONGEST_ANSWER} bytes", http_status=response.status)
        return Reply(response.status, response.headers, answer)
