"""A worker is killed during a call, or is taken for dead and finishes late."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from facepair.use_cases.compare import MOST_DEATHS
from tests.support.deployed import notification
from tests.support.faulty_cloud import (
    DEADLINE,
    TIMEOUT,
    VISIBILITY_TIMEOUT,
    FaultyCloud,
    Pair,
    Undead,
    Worker,
)
from tests.support.waiting import next_second

SEARCHES = 30
SLOW = {"delay": DEADLINE - 0.5}
LATE = {"patch": {"data": {"similarity": 91.5}}}
SUCCESSOR = {"patch": {"data": {"similarity": 42.5}}}
RETRY = {"ON_UNKNOWN_OUTCOME": "retry"}


@pytest.fixture(scope="module")
def pairs(cloud: FaultyCloud) -> dict[str, Pair]:
    """Four workers with one message each: two are killed during the call, two cannot save the answer.

    With `hold`, the deployed policy, their messages return to the fleet. For `retry`, another worker takes over and the
    messages are deleted.
    """
    steps: dict[str, list[dict[str, Any]]] = {
        "killed": [SLOW],
        "killed, retry": [SLOW],
        "late": [LATE],
        "late, retry": [LATE, SUCCESSOR],
    }
    pairs = {name: cloud.pair(f"dying/{name}") for name in steps}
    with ExitStack() as open_workers:

        def worker(name: str) -> Worker:
            kind = Worker if name.startswith("killed") else Undead
            return open_workers.enter_context(cloud.worker(kind, RETRY if name.endswith("retry") else {}))

        workers = {name: worker(name) for name in pairs}
        successor = open_workers.enter_context(cloud.worker(Worker, RETRY))

        events = {}
        with cloud.held():
            for name, pair in pairs.items():
                cloud.put(pair, *steps[name])
                events[name], other = cloud.received(pair)
                if name.endswith("retry"):
                    cloud.delete(events[name], other)
        # They reach the ledger only after they count as dead, and their successor has ended. botocore tries six times,
        # and waits up to five seconds for an answer.
        held_answers = [
            cloud.aws.fault("UpdateItem", "drop", f'"{pairs[name].pair_id}"', "CallsTable", "91.5", times=None, delay=4)
            for name in ("late", "late, retry")
        ]
        started = time.monotonic()
        for name in pairs:
            workers[name].start(events[name])
        for name in ("killed", "killed, retry"):
            cloud.when_asked(pairs[name])
            workers[name].kill()

        time.sleep(max(0, started + TIMEOUT + 1 - time.monotonic()))
        for name in ("killed, retry", "late, retry"):
            assert not failures(successor, events[name])
        for answer in held_answers:
            answer.over.set()
        late = [pairs[name] for name in ("late", "late, retry")]
        cloud.wait(
            lambda: all(cloud.states(pair)[0] == "ANSWERED" for pair in late), lambda: "a late one never finished"
        )
        cloud.idle()
    return pairs


@pytest.fixture(scope="module")
def deadly(cloud: FaultyCloud, pairs: dict[str, Pair]) -> Iterator[tuple[Pair, Future[None]]]:
    """A pair whose first picture crashes every reader, and a future for enough deaths.

    It has one message of ours, so that its environment can be found and killed.
    """
    pair = cloud.pair("dying/every time")
    cloud.idle()
    with cloud.held():
        cloud.put(pair)
        cloud.lose_messages()
    reading = cloud.aws.fault("GetObject", "delay", f"{pair.pair_id}/first.jpg", times=None, delay=4)
    message_id = cloud.send(notification(f"{pair.pair_id}/first.jpg"))

    def kill_and_search() -> None:
        for deaths in range(MOST_DEATHS):
            cloud.wait(lambda: reading.met > deaths, lambda: "the picture is not read")  # noqa: B023
            [at_work] = [each for each in cloud.host.environments() if message_id in each.message_ids]
            at_work.kill()
            # Only until the message may be back: with FindMissedAfterMinutes 0 the search would then count it as late.
            until = time.monotonic() + VISIBILITY_TIMEOUT / 2
            for _ in range(SEARCHES // MOST_DEATHS):
                if time.monotonic() < until:
                    cloud.invoke("FindMissedFunction", {})

    with ThreadPoolExecutor(1) as executor:
        yield pair, executor.submit(kill_and_search)


def test_a_pair_that_ends_every_worker_is_given_up_and_delays_no_other(
    cloud: FaultyCloud, deadly: tuple[Pair, Future[None]]
) -> None:
    pair, killing = deadly
    neighbours = [cloud.put(cloud.pair(f"dying/neighbour {number}")) for number in range(8)]
    died_before = cloud.metrics()["WorkerDied"]

    verdicts = {cloud.paid_once(neighbour)["verdict"] for neighbour in neighbours}
    killed_meanwhile = not killing.done()
    killing.result()
    row = cloud.settled(pair.pair_id)
    cloud.idle()

    assert verdicts == {"PASS"}
    assert killed_meanwhile
    assert (row["verdict"], row["code"]) == ("UNDETERMINED", "WORKER_DIED")
    assert cloud.metrics()["WorkerDied"] == died_before + 1
    assert cloud.checks(pair) == []
    assert cloud.ledger(pair.pair_id) == []
    assert cloud.aws.requests("SendMessageBatch", "dying/every+time/") <= 1
    assert cloud.invoke("FindMissedFunction", {})["sent"] == 0


def test_a_pair_that_was_given_up_is_tried_anew_with_another_upload(
    cloud: FaultyCloud, deadly: tuple[Pair, Future[None]]
) -> None:
    pair, _ = deadly
    cloud.aws.clear()
    next_second()

    cloud.put(pair)

    assert cloud.row_with(pair.pair_id, "PASS") == cloud.paid_once(pair)


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

    first, second = cloud.calls(pairs["late, retry"].pair_id)
    assert (first["similarity"], second["similarity"]) == (91.5, 42.5)
    assert (row["verdict"], row["transaction_id"]) == ("REJECT", second["transaction_id"])
    assert len(cloud.charges(pairs["late, retry"])) == 2
