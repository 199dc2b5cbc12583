"""The gate's item with a real table and many workers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from botocore.config import Config

from facepair.aws.gate import ITEM, GateItem
from facepair.domain.gate import LONGEST_WAIT_SECONDS, Gate, Rules, Slot
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Blocked, Closed, RateLimited
from facepair.domain.verdict import API_NOT_ANSWERING
from tests.support.faulty_aws import FaultyAws
from tests.support.previous_release import previous
from tests.support.resources import HASTY, Resources

PAUSE = 600.0
SUCCESS = Outcome(code="SUCCESS", message="", pricing_strategy="PAY")
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")
BLOCKED = Blocked("INSUFFICIENT_BALANCE", "top up")


class Clock:
    """Epoch seconds that move only when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _an_open_gate(deployed: Resources) -> Iterator[None]:
    yield
    deployed.table("IdempotencyTable").delete_item(Key={"id": ITEM})


class AfterAllHaveRead(GateItem):
    """Waits after its first look at the item until all other workers have had theirs."""

    all_have_read: threading.Barrier | None = None

    def read(self) -> Gate:
        gate = super().read()
        if self.all_have_read:
            self.all_have_read.wait()
            self.all_have_read = None
        return gate


def gate(deployed: Resources, clock: Clock, per_second: float = 10, stop_after: int = 3) -> GateItem:
    return GateItem(deployed.table("IdempotencyTable"), Rules(per_second, stop_after, PAUSE), clock)


def previous_gate(deployed: Resources, clock: Clock, per_second: float = 10, stop_after: int = 3) -> Any:
    rules = previous("domain.gate").Rules(per_second, stop_after, PAUSE)
    return previous("aws.gate").GateItem(deployed.table("IdempotencyTable"), rules, clock)


def test_slots_are_evenly_spaced_and_no_two_workers_have_the_same(deployed: Resources, clock: Clock) -> None:
    start = threading.Barrier(8)

    def worker(_: int) -> list[float]:
        mine = gate(deployed, clock)
        start.wait()
        return [mine.enter().at for _ in range(3)]

    with ThreadPoolExecutor(8) as workers:
        slots = sorted(at for taken in workers.map(worker, range(8)) for at in taken)

    assert slots[0] == pytest.approx(clock.now)
    gaps = [later - earlier for earlier, later in pairwise(slots)]
    assert gaps == pytest.approx([0.106] * 23, abs=1e-5)


def test_workers_at_the_same_instant_get_no_slot_beyond_the_longest_wait(deployed: Resources, clock: Clock) -> None:
    start = threading.Barrier(8)
    gate(deployed, clock, per_second=0.1).enter()
    clock.now += 9  # the next slot is 1.6 s ahead, close enough to wait for

    def worker(_: int) -> float | None:
        mine = AfterAllHaveRead(deployed.table("IdempotencyTable"), Rules(0.1, 3, PAUSE), clock)
        mine.all_have_read = start
        try:
            return mine.enter().at - clock.now
        except RateLimited:
            return None

    with ThreadPoolExecutor(8) as workers:
        waits = [wait for wait in workers.map(worker, range(8)) if wait is not None]

    assert waits == [pytest.approx(1.6)]


@pytest.mark.parametrize(("before", "after"), [(0.001, 10), (10, 0.1)])
def test_a_changed_rate_applies_at_once(deployed: Resources, clock: Clock, before: float, after: float) -> None:
    gate(deployed, clock, per_second=before).enter()

    state = gate(deployed, clock).read()

    assert state.wait(Rules(after, 3, PAUSE), clock.now) == pytest.approx(1.06 / after)
    if after == 10:
        assert gate(deployed, clock, per_second=after).enter().at == pytest.approx(clock.now + 0.106)


def test_a_gate_of_an_earlier_release_with_a_slot_far_ahead_lets_workers_in(deployed: Resources, clock: Clock) -> None:
    item = {"id": ITEM, "version": 3, "next_slot": int(clock.now) + 1000, "pace": 5, "paced_at": int(clock.now)}
    deployed.table("IdempotencyTable").put_item(Item=item)

    clock.now += LONGEST_WAIT_SECONDS  # the longest that a worker of that release can still wait for its slot

    assert gate(deployed, clock).enter().at == pytest.approx(clock.now + 0.106)
    assert gate(deployed, clock).enter().at == pytest.approx(clock.now + 0.212)


@pytest.mark.parametrize("per_second", [10.0, 0.0])
@pytest.mark.parametrize("first", ["previous", "present"])
def test_workers_of_two_releases_keep_one_pace(
    deployed: Resources, clock: Clock, per_second: float, first: str
) -> None:
    start = threading.Barrier(8)

    def slot(release: str) -> float:
        make = previous_gate if release == "previous" else gate
        at: float = make(deployed, clock, per_second).enter().at
        return at

    def worker(number: int) -> float:
        start.wait()
        return slot("previous" if number % 2 else "present")

    slots = [slot(first)]
    with ThreadPoolExecutor(8) as workers:
        slots += sorted(workers.map(worker, range(8)))

    gaps = [later - earlier for earlier, later in pairwise(slots)]
    assert gaps == pytest.approx([0.106 if per_second else 0.2] * 8, abs=1e-5)


def test_workers_of_two_releases_stop_together(deployed: Resources, clock: Clock) -> None:
    old = previous_gate(deployed, clock)
    unanswered = previous("domain.verdict").Outcome(code="OUTCOME_UNKNOWN", message="no answer")
    slot, old_slot = gate(deployed, clock).enter(), old.enter()

    old.report(old_slot, unanswered)
    gate(deployed, clock).report(slot, UNKNOWN)
    assert gate(deployed, clock).look() is None
    old.report(old_slot, unanswered)

    closed = gate(deployed, clock).look()
    assert isinstance(closed, Closed)
    assert closed.code == old.look().code == API_NOT_ANSWERING


def test_a_refusal_of_the_account_stops_workers_of_both_releases(deployed: Resources, clock: Clock) -> None:
    blocked = previous("domain.retry").Blocked("ACCOUNT_DISABLED", "call us")
    previous_gate(deployed, clock).block(blocked)

    closed = gate(deployed, clock).look()
    assert isinstance(closed, Closed)
    assert (closed.code, closed.message) == ("ACCOUNT_DISABLED", "call us")

    clock.now += PAUSE
    probe = gate(deployed, clock).enter()
    assert probe.probe
    with pytest.raises(previous("domain.retry").Closed):
        previous_gate(deployed, clock).enter()


MANY = 40


@pytest.mark.parametrize("happens", ["timeouts", "refusals of the account"])
def test_many_reports_at_once_cost_few_writes_each(deployed: Resources, clock: Clock, happens: str) -> None:
    start = threading.Barrier(MANY)
    writes: list[str] = []
    slot = gate(deployed, clock).enter()
    table = replace(deployed, config=deployed.config.merge(Config(max_pool_connections=MANY))).table("IdempotencyTable")
    table.meta.client.meta.events.register("before-call.dynamodb.UpdateItem", lambda **_: writes.append("write"))

    def worker(_: int) -> None:
        mine = AfterAllHaveRead(table, Rules(10, 5, PAUSE), clock)
        mine.all_have_read = start
        if happens == "timeouts":
            mine.report(slot, UNKNOWN)
        else:
            mine.block(BLOCKED)

    with ThreadPoolExecutor(MANY) as workers:
        list(workers.map(worker, range(MANY)))

    assert isinstance(gate(deployed, clock).look(), Closed)
    assert len(writes) <= 3 * MANY


def test_after_a_quiet_time_the_next_slot_is_free_at_once(deployed: Resources, clock: Clock) -> None:
    mine = gate(deployed, clock)
    mine.enter()
    clock.now += 60

    assert mine.enter().at == pytest.approx(clock.now)


def test_a_slot_too_far_away_is_not_taken(deployed: Resources, clock: Clock) -> None:
    mine = gate(deployed, clock, per_second=1)
    while not mine.look():
        mine.enter()

    with pytest.raises(RateLimited) as rate_limited:
        mine.enter()

    assert LONGEST_WAIT_SECONDS < rate_limited.value.seconds <= LONGEST_WAIT_SECONDS + 1.06
    clock.now += 1.1
    assert mine.look() is None


def test_a_refusal_of_the_account_closes_it_for_everybody_with_its_reason(deployed: Resources, clock: Clock) -> None:
    gate(deployed, clock).block(BLOCKED)

    closed = gate(deployed, clock).look()

    assert isinstance(closed, Closed)
    assert (closed.code, closed.message) == ("INSUFFICIENT_BALANCE", "top up")
    assert closed.seconds == pytest.approx(PAUSE)
    with pytest.raises(Closed):
        gate(deployed, clock).enter()


def test_after_the_pause_one_worker_of_eight_tries(deployed: Resources, clock: Clock) -> None:
    gate(deployed, clock).block(BLOCKED)
    clock.now += PAUSE
    start = threading.Barrier(8)

    def worker(_: int) -> bool:
        mine = gate(deployed, clock)
        assert mine.look() is None
        start.wait()
        try:
            return mine.enter().probe
        except Closed:
            return False

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(worker, range(8))) == 1


def test_a_probe_whose_worker_died_is_followed_by_another_after_the_pause(deployed: Resources, clock: Clock) -> None:
    gate(deployed, clock).block(BLOCKED)
    clock.now += PAUSE
    gate(deployed, clock).enter()
    clock.now += PAUSE

    assert gate(deployed, clock).enter().probe


def test_an_answer_opens_it_and_a_probe_given_back_is_the_next_one_s(deployed: Resources, clock: Clock) -> None:
    mine = gate(deployed, clock)
    mine.block(BLOCKED)
    clock.now += PAUSE

    mine.give_back(mine.enter())
    slot = mine.enter()
    assert slot.probe
    mine.report(slot, SUCCESS)

    assert mine.look() is None
    assert not mine.enter().probe


def test_unknown_outcomes_of_many_workers_are_counted_together(deployed: Resources, clock: Clock) -> None:
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(lambda _: gate(deployed, clock).report(gate(deployed, clock).enter(), UNKNOWN), range(3)))

    closed = gate(deployed, clock).look()
    assert isinstance(closed, Closed)
    assert closed.code == "API_NOT_ANSWERING"


def test_a_slot_whose_response_was_lost_is_wasted_and_the_next_one_taken(
    deployed: Resources, faults: FaultyAws, clock: Clock
) -> None:
    mine = gate(replace(deployed, url=faults.url), clock)
    mine.enter()
    faults.fault("UpdateItem", "lose_response", "gate")

    assert mine.enter().at == pytest.approx(clock.now + 2 * 0.106)


def test_an_answer_is_not_lost_for_a_gate_that_cannot_be_updated(
    deployed: Resources, faults: FaultyAws, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    mine = gate(replace(deployed, url=faults.url, config=HASTY), clock)
    slot = mine.enter()
    faults.fault("UpdateItem", "throttle", times=None)

    mine.report(slot, UNKNOWN)
    closed = mine.block(BLOCKED)

    assert closed.code == "INSUFFICIENT_BALANCE"
    assert {line.message for line in caplog.records if line.levelname == "ERROR"} == {"Gate not updated"}


def test_an_answer_that_changes_nothing_in_the_gate_as_it_was_seen_makes_no_request(clock: Clock) -> None:
    no_table: Any = None
    open_gate = GateItem(no_table, Rules(10, 3, PAUSE), clock)

    open_gate.report(Slot(at=clock.now, taken_at=clock.now), SUCCESS, Gate())


def test_an_answer_opens_a_gate_that_has_changed_since_it_was_seen(deployed: Resources, clock: Clock) -> None:
    gate(deployed, clock).block(BLOCKED)
    clock.now += PAUSE
    mine = gate(deployed, clock)
    probe, seen = mine.enter(), mine.read()
    gate(deployed, clock).block(Blocked("OVER_QUERY_LIMIT", "more"))

    mine.report(probe, SUCCESS, seen)

    assert mine.look() is None
    assert mine.read().code is None


def test_an_unanswered_call_is_counted_whatever_was_seen(deployed: Resources, clock: Clock) -> None:
    mine = gate(deployed, clock, stop_after=1)
    slot, seen = mine.enter(), mine.read()

    mine.report(slot, UNKNOWN, seen)

    assert mine.read().code == API_NOT_ANSWERING
