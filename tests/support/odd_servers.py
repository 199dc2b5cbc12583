"""Servers on real sockets that misbehave, with and without TLS."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PLENTY = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

Behaviour = Callable[[socket.socket], None]


class Server:
    """Listens on loopback and runs `behaviour` on each connection; `requests` are those read."""

    def __init__(self, behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self._behaviour = behaviour
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/check"
        self.peers: list[int] = []
        self.requests: list[bytes] = []
        self.ending = threading.Event()
        self._last_peer = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, peer = self._listener.accept()
            if peer[1] == self._last_peer:
                connection.close()
                return
            self.peers.append(peer[1])
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(PLENTY)
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._behaviour(secured)
            else:
                self._behaviour(connection)

    def close(self) -> None:
        """End after all connections so far are accepted: `peers` and `requests` are complete."""
        self.ending.set()
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            self._last_peer = last.getsockname()[1]
            last.connect(self._listener.getsockname())
            for thread in self._threads:
                thread.join()
        self._listener.close()


@contextmanager
def serving(behaviour: Callable[[Server], Behaviour], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    def lazily(connection: socket.socket) -> None:
        behaviour(server)(connection)

    server = Server(lazily, tls)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    """Read a whole request: its head and declared body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536) or _gone_away()
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536) or _gone_away()
    return head + b"\r\n\r\n" + body


def _gone_away() -> bytes:
    raise ConnectionError


def answering(answer: bytes) -> Callable[[Server], Behaviour]:
    def behaviour(server: Server) -> Behaviour:
        def answer_one(connection: socket.socket) -> None:
            server.requests.append(read_request(connection))
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)

        return answer_one

    return behaviour


def trickling(at_once: bytes, slowly: bytes, interval: float = 0.05) -> Callable[[Server], Behaviour]:
    def behaviour(server: Server) -> Behaviour:
        def trickle(connection: socket.socket) -> None:
            server.requests.append(read_request(connection))
            connection.sendall(at_once)
            for byte in slowly:
                connection.sendall(bytes([byte]))
                server.ending.wait(interval)

        return trickle

    return behaviour


def silent(server: Server) -> Behaviour:
    return lambda connection: _until_closed(connection, server)


def _until_closed(connection: socket.socket, server: Server) -> None:
    connection.settimeout(0.05)
    while not server.ending.is_set():
        with suppress(TimeoutError):
            if not connection.recv(65536):
                return


def reading_nothing(server: Server) -> Behaviour:
    def wait(connection: socket.socket) -> None:
        server.ending.wait()

    return wait


def trickling_handshake(server: Server) -> Behaviour:
    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00")  # the head of a TLS handshake record of 16 KB
        while not server.ending.wait(0.05):
            connection.sendall(b"\x02")

    return trickle


def resetting(server: Server) -> Behaviour:
    def reset(connection: socket.socket) -> None:
        server.requests.append(read_request(connection))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return reset


def certificate(folder: Path, host: str) -> Path:
    """Return a host's self-signed certificate and key, as a PEM file in `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{host}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return pem


def tls(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
