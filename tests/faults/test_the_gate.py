"""The gate, with a fleet that discovers its pace and stops early."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from facepair.advance.codes import BUSY_CODES
from facepair.aws.gate import ITEM
from sandbox.advance_api.models import ApiRequest
from tests.support.deployed import Row
from tests.support.faulty_cloud import PARAMETERS, FaultyCloud, Pair, Worker

DEADLINE = 1
PAUSE = int(str(PARAMETERS["BlockedRetrySeconds"]))
MAX_CONCURRENCY = int(str(PARAMETERS["MaxConcurrency"]))
STOP_AFTER = 5
AS_BY_DEFAULT: dict[str, object] = {
    "MaxCallsPerSecond": 0,
    "StopAfterUnknown": STOP_AFTER,
    "ApiDeadlineSeconds": DEADLINE,
}


@pytest.fixture(scope="module", autouse=True)
def redeployed(cloud: FaultyCloud) -> Iterator[None]:
    before = {name: cloud.sandbox.stack.parameters[name] for name in AS_BY_DEFAULT}
    cloud.idle()
    cloud.sandbox.redeploy(**AS_BY_DEFAULT)
    yield
    cloud.control.clear()
    cloud.idle(within=90)
    cloud.sandbox.redeploy(**before)


@pytest.fixture(autouse=True)
def fleet_that_knows_nothing(cloud: FaultyCloud) -> None:
    cloud.idle()
    cloud.forget("IdempotencyTable", id=ITEM)


def calls_of(cloud: FaultyCloud, pairs: list[Pair]) -> dict[str, list[ApiRequest]]:
    """Return the calls about each pair, by pair id, from one request."""
    pair_ids = {pair.first_sha256: pair.pair_id for pair in pairs}
    calls: dict[str, list[ApiRequest]] = {pair.pair_id: [] for pair in pairs}
    for call in cloud.control.calls("check"):
        if call.first and call.first.sha256 in pair_ids:
            calls[pair_ids[call.first.sha256]].append(call)
    return calls


def test_a_burst_is_compared_at_the_pace_that_the_api_allows(cloud: FaultyCloud) -> None:
    cloud.control.limit_rate(3)  # slower than a fleet starts, and than this machine is
    with cloud.held():
        pairs = [cloud.put(cloud.pair(f"burst/{number}")) for number in range(40)]

    verdicts = Counter(cloud.settled(pair.pair_id, within=120)["verdict"] for pair in pairs)

    codes = Counter(call.code for calls in calls_of(cloud, pairs).values() for call in calls)
    cloud.control.clear()
    assert verdicts == {"PASS": len(pairs)}
    assert codes["SUCCESS"] == len(pairs)
    # A whole crowd may be refused once, which discovers the pace.
    assert sum(codes[code] for code in BUSY_CODES) <= MAX_CONCURRENCY + 0.1 * len(pairs)


def test_an_api_that_answers_too_late_is_left_alone_until_it_answers_in_time(cloud: FaultyCloud) -> None:
    stops_before = cloud.metrics()["ApiNotAnswering"]
    cloud.control.script(delay=DEADLINE + 1, times=None)
    with cloud.held():
        pairs = [cloud.put(cloud.pair(f"too late/{number}")) for number in range(24)]

    def asked() -> dict[str, list[ApiRequest]]:
        return {pair_id: calls for pair_id, calls in calls_of(cloud, pairs).items() if calls}

    def rows() -> dict[str, Row]:
        found = {row["pair_id"]: row for row in cloud.rows("pair_id", "verdict", "code")}
        return {pair.pair_id: found[pair.pair_id] for pair in pairs if pair.pair_id in found}

    cloud.wait(
        lambda: any(row.get("code") == "API_NOT_ANSWERING" for row in rows().values()),
        lambda: "the fleet does not stop",
    )
    time.sleep(DEADLINE)  # of those called at that moment
    asked_till_then, since = asked(), time.time()
    cloud.wait(lambda: len(asked()) >= len(asked_till_then) + 3, lambda: "no probe is made")
    waiting = rows()
    tried, pauses = asked(), (time.time() - since) / PAUSE
    cloud.control.clear()
    verdicts = {pair.pair_id: cloud.settled(pair.pair_id)["verdict"] for pair in pairs}
    reasons = {row["code"] for row in waiting.values() if row["verdict"] == "PENDING"}

    assert len(asked_till_then) <= STOP_AFTER + MAX_CONCURRENCY
    assert len(tried) - len(asked_till_then) <= 1 + pauses
    assert {waiting[pair_id]["verdict"] for pair_id in waiting.keys() - tried.keys()} == {"PENDING"}
    assert "API_NOT_ANSWERING" in reasons
    assert reasons <= {"API_NOT_ANSWERING", "SERVICE_BUSY"}  # in the crowd before the fleet stopped
    assert cloud.metrics()["ApiNotAnswering"] > stops_before
    for pair_id, calls in calls_of(cloud, pairs).items():
        [call] = calls  # no pair is called for twice
        # Calls of a machine too slow to connect in time never reached the API and cost nothing.
        [ledgered] = [row for row in cloud.ledger(pair_id) if row["state"] != "REFUSED"]
        assert call.charged
        assert (verdicts[pair_id], ledgered["state"]) in {("UNDETERMINED", "UNKNOWN"), ("PASS", "ANSWERED")}
    assert Counter(verdicts.values())["UNDETERMINED"] >= len(tried)


LONG_PAUSE = 4
"""Seconds: longer than a probe and its retry take."""
NOBODY = "http://127.0.0.1:1"
PROBES: dict[str, tuple[dict[str, str], dict[str, object] | None]] = {
    "SERVICE_BUSY": ({}, {"code": "SERVICE_BUSY"}),
    "NETWORK_ERROR": ({"ADVANCE_BASE_URL": NOBODY}, None),
    "TOO_LITTLE_TIME": ({"API_DEADLINE_SECONDS": "30"}, None),
}


@pytest.fixture(scope="module")
def worker(cloud: FaultyCloud) -> Iterator[Worker]:
    with cloud.worker(Worker, {"BLOCKED_RETRY_SECONDS": str(LONG_PAUSE)}) as worker:
        yield worker


@pytest.mark.parametrize("code", PROBES)
def test_a_probe_without_news_of_the_account_costs_no_further_pause(
    cloud: FaultyCloud, worker: Worker, code: str
) -> None:
    variables, answer = PROBES[code]
    blocked, tried, next_one = (cloud.pair(f"probe/{code}/{name}") for name in ("blocked", "tried", "next"))
    blocking = {"code": "INSUFFICIENT_BALANCE"}
    with cloud.worker(Worker, {"BLOCKED_RETRY_SECONDS": str(LONG_PAUSE)} | variables) as trier, cloud.held():
        events = {}
        for pair, step in ((blocked, blocking), (tried, answer), (next_one, None)):
            cloud.put(pair, *([step] if step else []))
            events[pair], other = cloud.received(pair)
            cloud.delete(other)

        worker.start(events[blocked]).result(20)
        row_of_blocked = cloud.row(blocked.pair_id)
        time.sleep(LONG_PAUSE)
        trier.start(events[tried]).result(20)
        row_of_tried = cloud.row(tried.pair_id)
        worker.start(events[next_one]).result(20)
        row_of_next = cloud.row(next_one.pair_id)
        cloud.delete(events[next_one])

    assert row_of_blocked is not None
    assert row_of_blocked["code"] == "INSUFFICIENT_BALANCE"
    assert row_of_tried is not None
    assert (row_of_tried["verdict"], row_of_tried["code"]) == ("PENDING", code)
    assert row_of_next is not None
    assert row_of_next["verdict"] == "PASS"
    for pair in (blocked, tried, next_one):
        assert cloud.paid_once(pair)["verdict"] == "PASS"
