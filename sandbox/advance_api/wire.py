"""Faults on the wire, made on the request's own socket: dropped connections, trickled answers."""

import os
import socket
import struct
import time
from collections.abc import Iterable
from typing import Literal, NoReturn

from werkzeug import Request, Response

# SO_LINGER with zero seconds: closing sends RST and discards unsent data (socket(7)).
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def drop(request: Request, by: Literal["reset", "close"]) -> NoReturn:
    """End the connection now, by RST or FIN. Raises ConnectionAbortedError, so the server does nothing more."""
    connection = _connection(request)
    if by == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    else:
        connection.shutdown(socket.SHUT_WR)
    # The server's files keep the socket open, so replace its descriptor by a closed socket.
    ended, peer = socket.socketpair()
    peer.close()
    os.dup2(ended.fileno(), connection.fileno())
    ended.close()
    raise ConnectionAbortedError("dropped by script")


def drop_half_way(request: Request, response: Response, by: Literal["reset", "close"]) -> NoReturn:
    """Send the headers, with the whole body's length, and half of the body."""
    body = response.get_data()
    _connection(request).sendall(_head(request, response) + body[: len(body) // 2])
    drop(request, by)


def trickle(request: Request, response: Response, start: Literal["headers", "body"], interval: float) -> NoReturn:
    """Send one byte per `interval` seconds, from the headers or the body on."""
    head, body = _head(request, response), response.get_data()
    connection = _connection(request)
    if start == "body":
        connection.sendall(head)
        _send_slowly(connection, body, interval)
    else:
        _send_slowly(connection, head + body, interval)
    drop(request, "close")


def _send_slowly(connection: socket.socket, content: bytes, interval: float) -> None:
    for byte in _single_bytes(content):
        connection.sendall(byte)
        time.sleep(interval)


def _single_bytes(content: bytes) -> Iterable[bytes]:
    return (content[i : i + 1] for i in range(len(content)))


def _head(request: Request, response: Response) -> bytes:
    headers = response.get_wsgi_headers(request.environ)
    headers["Connection"] = "close"
    return f"HTTP/1.1 {response.status}\r\n{headers}".encode("latin-1")


def _connection(request: Request) -> socket.socket:
    connection = request.environ["werkzeug.socket"]
    assert isinstance(connection, socket.socket)
    return connection
