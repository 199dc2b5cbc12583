"""A busy API or an unreachable network: nothing is charged, and the PENDING pair is retried."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from facepair.domain import clock
from tests.support.deployed import Row
from tests.support.faulty_cloud import FaultyCloud, Pair, Worker

type Step = dict[str, Any]


# The API's first answer, its Retry-After, and the seconds until the second request.
BUSY: dict[str, tuple[Step, str | None, float]] = {
    "SERVICE_BUSY, in seconds": ({"code": "SERVICE_BUSY"}, "2", 2),
    "SERVICE_BUSY, as documented": ({"code": "SERVICE_BUSY"}, "2s", 2),
    "SERVICE_BUSY, absent": ({"code": "SERVICE_BUSY"}, None, 0),
    "RETRY_LATER, negative": ({"code": "RETRY_LATER"}, "-5", 0),
    "RETRY_LATER, unreadable": ({"code": "RETRY_LATER"}, "soon", 0),
    "ERROR": ({"code": "ERROR"}, None, 0),
    "429 with a code": ({"code": "SERVICE_BUSY", "status": 429}, "2", 2),
    "429 without a code": ({"body": "Too many requests", "status": 429, "charged": False}, "2", 2),
}
ABSURD = "999999999"  # thirty years


@pytest.fixture(scope="module")
def pairs(cloud: FaultyCloud) -> dict[str, Pair]:
    pairs = {}
    for name, (step, retry_after, _) in BUSY.items():
        header = {"retry_after": retry_after} if retry_after else {}
        pairs[name] = cloud.put(cloud.pair(f"busy/{name}"), step | header)
    return pairs


@pytest.fixture(scope="module")
def pending(cloud: FaultyCloud, pairs: dict[str, Pair]) -> dict[str, Row]:
    """Each pair's PENDING row."""
    return {name: cloud.refused(pairs[name]) for name in pairs if "2" in str(BUSY[name][1])}


@pytest.mark.parametrize("name", [name for name in BUSY if "2" in str(BUSY[name][1])])
def test_the_row_says_what_a_pair_waits_for_and_until_when(
    cloud: FaultyCloud, pending: dict[str, Row], name: str
) -> None:
    row = pending[name]

    assert row["code"] == "SERVICE_BUSY"
    # Not the row's time: the pair's other message may have rewritten it with the same wait.
    refused_at = clock.parse(cloud.calls(row["pair_id"])[0]["answered_at"])
    assert clock.parse(row["retry_at"]) - refused_at >= timedelta(seconds=1.9)


@pytest.mark.parametrize("name", BUSY)
def test_a_busy_api_is_asked_again_when_it_wants_to_be(cloud: FaultyCloud, pairs: dict[str, Pair], name: str) -> None:
    row = cloud.paid_once(pairs[name])

    first, second = cloud.checks(pairs[name])
    assert row["verdict"] == "PASS"
    assert second.asked_at - first.asked_at >= BUSY[name][2]
    assert cloud.states(pairs[name]) == ["REFUSED", "ANSWERED"]


def test_a_retry_after_may_be_a_date(cloud: FaultyCloud) -> None:
    date = (datetime.now(UTC) + timedelta(seconds=4)).replace(microsecond=0)
    busy = {"code": "SERVICE_BUSY", "retry_after": format_datetime(date, usegmt=True)}

    pair = cloud.put(cloud.pair("busy/until a date"), busy)

    cloud.paid_once(pair)
    assert cloud.checks(pair)[-1].asked_at >= date.timestamp()


def test_an_absurd_retry_after_ends_where_sqs_ends(cloud: FaultyCloud) -> None:
    pair = cloud.pair("busy/absurd")

    with cloud.held():  # otherwise the first message may be done before the second picture exists
        cloud.put(pair, {"code": "SERVICE_BUSY", "retry_after": ABSURD})
    row = cloud.refused(pair)
    cloud.wait(lambda: len(cloud.log_of_pair(pair, "Deferred")) >= 2, lambda: "only one message was deferred")
    cloud.purge()

    pause = clock.parse(row["retry_at"]) - clock.now()
    assert timedelta(hours=11, minutes=50) < pause <= timedelta(hours=12)


@pytest.fixture(scope="module")
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:  # but not listening
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="module")
def stranger_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A TLS server with a self-signed certificate."""
    folder = tmp_path_factory.mktemp("stranger")
    key, certificate = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                    context.wrap_socket(connection, server_side=True).close()
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def self_signed(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


def test_an_api_that_cannot_be_reached_is_tried_again(cloud: FaultyCloud, closed_port: int, stranger_port: int) -> None:
    unreachable = {
        "connection refused": f"http://127.0.0.1:{closed_port}",
        "no such host": "http://advance.invalid",
        "another's certificate": f"https://127.0.0.1:{stranger_port}",
    }
    for reason, url in unreachable.items():
        pair = cloud.pair(f"unreachable/{reason}")
        with cloud.worker(Worker, {"ADVANCE_BASE_URL": url}) as worker, cloud.held():
            cloud.put(pair)
            event, _ = cloud.received(pair)
            report = worker.start(event).result(20)

        row = cloud.row(pair.pair_id)
        assert not report.failed, report.payload
        assert row is not None
        assert (row["verdict"], row["code"]) == ("PENDING", "NETWORK_ERROR"), reason
        assert cloud.states(pair) == ["REFUSED"], reason
        assert cloud.checks(pair) == [], reason

    for reason in unreachable:
        assert cloud.paid_once(cloud.pair(f"unreachable/{reason}"))["verdict"] == "PASS"


def test_waiting_for_an_api_that_is_busy_takes_longer_each_time(cloud: FaultyCloud) -> None:
    pair = cloud.put(cloud.pair("busy/thrice"), *[{"code": "SERVICE_BUSY"}] * 3)

    cloud.paid_once(pair)

    assert cloud.states(pair) == ["REFUSED", "REFUSED", "REFUSED", "ANSWERED"]
    assert time.time() - cloud.checks(pair)[0].asked_at < 60
