"""A silent API, a blocked account, a pair that kills, permissions that are missing: what the fleet then does not do."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.faulty_cloud import VISIBILITY_TIMEOUT, FaultyCloud, Pair, Worker, faulty_cloud

STOP_AFTER = 3
WORKERS = 4
PAUSE = 3
"""Seconds between two trials."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    """A stack of its own: its gate must not close for the other tests."""
    parameters = {"StopAfterUnknown": STOP_AFTER, "MaxConcurrency": WORKERS, "BlockedRetrySeconds": PAUSE}
    with faulty_cloud(tmp_path_factory.mktemp("fleet"), warm=2, **parameters) as cloud:
        yield cloud


@pytest.fixture(autouse=True)
def fair_weather(fleet: FaultyCloud) -> Iterator[None]:
    yield
    fleet.aws.clear()
    fleet.control.clear()
    fleet.idle(within=120)


def test_a_night_at_an_api_that_answers_too_late_costs_a_few_calls_and_ends_by_itself(fleet: FaultyCloud) -> None:
    fleet.control.script(times=None, delay=30)
    pairs = [fleet.put(fleet.pair(f"silent/{number}")) for number in range(12)]
    fleet.wait(
        lambda: any((fleet.row(pair.pair_id) or {}).get("code") == "API_NOT_ANSWERING" for pair in pairs),
        lambda: "nobody waits for the API",
    )
    stopped = len(fleet.control.calls("check"))
    time.sleep(2 * PAUSE)
    tried = len(fleet.control.calls("check"))

    fleet.control.clear()
    rows = [fleet.settled(pair.pair_id, within=90) for pair in pairs]

    assert stopped <= STOP_AFTER + WORKERS
    assert tried - stopped <= 3
    assert {row["verdict"] for row in rows} == {"PASS", "UNDETERMINED"}
    assert sum(row["verdict"] == "UNDETERMINED" for row in rows) <= tried + 1
    assert max(len(fleet.checks(pair)) for pair in pairs) == 1


def test_a_blocked_pair_is_listed_once_and_never_downloaded(fleet: FaultyCloud) -> None:
    fleet.control.script(times=None, code="INSUFFICIENT_BALANCE")
    first = fleet.put(fleet.pair("blocked/first"))
    fleet.row_with(first.pair_id, "PENDING")

    second = fleet.put(fleet.pair("blocked/second"))
    fleet.row_with(second.pair_id, "PENDING")
    listed = fleet.aws.requests("ListObjectsV2", "second")
    fleet.wait(lambda: len(fleet.log_of_pair(second, "Postponed")) >= 4, lambda: "it was not received again")
    again = fleet.aws.requests("ListObjectsV2", "second")
    read = fleet.aws.requests("GetObject", "blocked/second")
    asked = len(fleet.checks(second))
    fleet.control.clear()

    assert fleet.paid_once(second)["verdict"] == "PASS"
    assert fleet.paid_once(first)["verdict"] == "PASS"
    assert listed <= 4  # at most one for each of its two messages, if both came before its row stood, and their probes
    assert again - listed <= 2
    assert read <= 2 * (asked + 2)


def test_a_pair_that_ends_every_worker_is_set_aside_and_the_search_adds_nothing(fleet: FaultyCloud) -> None:
    pair = fleet.pair("deadly")
    with fleet.held():
        fleet.put(pair)
        event, other = fleet.received(2)
        fleet.delete(event, other)
        sent = 0
        for _ in range(3):
            with fleet.worker(Worker) as worker:
                fault = fleet.aws.fault("GetObject", "delay", pair.pair_id, delay=30)
                doomed = worker.start(event)
                fleet.wait(partial(getattr, fault, "met"), lambda: "nobody reads the picture")
                worker.kill()
                doomed.result(20)
            sent += sum(fleet.invoke("FindMissedFunction", {})["sent"] for _ in range(5))
            fleet.aws.clear()
            time.sleep(VISIBILITY_TIMEOUT)  # until then its message would not have come back
    fleet.repeat(pair)

    row = fleet.settled(pair.pair_id)
    assert (row["verdict"], row["code"]) == ("UNDETERMINED", "WORKER_DIED")
    assert sent <= 1
    assert fleet.checks(pair) == []
    fleet.wait(lambda: fleet.metrics()["WorkerDied"] == 1, lambda: "no metric tells of it")


@pytest.mark.parametrize(
    ("operation", "says"),
    [("ChangeMessageVisibility", "Not postponed"), ("PutItem", "Unexpected error")],
)
def test_a_missing_permission_is_named_counted_and_loses_nothing(fleet: FaultyCloud, operation: str, says: str) -> None:
    pair = fleet.pair(f"denied/{operation}")
    table = fleet.sandbox.outputs["VerdictsTable"] if operation == "PutItem" else ""
    before = fleet.metrics()["UnexpectedErrors"]
    fault = fleet.aws.fault(operation, "deny", *[name for name in (table,) if name], times=2)

    fleet.put(pair, {"code": "SERVICE_BUSY"})

    assert fleet.paid_once(pair)["verdict"] == "PASS"
    assert fault.met == 2
    errors = [line for line in fleet.log() if line.get("level") == "ERROR" and line.get("pair_id") == pair.pair_id]
    assert any(line["message"].startswith(says) for line in errors)
    assert "AccessDenied" in str(errors)
    assert operation in str(errors)
    assert fleet.metrics()["UnexpectedErrors"] >= before + 2


def test_a_free_refusal_is_asked_again_with_the_next_upload(fleet: FaultyCloud) -> None:
    pair = fleet.put(fleet.pair("wrong host"), {"code": "CLIENT_ERROR", "status": 404})
    held = fleet.settled(pair.pair_id)
    fleet.idle()
    asked = len(fleet.checks(pair))

    time.sleep(1)
    fleet.put(pair)

    assert (held["verdict"], held["code"], asked) == ("UNDETERMINED", "CLIENT_ERROR", 1)
    assert fleet.row_with(pair.pair_id, "PASS")["code"] == "SUCCESS"


def test_what_was_paid_for_stays_whatever_becomes_of_the_policy_and_of_the_names(fleet: FaultyCloud) -> None:
    pair: Pair = fleet.put(fleet.pair("kept"), {"drop": "after_reading"})
    assert fleet.settled(pair.pair_id)["code"] == "OUTCOME_UNKNOWN"
    fleet.idle()

    for change in ({"OnUnknownOutcome": "retry"}, {"OnUnknownOutcome": "hold"}, {"FirstName": "x", "SecondName": "y"}):
        fleet.sandbox.redeploy(**change)
        if "FirstName" in change:
            fleet.sandbox.redeploy(FirstName="second", SecondName="first")
        time.sleep(1)
        fleet.put(pair)
        assert fleet.row_with(pair.pair_id, "PASS")["code"] == "SUCCESS"
        fleet.idle()

    assert len(fleet.checks(pair)) == 2  # one without an answer, one with
    assert fleet.states(pair) == ["UNKNOWN", "ANSWERED"]
