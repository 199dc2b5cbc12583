"""The ledger around a call: which worker may call, and how each result is recorded."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from facepair.domain import clock
from facepair.domain.fitted import Fitted
from facepair.domain.ledger import Call, OnUnknownOutcome, State
from facepair.domain.metric import Metric
from facepair.domain.outcome import Outcome, Seen, verdict
from facepair.domain.retention import Retention
from facepair.domain.retry import Blocked, Closed, Later, RateLimited, RetryReason, Unavailable
from facepair.domain.verdict import Verdict
from facepair.use_cases.ask import SAVING_SECONDS, Question
from tests.fakes import BLOCKED_RETRY, DEADLINE, LIFETIME, NOON, SUCCESS
from tests.world import POLICY, World

PICTURE = Fitted(b"a picture", "image/jpeg", (), (900, 1200), (900, 1200))
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")
THROTTLED = Unavailable("ThrottlingException")


class Killed(BaseException):
    """Kill the worker: no handler catches this exception."""


def refusal(code: str, pricing_strategy: str = "FREE", retry_in: float | None = None) -> Outcome:
    retry_at = None if retry_in is None else clock.now() + timedelta(seconds=retry_in)
    return Outcome(code=code, message=code.lower(), pricing_strategy=pricing_strategy, retry_at=retry_at)


def ask(world: World, fingerprint: str = "f1", *, on_unknown: OnUnknownOutcome = "hold") -> Outcome:
    """A worker with all of its time left."""
    world.time.new_worker()
    question = Question("anna", fingerprint, fingerprint[::-1], PICTURE, PICTURE, NOON, world.time.left)
    return world.asker(on_unknown).ask(question).outcome


def raised(world: World, fingerprint: str = "f1", *, on_unknown: OnUnknownOutcome = "hold") -> RetryReason:
    try:
        outcome = ask(world, fingerprint, on_unknown=on_unknown)
    except RetryReason as reason:
        return reason
    pytest.fail(f"nothing was raised: {outcome}")


def first_call(world: World) -> Call:
    found = world.ledger.get("anna", "000001")
    assert found
    return found


def call_of_a_dead_worker(world: World, number: int = 1) -> None:
    world.ledger.open("anna", "f1", number, clock.now() - timedelta(seconds=1), NOON)


# --- one call per contents -------------------------------------------------------------------------------------------


def test_an_answer_is_recorded_as_outcome_and_complete_row(world: World) -> None:
    outcome = ask(world)

    assert (outcome.code, outcome.similarity, outcome.call) == ("SUCCESS", Decimal("87.3"), "000001")
    assert world.ledger.states("anna") == [State.ANSWERED]
    assert first_call(world).outcome == outcome


def test_the_row_is_written_before_the_call_and_completed_after_it(world: World) -> None:
    ask(world)

    steps = world.happened("idempotency.once", "ledger.of_pair", "ledger.open", "api.compare", "ledger.complete")
    assert steps == ["idempotency.once", "ledger.of_pair", "ledger.open", "api.compare", "ledger.complete"]


def test_the_row_says_until_when_its_worker_can_be_alive(world: World) -> None:
    seen: list[float] = []
    world.api.at("compare", lambda: seen.append((first_call(world).alive_until - clock.now()).total_seconds()))

    ask(world)

    assert seen == [LIFETIME]


def test_a_duplicate_gets_the_stored_outcome_and_leaves_the_ledger_row_alone(world: World) -> None:
    first = ask(world)
    world.diary.clear()

    assert ask(world) == first
    assert world.diary == ["idempotency.once", "ledger.get", "ledger.keep"]


def test_without_a_stored_outcome_the_ledger_answers_and_no_call_is_made(world: World) -> None:
    first = ask(world)
    world.idempotency.forget()

    assert ask(world) == first
    assert world.api.posts == 1


def test_an_answer_in_the_ledger_wins_over_other_calls_of_the_same_contents(world: World) -> None:
    call_of_a_dead_worker(world, 1)
    world.ledger.complete(first_call(world), State.UNKNOWN, UNKNOWN)
    world.ledger.complete(world.ledger.open("anna", "f1", 2, clock.now(), NOON), State.ANSWERED, SUCCESS)
    world.ledger.complete(
        world.ledger.open("anna", "f1", 3, clock.now(), NOON), State.REFUSED, refusal("ERROR", retry_in=99)
    )

    assert ask(world).code == "SUCCESS"
    assert world.api.posts == 0


def test_other_contents_get_a_call_with_the_next_number(world: World) -> None:
    calls = [ask(world, fingerprint).call for fingerprint in ("f1", "f2", "f1", "f3")]

    assert calls == ["000001", "000002", "000001", "000003"]
    assert world.api.posts == 3


def test_a_worker_gives_way_while_another_one_calls(world: World) -> None:
    world.api.at("answer", Killed())
    with pytest.raises(Killed):
        ask(world)
    world.diary.clear()

    assert raised(world).code is None
    assert world.diary == ["idempotency.once"]


# --- who may call ----------------------------------------------------------------------------------------------------


def test_one_of_two_workers_about_to_make_the_same_call_gives_way(world: World) -> None:
    world.ledger.at("open", lambda: world.ledger.open("anna", "f1", 1, clock.now() + timedelta(seconds=60), NOON))

    reason = raised(world)

    assert (type(reason), reason.code) == (Later, None)
    assert (world.api.posts, world.ledger.states("anna")) == (0, [State.SENT])


def test_a_worker_that_can_still_be_alive_is_waited_for(world: World) -> None:
    world.ledger.open("anna", "f1", 1, clock.now() + timedelta(seconds=1), NOON)

    reason = raised(world)

    assert (type(reason), reason.code) == (Later, None)
    assert (world.api.posts, world.ledger.states("anna")) == (0, [State.SENT])


def test_a_worker_that_died_after_its_call_leaves_an_unknown_outcome(world: World) -> None:
    call_of_a_dead_worker(world)

    outcomes = [ask(world)]
    world.idempotency.forget()
    outcomes.append(ask(world))

    assert [(outcome.code, outcome.call) for outcome in outcomes] == [("OUTCOME_UNKNOWN", "000001")] * 2
    assert (world.api.posts, world.ledger.states("anna")) == (0, [State.UNKNOWN])


def test_an_answer_that_arrives_while_its_worker_is_given_up_is_used_at_the_next_try(world: World) -> None:
    call_of_a_dead_worker(world)
    late = first_call(world)
    world.ledger.at("complete", lambda: world.ledger.complete(late, State.ANSWERED, SUCCESS))

    reason = raised(world)

    assert (type(reason), reason.code) == (Later, None)
    assert ask(world).code == "SUCCESS"
    assert (world.api.posts, world.ledger.states("anna")) == (0, [State.ANSWERED])


def test_a_late_answer_is_used_as_soon_as_it_arrives(world: World) -> None:
    call_of_a_dead_worker(world)
    late = first_call(world)
    ask(world)
    world.idempotency.forget()
    world.ledger.complete(late, State.ANSWERED, SUCCESS)

    assert ask(world).code == "SUCCESS"
    assert world.api.posts == 0


def test_a_dead_worker_s_call_for_other_contents_blocks_no_call(world: World) -> None:
    world.ledger.open("anna", "f0", 1, clock.now() + timedelta(seconds=60), NOON)

    assert ask(world).call == "000002"
    assert world.ledger.states("anna") == [State.SENT, State.ANSWERED]


def test_with_retry_one_more_call_follows_a_worker_that_died_after_its_call(world: World) -> None:
    call_of_a_dead_worker(world)

    assert ask(world, on_unknown="retry").code == "SUCCESS"
    assert world.ledger.states("anna") == [State.UNKNOWN, State.ANSWERED]


def test_with_retry_at_most_two_calls_have_an_unknown_outcome(world: World) -> None:
    call_of_a_dead_worker(world, 1)
    call_of_a_dead_worker(world, 2)

    outcome = ask(world, on_unknown="retry")

    assert (outcome.code, outcome.call) == ("OUTCOME_UNKNOWN", "000002")
    assert (world.api.posts, world.ledger.states("anna")) == (0, [State.UNKNOWN] * 2)


# --- time limits and a failing table ---------------------------------------------------------------------------------


def ask_with(world: World, seconds: float) -> Outcome:
    world.time.new_worker(seconds)
    return world.asker().ask(Question("anna", "f1", "1f", PICTURE, PICTURE, NOON, world.time.left)).outcome


def test_with_just_enough_time_the_call_is_made(world: World) -> None:
    assert ask_with(world, DEADLINE + SAVING_SECONDS).code == "SUCCESS"


def test_with_too_little_time_nothing_is_written_or_called(world: World) -> None:
    with pytest.raises(Later, match="too little time") as later:
        ask_with(world, DEADLINE + SAVING_SECONDS - 0.1)

    assert later.value.code == "TOO_LITTLE_TIME"
    assert (world.api.posts, world.ledger.states("anna")) == (0, [])


def test_a_row_that_took_too_long_to_write_is_closed_as_uncharged_without_a_call(world: World) -> None:
    world.ledger.at("open", lambda: world.time.passes(1))

    with pytest.raises(Later, match="too little time") as later:
        ask_with(world, DEADLINE + SAVING_SECONDS + 0.5)

    assert later.value.code == "TOO_LITTLE_TIME"
    assert (world.api.posts, world.ledger.states("anna")) == (0, [State.REFUSED])
    assert ask(world).code == "SUCCESS"


def test_without_a_row_no_call_is_made(world: World) -> None:
    world.ledger.at("open", THROTTLED)

    with pytest.raises(Unavailable):
        ask(world)

    assert world.api.posts == 0


@pytest.mark.parametrize("operation", ["of_pair", "complete"])
def test_no_call_is_made_if_the_ledger_cannot_be_read_or_tidied_up(world: World, operation: str) -> None:
    call_of_a_dead_worker(world)
    world.ledger.at(operation, THROTTLED)

    with pytest.raises(Unavailable):
        ask(world, on_unknown="retry")

    assert world.api.posts == 0


def test_an_answer_that_the_ledger_misses_is_completed_by_the_idempotency_layer(world: World) -> None:
    world.ledger.at("complete", THROTTLED)

    outcome = ask(world)

    assert (outcome.code, world.ledger.states("anna")) == ("SUCCESS", [State.ANSWERED])
    assert world.happened("ledger.complete", "idempotency.save") == [
        "ledger.complete",
        "idempotency.save",
        "ledger.complete",
    ]


def test_idempotency_keeps_an_answer_until_the_ledger_takes_it(world: World) -> None:
    world.ledger.at("complete", THROTTLED, THROTTLED)

    with pytest.raises(Unavailable):
        ask(world)
    states = world.ledger.states("anna")
    outcomes = [ask(world), ask(world)]

    assert states == [State.SENT]
    assert [outcome.similarity for outcome in outcomes] == [Decimal("87.3")] * 2
    assert (world.api.posts, world.ledger.states("anna")) == (1, [State.ANSWERED])


def test_an_answer_saved_late_completes_a_row_that_was_given_up(world: World) -> None:
    world.ledger.at("complete", THROTTLED, THROTTLED)
    with pytest.raises(Unavailable):
        ask(world)
    world.ledger.complete(first_call(world), State.UNKNOWN, UNKNOWN)

    assert ask(world).code == "SUCCESS"
    assert world.ledger.states("anna") == [State.ANSWERED]


@pytest.mark.parametrize(
    "code", ["SERVICE_BUSY", "RETRY_LATER", "ERROR", "NETWORK_ERROR", "INSUFFICIENT_BALANCE", "CLIENT_ERROR"]
)
@pytest.mark.parametrize("on_unknown", ["hold", "retry"])
def test_a_free_refusal_that_the_ledger_cannot_take_is_called_again(
    world: World, code: str, on_unknown: OnUnknownOutcome
) -> None:
    world.api.answers(refusal(code), SUCCESS)
    world.ledger.at("complete", THROTTLED, THROTTLED)
    for _ in range(2):
        with suppress(Later, Closed, Unavailable):
            ask(world, on_unknown=on_unknown)
        world.time.passes(BLOCKED_RETRY)

    outcome = ask(world, on_unknown=on_unknown)

    assert (outcome.code, outcome.call) == ("SUCCESS", "000002")
    assert (world.api.charged, world.ledger.states("anna")) == (1, [State.REFUSED, State.ANSWERED])


def test_a_retry_after_holds_even_if_the_ledger_could_not_store_it(world: World) -> None:
    world.api.answers(refusal("SERVICE_BUSY", retry_in=600), SUCCESS)
    world.ledger.at("complete", THROTTLED)
    raised(world)
    world.time.passes(200)

    reason = raised(world)

    assert isinstance(reason, Later)
    assert (reason.code, reason.retry_after) == ("SERVICE_BUSY", 400)


def test_an_unmade_call_that_the_ledger_cannot_take_does_not_block_the_next(world: World) -> None:
    world.ledger.at("open", lambda: world.time.passes(1))
    world.ledger.at("complete", THROTTLED)
    with pytest.raises(Later, match="too little time"):
        ask_with(world, DEADLINE + SAVING_SECONDS + 0.5)
    world.time.passes(LIFETIME)

    assert ask(world).code == "SUCCESS"
    assert world.ledger.states("anna") == [State.REFUSED, State.ANSWERED]


def test_a_refusal_that_no_table_stores_counts_as_possibly_charged(world: World) -> None:
    world.api.answers(refusal("SERVICE_BUSY"), SUCCESS)
    world.ledger.at("complete", THROTTLED)
    world.refusals.at("save", THROTTLED)

    assert raised(world).code == "SERVICE_BUSY"
    world.time.passes(LIFETIME + 1)

    assert ask(world).code == "OUTCOME_UNKNOWN"
    assert world.api.posts == 1


def test_an_expired_row_behind_an_unsaved_outcome_does_not_fail_the_message(world: World) -> None:
    keep_for(world, days=30)
    world.ledger.at("complete", THROTTLED, THROTTLED)
    with pytest.raises(Unavailable):
        ask(world)
    world.ledger.forget()

    assert ask(world).code == "SUCCESS"
    assert world.api.posts == 1


def test_an_unsaved_outcome_is_not_written_to_a_newer_row_with_the_same_number(world: World) -> None:
    world.ledger.at("complete", THROTTLED, THROTTLED)
    with pytest.raises(Unavailable):
        ask(world)
    world.ledger.forget()
    world.ledger.open("anna", "f2", 1, clock.now() + timedelta(seconds=60), NOON)

    assert ask(world).code == "SUCCESS"
    assert (first_call(world).state, first_call(world).fingerprint) == (State.SENT, "f2")


def test_contents_are_not_paid_for_again_while_a_later_identical_upload_exists(world: World) -> None:
    keep_for(world, days=30)

    for _ in range(12):
        assert ask(world).code == "SUCCESS"
        world.time.passes(29 * DAY)

    assert world.api.posts == 1


@pytest.mark.parametrize(("ledger_days", "record_days"), [(10, 60), (60, 10)])
def test_the_remaining_row_or_record_is_kept_for_a_later_upload(
    world: World, ledger_days: int, record_days: int
) -> None:
    world.ledger.retention = Retention(own=timedelta(days=ledger_days), images=timedelta(days=10))
    world.idempotency.retention = Retention(own=timedelta(days=record_days), images=timedelta(days=10))
    ask(world)

    for days in (45, 16, 16, 16, 16):  # the answer must outlive two uploads this far apart
        world.time.passes(days * DAY)
        assert ask(world).code == "SUCCESS"

    assert world.api.posts == 1


def test_swapped_pictures_are_not_paid_for_again_while_they_exist(world: World) -> None:
    keep_for(world, days=30)
    ask(world, "ab")

    for order in ("ba", "ab") * 4:
        world.time.passes(29 * DAY)
        ask(world, order)

    assert world.api.posts == 1


def test_an_unknown_outcome_is_kept_while_a_later_identical_upload_exists(world: World) -> None:
    keep_for(world, days=30)
    world.api.answers(UNKNOWN)
    ask(world)

    for _ in range(4):
        world.time.passes(29 * DAY)
        assert ask(world).code == "OUTCOME_UNKNOWN"

    assert world.api.posts == 1


def test_two_unknown_outcomes_under_retry_are_kept_while_a_later_upload_exists(world: World) -> None:
    keep_for(world, days=30)
    world.api.answers(UNKNOWN)
    raised(world, on_unknown="retry")
    world.time.passes(10 * DAY)

    for _ in range(4):
        assert ask(world, on_unknown="retry").code == "OUTCOME_UNKNOWN"
        world.time.passes(29 * DAY)

    assert world.api.posts == 2


DAY = 86_400


def keep_for(world: World, *, days: int) -> None:
    """Return a world whose retentions are all equal."""
    retention = Retention(own=timedelta(days=days), images=timedelta(days=days))
    world.ledger.retention = world.idempotency.retention = retention


def test_an_outcome_that_idempotency_cannot_store_is_found_in_the_ledger(world: World) -> None:
    world.idempotency.at("save", THROTTLED)

    with pytest.raises(Unavailable):
        ask(world)
    world.time.passes(LIFETIME + 1)

    assert ask(world).code == "SUCCESS"
    assert world.api.posts == 1


def test_a_worker_killed_during_its_call_leaves_an_unknown_outcome(world: World) -> None:
    world.api.at("answer", Killed())

    with pytest.raises(Killed):
        ask(world)
    world.time.passes(LIFETIME + 1)

    assert ask(world).code == "OUTCOME_UNKNOWN"
    assert world.api.posts == 1


# --- results of a call -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["SERVICE_BUSY", "RETRY_LATER", "ERROR", "NETWORK_ERROR"])
def test_a_free_refusal_is_recorded_and_called_again_later(world: World, code: str) -> None:
    world.api.answers(refusal(code), SUCCESS)

    reason = raised(world)
    outcome = ask(world)

    assert isinstance(reason, Later)
    assert (reason.code, reason.message, reason.retry_after) == (code, code.lower(), None)
    assert outcome.code == "SUCCESS"
    assert world.ledger.states("anna") == [State.REFUSED, State.ANSWERED]


def test_a_retry_after_holds_for_every_message_of_the_pair_until_it_is_over(world: World) -> None:
    world.api.answers(refusal("SERVICE_BUSY", retry_in=600), SUCCESS)

    waits = []
    for _ in range(3):
        reason = raised(world)
        assert isinstance(reason, Later)
        waits.append((reason.code, reason.retry_after))
        world.time.passes(200)

    assert waits == [("SERVICE_BUSY", 600), ("SERVICE_BUSY", 400), ("SERVICE_BUSY", 200)]
    assert world.api.posts == 1
    assert ask(world).code == "SUCCESS"


def test_a_retry_after_of_other_contents_does_not_hold(world: World) -> None:
    world.api.answers(refusal("SERVICE_BUSY", retry_in=600), SUCCESS)
    raised(world, "f1")

    assert ask(world, "f2").code == "SUCCESS"


@pytest.mark.parametrize("code", ["INSUFFICIENT_BALANCE", "OVER_QUERY_LIMIT", "ACCOUNT_DISABLED"])
def test_a_blocked_account_stops_the_fleet_and_opens_no_more_rows(world: World, code: str) -> None:
    world.api.answers(refusal(code), SUCCESS)

    reasons = [raised(world, "f1"), raised(world, "f2")]

    assert all(isinstance(reason, Closed) for reason in reasons)
    assert [reason.code for reason in reasons] == [code, code]
    assert (world.api.posts, world.ledger.states("anna")) == (1, [State.REFUSED])


def test_a_blocked_account_is_tried_again_after_its_pause(world: World) -> None:
    world.api.answers(refusal("INSUFFICIENT_BALANCE"), SUCCESS)

    reason = raised(world)
    world.time.passes(BLOCKED_RETRY)

    assert isinstance(reason, Closed)
    assert reason.seconds == BLOCKED_RETRY
    assert ask(world).code == "SUCCESS"


def test_an_answer_in_the_ledger_is_found_while_the_account_is_blocked(world: World) -> None:
    ask(world, "f1")
    world.idempotency.forget()
    world.api.answers(refusal("ACCOUNT_DISABLED"))
    raised(world, "f2")

    assert ask(world, "f1").code == "SUCCESS"


def test_a_call_without_an_answer_is_not_repeated(world: World) -> None:
    world.api.answers(UNKNOWN, SUCCESS)

    outcomes = [ask(world)]
    world.idempotency.forget()
    outcomes.append(ask(world))

    assert [(outcome.code, outcome.message) for outcome in outcomes] == [("OUTCOME_UNKNOWN", "no answer")] * 2
    assert (world.api.posts, world.ledger.states("anna")) == (1, [State.UNKNOWN])


def test_with_retry_a_call_without_an_answer_is_repeated_exactly_once(world: World) -> None:
    world.api.answers(UNKNOWN)

    reason = raised(world, on_unknown="retry")
    outcomes = [ask(world, on_unknown="retry")]
    world.idempotency.forget()
    outcomes.append(ask(world, on_unknown="retry"))

    assert (type(reason), reason.code) == (Later, "OUTCOME_UNKNOWN")
    assert [outcome.code for outcome in outcomes] == ["OUTCOME_UNKNOWN"] * 2
    assert (world.api.posts, world.ledger.states("anna")) == (2, [State.UNKNOWN] * 2)


@pytest.mark.parametrize("code", ["PARAMETER_ERROR", "CLIENT_ERROR"])
def test_a_request_refused_as_malformed_is_an_outcome(world: World, code: str) -> None:
    world.api.answers(refusal(code))

    assert ask(world).code == code
    assert world.ledger.states("anna") == [State.REFUSED]


@pytest.mark.parametrize(
    "code", ["SERVICE_BUSY", "INSUFFICIENT_BALANCE", "IAM_FAILED", "BAD_ANSWER", "A_CODE_OF_TOMORROW"]
)
def test_a_charged_call_is_an_outcome_and_never_repeated(world: World, code: str) -> None:
    world.api.answers(refusal(code, "PAY"), SUCCESS)

    outcomes = [ask(world)]
    world.idempotency.forget()
    outcomes.append(ask(world))

    assert [outcome.code for outcome in outcomes] == [code, code]
    assert (world.api.posts, world.ledger.states("anna")) == (1, [State.ANSWERED])


@pytest.mark.parametrize("code", ["SUCCESS", "NO_FACE_DETECTED_FROM_FIRST_IMAGE"])
def test_a_paid_code_that_is_stated_free_is_a_final_answer_and_counted(world: World, code: str) -> None:
    world.api.answers(SUCCESS.model_copy(update={"code": code, "pricing_strategy": "FREE"}))

    outcomes = [ask(world)]
    world.idempotency.forget()
    outcomes.append(ask(world))

    assert [outcome.code for outcome in outcomes] == [code, code]
    assert (world.api.posts, world.ledger.states("anna")) == (1, [State.ANSWERED])
    assert world.metrics.sums() == {Metric.CALLS: 1, Metric.CHARGED_CALLS: 1, Metric.PAID_STATED_FREE: 1}


def test_a_paid_code_that_an_earlier_release_recorded_as_refused_is_not_paid_again(world: World) -> None:
    no_face = Outcome(code="NO_FACE_DETECTED_FROM_FIRST_IMAGE", message="", pricing_strategy="FREE")
    world.ledger.complete(world.ledger.open("anna", "f1", 1, clock.now(), NOON), State.REFUSED, no_face)

    assert ask(world).code == no_face.code
    assert world.api.posts == 0


def test_an_unknown_code_that_is_stated_free_is_a_free_refusal(world: World) -> None:
    world.api.answers(refusal("A_CODE_OF_TOMORROW"), SUCCESS)

    outcomes = [ask(world), ask(world)]

    assert [outcome.code for outcome in outcomes] == ["A_CODE_OF_TOMORROW", "SUCCESS"]
    assert world.ledger.states("anna") == [State.REFUSED, State.ANSWERED]


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_refused_token_is_replaced_and_each_call_is_recorded(world: World) -> None:
    world.api.revoked = {"token 1"}

    outcome = ask(world)

    assert (outcome.code, outcome.call) == ("SUCCESS", "000002")
    assert world.api.tokens == ["token 1", "token 2"]
    assert world.ledger.states("anna") == [State.REFUSED, State.ANSWERED]


def test_a_new_token_that_is_refused_too_blocks_the_account(world: World) -> None:
    world.api.revoked = {"token 1", "token 2"}

    reason = raised(world)

    assert isinstance(reason, Closed)
    assert (reason.code, reason.seconds) == ("IAM_FAILED", BLOCKED_RETRY)
    assert "token expired" in reason.message
    assert world.ledger.states("anna") == [State.REFUSED, State.REFUSED]


@pytest.mark.parametrize(
    "error",
    [Later("no token", code="NETWORK_ERROR"), Blocked("CREDENTIALS_INVALID", "fix the secret")],
)
def test_a_failure_to_get_a_token_defers_the_pair(world: World, error: Later | Blocked) -> None:
    world.api.revoked = {"token 1"}
    world.tokens.at("issue", error)

    reason = raised(world)

    assert (reason.code, reason.message) == (error.code, error.message)
    assert world.ledger.states("anna") == [State.REFUSED]


# --- the gate --------------------------------------------------------------------------------------------------------


def test_a_call_takes_a_slot_only_if_the_ledger_allows_it(world: World) -> None:
    for _ in range(3):
        ask(world)
    world.idempotency.forget()
    ask(world)

    assert world.happened("gate.enter") == ["gate.enter"]


def test_a_call_waits_for_its_slot_between_its_row_and_its_request(world: World) -> None:
    world.gate.state = replace(
        world.gate.state, next_slot=world.time.now().timestamp() + 2, per_second=world.gate.rules.per_second
    )

    began = world.time.now()
    ask(world)

    assert (world.time.now() - began).total_seconds() == pytest.approx(2, abs=0.01)
    steps = ["gate.enter", "ledger.open", "api.compare", "ledger.complete", "gate.report"]
    assert world.happened(*steps) == steps


def test_without_time_for_its_slot_a_call_is_not_made(world: World) -> None:
    world.gate.state = replace(
        world.gate.state, next_slot=world.time.now().timestamp() + 2, per_second=world.gate.rules.per_second
    )

    with pytest.raises(Later, match="too little time"):
        ask_with(world, DEADLINE + SAVING_SECONDS + 1)

    assert world.api.posts == 0


def test_a_slot_too_far_away_is_not_taken(world: World) -> None:
    world.gate.state = replace(
        world.gate.state, next_slot=world.time.now().timestamp() + 30, per_second=world.gate.rules.per_second
    )

    assert isinstance(raised(world), RateLimited)
    assert (world.api.posts, world.ledger.states("anna")) == (0, [])


def test_unknown_outcomes_in_a_row_stop_the_fleet_until_one_answer(world: World) -> None:
    world.api.answers(UNKNOWN)

    outcomes = [ask(world, f"f{number}").code for number in range(5)]
    stopped = raised(world, "f5")

    assert outcomes == ["OUTCOME_UNKNOWN"] * 5
    assert (stopped.code, world.api.posts) == ("API_NOT_ANSWERING", 5)

    world.time.passes(BLOCKED_RETRY)
    assert ask(world, "f6").code == "OUTCOME_UNKNOWN"  # the probe
    assert raised(world, "f7").code == "API_NOT_ANSWERING"
    world.time.passes(BLOCKED_RETRY)
    world.api.answers(SUCCESS)
    assert [ask(world, f"f{number}").code for number in (8, 9, 10)] == ["SUCCESS"] * 3


def test_an_answer_restarts_the_count_of_unknown_outcomes(world: World) -> None:
    for number in range(12):
        world.api.answers(SUCCESS if number % 4 == 3 else UNKNOWN)
        ask(world, f"f{number}")

    assert world.api.posts == 12


@pytest.mark.parametrize("code", ["SERVICE_BUSY", "ERROR"])
def test_a_probe_with_any_other_answer_opens_the_gate(world: World, code: str) -> None:
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "top up"))
    world.time.passes(BLOCKED_RETRY)
    world.api.answers(Outcome(code=code, message="", pricing_strategy="FREE"))

    assert raised(world, "f1").code == code
    world.api.answers(SUCCESS)

    assert ask(world, "f2").code == "SUCCESS"


def test_a_lost_probe_is_given_to_the_next_call(world: World) -> None:
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "top up"))
    world.time.passes(BLOCKED_RETRY)
    world.api.answers(Outcome(code="NETWORK_ERROR", message=""))

    assert raised(world, "f1").code == "NETWORK_ERROR"
    with pytest.raises(Later, match="too little time"):
        ask_with(world, 1)
    world.api.answers(SUCCESS)

    assert ask(world, "f2").code == "SUCCESS"


def test_a_probe_is_repeated_with_a_new_token(world: World) -> None:
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "top up"))
    world.time.passes(BLOCKED_RETRY)
    world.api.revoked = {"token 1"}

    assert ask(world).code == "SUCCESS"


# --- swapped pictures ------------------------------------------------------------------------------------------------


def test_a_pair_with_swapped_pictures_is_recognised_and_not_paid_for_again(world: World) -> None:
    adjusted = Seen(adjusted=("rotated 90",))
    world.api.answers(SUCCESS.model_copy(update={"first": adjusted}))
    ask(world, "ab")

    outcome = ask(world, "ba")

    assert (outcome.similarity, outcome.first, outcome.second) == (SUCCESS.similarity, Seen(), adjusted)
    assert world.api.posts == 1


def test_a_retake_names_the_same_picture_after_a_swap(world: World) -> None:
    world.api.answers(Outcome(code="NO_FACE_DETECTED_FROM_FIRST_IMAGE", message="", pricing_strategy="PAY"))
    ask(world, "ab")

    assert verdict(ask(world, "ba"), POLICY) == (Verdict.RETAKE, ("second",))


def test_an_unknown_outcome_holds_for_both_orders(world: World) -> None:
    world.api.answers(UNKNOWN)
    ask(world, "ab")
    world.api.answers(SUCCESS)

    assert ask(world, "ba").code == "OUTCOME_UNKNOWN"
    assert world.api.posts == 1


def test_a_paid_answer_stays_when_the_policy_changes(world: World) -> None:
    world.api.answers(UNKNOWN, SUCCESS)
    ask(world)

    assert ask(world, on_unknown="retry").code == "SUCCESS"
    assert ask(world, on_unknown="hold").code == "SUCCESS"
    world.idempotency.forget()
    assert ask(world, on_unknown="hold").code == "SUCCESS"
    assert world.api.posts == 2


def test_without_time_for_a_second_call_a_second_token_is_left_for_the_next_try(world: World) -> None:
    world.api.revoked = {"token 1"}
    world.api.seconds = DEADLINE

    with pytest.raises(Later, match="too little time"):
        ask_with(world, DEADLINE + SAVING_SECONDS)

    assert (world.api.posts, world.ledger.states("anna")) == (1, [State.REFUSED])


# --- metrics and logs ------------------------------------------------------------------------------------------------


def test_every_call_and_every_charge_is_counted(world: World) -> None:
    world.api.revoked = {"token 1"}
    ask(world)
    world.api.answers(UNKNOWN)
    ask(world, "f2")
    ask(world, "f2")

    assert world.metrics.sums() == {Metric.CALLS: 3, Metric.CHARGED_CALLS: 2}


def test_an_answer_is_logged_before_it_is_in_the_ledger(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world.ledger.at("complete", THROTTLED, THROTTLED)

    with pytest.raises(Unavailable):
        ask(world)

    [called] = [record for record in caplog.records if record.message == "Called the comparison API"]
    assert {name: vars(called)[name] for name in ("code", "transaction_id", "charged")} == {
        "code": "SUCCESS",
        "transaction_id": "t1",
        "charged": True,
    }
    assert vars(called)["latency_ms"] >= 0


# --- what is read early, and after the call --------------------------------------------------------------------------


def test_an_answer_counts_although_the_gate_and_the_decision_cannot_be_read(world: World) -> None:
    world.gate.at("look", THROTTLED)
    world.decisions.at("of", THROTTLED)

    assert ask(world).code == "SUCCESS"
    assert world.ledger.states("anna") == [State.ANSWERED]
    assert world.happened("gate.report") == ["gate.report"]


def test_a_pair_that_was_new_is_not_called_for_if_another_worker_has_called_since(world: World) -> None:
    call_of_a_dead_worker(world)
    question = Question("anna", "f1", "1f", PICTURE, PICTURE, NOON, world.time.left, is_new=True)

    with pytest.raises(Later):
        world.asker().ask(question)

    assert (world.api.posts, world.asker().is_new("anna")) == (0, False)
