"""A worker is killed between the request and its answer, or is taken for dead and finishes late."""

import json
import time
from contextlib import ExitStack
from typing import Any

import pytest

from facepair.domain import clock
from tests.support.deployed import BEN, picture
from tests.support.faulty_cloud import DEADLINE, TIMEOUT, FaultyCloud, Pair, Undead, Worker
from tests.support.waiting import next_second

SLOW = {"delay": DEADLINE - 0.5}
LATE = {"patch": {"data": {"similarity": 91.5}}}
SUCCESSOR = {"patch": {"data": {"similarity": 42.5}}}
RETRY = {"ON_UNKNOWN_OUTCOME": "retry"}


@pytest.fixture(scope="module")
def pairs(cloud: FaultyCloud) -> dict[str, Pair]:
    """Five workers, each with a message: two are killed while the API thinks, three cannot save what it answered.

    The messages of the ones with `hold`, the deployed policy, come back to the fleet. A worker with `retry` takes over
    for the other two, whose messages are deleted.
    """
    steps: dict[str, list[dict[str, Any]]] = {
        "killed": [SLOW],
        "killed, retry": [SLOW],
        "late": [LATE],
        "late, retry": [LATE, SUCCESSOR],
        "overtaken": [LATE],
    }
    pairs = {name: cloud.pair(f"dying/{name}") for name in steps}
    with ExitStack() as open_workers:

        def worker(name: str) -> Worker:
            kind = Worker if name.startswith("killed") else Undead
            return open_workers.enter_context(cloud.worker(kind, **(RETRY if name.endswith("retry") else {})))

        workers = {name: worker(name) for name in pairs}
        successor = open_workers.enter_context(cloud.worker(Worker, **RETRY))

        events = {}
        with cloud.held():
            for name, pair in pairs.items():
                cloud.put(pair, *steps[name])
                events[name], other = cloud.received(2)
                if name.endswith("retry"):
                    cloud.delete(events[name], other)
        for name in ("late", "late, retry", "overtaken"):
            # It cannot reach the ledger before it is dead by all accounts.
            cloud.aws.fault("UpdateItem", "drop", f'"{pairs[name].pair_id}"', "CallsTable", "91.5", times=4, delay=3.5)
        started = time.monotonic()
        for name in pairs:
            workers[name].start(events[name])
        for name in ("killed", "killed, retry"):
            cloud.when_asked(pairs[name])
            workers[name].kill()
        cloud.when_asked(pairs["overtaken"])
        next_second()
        cloud.upload(f"{pairs['overtaken'].pair_id}/second.jpg", picture(BEN, "overtaking"))

        time.sleep(max(0, started + TIMEOUT + 1 - time.monotonic()))
        for name in ("killed, retry", "late, retry"):
            assert not failures(successor, events[name])
        late = [pairs[name] for name in ("late", "late, retry", "overtaken")]
        cloud.wait(
            lambda: all(cloud.states(pair)[0] == "ANSWERED" for pair in late), lambda: "a late one never finished"
        )
        cloud.idle()
    return pairs


def failures(worker: Worker, event: dict[str, Any]) -> list[Any]:
    report: dict[str, list[Any]] = json.loads(worker.start(event).result(20).payload)
    return report["batchItemFailures"]


def test_a_call_whose_worker_was_killed_is_held(cloud: FaultyCloud, pairs: dict[str, Pair]) -> None:
    row = cloud.settled(pairs["killed"].pair_id)

    assert (row["verdict"], row["code"]) == ("UNDETERMINED", "OUTCOME_UNKNOWN")
    assert cloud.states(pairs["killed"]) == ["UNKNOWN"]
    assert len(cloud.charges(pairs["killed"])) == 1


def test_a_call_whose_worker_was_killed_is_repeated_once_if_so_wished(
    cloud: FaultyCloud, pairs: dict[str, Pair]
) -> None:
    row = cloud.settled(pairs["killed, retry"].pair_id)

    assert row["verdict"] == "PASS"
    assert cloud.states(pairs["killed, retry"]) == ["UNKNOWN", "ANSWERED"]
    assert len(cloud.charges(pairs["killed, retry"])) == 2


def test_a_worker_thought_dead_still_brings_its_answer(cloud: FaultyCloud, pairs: dict[str, Pair]) -> None:
    row = cloud.row_with(pairs["late"].pair_id, "PASS")

    assert row["similarity"] == 91.5
    assert cloud.paid_once(pairs["late"]) == row


def test_a_worker_thought_dead_does_not_overwrite_its_successor(cloud: FaultyCloud, pairs: dict[str, Pair]) -> None:
    row = cloud.settled(pairs["late, retry"].pair_id)

    first, second = cloud.ledger(pairs["late, retry"].pair_id)
    assert (first["similarity"], second["similarity"]) == (91.5, 42.5)
    assert (row["verdict"], row["transaction_id"]) == ("REJECT", second["transaction_id"])
    assert len(cloud.charges(pairs["late, retry"])) == 2


def test_a_worker_thought_dead_does_not_overwrite_a_newer_upload(cloud: FaultyCloud, pairs: dict[str, Pair]) -> None:
    row = cloud.settled(pairs["overtaken"].pair_id)

    first, second = cloud.ledger(pairs["overtaken"].pair_id)
    assert (row["verdict"], row["fingerprint"]) == ("REJECT", second["fingerprint"])
    assert first["fingerprint"] == pairs["overtaken"].fingerprint
    assert len(cloud.charges(pairs["overtaken"])) == 2  # two distinct pairs of contents


def test_a_call_that_is_repeated_and_not_answered_again_is_held(cloud: FaultyCloud) -> None:
    pair = cloud.pair("dying/dropped twice, retry")
    with cloud.worker(Worker, **RETRY) as worker:
        with cloud.held():
            cloud.put(pair, {"drop": "after_reading"}, {"drop": "after_reading"})
            event, other = cloud.received(2)
            cloud.delete(event, other)

        assert failures(worker, event)
        pending = cloud.row(pair.pair_id)
        assert pending is not None
        cloud.wait(lambda: clock.parse(pending["retry_at"]) < clock.now(), lambda: str(pending))
        assert not failures(worker, event)
        assert not failures(worker, other)

    assert (pending["verdict"], pending["code"]) == ("PENDING", "OUTCOME_UNKNOWN")
    row = cloud.settled(pair.pair_id)
    assert (row["verdict"], row["code"]) == ("UNDETERMINED", "OUTCOME_UNKNOWN")
    assert cloud.states(pair) == ["UNKNOWN", "UNKNOWN"]
    assert len(cloud.charges(pair)) == 2
