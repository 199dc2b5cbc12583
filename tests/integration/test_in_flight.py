"""In-flight markers, with a real table."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from facepair.aws.in_flight import InFlightMarkers
from facepair.domain import clock
from facepair.domain.retry import Later
from tests.support.faulty_aws import FaultyAws
from tests.support.previous_release import previous
from tests.support.resources import Resources

AT_ONCE = timedelta(0)


@pytest.fixture
def marks(deployed: Resources) -> InFlightMarkers:
    return marks_of(deployed)


def marks_of(deployed: Resources) -> InFlightMarkers:
    return InFlightMarkers(deployed.table("IdempotencyTable"), comes_back=timedelta(minutes=12))


def in_a_minute() -> datetime:
    return clock.now() + timedelta(minutes=1)


def a_minute_ago() -> datetime:
    return clock.now() - timedelta(minutes=1)


def test_workers_that_did_not_come_to_an_end_are_counted(marks: InFlightMarkers, pair_id: str) -> None:
    assert [marks.begin(pair_id, a_minute_ago()) for _ in range(3)] == [1, 2, 3]

    marks.defer(pair_id, clock.now())

    assert marks.begin(pair_id, a_minute_ago()) == 1


def test_of_eight_workers_at_once_one_begins(deployed: Resources, pair_id: str) -> None:
    start = threading.Barrier(8)

    def worker(_: int) -> bool:
        mine = marks_of(deployed)
        start.wait()
        try:
            mine.begin(pair_id, in_a_minute())
        except Later:
            return False
        return True

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(worker, range(8))) == 1


def test_workers_of_two_releases_do_not_process_a_pair_at_once(
    marks: InFlightMarkers, deployed: Resources, pair_id: str
) -> None:
    old = previous("aws.underway").UnderwayMarks(deployed.table("IdempotencyTable"), comes_back=timedelta(minutes=12))

    assert marks.begin(pair_id, a_minute_ago()) == 1
    assert old.begin(pair_id, in_a_minute()) == 2
    with pytest.raises(Later):
        marks.begin(pair_id, in_a_minute())
    assert not marks.claim(pair_id, AT_ONCE)
    marks.defer(pair_id, clock.now())
    assert marks.begin(pair_id, in_a_minute()) == 1
    with pytest.raises(previous("domain.retry").Later):
        old.begin(pair_id, in_a_minute())


def test_a_worker_whose_response_was_lost_recognises_its_own_mark(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    faults.fault("UpdateItem", "lose_response", times=2)

    assert marks_of(replace(deployed, url=faults.url)).begin(pair_id, in_a_minute()) == 1


def test_a_pair_without_a_mark_is_claimed_once(marks: InFlightMarkers, pair_id: str) -> None:
    assert [marks.claim(pair_id, AT_ONCE) for _ in range(3)] == [True, False, False]


def test_a_search_whose_response_was_lost_recognises_its_own_claim(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    faults.fault("PutItem", "lose_response", times=2)

    assert marks_of(replace(deployed, url=faults.url)).claim(pair_id, AT_ONCE)


def test_a_pair_that_a_worker_has_is_not_claimed(marks: InFlightMarkers, pair_id: str) -> None:
    marks.begin(pair_id, a_minute_ago())

    assert not marks.claim(pair_id, AT_ONCE)


@pytest.mark.parametrize(("late_by", "claimed"), [(timedelta(minutes=14), False), (timedelta(minutes=16), True)])
def test_a_pair_whose_message_is_late_is_claimed(
    marks: InFlightMarkers, pair_id: str, late_by: timedelta, claimed: bool
) -> None:
    marks.defer(pair_id, clock.now() - late_by)

    assert marks.claim(pair_id, timedelta(minutes=15)) is claimed


def test_a_pair_that_is_done_can_be_claimed_again(marks: InFlightMarkers, pair_id: str) -> None:
    marks.begin(pair_id, in_a_minute())
    marks.finish(pair_id)

    assert marks.claim(pair_id, AT_ONCE)


def test_a_claim_without_a_message_is_released_by_an_operation_the_search_may_use(
    marks: InFlightMarkers, deployed: Resources, pair_id: str
) -> None:
    operations: list[str] = []
    deployed.tables.meta.client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: operations.append(model.name)
    )
    marks.claim(pair_id, timedelta(minutes=15))

    marks.release(pair_id)

    assert marks.claim(pair_id, timedelta(minutes=15))
    assert set(operations) == {"PutItem"}


def test_a_worker_that_has_begun_keeps_its_marker_after_a_release(marks: InFlightMarkers, pair_id: str) -> None:
    marks.claim(pair_id, AT_ONCE)
    marks.begin(pair_id, in_a_minute())

    marks.release(pair_id)

    with pytest.raises(Later):
        marks.begin(pair_id, in_a_minute())


def test_a_claim_that_no_worker_ever_followed_is_forgotten_after_two_hours(
    marks: InFlightMarkers, pair_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now
    marks.claim(pair_id, AT_ONCE)

    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(minutes=119))
    assert not marks.claim(pair_id, AT_ONCE)
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(minutes=121))
    assert marks.claim(pair_id, AT_ONCE)
