"""An HTTP proxy for CONNECT that fails on request: `python -m tests.support.connect_proxy --port 0`.

Prints its URL, and for each CONNECT a line on stderr: host and port, then the credentials or `-`.
"""

import argparse
import base64
import selectors
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

BUFFER = 65536


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--credentials", help="user:password; everything else is answered 407")
    parser.add_argument("--answer", default="200 Connection established", help="status line's end for each CONNECT")
    parser.add_argument("--hang", action="store_true", help="do not answer CONNECT")
    parser.add_argument("--trickle", action="store_true", help="answer CONNECT one byte each 50 ms")
    parser.add_argument("--relay-nothing", action="store_true", help="answer CONNECT, then stand still")
    parser.add_argument("--die-after-connect", action="store_true", help="answer CONNECT, then close")
    parser.add_argument("--die-after-request", type=int, metavar="BYTES", help="reset once the server was sent these")
    parser.add_argument("--die-after-answer", type=int, metavar="BYTES", help="reset once the client was sent these")
    options = parser.parse_args()

    listener = socket.create_server(("127.0.0.1", options.port))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_serve, args=(client, options), daemon=True).start()


def _serve(client: socket.socket, options: argparse.Namespace) -> None:
    with client, suppress(OSError):
        target, credentials = _read_connect(client)
        print(target, credentials or "-", file=sys.stderr, flush=True)
        if options.hang:
            _stand_still(client)
        if options.credentials not in (None, credentials):
            answer = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=proxy"
        else:
            answer = options.answer
        content = f"HTTP/1.1 {answer}\r\nVia: 1.1 proxy\r\n\r\n".encode()
        if options.trickle:
            for byte in content:
                client.sendall(bytes([byte]))
                time.sleep(0.05)
        else:
            client.sendall(content)
        if not answer.startswith("200") or options.die_after_connect:
            return
        if options.relay_nothing:
            _stand_still(client)
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as server:
            _relay(client, server, options.die_after_request, options.die_after_answer)


def _read_connect(client: socket.socket) -> tuple[str, str | None]:
    """Return CONNECT's target and the credentials of Basic authentication."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = client.recv(BUFFER)
        if not received:
            raise ConnectionError
        head += received
    first, *headers = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    if method != "CONNECT":
        raise ConnectionError
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
    scheme, _, encoded = fields.get("proxy-authorization", "").partition(" ")
    return target, base64.b64decode(encoded).decode() if scheme == "Basic" else None


def _relay(client: socket.socket, server: socket.socket, request_bytes: int | None, answer_bytes: int | None) -> None:
    """Copy both ways until one side ends, or until the other side got so many bytes."""
    left = {client: request_bytes, server: answer_bytes}
    other = {client: server, server: client}
    with selectors.DefaultSelector() as selector:
        for each in left:
            selector.register(each, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                source = client if key.fileobj is client else server
                limit = left[source]
                received = source.recv(BUFFER if limit is None else min(BUFFER, limit))
                if not received:
                    return
                other[source].sendall(received)
                if limit is not None:
                    left[source] = limit - len(received)
                    if left[source] == 0:
                        _reset(client)
                        return


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _stand_still(client: socket.socket) -> NoReturn:
    while client.recv(BUFFER):
        pass
    raise ConnectionError


if __name__ == "__main__":
    main()
