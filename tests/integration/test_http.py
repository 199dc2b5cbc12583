"""One POST against servers that misbehave on real sockets."""

import gzip
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.connection import HTTPConnection

from facepair.advance.wire import read_answer
from facepair.http import CONNECTING_SHARE, LONGEST_ANSWER, NoAnswer, PostFailed, Reply, Unreached, post
from tests.support.odd_servers import (
    OK,
    PLENTY,
    Behaviour,
    Server,
    answering,
    certificate,
    read_request,
    reading_nothing,
    resetting,
    serving,
    silent,
    tls,
    trickling,
    trickling_handshake,
)

DEADLINE = 2.5
"""Seconds; 10 % of it exceeds a busy machine's hiccups."""
CONNECTING = CONNECTING_SHARE * DEADLINE


def call(url: str, seconds: float = PLENTY, body: bytes = b"both pictures", token: str = "secret") -> Reply:
    return post(url, body, {"Content-Type": "multipart/form-data", "X-ACCESS-TOKEN": token}, seconds)


@contextmanager
def sooner_than(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def test_an_answer_comes_back_whole_whatever_its_status() -> None:
    teapot = b'HTTP/1.1 418 I\'m a teapot\r\nRetry-After: 10s\r\nContent-Length: 16\r\n\r\n{"code":"ERROR"}'
    with serving(answering(teapot)) as server:
        reply = call(server.url)

    assert (reply.status, reply.body) == (418, b'{"code":"ERROR"}')
    assert reply.headers.get("retry-after") == "10s"


def test_body_and_headers_arrive_as_they_were_given() -> None:
    content = bytes(range(256)) * 1000
    with serving(answering(OK)) as server:
        call(server.url, body=content)

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /check HTTP/1.1\r\n")
    assert b"\r\nX-ACCESS-TOKEN: secret" in head
    assert f"\r\nHost: localhost:{server.port}".encode() in head
    assert body == content


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n{}")) as server:
        assert call(server.url).body == b"{}"


def test_a_chunked_answer_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    with serving(answering(chunked)) as server:
        assert call(server.url).body == b"{}"


def test_every_post_has_a_connection_of_its_own_that_is_closed_after_it() -> None:
    closed: list[bool] = []

    def keeping_alive(server: Server) -> Behaviour:
        def serve(connection: socket.socket) -> None:
            server.requests.append(read_request(connection))
            connection.sendall(OK)
            closed.append(connection.recv(1) == b"")

        return serve

    with serving(keeping_alive) as server:
        for _ in range(3):
            call(server.url)

    assert len(set(server.peers)) == len(server.requests) == 3
    assert closed == [True] * 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["another host", "the same host"])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int, where: str) -> None:
    with serving(answering(OK)) as other:

        def redirecting(server: Server) -> Behaviour:
            location = f"{other.url if where == 'another host' else server.url}/elsewhere"
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            return answering(head.encode())(server)

        with serving(redirecting) as server:
            reply = call(server.url)

    assert reply.status == status
    assert reply.headers["Location"].endswith("/elsewhere")
    assert len(server.requests) == len(server.peers) == 1
    assert other.peers == []


# --- nothing was sent ------------------------------------------------------------------------------------------------


def test_a_refused_connection_was_never_reached() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))

        with pytest.raises(Unreached, match=r"cannot reach .*127\.0\.0\.1.*refused"):
            call(f"http://127.0.0.1:{nobody.getsockname()[1]}/check")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 64 + ".invalid", "double..dot.invalid"])
def test_a_name_that_does_not_resolve_was_never_reached(host: str) -> None:
    with pytest.raises(Unreached, match="cannot reach"):
        call(f"https://{host}/check")


@pytest.mark.parametrize("netloc", ["localhost:99999", "localhost:port", "[::1"])
def test_a_url_that_is_none_was_never_reached(netloc: str) -> None:
    with pytest.raises(Unreached):
        call(f"http://{netloc}/check")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns a host's self-signed certificate and key as a PEM file."""
    return lambda host: certificate(tmp_path_factory.mktemp("tls"), host)


@pytest.fixture
def trusted_tls(certificates: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    pem = certificates("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(pem))
    return tls(pem)


def test_a_trusted_certificate_of_the_host_is_accepted(trusted_tls: ssl.SSLContext) -> None:
    with serving(answering(OK), trusted_tls) as server:
        assert call(server.url).body == b"{}"


def test_a_self_signed_certificate_is_refused_before_anything_is_sent(certificates: Callable[[str], Path]) -> None:
    untrusted = tls(certificates("localhost"))

    with serving(answering(OK), untrusted) as server, pytest.raises(Unreached, match="certificate verify failed"):
        call(server.url)

    assert server.requests == []


def test_a_trusted_certificate_of_another_host_is_refused_before_anything_is_sent(
    certificates: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificates("elsewhere.test")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(pem))

    with serving(answering(OK), tls(pem)) as server, pytest.raises(Unreached, match="Hostname mismatch"):
        call(server.url)

    assert server.requests == []


def test_a_server_that_does_not_speak_tls_was_never_reached() -> None:
    def plain(server: Server) -> Behaviour:
        return lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(plain) as server, pytest.raises(Unreached):
        call(server.url.replace("http:", "https:"))


def test_a_server_that_hangs_up_on_the_tls_handshake_was_never_reached() -> None:
    with serving(lambda server: lambda connection: None) as server, pytest.raises(Unreached):
        call(server.url.replace("http:", "https:"))


@contextmanager
def deaf() -> Iterator[tuple[socket.socket, list[socket.socket]]]:
    """A listener with a full backlog, so that the system accepts no further connection; and what fills it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        time.sleep(0.1)
        try:
            yield listener, waiting
        finally:
            for each in waiting:
                each.close()


def test_a_connection_that_hangs_ends_before_the_deadline() -> None:
    with deaf() as (listener, _), sooner_than(DEADLINE), pytest.raises(Unreached):
        call(f"http://127.0.0.1:{listener.getsockname()[1]}/check", DEADLINE)


def test_a_host_of_several_addresses_that_all_hang_ends_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    with deaf() as (listener, _):
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **keywords: [address] * 3)

        with sooner_than(DEADLINE), pytest.raises(Unreached):
            call("http://localhost/check", DEADLINE)


def test_a_look_up_that_hangs_ends_before_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def hanging(*arguments: Any, **keywords: Any) -> list[Any]:
        time.sleep(2 * DEADLINE)
        raise socket.gaierror("no name server answered")

    monkeypatch.setattr(socket, "getaddrinfo", hanging)

    with sooner_than(DEADLINE), pytest.raises(Unreached):
        call("http://localhost/check", DEADLINE)


def test_a_slow_connection_leaves_the_tls_handshake_only_the_rest_of_the_time() -> None:
    def accept_after_a_while(listener: socket.socket) -> None:
        time.sleep(CONNECTING / 3)
        with suppress(OSError):
            while True:
                accepted.append(listener.accept()[0])

    accepted: list[socket.socket] = []
    with deaf() as (listener, _):
        listener.settimeout(3 * DEADLINE)
        thread = threading.Thread(target=accept_after_a_while, args=(listener,))
        thread.start()
        try:
            with sooner_than(DEADLINE), pytest.raises(Unreached):
                call(f"https://127.0.0.1:{listener.getsockname()[1]}/check", DEADLINE)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in accepted:
                each.close()


def slow_look_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> Behaviour:
    look_up = socket.getaddrinfo

    def slow(*arguments: Any, **keywords: Any) -> Any:
        time.sleep(1.5 * CONNECTING)
        return look_up(*arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    return answering(OK)(server)


def slow_handshake(server: Server, pem: Path) -> Behaviour:
    def behaviour(connection: socket.socket) -> None:
        time.sleep(1.5 * CONNECTING)
        with tls(pem).wrap_socket(connection, server_side=True) as secured:
            answering(OK)(server)(secured)

    return behaviour


def test_after_a_slow_look_up_nothing_is_sent_in_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda server: answering(OK)(server)) as server:
        slow_look_up(server, monkeypatch)

        with pytest.raises(Unreached, match="no connection within"):
            call(server.url, DEADLINE)
        time.sleep(CONNECTING)  # the late connection is closed unused

    assert server.requests == []


def test_after_a_slow_handshake_nothing_is_sent_in_the_time_left(
    certificates: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificates("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(pem))
    with serving(lambda server: slow_handshake(server, pem)) as server:
        with pytest.raises(Unreached, match="no connection within"):
            call(server.url.replace("http:", "https:"), DEADLINE)
        time.sleep(CONNECTING)

    assert server.requests == []


def test_a_connection_that_was_made_while_the_process_stood_still_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(OK)) as server:
        connect, clock, skipped = HTTPConnection.connect, time.monotonic, 0.0

        def connect_and_stand_still(connection: HTTPConnection) -> None:
            nonlocal skipped
            connect(connection)
            skipped = DEADLINE

        monkeypatch.setattr(HTTPConnection, "connect", connect_and_stand_still)
        monkeypatch.setattr("facepair.http.time.monotonic", lambda: clock() + skipped)
        with pytest.raises(Unreached, match="no connection within"):
            call(server.url, DEADLINE)

    assert server.requests == []


def test_a_connection_within_its_share_leaves_the_rest_of_the_time_to_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deadline = 4 * DEADLINE  # a busy machine can suspend this process for a second
    connecting = 4 * CONNECTING
    look_up = socket.getaddrinfo

    def slow(*arguments: Any, **keywords: Any) -> Any:
        time.sleep(connecting / 10)
        return look_up(*arguments, **keywords)

    def late(server: Server) -> Behaviour:
        def answer(connection: socket.socket) -> None:
            read_request(connection)
            time.sleep(1.1 * connecting)
            connection.sendall(OK)

        return answer

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with serving(late) as server:
        assert call(server.url, deadline).body == b"{}"


# --- something was sent ----------------------------------------------------------------------------------------------


HEAD = b"HTTP/1.1 200 OK\r\n"
HANGING: dict[str, Callable[[Server], Behaviour]] = {
    "no answer": silent,
    "nothing is read": reading_nothing,
    "all trickles": trickling(b"", OK * 100),
    "a header trickles": trickling(HEAD, b"X-Slow: " + b"x" * 100),
    "the body trickles": trickling(HEAD + b"Content-Length: 100\r\n\r\n", b"x" * 100),
    "a body without a length trickles": trickling(HEAD + b"\r\n", b"x" * 100),
    "the last body trickles": trickling(HEAD + b"Connection: close\r\nContent-Length: 100\r\n\r\n", b"x" * 100),
    "chunks trickle": trickling(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 100),
    "patience trickles": trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "the handshake hangs": silent,
    "the handshake trickles": trickling_handshake,
    "the body trickles over TLS": trickling(HEAD + b"Content-Length: 100\r\n\r\n", b"x" * 100),
    "the last body trickles over TLS": trickling(HEAD + b"\r\n", b"x" * 100),
}


@dataclass(frozen=True)
class Ended:
    error: PostFailed
    seconds: float


@pytest.fixture(scope="module")
def ended(certificates: Callable[[str], Path]) -> dict[str, Ended]:
    """The results of all HANGING calls, made at once."""
    pem = certificates("localhost")

    def hang(how: str) -> Ended:
        with serving(HANGING[how], tls(pem) if "TLS" in how else None) as server:
            url = server.url.replace("http:", "https:") if "handshake" in how else server.url
            started = time.monotonic()
            with pytest.raises(PostFailed) as raised:
                call(url, DEADLINE, body=bytes(30_000_000 if how == "nothing is read" else 1000))
            return Ended(raised.value, time.monotonic() - started)

    with pytest.MonkeyPatch.context() as environment, ThreadPoolExecutor(len(HANGING)) as callers:
        environment.setenv("SSL_CERT_FILE", os.fspath(pem))
        return dict(zip(HANGING, callers.map(hang, HANGING), strict=True))


@pytest.mark.parametrize("how", HANGING)
def test_the_deadline_holds_within_a_tenth_wherever_the_server_hangs(how: str, ended: dict[str, Ended]) -> None:
    assert ended[how].seconds <= 1.1 * DEADLINE
    if "handshake" in how:
        assert isinstance(ended[how].error, Unreached)
        assert ended[how].seconds < 0.9 * DEADLINE
    else:
        assert isinstance(ended[how].error, NoAnswer)
        assert ended[how].seconds >= 0.9 * DEADLINE


def test_an_answer_just_before_the_deadline_is_taken() -> None:
    def late(server: Server) -> Behaviour:
        def answer(connection: socket.socket) -> None:
            read_request(connection)
            connection.sendall(OK[:-1])
            time.sleep(0.7 * DEADLINE)
            connection.sendall(OK[-1:])

        return answer

    with serving(late) as server:
        assert call(server.url, DEADLINE).body == b"{}"


def test_a_connection_reset_after_the_request_was_read_is_no_answer() -> None:
    with serving(resetting) as server, pytest.raises(NoAnswer, match=r"called .*localhost"):
        call(server.url)

    assert len(server.requests) == 1


def test_a_connection_closed_before_the_request_was_read_is_no_answer() -> None:
    with serving(lambda server: lambda connection: None) as server, pytest.raises(NoAnswer):
        call(server.url)


CUT_OFF = {
    "nothing at all": b"",
    "within the status line": b"HTTP/1.1 2",
    "within the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "before the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    "within the body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    "within a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{}",
    "before the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "within gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + gzip.compress(b"{}")[:9],
}
GARBAGE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a mad status": b"HTTP/1.1 abc OK\r\n\r\n{}",
    "a mad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}",
    "a mad gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000,
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100_000,
}


@pytest.mark.parametrize("how", [*CUT_OFF, *GARBAGE])
def test_an_answer_cut_off_or_garbled_is_no_answer(how: str) -> None:
    with serving(answering((CUT_OFF | GARBAGE)[how])) as server, pytest.raises(NoAnswer):
        read_answer(call(server.url), datetime.now(UTC))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_an_answer_of_any_size_is_read_only_as_far_as_an_answer_can_be_long(encoding: str) -> None:
    plain = bytes(50 * LONGEST_ANSWER)
    content = gzip.compress(plain, 1) if encoding == "gzip" else plain
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(content)}\r\n\r\n"

    with (
        serving(answering(head.encode() + content)) as server,
        pytest.raises(NoAnswer, match="more than 1000000 bytes") as refused,
    ):
        call(server.url)

    assert refused.value.http_status == 200


def test_the_longest_answer_is_read() -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {LONGEST_ANSWER}\r\n\r\n".encode()

    with serving(answering(head + bytes(LONGEST_ANSWER))) as server:
        assert len(call(server.url).body) == LONGEST_ANSWER


@pytest.mark.parametrize("token", ["x\r\nX-Injected: 1", "x\n", "安娜", "\0"])
def test_a_token_that_cannot_be_a_header_injects_nothing(token: str) -> None:
    with serving(answering(OK)) as server, suppress(PostFailed):
        call(server.url, token=token)

    assert not [request for request in server.requests if b"X-Injected" in request]


def test_whatever_a_server_answers_it_is_an_answer_or_none() -> None:
    answers: list[bytes] = []

    def latest(server: Server) -> Behaviour:
        return answering(answers[-1])(server)

    heads = st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", OK, b"HTTP/1.0 429 \r\nContent-Encoding: gzip,br,x\r\n\r\n"])
    with serving(latest) as server:

        @settings(max_examples=60)
        @given(st.builds(bytes.__add__, heads, st.binary(max_size=60)))
        def answer(garbage: bytes) -> None:
            answers.append(garbage)
            with suppress(NoAnswer):
                assert isinstance(call(server.url, seconds=2), Reply)

        answer()


def test_nothing_is_left_running_after_a_call() -> None:
    with serving(answering(OK)) as server:
        call(server.url, seconds=600)

        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        for timer in timers:
            timer.join(PLENTY)
        assert not [timer for timer in timers if timer.is_alive()]
