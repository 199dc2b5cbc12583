"""One HTTP POST: one connection, one request, one deadline; no redirects, no retries."""

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
"""Of a call's time, for DNS, TCP and TLS, so that time remains for the answer."""
LONGEST_ANSWER = 1_000_000
"""Bytes; documented answers have about a thousand."""
LONGEST_RETRY_AFTER = 12 * 3600.0
"""Seconds: the longest visibility timeout. Longer values are cut."""


class PostFailed(Exception):
    """Base of the errors of a POST. `http_status` is None without a response."""

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status


class Unreached(PostFailed):
    """The request was not sent (DNS, connect, proxy, TLS): safe to retry."""


class NoAnswer(PostFailed):
    """The request may have been processed, but no answer arrived: do not repeat what costs money."""


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy used by CONNECT (RFC 9110, 9.3.6), so it sees the host but not the request.

    `url` is http://host:port. `credentials` returns user name and password, or None; it is called for each connection,
    within the connection's share of the time.
    """

    url: str
    credentials: Callable[[], tuple[str, str] | None]

    def headers(self) -> dict[str, str]:
        """Return the headers of CONNECT besides Host."""
        credentials = self.credentials()
        if credentials is None:
            return {}
        return {"Proxy-Authorization": f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"}


@dataclass(frozen=True)
class Reply:
    """A complete HTTP response with any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Deadline:
    """Shuts a connected socket down at a monotonic time, even during a read or write.

    A socket's own timeout restarts with every byte, so a server could trickle for ever.
    """

    def __init__(self, sock: socket.socket, moment: float) -> None:
        self.passed = False
        self._sock = sock  # the connection drops it after headers with `Connection: close`
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
    """POST on a new connection, as an old one may have died while the environment was frozen.

    `seconds` limit everything from the DNS look-up to the last byte; connecting, through any proxy, gets a third. A
    redirect is returned as it is: following it would send the body twice and the token to another host.

    Raises Unreached if nothing was sent, NoAnswer if no complete answer arrived.
    """
    with _answered(url, body, headers, seconds, CONNECTING_SHARE * seconds, proxy) as (response, deadline):
        try:
            answer = response.read(LONGEST_ANSWER + 1)
        except Exception as error:  # whatever it is, the request was sent
            raise _no_answer(url, error, deadline, seconds) from error
        if deadline.passed:
            raise NoAnswer(f"called {url}, then: no complete answer within {seconds:g} s")
        if len(answer) > LONGEST_ANSWER:
            raise NoAnswer(f"{url} answered more than {LONGEST_ANSWER} bytes", http_status=response.status)
        return Reply(response.status, response.headers, answer)


def post_for_status(
    url: str, body: bytes, headers: Mapping[str, str], seconds: float, *, proxy: Proxy | None = None
) -> Reply:
    """POST without reading the response's body, which may be broken, endless or huge.

    Connecting may take all `seconds`. Raises Unreached if nothing was sent, NoAnswer if no status and headers arrived.
    """
    with _answered(url, body, headers, seconds, connecting=seconds, proxy=proxy) as (response, _):
        return Reply(response.status, response.headers, b"")


@contextmanager
def _answered(
    url: str, body: bytes, headers: Mapping[str, str], seconds: float, connecting: float, proxy: Proxy | None
) -> Iterator[tuple[BaseHTTPResponse, Deadline]]:
    """Yield the response, with its body unread, and the deadline for reading it."""
    moment = time.monotonic() + seconds
    try:
        connection = _connected(url, connecting, proxy)
    except Exception as error:  # whatever it is, nothing was sent
        reason = f"no connection within {connecting:.3g} s" if isinstance(error, TimeoutError) else error
        through = f" through the proxy {proxy.url}" if proxy else ""
        raise Unreached(f"cannot reach {url}{through}: {reason}") from error
    connection.timeout = seconds  # from here on, the Deadline applies
    with closing(connection), Deadline(connection.sock, moment) as deadline:
        try:
            sent = {"User-Agent": f"facepair/{__version__}"} | dict(headers)
            connection.request("POST", _target(url), body=body, headers=sent, preload_content=False)
            response = connection.getresponse()
        except Exception as error:  # whatever it is, the request was sent
            raise _no_answer(url, error, deadline, seconds) from error
        with closing(response):
            yield response, deadline


def _no_answer(url: str, error: Exception, deadline: Deadline, seconds: float) -> NoAnswer:
    reason = (
        f"no answer within {seconds:g} s"
        if deadline.passed or isinstance(error, TimeoutError)
        else str(error) or type(error).__name__
    )
    return NoAnswer(f"called {url}, then: {reason}")


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return a Retry-After in seconds (`10`, the documented `10s`, or a date); None if absent, past or unreadable."""
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
    """Return the request target: path and query."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _connected(url: str, seconds: float, proxy: Proxy | None) -> HTTPConnection:
    """Return a new connection; nothing of the request is sent. Raises TimeoutError after `seconds`.

    It connects in a thread that can be abandoned: DNS look-ups cannot be interrupted, and each further address, a TLS
    handshake or a proxy's answer restarts a socket's timeout.
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
        if time.monotonic() > latest:  # this process was suspended
            raise TimeoutError
    except BaseException:
        connected.add_done_callback(lambda _: connection.close())
        _shut(connection.sock)  # a trickling proxy would keep the thread
        raise
    return connection


def _shut(sock: socket.socket | None) -> None:
    """Wake whatever is blocked on the socket. The plain socket's shutdown leaves TLS objects to their thread."""
    if sock is not None:
        with suppress(OSError):  # closed in the meantime
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
