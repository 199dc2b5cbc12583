"""One attempt to deliver a webhook to a real receiver."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from facepair.domain.webhook import Undelivered, Webhook
from facepair.webhook import Sender, key
from sandbox.receiver import EmulatedReceiver, ReceiverReply

EVENT = (Path(__file__).parents[2] / "events" / "verdict-changed.json").read_text()
WEBHOOK = Webhook.from_event(EVENT)
VALUE = "0123456789abcdefGHIJKLMNOPQRSTUV"
BEFORE = "zyxwvutsrqponmlkjihgfedcba987654"


class Keys:
    """Keys from these values, the current one first."""

    def __init__(self, *values: str) -> None:
        self.values = values

    def load(self) -> Sequence[bytes]:
        return [key(value) for value in self.values]


@pytest.fixture
def receiver() -> Iterator[EmulatedReceiver]:
    receiver = EmulatedReceiver(f"whsec_{VALUE}")
    yield receiver
    receiver.close()


def sender(receiver: EmulatedReceiver, *values: str, deadline: float = 5) -> Sender:
    return Sender(receiver.url, Keys(*values or (VALUE,)), deadline)


def test_a_receiver_verifies_and_takes_it(receiver: EmulatedReceiver) -> None:
    sender(receiver).take(WEBHOOK)

    [delivery] = receiver.deliveries
    assert delivery.verified
    assert (delivery.id, delivery.message) == (WEBHOOK.id, json.loads(WEBHOOK.content()))
    assert delivery.headers["content-type"] == "application/json"
    assert abs(int(delivery.headers["webhook-timestamp"]) - time.time()) < 60


def test_while_a_secret_is_rotated_a_receiver_with_either_takes_it(receiver: EmulatedReceiver) -> None:
    sender(receiver, BEFORE, VALUE).take(WEBHOOK)
    sender(receiver, VALUE, BEFORE).take(WEBHOOK)

    with pytest.raises(Undelivered, match="401"):
        sender(receiver, BEFORE).take(WEBHOOK)

    assert [delivery.verified for delivery in receiver.deliveries] == [True, True, False]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_ends_it(receiver: EmulatedReceiver, status: int) -> None:
    receiver.answer(ReceiverReply(status))

    sender(receiver).take(WEBHOOK)


BODIES = {
    "more than a megabyte": (b"Content-Length: 1200000", b"x" * 1_200_000),
    "less than its length": (b"Content-Length: 10", b"ok"),
    "broken gzip": (b"Content-Length: 2\r\nContent-Encoding: gzip", b"ok"),
    "broken chunks": (b"Transfer-Encoding: chunked", b"these are no chunks"),
    "one that does not end": (b"", b"ok"),
}


@contextmanager
def raw_receiver(answer: bytes, *, then: float = 0) -> Iterator[str]:
    """Yield the URL of a server that reads one POST, sends these bytes and disconnects after `then` seconds."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                received = b""
                while b"\r\n\r\n" not in received or not received.endswith(b"}"):
                    received += connection.recv(65536)
                connection.sendall(answer)
                hung_up.wait(then)

    hung_up = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/verdicts"
    finally:
        hung_up.set()
        listener.close()
        thread.join(10)


@pytest.mark.parametrize("kind", BODIES)
def test_a_2xx_ends_delivery_whatever_its_body(kind: str) -> None:
    header, body = BODIES[kind]
    with raw_receiver(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n" + body) as url:
        Sender(url, Keys(VALUE), 5).take(WEBHOOK)


def test_a_2xx_whose_body_never_ends_does_not_wait_for_it() -> None:
    with raw_receiver(b"HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nsome", then=60) as url:
        Sender(url, Keys(VALUE), 1).take(WEBHOOK)


def test_an_error_s_body_does_not_matter_either() -> None:
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\nsome"
    with raw_receiver(answer) as url, pytest.raises(Undelivered, match="HTTP 503") as undelivered:
        Sender(url, Keys(VALUE), 5).take(WEBHOOK)

    assert undelivered.value.retry_after == 7


@pytest.mark.parametrize("status", [304, 400, 401, 404, 410, 429, 500, 503])
def test_anything_else_does_not(receiver: EmulatedReceiver, status: int) -> None:
    receiver.answer(ReceiverReply(status))

    with pytest.raises(Undelivered, match=f"HTTP {status}"):
        sender(receiver).take(WEBHOOK)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: EmulatedReceiver, status: int) -> None:
    elsewhere = EmulatedReceiver(f"whsec_{VALUE}")
    receiver.answer(ReceiverReply(status, {"Location": elsewhere.url}))

    with pytest.raises(Undelivered, match=f"HTTP {status}"):
        sender(receiver).take(WEBHOOK)

    assert elsewhere.deliveries == []
    elsewhere.close()


@pytest.mark.parametrize(("said", "seconds"), [("120", 120), ("120s", 120), ("soon", None), ("999999999", 12 * 3600)])
def test_its_retry_after_is_read(receiver: EmulatedReceiver, said: str, seconds: float | None) -> None:
    receiver.answer(ReceiverReply(503, {"Retry-After": said}))

    with pytest.raises(Undelivered) as undelivered:
        sender(receiver).take(WEBHOOK)

    assert undelivered.value.retry_after == seconds


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_line_that_drops_is_no_answer(receiver: EmulatedReceiver, drop: str) -> None:
    receiver.answer(ReceiverReply(drop=drop))  # type: ignore[arg-type]

    with pytest.raises(Undelivered, match="called"):
        sender(receiver).take(WEBHOOK)


def test_a_receiver_that_is_slow_is_left_at_the_deadline(receiver: EmulatedReceiver) -> None:
    receiver.answer(ReceiverReply(delay=3))
    started = time.monotonic()

    with pytest.raises(Undelivered, match="no answer within"):
        sender(receiver, deadline=0.5).take(WEBHOOK)

    assert time.monotonic() - started < 3


def test_a_receiver_that_is_not_there_is_undelivered(receiver: EmulatedReceiver) -> None:
    receiver.close()

    with pytest.raises(Undelivered, match="cannot reach"):
        sender(receiver).take(WEBHOOK)


def test_a_url_s_path_and_query_arrive(receiver: EmulatedReceiver) -> None:
    root = receiver.url.removesuffix("/verdicts")

    for url in (f"{root}/a/b?tenant=7&x=%20", f"{root}?tenant=7", root):
        Sender(url, Keys(VALUE), 5).take(WEBHOOK)

    assert [delivery.path for delivery in receiver.deliveries] == ["/a/b?tenant=7&x=%20", "/?tenant=7", "/"]


def test_a_receiver_that_takes_only_what_is_signed_takes_nothing_from_strangers(receiver: EmulatedReceiver) -> None:
    with suppress(Undelivered):
        sender(receiver, BEFORE).take(WEBHOOK)

    assert receiver.taken == {}
