"""The request may have been charged, but no answer came: the pair is held, never asked again."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.faulty_cloud import DEADLINE, FaultyCloud, Pair

type Step = dict[str, Any]

HTML = {"body": "<html><body>Bad Gateway</body></html>", "content_type": "text/html"}
FAULTS: dict[str, Step] = {
    "reset after reading": {"drop": "after_reading", "drop_by": "reset"},
    "closed after reading": {"drop": "after_reading", "drop_by": "close"},
    "reset half way through the answer": {"drop": "mid_answer", "drop_by": "reset"},
    "closed half way through the answer": {"drop": "mid_answer", "drop_by": "close"},
    "truncated JSON": {"body": '{"code": "SUCCESS", "data": {"simil'},
    "an empty body": {"body": ""},
    "JSON of a gateway with 504": {"body": '{"code":504,"message":"Gateway Timeout"}', "status": 504},
    "JSON of a gateway with 500": {"body": '{"code":"ERROR","message":"upstream reset"}', "status": 500},
    "JSON of a gateway with 200": {"body": '{"code":"SUCCESS","message":"OK"}'},
    "a list with 200": {"body": '[{"code":"SERVICE_BUSY"}]'},
    "HTML with 200": HTML,
    "HTML with 502": HTML | {"status": 502},
    "HTML with 503": HTML | {"status": 503},
    "HTML with 503 and a Retry-After": HTML | {"status": 503, "retry_after": "2s"},
    "HTML with 504": HTML | {"status": 504},
    "trickled headers": {"trickle": "headers", "trickle_interval": 0.05},
    "trickled body": {"trickle": "body", "trickle_interval": 0.05},
    "silence": {"delay": DEADLINE + 1},
}
TOO_SLOW = ("trickled headers", "trickled body", "silence")
REDIRECTS = [(status, host) for status in (301, 302, 307, 308) for host in ("same host", "another host")]


@pytest.fixture(scope="module")
def another_host() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        yield listener


@pytest.fixture(scope="module")
def pairs(cloud: FaultyCloud, another_host: socket.socket) -> dict[str, Pair]:
    """One pair per fault, all at once; then each event once more."""
    # Charged regardless of the token, which an earlier test may have revoked.
    steps = {fault: step | {"charged": True} for fault, step in FAULTS.items()}
    hosts = {
        "same host": cloud.sandbox.advance.url,
        "another host": f"http://127.0.0.1:{another_host.getsockname()[1]}",
    }
    for status, host in REDIRECTS:
        location = f"{hosts[host]}/openapi/face-recognition/v4/check"
        steps[f"{status} to {host}"] = HTML | {"status": status, "location": location, "charged": True}
    pairs = {fault: cloud.put(cloud.pair(f"no answer/{fault}"), step) for fault, step in steps.items()}
    for pair in pairs.values():
        cloud.settled(pair.pair_id, within=90)
    for pair in pairs.values():
        cloud.repeat(pair)
    cloud.idle()
    return pairs


@pytest.mark.parametrize("fault", [*FAULTS, *(f"{status} to {host}" for status, host in REDIRECTS)])
def test_a_request_without_an_answer_is_held_and_never_repeated(
    cloud: FaultyCloud, pairs: dict[str, Pair], fault: str
) -> None:
    pair = pairs[fault]

    row = cloud.settled(pair.pair_id)

    assert (row["verdict"], row["code"]) == ("UNDETERMINED", "OUTCOME_UNKNOWN")
    assert "similarity" not in row
    assert len(cloud.checks(pair)) == len(cloud.charges(pair)) == 1
    assert cloud.states(pair) == ["UNKNOWN"]


@pytest.mark.parametrize("fault", TOO_SLOW)
def test_the_deadline_of_a_call_holds_within_ten_percent(
    cloud: FaultyCloud, pairs: dict[str, Pair], fault: str
) -> None:
    [call] = cloud.calls(pairs[fault].pair_id)

    assert 0.9 * DEADLINE <= call["latency_ms"] / 1000 <= 1.1 * DEADLINE


def test_a_redirect_takes_the_token_nowhere_else(
    cloud: FaultyCloud, pairs: dict[str, Pair], another_host: socket.socket
) -> None:
    with pytest.raises(BlockingIOError):  # no connection was made
        another_host.accept()
