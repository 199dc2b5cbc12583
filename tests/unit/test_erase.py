"""Erasing a pair, at whatever moment a worker has it."""

from datetime import timedelta

import pytest

from facepair.domain.erasure import Erasure, Stored, remaining
from facepair.domain.ledger import State
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Blocked, Unavailable
from facepair.domain.row import PairItem
from facepair.domain.verdict import Verdict
from facepair.use_cases.erase import IN_FLIGHT
from tests.fakes import BLOCKED_RETRY, LIFETIME, NOON, SUCCESS
from tests.world import World

ANN = "arn:aws:iam::1:user/ann"
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")


class Killed(BaseException):
    """Kill the worker: no handler catches this exception."""


def erase(world: World, pair_id: str = "anna") -> Erasure:
    """Erase as the command does. Return the sums, and how long was waited as `ask_again_in`."""
    erased = world.eraser().erase(pair_id, ANN)
    if not erased.known:
        return erased
    seconds = erased.ask_again_in or 0
    world.time.passes(seconds)
    confirmed = world.eraser().confirm(pair_id, ANN)
    return confirmed.model_copy(
        update={
            "ask_again_in": seconds,
            **{name: getattr(erased, name) + getattr(confirmed, name) for name in ("versions", "rows", "calls")},
        }
    )


def compared(world: World, pair_id: str = "anna") -> None:
    world.upload_pair(pair_id)
    world.work()
    assert world.stored(pair_id).verdict is Verdict.PASS


def nothing_is_left(world: World, pair_id: str = "anna") -> None:
    assert [each for each in world.bucket.versions if each.upload.key.startswith(f"{pair_id}/")] == []
    assert world.item(pair_id).keys() == {"pair_id", "erased_at", "expires_at"}
    for call in world.ledger.of_pair(pair_id):
        assert (call.erased, call.outcome, call.fingerprint) == (True, None, "")


def test_an_erasure_removes_pictures_versions_row_records_and_faces_in_the_ledger(world: World) -> None:
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
    assert world.ledger.states("anna") == [State.ANSWERED, State.ANSWERED, State.ERASED]
    assert world.in_flight.marks == {}


def test_the_ledger_is_marked_first_and_the_row_entombed_after_calls_and_records(world: World) -> None:
    compared(world)
    world.diary.clear()

    erase(world)

    steps = [
        "erasable_ledger.mark",
        "erasable_ledger.strip",
        "erasable_records.take",
        "erasable_rows.entomb",
        "pictures.delete",
        "erasable_ledger.settle",
    ]
    assert world.happened(*steps)[:6] == steps
    assert world.diary[-1] == "erasable_ledger.forget"


def test_what_is_uploaded_after_the_second_of_an_erasure_is_compared_and_paid_for(world: World) -> None:
    compared(world)
    erasure = erase(world)

    compared(world)

    assert world.stored().uploaded_at > erasure.erased_at
    assert world.api.posts == 2


def test_an_erasure_leaves_the_calls_of_a_later_submission_alone(world: World) -> None:
    compared(world)

    def a_later_upload_is_compared() -> None:
        world.time.passes(2)
        compared(world)

    world.erasable_ledger.at("of_pair", lambda: None, a_later_upload_is_compared)

    erasure = erase(world)

    assert erasure.calls == 1
    assert [call.erased for call in world.ledger.of_pair("anna")] == [True, True, False]
    assert world.stored().verdict is Verdict.PASS


def test_an_in_flight_marker_goes_too(world: World) -> None:
    world.upload_pair()
    [pair] = [world.bucket.find("anna")]
    world.in_flight.defer(pair.objects, NOON)

    erase(world)

    assert world.in_flight.marks == {}


@pytest.mark.parametrize("earlier", [SUCCESS, UNKNOWN])
def test_a_stripped_call_answers_nothing_even_if_its_fingerprint_is_still_there(world: World, earlier: Outcome) -> None:
    world.api.answers(earlier, SUCCESS)
    world.upload_pair()
    world.work()
    world.erasable_ledger.at("forget", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        erase(world)

    compared(world)

    assert world.api.posts == 2


def test_a_stale_worker_does_not_rewrite_an_erased_pair_that_waited_for_the_account(world: World) -> None:
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "no money"))
    world.upload_pair()
    world.work()
    assert world.stored().verdict is Verdict.PENDING
    world.time.passes(2 * BLOCKED_RETRY)
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "no money"))
    read = world.verdicts.item

    def read_and_overtaken(pair_id: str) -> PairItem:
        item = read(pair_id)
        erase(world)
        return item

    world.verdicts.item = read_and_overtaken  # type: ignore[method-assign]

    world.work()

    nothing_is_left(world)


def test_what_is_uploaded_in_the_second_of_an_erasure_is_erased_when_it_is_confirmed(world: World) -> None:
    compared(world)
    begun = world.eraser().erase("anna", ANN)
    world.upload("anna/first.jpg", shade=5)

    world.time.passes(begun.ask_again_in or 0)
    confirmed = world.eraser().confirm("anna", ANN)

    assert (begun.versions, confirmed.versions, confirmed.complete) == (2, 1, True)
    nothing_is_left(world)


def test_an_erasure_is_not_confirmed_before_its_second_is_over(world: World) -> None:
    compared(world)
    world.eraser().erase("anna", ANN)

    confirmed = world.eraser().confirm("anna", ANN)

    assert (confirmed.complete, confirmed.ask_again_in) == (False, 1.0)


def test_a_row_of_a_later_second_moves_the_erasure_to_a_later_second(world: World) -> None:
    compared(world)

    def a_later_upload_is_compared() -> None:
        world.time.passes(2)
        world.upload("anna/first.jpg", shade=5)
        world.work()

    world.pictures.at("abort", a_later_upload_is_compared)

    erasure = erase(world)

    assert erasure.erased_at == NOON + timedelta(seconds=2)
    assert (erasure.versions, erasure.rows, erasure.complete) == (3, 1, True)
    nothing_is_left(world)


def test_an_erasure_that_was_interrupted_is_begun_again_when_it_is_confirmed(world: World) -> None:
    compared(world)
    world.erasable_ledger.at("settle", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        world.eraser().erase("anna", ANN)

    again = world.eraser().confirm("anna", ANN)

    assert not again.complete
    assert again.ask_again_in


def test_a_row_that_cannot_be_read_is_erased_too(world: World) -> None:
    stored = Stored({"verdict": "FOO"}, is_tombstone=False)

    assert not stored.is_later_than(NOON)


def test_pictures_erased_by_an_earlier_release_are_not_compared(world: World) -> None:
    world.upload_pair()
    world.earlier_erasures.moments["anna"] = NOON

    world.work()

    assert (world.api.posts, world.verdicts.items) == (0, {})


def test_uploads_after_an_erasure_by_an_earlier_release_are_compared(world: World) -> None:
    world.earlier_erasures.moments["anna"] = NOON
    world.time.passes(1)

    compared(world)


# --- A worker has the pair --------------------------------------------------------------------------------------------

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
def test_a_worker_overtaken_at_any_point_restores_nothing(world: World, moment: str) -> None:
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


def test_an_erasure_waits_until_no_worker_can_be_alive(world: World) -> None:
    world.upload_pair()
    world.api.at("answer", Killed())
    with pytest.raises(Killed):
        world.work()
    [call] = world.ledger.of_pair("anna")

    erasure = erase(world)

    assert world.time.now() == call.alive_until + IN_FLIGHT
    assert erasure.complete
    assert (erasure.calls, erasure.unanswered) == (1, 1)
    nothing_is_left(world)


def test_there_is_no_wait_when_all_is_saved(world: World) -> None:
    compared(world)

    assert erase(world).ask_again_in == 1


def test_an_erasure_does_not_wait_for_an_unknown_outcome(world: World) -> None:
    world.api.answers(UNKNOWN)
    world.upload_pair()
    world.work()

    erasure = erase(world)

    assert (erasure.ask_again_in, erasure.unanswered, erasure.transaction_ids) == (1, 1, [])


def test_the_next_erasure_completes_an_interrupted_one(world: World) -> None:
    compared(world)
    world.erasable_records.at("take", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        erase(world)

    erasure = erase(world)

    assert erasure.complete
    nothing_is_left(world)


def test_an_erasure_that_dies_after_it_deleted_pictures_leaves_no_in_flight_marker(world: World) -> None:
    compared(world)
    world.in_flight.defer(world.bucket.find("anna").objects, world.time.now() + timedelta(minutes=5))

    def they_are_deleted_and_the_answer_is_lost() -> None:
        world.bucket.erase(world.bucket.versions)
        raise Unavailable("the answer was lost")

    world.pictures.at("delete", they_are_deleted_and_the_answer_is_lost)
    with pytest.raises(Unavailable):
        erase(world)

    assert erase(world).complete
    assert world.in_flight.marks == {}


def test_a_new_picture_beside_an_old_one_that_is_being_erased_is_not_compared_with_it(world: World) -> None:
    world.upload("anna/first.jpg", "anna/second.jpg")

    def a_new_picture_comes() -> None:
        world.time.passes(2)
        world.upload("anna/first.jpg", shade=5)
        world.work()  # a worker sees the new first and the old second

    world.pictures.at("delete", a_new_picture_comes)

    erase(world)
    world.time.passes(15)
    world.work()

    assert world.api.posts == 0
    assert (world.stored().verdict, world.stored().waiting_for) == (Verdict.WAITING, "second")
    assert [each.upload.key for each in world.bucket.versions] == ["anna/first.jpg"]


def test_a_picture_read_before_the_erasure_is_not_sent_after_it(world: World) -> None:
    world.upload_pair()
    world.gate.at("enter", lambda: erase(world))

    world.work()

    assert world.api.posts == 0
    nothing_is_left(world)


# --- Answers ---------------------------------------------------------------------------------------------------------


def test_an_unknown_pair_differs_from_a_pair_that_was_erased_before(world: World) -> None:
    world.upload("anna/first.jpg")

    assert [erase(world, "unknown").known, erase(world).known, erase(world).known] == [False, True, True]


def test_a_pair_that_never_was_gets_no_tombstone(world: World) -> None:
    assert not erase(world, "unknown").known
    assert (world.verdicts.items, world.ledger.calls_of("unknown")) == ({}, [])


def test_erasing_a_pair_leaves_the_pairs_below_it(world: World) -> None:
    compared(world)
    compared(world, "anna/below")

    erase(world)

    assert world.stored("anna/below").verdict is Verdict.PASS
    assert len(world.bucket.versions) == 2


def test_data_that_remains_elsewhere_is_reported_with_its_expiry() -> None:
    everything = {
        each["where"]: each["until"]
        for each in remaining(NOON, log_days=90, webhook=True, transactions=True, unanswered=True, expired=None)
    }
    least = list(remaining(NOON, log_days=1, webhook=False, transactions=False, unanswered=False, expired=None))

    assert everything["point-in-time backups of VerdictsTable and CallsTable"] == "2026-03-07T12:00:00.000Z"
    assert everything["logs of the functions: pair ids, codes and transaction ids"] == "2026-05-01T12:00:00.000Z"
    assert [where for where, until in everything.items() if "ADVANCE.AI" in str(where) and until is None]
    assert not [each for each in least if "webhook" in str(each["where"]) or "ADVANCE" in str(each["where"])]
