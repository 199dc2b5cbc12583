"""POSTs through a CONNECT proxy, a process that fails on request."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facepair.domain.webhook import Undelivered, Webhook
from facepair.http import NoAnswer, PostFailed, Proxy, Reply, Unreached, post, post_for_status
from facepair.webhook import Sender, key
from sandbox import processes
from sandbox.receiver import EmulatedReceiver
from tests.support import ROOT
from tests.support.odd_servers import OK, PLENTY, answering, certificate, serving, silent, tls, trickling

DEADLINE = 2.5
"""Seconds; 10 % of it exceeds a busy machine's hiccups."""
LONG_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000

type StartProxy = Callable[..., "ProxyProcess"]


class ProxyProcess:
    """`python -m tests.support.connect_proxy`; `connects` are its lines, one per CONNECT."""

    def __init__(self, log_file: Path, *options: str) -> None:
        self._log_file = log_file
        self._process = processes.ServerProcess("tests.support.connect_proxy", *options, log_file=log_file)
        self.url = self._process.url

    @property
    def connects(self) -> list[str]:
        return self._log_file.read_text().splitlines()

    def used_by(self, user: str | None = None, password: str = "") -> Proxy:
        return Proxy(self.url, lambda: (user, password) if user is not None else None)

    def close(self) -> None:
        self._process.close()


@pytest.fixture
def start_proxy(tmp_path: Path) -> Iterator[StartProxy]:
    started: list[ProxyProcess] = []

    def start(*options: str) -> ProxyProcess:
        started.append(ProxyProcess(tmp_path / f"proxy-{len(started)}.log", *options))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "localhost")


@pytest.fixture(autouse=True)
def trust(pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(pem))


def call(url: str, proxy: Proxy, seconds: float = PLENTY) -> Reply:
    return post(url, b"both pictures", {"X-ACCESS-TOKEN": "secret"}, seconds, proxy=proxy)


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
def test_a_request_goes_through_the_tunnel_as_it_would_without(
    start_proxy: StartProxy, pem: Path, secured: bool
) -> None:
    proxy = start_proxy()

    with serving(answering(OK), tls(pem) if secured else None) as server:
        assert call(server.url, proxy.used_by()).body == b"{}"

    [request] = server.requests
    assert request.startswith(b"POST /check HTTP/1.1\r\n")
    assert f"\r\nHost: localhost:{server.port}\r\n".encode() in request
    assert request.endswith(b"\r\n\r\nboth pictures")
    assert proxy.connects == [f"localhost:{server.port} -"]


def test_only_the_proxy_looks_up_the_host(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--answer", "502 Bad Gateway")

    with pytest.raises(Unreached, match=r"through the proxy http://127\.0\.0\.1:\d+: .*502 Bad Gateway"):
        call("https://api.not-resolved.invalid/check", proxy.used_by())

    assert proxy.connects == ["api.not-resolved.invalid:443 -"]


def test_the_host_s_certificate_is_verified_through_the_tunnel(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy, another = start_proxy(), certificate(tmp_path, "localhost")

    with serving(answering(OK), tls(another)) as server, pytest.raises(Unreached, match="certificate verify failed"):
        call(server.url, proxy.used_by())

    assert server.requests == []


def test_credentials_go_to_the_proxy_and_no_further(start_proxy: StartProxy, pem: Path) -> None:
    proxy = start_proxy("--credentials", "jürgen:a:b@c/d")

    with serving(answering(OK), tls(pem)) as server:
        assert call(server.url, proxy.used_by("jürgen", "a:b@c/d")).status == 200

    assert proxy.connects == [f"localhost:{server.port} jürgen:a:b@c/d"]
    assert b"Proxy-Authorization" not in server.requests[0]


def test_credentials_are_asked_for_at_every_connection(start_proxy: StartProxy, pem: Path) -> None:
    proxy = start_proxy()
    rotated = iter([("user", "old"), ("user", "new")])

    with serving(answering(OK), tls(pem)) as server:
        for _ in range(2):
            call(server.url, Proxy(proxy.url, lambda: next(rotated)))

    assert [line.partition(" ")[2] for line in proxy.connects] == ["user:old", "user:new"]


# --- nothing was sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [None, "user"])
def test_a_proxy_that_wants_other_credentials_is_named_and_nothing_was_sent(
    start_proxy: StartProxy, pem: Path, credentials: str | None
) -> None:
    proxy = start_proxy("--credentials", "user:right")

    with (
        serving(answering(OK), tls(pem)) as server,
        pytest.raises(Unreached, match=r"through the proxy .*: .*407 Proxy Authentication Required") as refused,
    ):
        call(server.url, proxy.used_by(credentials, "wrong"))

    assert "wrong" not in str(refused.value)
    assert server.peers == []


@pytest.mark.parametrize("answer", ["403 Forbidden", "502 Bad Gateway", "504 Gateway Timeout", "301 Moved"])
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
def test_a_proxy_that_refuses_to_connect_was_as_far_as_it_got(
    start_proxy: StartProxy, pem: Path, answer: str, secured: bool
) -> None:
    proxy = start_proxy("--answer", answer)

    with (
        serving(answering(OK), tls(pem) if secured else None) as server,
        pytest.raises(Unreached, match=answer),
    ):
        call(server.url, proxy.used_by())

    assert server.peers == []


def test_a_proxy_that_is_not_there_was_never_reached(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    proxy.close()

    with serving(answering(OK)) as server, pytest.raises(Unreached, match="refused"):
        call(server.url, proxy.used_by())

    assert server.peers == []


def test_credentials_that_cannot_be_read_stop_the_request(start_proxy: StartProxy) -> None:
    def unreadable() -> tuple[str, str]:
        raise ValueError("the proxy's credentials are malformed")

    proxy = start_proxy()
    with serving(answering(OK)) as server, pytest.raises(Unreached, match="credentials are malformed"):
        call(server.url, Proxy(proxy.url, unreadable))

    assert (server.peers, proxy.connects) == ([], [])


def test_credentials_that_do_not_come_use_up_no_more_than_the_connection_s_time(start_proxy: StartProxy) -> None:
    def slow() -> None:
        time.sleep(2 * DEADLINE)

    proxy, started = start_proxy(), time.monotonic()
    with serving(answering(OK)) as server, pytest.raises(Unreached, match="no connection within"):
        call(server.url, Proxy(proxy.url, slow), DEADLINE)

    assert time.monotonic() - started < 0.9 * DEADLINE
    assert server.peers == []


@pytest.mark.parametrize("how", ["--hang", "--trickle", "--relay-nothing"])
def test_a_proxy_that_hangs_before_the_request_ends_before_the_deadline(
    start_proxy: StartProxy, pem: Path, how: str
) -> None:
    proxy, started = start_proxy(how), time.monotonic()

    with serving(answering(OK), tls(pem)) as server, pytest.raises(Unreached, match="no connection within"):
        call(server.url, proxy.used_by(), DEADLINE)

    assert time.monotonic() - started < 0.9 * DEADLINE
    assert server.requests == []


def test_a_tunnel_that_breaks_before_the_handshake_carried_nothing(start_proxy: StartProxy, pem: Path) -> None:
    proxy = start_proxy("--die-after-connect")

    with serving(answering(OK), tls(pem)) as server, pytest.raises(Unreached):
        call(server.url, proxy.used_by())

    assert server.requests == []


# --- something was sent ----------------------------------------------------------------------------------------------


def test_a_tunnel_without_a_handshake_that_breaks_may_have_carried_the_request(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--die-after-connect")

    with serving(answering(OK)) as server, pytest.raises(NoAnswer):
        call(server.url, proxy.used_by())


def test_a_proxy_that_dies_once_the_request_was_sent_leaves_it_unknown(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--die-after-request", "50")

    with serving(silent) as server, pytest.raises(NoAnswer):
        call(server.url, proxy.used_by())

    assert len(server.peers) == len(proxy.connects) == 1


@pytest.mark.parametrize("sent", [1, 20, 60, 50_000])
@pytest.mark.parametrize("secured", [False, True], ids=["plain", "TLS"])
def test_a_proxy_that_dies_within_the_answer_leaves_it_unknown(
    start_proxy: StartProxy, pem: Path, sent: int, secured: bool
) -> None:
    handshake = 4000 if secured else 0  # more than the server sends before its answer
    proxy = start_proxy("--die-after-answer", str(handshake + sent))

    with (
        serving(answering(LONG_ANSWER), tls(pem) if secured else None) as server,
        pytest.raises(NoAnswer),
    ):
        call(server.url, proxy.used_by())

    assert len(server.requests) == len(proxy.connects) == 1


@pytest.mark.parametrize("how", ["silence", "a trickle"])
def test_the_deadline_holds_through_a_tunnel(start_proxy: StartProxy, pem: Path, how: str) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    behaviour = silent if how == "silence" else trickling(head, b"x" * 100)
    proxy, started = start_proxy(), time.monotonic()

    with serving(behaviour, tls(pem)) as server, pytest.raises(PostFailed) as failed:
        call(server.url, proxy.used_by(), DEADLINE)

    assert isinstance(failed.value, NoAnswer)
    assert 0.9 * DEADLINE <= time.monotonic() - started <= 1.1 * DEADLINE


# --- webhooks --------------------------------------------------------------------------------------------------------

WEBHOOK = Webhook.from_event((ROOT / "events" / "verdict-changed.json").read_text())
VALUE = "0123456789abcdefGHIJKLMNOPQRSTUV"


class Keys:
    def load(self) -> list[bytes]:
        return [key(VALUE)]


@pytest.fixture
def receiver() -> Iterator[EmulatedReceiver]:
    receiver = EmulatedReceiver(f"whsec_{VALUE}")
    yield receiver
    receiver.close()


def test_a_webhook_is_delivered_through_the_proxy(start_proxy: StartProxy, receiver: EmulatedReceiver) -> None:
    proxy = start_proxy("--credentials", "user:right")

    Sender(receiver.url, Keys(), proxy=proxy.used_by("user", "right")).take(WEBHOOK)

    [delivery] = receiver.deliveries
    assert delivery.verified
    assert len(proxy.connects) == 1


@pytest.mark.parametrize("options", [("--answer", "403 Forbidden"), ("--credentials", "a:b"), ("--die-after-connect",)])
def test_a_webhook_that_the_proxy_does_not_pass_on_is_undelivered(
    start_proxy: StartProxy, receiver: EmulatedReceiver, options: tuple[str, ...]
) -> None:
    with pytest.raises(Undelivered):
        Sender(receiver.url, Keys(), proxy=start_proxy(*options).used_by()).take(WEBHOOK)

    assert receiver.deliveries == []


def test_only_the_status_is_read_through_a_proxy_that_dies_within_the_body(start_proxy: StartProxy) -> None:
    proxy = start_proxy("--die-after-answer", str(len(LONG_ANSWER) // 2))

    with serving(answering(LONG_ANSWER)) as server:
        assert post_for_status(server.url, b"{}", {}, PLENTY, proxy=proxy.used_by()).status == 200
