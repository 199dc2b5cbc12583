"""One HTTP POST that cannot surprise: one connection, one request, one deadline, nothing followed, nothing repeated."""

import base64
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from facepair import __version__

CONNECTING_SHARE = 1 / 3
"""Of a call's time, for DNS, TCP and TLS: a request that is sent must have time left to be answered."""
LONGEST_ANSWER = 1_000_000
"""Bytes; the documented answers have about a thousand."""
LONGEST_RETRY_AFTER = 12 * 3600.0
"""Seconds: the longest visibility timeout of a message. A longer Retry-After is cut to it."""


class PostFailed(Exception):
    """Root of what can go wrong with a POST. `message` is for people; `http_status` is None where nothing came back."""

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status


class Unreached(PostFailed):
    """The request was never sent (DNS, connect, proxy, TLS): nothing happened, try again."""


class NoAnswer(PostFailed):
    """The request may have been read and acted upon, and no answer came back: never repeat blindly what costs."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that connects to a URL's host by CONNECT (RFC 9110, 9.3.6): it sees the host, not the request.

    `url` is http://host:port. `credentials` returns the user's name and password, or None for a proxy that needs none.
    It is called for each connection, within the connection's share of the time.
    """

    url: str
    credentials: Callable[[], tuple[str, str] | None]

    def headers(self) -> dict[str, str]:
        """Return the headers of CONNECT beside Host."""
        credentials = self.credentials()
        if credentials is None:
            return {}
        return {"Proxy-Authorization": f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"}


@dataclass(frozen=True)
class Reply:
    """A complete HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Deadline:
    """Cuts a connected socket off at a moment of the monotonic clock, wherever the reading or writing on it stands.

    A socket's own timeout starts again with every byte: a server that trickles holds a caller as long as it likes.
    """

    def __init__(self, sock: socket.socket, moment: float) -> None:
        self.passed = False
        self._sock = sock  # the connection forgets it at the headers of an answer with `Connection: close`
        self._timer = threading.Timer(max(0.0, moment - time.monotonic()), self._cut)

    def _cut(self) -> None:
        self.passed = True
        _shut(self._sock)

    def __enter__(self) -> "Deadline":
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float, *, proxy: Proxy | None = None) -> Reply:
    """POST on a connection of its own, so that none is used that died while the environment was frozen.

    `seconds` limit all of it, from the look-up of the name to the last byte of the answer; a third of them is for the
    connection, through the proxy if there is one. A redirect is an answer like any other: following it would send the
    body twice and the token to another host.

    Raises Unreached if nothing was sent, NoAnswer if something was and no complete answer came back.
    """
    with _answered(url, body, headers, seconds, CONNECTING_SHARE * seconds, proxy) as (response, deadline):
        try:
            answer = response.read(LONGEST_ANSWER + 1)
        except Exception as error:  # whatever it is: the request was on its way
            raise _no_answer(url, error, deadline, seconds) from error
        if deadline.passed:
            raise NoAnswer(f"called {url}, then: no complete answer within {seconds:g} s")
        if len(answer) > LONGEST_ANSWER:
            raise NoAnswer(f"{url} answered more than {LONGEST_ANSWER} bytes", http_status=response.status)
        return Reply(response.status, response.headers, answer)


def post_for_status(
    url: str, body: bytes, headers: Mapping[str, str], seconds: float, *, proxy: Proxy | None = None
) -> Reply:
    """POST as `post` does, and leave the answer's body unread: a broken, endless or huge one is an answer all the same.

    The connection may take all of the time. Raises Unreached if nothing was sent, NoAnswer if something was and no
    status and headers came back.
    """
    with _answered(url, body, headers, seconds, connecting=seconds, proxy=proxy) as (response, _):
        return Reply(response.status, response.headers, b"")


@contextmanager
def _answered(
    url: str, body: bytes, headers: Mapping[str, str], seconds: float, connecting: float, proxy: Proxy | None
) -> Iterator[tuple[BaseHTTPResponse, Deadline]]:
    """The answer's status and headers, and the deadline until which its body can be read."""
    moment = time.monotonic() + seconds
    try:
        connection = _connected(url, connecting, proxy)
    except Exception as error:  # whatever it is: nothing was sent
        reason = f"no connection within {connecting:.3g} s" if isinstance(error, TimeoutError) else error
        through = f" through the proxy {proxy.url}" if proxy else ""
        raise Unreached(f"cannot reach {url}{through}: {reason}") from error
    connection.timeout = seconds  # from here on the deadline counts
    with closing(connection), Deadline(connection.sock, moment) as deadline:
        try:
            sent = {"User-Agent": f"facepair/{__version__}"} | dict(headers)
            connection.request("POST", _target(url), body=body, headers=sent, preload_content=False)
            response = connection.getresponse()
        except Exception as error:  # whatever it is: the request was on its way
            raise _no_answer(url, error, deadline, seconds) from error
        with closing(response):
            yield response, deadline


def _no_answer(url: str, error: Exception, deadline: Deadline, seconds: float) -> NoAnswer:
    reason = f"no answer within {seconds:g} s" if deadline.passed else str(error) or type(error).__name__
    return NoAnswer(f"called {url}, then: {reason}")


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Seconds of a Retry-After: `10`, the documented `10s`, or an HTTP date; None if absent, past or unreadable."""
    if header is None:
        return None
    if number := re.fullmatch(r":?\s*(\d{1,9}(?:\.\d+)?)\s*s?", header.strip(), re.IGNORECASE):
        return min(float(number[1]), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None


def _target(url: str) -> str:
    """What the request line names: path and query."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _connected(url: str, seconds: float, proxy: Proxy | None) -> HTTPConnection:
    """Return a new connection. Raises TimeoutError after `seconds`, and whatever else prevents it.

    In a thread that can be abandoned, because nothing can interrupt the look-up of a name, and a host of several
    addresses, a TLS handshake or a proxy's answer would start a socket's timeout again. Nothing of the request is sent.
    """
    target = urlsplit(url)
    first_hop = urlsplit(proxy.url) if proxy else target
    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = kind(first_hop.hostname or "", first_hop.port, timeout=seconds)
    latest = time.monotonic() + seconds
    connected: Future[None] = Future()

    def connect() -> None:
        try:
            if proxy:
                connection.set_tunnel(target.hostname or "", target.port, proxy.headers())
            connection.connect()
        except BaseException as error:
            connected.set_exception(error)
        else:
            connected.set_result(None)

    threading.Thread(target=connect, daemon=True).start()
    try:
        connected.result(seconds)
        if time.monotonic() > latest:  # this process stood still meanwhile
            raise TimeoutError
    except BaseException:
        connected.add_done_callback(lambda _: connection.close())
        _shut(connection.sock)  # a proxy that trickles its answer would keep the thread
        raise
    return connection


def _shut(sock: socket.socket | None) -> None:
    """Wake whatever is blocked on the socket. The plain socket's shutdown leaves a TLS object to its own thread."""
    if sock is not None:
        with suppress(OSError):  # closed in the meantime
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
