"""A pair is erased, at whatever moment somebody is at work with it."""

from datetime import datetime, timedelta

import pytest

from facepair.domain.erasure import Erasure, remaining
from facepair.domain.ledger import State
from facepair.domain.retry import Blocked, Unavailable
from facepair.domain.row import Row
from facepair.domain.verdict import Outcome, Verdict
from facepair.use_cases.erase import AHEAD_SECONDS, PATIENCE
from tests.fakes import BLOCKED_RETRY, LIFETIME, NOON, SUCCESS
from tests.world import World

UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")


class Killed(BaseException):
    """Nothing catches it: the worker is gone."""


def erase(world: World, pair_id: str = "anna") -> Erasure:
    [erasure] = world.eraser().erase([pair_id])
    return erasure


def compared(world: World, pair_id: str = "anna") -> None:
    world.upload_pair(pair_id)
    world.work()
    assert world.stored(pair_id).verdict is Verdict.PASS


def nothing_is_left(world: World, pair_id: str = "anna") -> None:
    assert [each for each in world.bucket.versions if each.upload.key.startswith(f"{pair_id}/")] == []
    assert pair_id not in world.verdicts.items
    for call in world.ledger.of_pair(pair_id):
        assert (call.erased, call.outcome, call.fingerprint) == (True, None, "")


def test_pictures_with_all_versions_row_records_and_what_the_ledger_says_of_faces_go(world: World) -> None:
    compared(world)
    world.upload("anna/first.jpg", shade=9)
    world.work()
    world.bucket.delete("anna/second.jpg")
    fingerprints = {call.fingerprint for call in world.ledger.of_pair("anna")}

    erasure = erase(world)

    nothing_is_left(world)
    assert [world.idempotency.take(each) for each in fingerprints] == [None, None]
    assert (erasure.versions, erasure.rows, erasure.calls, erasure.complete) == (4, 1, 2, True)
    assert erasure.transaction_ids == ["t1", "t2"]
    assert world.ledger.states("anna") == [State.ANSWERED, State.ANSWERED]
    assert world.in_flight.marks == {}


def test_pictures_go_first_then_the_row_then_the_records_then_the_ledger_tells_no_more(world: World) -> None:
    compared(world)
    world.diary.clear()

    erase(world)

    steps = ["pictures.delete", "erasable_rows.take", "erasable_records.take", "erasable_ledger.strip"]
    assert world.happened(*steps)[:4] == steps
    assert world.diary[-1] == "erasable_ledger.forget"


def test_what_is_uploaded_after_the_mark_s_second_stays_and_is_compared_and_paid_for(world: World) -> None:
    compared(world)
    erasure = erase(world)

    compared(world)

    assert world.stored().uploaded_at > erasure.erased_at
    assert world.api.posts == 2


def test_a_new_submission_s_calls_are_not_touched_by_the_erasure_before_it(world: World) -> None:
    compared(world)

    world.erasable_ledger.at("of_pair", lambda: None, lambda: compared(world))

    erasure = erase(world)

    assert erasure.calls == 1
    assert [call.erased for call in world.ledger.of_pair("anna")] == [True, False]
    assert world.stored().verdict is Verdict.PASS


def test_a_mark_of_a_message_under_way_goes_too(world: World) -> None:
    world.upload_pair()
    [pair] = [world.bucket.find("anna")]
    world.in_flight.defer(pair.objects, NOON)

    erase(world)

    assert world.in_flight.marks == {}


@pytest.mark.parametrize("earlier", [SUCCESS, UNKNOWN])
def test_a_stripped_call_is_nobody_s_answer_even_if_its_fingerprint_is_still_there(
    world: World, earlier: Outcome
) -> None:
    world.api.answers(earlier, SUCCESS)
    world.upload_pair()
    world.work()
    world.erasable_ledger.at("forget", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        erase(world)

    compared(world)

    assert world.api.posts == 2


def test_a_pair_that_waits_for_the_account_is_not_written_again_by_who_has_read_its_row(world: World) -> None:
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "no money"))
    world.upload_pair()
    world.work()
    assert world.stored().verdict is Verdict.PENDING
    world.time.passes(2 * BLOCKED_RETRY)
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "no money"))
    read = world.verdicts.row

    def read_and_overtaken(pair_id: str) -> Row | None:
        row = read(pair_id)
        erase(world)
        return row

    world.verdicts.row = read_and_overtaken  # type: ignore[method-assign]

    world.work()

    nothing_is_left(world)


def test_a_pair_is_looked_through_at_once_and_when_the_mark_s_second_is_over(world: World) -> None:
    world.upload_pair()
    looked: list[datetime] = []
    for _ in range(2):
        world.pictures.at("versions", lambda: looked.append(world.time.now()))

    erasure = erase(world)

    assert erasure.erased_at == NOON + timedelta(seconds=AHEAD_SECONDS)
    assert looked[0] == NOON
    assert looked[1] >= erasure.erased_at + timedelta(seconds=1)


def test_a_mark_that_came_too_late_for_its_second_is_set_anew(world: World) -> None:
    world.upload_pair()
    moments = []
    set_mark = world.erased.set

    def slowly(pair_id: str, moment: object) -> bool:
        moments.append(moment)
        if len(moments) == 1:
            world.time.passes(AHEAD_SECONDS)
        return set_mark(pair_id, moment)  # type: ignore[arg-type]

    world.erased.set = slowly  # type: ignore[method-assign]

    erasure = erase(world)

    assert moments == [NOON + timedelta(seconds=2), NOON + timedelta(seconds=6)]
    assert erasure.erased_at == moments[-1]


# --- Somebody is at work ----------------------------------------------------------------------------------------------

MOMENTS = {
    "before it lists": ("bucket", "find"),
    "between its two reads": ("bucket", "read"),
    "before it asks": ("idempotency", "once"),
    "before it writes the call down": ("ledger", "open"),
    "before the call is sent": ("api", "compare"),
    "while it waits for the answer": ("api", "answer"),
    "before it completes the ledger": ("ledger", "complete"),
    "before it saves the outcome": ("idempotency", "save"),
    "before it writes the row": ("verdicts", "write"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_that_is_overtaken_anywhere_brings_nothing_back(world: World, moment: str) -> None:
    fake, operation = MOMENTS[moment]
    erasures: list[Erasure] = []
    world.upload_pair()
    getattr(world, fake).at(operation, lambda: erasures.append(erase(world)))

    world.work()
    world.time.passes(LIFETIME)
    world.work()
    again = erase(world)

    assert erasures
    nothing_is_left(world)
    assert world.idempotency.once("any", lambda: UNKNOWN) is UNKNOWN
    assert (again.versions, again.rows, again.calls, again.complete) == (0, 0, 0, True)
    assert world.api.posts <= 1


def test_the_last_moment_at_which_a_worker_can_be_alive_is_waited_for(world: World) -> None:
    world.upload_pair()
    world.api.at("answer", Killed())
    with pytest.raises(Killed):
        world.work()
    [call] = world.ledger.of_pair("anna")

    erasure = erase(world)

    assert world.waited_for == ["anna"]
    assert world.time.now() >= call.alive_until
    assert erasure.complete
    assert (erasure.calls, erasure.unanswered) == (1, 1)
    nothing_is_left(world)


def test_an_erasure_that_cannot_wait_any_longer_says_that_it_is_not_complete(world: World) -> None:
    world.upload_pair()
    world.api.at("answer", Killed())
    with pytest.raises(Killed):
        world.work()
    [call] = world.ledger.of_pair("anna")
    world.ledger.change("anna", call.call, alive_until=world.time.now() + 2 * PATIENCE)

    erasure = erase(world)

    assert not erasure.complete
    [call] = world.ledger.of_pair("anna")
    assert call.fingerprint  # by which the next erasure finds the record


def test_nobody_is_waited_for_when_all_is_saved(world: World) -> None:
    compared(world)

    erase(world)

    assert world.waited_for == []
    assert world.time.now() < NOON + timedelta(seconds=AHEAD_SECONDS + 2)


def test_an_unknown_outcome_is_not_waited_for(world: World) -> None:
    world.api.answers(UNKNOWN)
    world.upload_pair()
    world.work()

    erasure = erase(world)

    assert (world.waited_for, erasure.unanswered, erasure.transaction_ids) == ([], 1, [])


def test_an_erasure_that_aws_interrupted_is_completed_by_the_next(world: World) -> None:
    compared(world)
    world.erasable_records.at("take", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        erase(world)

    erasure = erase(world)

    assert erasure.complete
    nothing_is_left(world)


def test_a_new_picture_beside_an_old_one_that_is_being_erased_is_not_compared_with_it(world: World) -> None:
    moments: list[object] = []

    def a_new_picture_comes() -> None:
        moments.append(world.time.now())
        world.upload("anna/first.jpg", shade=5)
        world.work()  # a worker sees the new first and the old second

    world.pictures.at("delete", lambda: world.upload("anna/second.jpg"), a_new_picture_comes)

    erase(world)
    world.time.passes(15)
    world.work()

    assert moments
    assert world.api.posts == 0
    assert (world.stored().verdict, world.stored().waiting_for) == (Verdict.WAITING, "second")
    assert [each.upload.key for each in world.bucket.versions] == ["anna/first.jpg"]


def test_a_picture_that_was_read_before_the_erasure_is_not_sent_after_it(world: World) -> None:
    world.upload_pair()
    world.gate.at("enter", lambda: erase(world))

    world.work()

    assert world.api.posts == 0
    nothing_is_left(world)


# --- What is told -----------------------------------------------------------------------------------------------------


def test_nothing_of_a_pair_is_told_apart_from_a_pair_that_was_erased_before(world: World) -> None:
    world.upload("anna/first.jpg")

    assert [erase(world, "nobody").known, erase(world).known, erase(world).known] == [False, True, True]


def test_a_marked_pair_that_never_was_is_known_from_then_on(world: World) -> None:
    assert [erase(world, "nobody").known, erase(world, "nobody").known] == [False, True]


def test_only_the_pair_itself_is_erased_not_those_below_it(world: World) -> None:
    compared(world)
    compared(world, "anna/below")

    erase(world)

    assert world.stored("anna/below").verdict is Verdict.PASS
    assert len(world.bucket.versions) == 2


def test_many_pairs_are_marked_together_and_wait_together(world: World) -> None:
    pair_ids = [f"pair {number}" for number in range(60)]
    for pair_id in pair_ids:
        world.upload(f"{pair_id}/first.jpg")

    erasures = list(world.eraser().erase(pair_ids))

    assert [each.versions for each in erasures] == [1] * 60
    assert len({each.erased_at for each in erasures}) == 3
    assert world.bucket.versions == []


def test_what_remains_elsewhere_is_told_with_its_end() -> None:
    everything = {
        each["where"]: each["until"]
        for each in remaining(NOON, log_days=90, webhook=True, transactions=True, unanswered=True)
    }
    least = list(remaining(NOON, log_days=1, webhook=False, transactions=False, unanswered=False))

    assert everything["point-in-time backups of VerdictsTable and CallsTable"] == "2026-03-07T12:00:00.000Z"
    assert everything["logs of the functions: pair ids, and what the API answered"] == "2026-05-01T12:00:00.000Z"
    assert [where for where, until in everything.items() if "ADVANCE.AI" in str(where) and until is None]
    assert not [each for each in least if "webhook" in str(each["where"]) or "ADVANCE" in str(each["where"])]
