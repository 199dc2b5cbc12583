"""Ask ADVANCE about two pictures: at most one charged answer for the same two contents, whatever fails."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count

from facepair.advance.codes import Meaning
from facepair.domain import clock
from facepair.domain.fitted import Fitted
from facepair.domain.gate import Gate, Slot
from facepair.domain.ledger import (
    MOST_UNANSWERED,
    Call,
    OnUnknownOutcome,
    State,
    is_taken,
    last_erasure,
    may_call_again,
)
from facepair.domain.metric import Metric
from facepair.domain.outcome import Outcome
from facepair.domain.reads import LastRead
from facepair.domain.retry import Blocked, Later, Unavailable
from facepair.domain.verdict import OUTCOME_UNKNOWN, TOO_LITTLE_TIME, comparison_code
from facepair.use_cases.ports import (
    ComparisonApi,
    FleetGate,
    Idempotency,
    LastReads,
    Ledger,
    Metrics,
    Parallel,
    Tokens,
    UnsavedRefusals,
)

logger = logging.getLogger(__name__)

SAVING_SECONDS = 5
"""Time to leave after a call for saving its outcome."""


@dataclass(frozen=True)
class Question:
    """Two contents, fit to be sent.

    `reversed_fingerprint` is for swapped roles. `earliest_upload` is that of the older picture. `time_left` returns the
    seconds left to this worker. `gate` is the state that it read. `is_new` says that it found no row of the pair in the
    ledger.
    """

    pair_id: str
    fingerprint: str
    reversed_fingerprint: str
    first: Fitted
    second: Fitted
    earliest_upload: datetime
    time_left: Callable[[], float]
    gate: Gate | None = None
    is_new: bool = False


@dataclass(frozen=True)
class Concluded:
    """An outcome. `last_read` was read after the call; None if there was no call or reading failed."""

    outcome: Outcome
    last_read: LastRead | None


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Guards each call with the ledger, which alone decides whether a POST may be made for these contents.

    The idempotency record in front of it answers duplicates cheaply; the gate decides when the fleet may call.
    Three leases overlap here: see docs/adr/0002-ledger-row-before-the-call.md.
    """

    api: ComparisonApi
    tokens: Tokens
    ledger: Ledger
    refusals: UnsavedRefusals
    idempotency: Idempotency
    gate: FleetGate
    last_reads: LastReads
    parallel: Parallel
    metrics: Metrics
    on_unknown: OnUnknownOutcome
    sleep: Callable[[float], None] = time.sleep

    def is_new(self, pair_id: str) -> bool:
        """Return whether the ledger has no row of this pair.

        Safe to read before the pictures are known: if a call or an erasure takes the first number meanwhile, no other
        call can be opened with it.
        """
        return not self.ledger.of_pair(pair_id)

    def ask(self, question: Question) -> Concluded:
        """Return ADVANCE's answer about the two pictures, once its ledger row is complete.

        A call without an answer is an outcome too (OUTCOME_UNKNOWN). Raises Later, Closed or RateLimited if nothing
        was charged. With OnUnknownOutcome `retry`, Later can also mean that the last call may have been charged and
        will be repeated.
        """
        answers: list[Concluded] = []

        def by_ledger() -> Outcome:
            answers.append(self._by_ledger(question))
            return answers[0].outcome

        outcome = self.idempotency.once(question.fingerprint, by_ledger)
        stored = not answers
        call = self._row_behind(outcome, question) if stored or outcome.unsaved else None
        if stored and call and call.erased:
            self.idempotency.discard(question.fingerprint)
            raise Later("the stored answer was given for pictures that were erased")
        if call and outcome.unsaved:
            self.ledger.complete(call, State.after(outcome), outcome)
        if stored:  # keep an answer for as long as a later upload that it serves can exist
            self.ledger.keep(call) if call else self.idempotency.keep(question.fingerprint)
        return Concluded(outcome, answers[0].last_read if answers else None)

    def _row_behind(self, outcome: Outcome, question: Question) -> Call | None:
        """Return the ledger row of the call behind an outcome; None if it has expired and its number may be reused."""
        call = self.ledger.get(question.pair_id, outcome.call) if outcome.call else None
        return call if call and (call.erased or call.fingerprint == question.fingerprint) else None

    def _by_ledger(self, question: Question) -> Concluded:
        """Return the answer from the ledger, in either order of the pictures, or else by calling.

        Raises Later for erased pictures: the message comes back once the bucket no longer has them.
        """
        calls = () if question.is_new else self.ledger.of_pair(question.pair_id)
        erased_at = last_erasure(calls)
        if erased_at and question.earliest_upload <= erased_at:
            raise Later("the pair was erased after these pictures were uploaded")
        orders = (question.fingerprint, question.reversed_fingerprint)
        of_these = [call for call in calls if call.fingerprint in orders and not is_taken(call, calls)]
        earlier = [*self._with_refusals(of_these)]
        for call in earlier:
            if answer := call.answer:
                self.ledger.keep(call)
                same_order = call.fingerprint == question.fingerprint
                return Concluded(answer if same_order else answer.turned_round(), last_read=None)
        refusals = sum(call.state is State.REFUSED for call in earlier)
        if earlier and earlier[-1].outcome:
            _wait_for(earlier[-1].outcome, refusals)
        unanswered = self._unanswered(earlier)
        for call in unanswered:
            self.ledger.keep(call)
        if not may_call_again(unanswered, self.on_unknown):
            return Concluded(unanswered[-1].outcome or _unknown(unanswered[-1]), last_read=None)
        next_number = int(calls[-1].call) + 1 if calls else 1
        return self._call(question, next_number, len(unanswered), refusals)

    def _with_refusals(self, calls: Iterable[Call]) -> Iterator[Call]:
        """Complete the rows of free refusals that could not be saved before."""
        for call in calls:
            refusal = self.refusals.of(call) if call.unanswered else None
            if refusal:
                self.ledger.complete(call, State.REFUSED, refusal)
                yield replace(call, state=State.REFUSED, outcome=refusal)
            else:
                yield call

    def _unanswered(self, earlier: Sequence[Call]) -> list[Call]:
        """Handle calls that may have been charged without an answer. Raises Later while their worker may be alive."""
        for call in earlier:
            if call.state is State.SENT:
                if call.alive_until > clock.now():
                    raise Later("another worker is waiting for the answer")
                self.ledger.complete(call, State.UNKNOWN, _unknown(call))
        return [call for call in earlier if call.unanswered]

    def _call(self, question: Question, number: int, unanswered: int, refusals: int) -> Concluded:
        """Try tokens until one is accepted, each call in its own slot.

        A probe keeps its slot for the next token; otherwise every worker with an expired token would probe.
        """
        tokens = self.tokens.tokens()
        refusal, slot = "", None
        for attempt in count():
            slot = slot if slot and slot.probe else self.gate.enter(None if attempt else question.gate)
            answer = self._call_in_slot(question, number + attempt, tokens, refusal, slot)
            outcome = answer.outcome
            if outcome.code == OUTCOME_UNKNOWN and self.on_unknown == "retry" and unanswered + 1 < MOST_UNANSWERED:
                raise Later(outcome.message, code=OUTCOME_UNKNOWN)
            if outcome.charged:  # whatever the code: another call would be charged again
                return answer
            match comparison_code(outcome.code).meaning:
                case Meaning.RENEW_TOKEN:
                    refusal = outcome.message
                    logger.warning("Token refused", extra={"reason": refusal})
                case Meaning.RETRY:
                    raise _later(outcome, refusals + attempt + 1)
                case _:
                    return answer
        raise AssertionError("tokens end by being refused")

    def _call_in_slot(
        self, question: Question, number: int, tokens: Iterator[str], refusal: str, slot: Slot
    ) -> Concluded:
        """Call in this slot and report the result to the gate. Give an unused slot back."""
        try:
            token = next(tokens, None)
            if token is None:
                raise Blocked("IAM_FAILED", f"A new token was refused too: {refusal}")
            answer = self._ledgered_call(question, number, token, slot)
            outcome = answer.outcome
            if not outcome.charged and comparison_code(outcome.code).meaning is Meaning.BLOCKED:
                raise Blocked(outcome.code, outcome.message)
        except Blocked as blocked:
            raise self.gate.block(blocked) from blocked
        except (Later, Unavailable):
            self.gate.give_back(slot)
            raise
        if outcome.charged or comparison_code(outcome.code).meaning is not Meaning.RENEW_TOKEN:
            self.gate.report(slot, outcome, answer.last_read.gate if answer.last_read else None)
        return answer

    def _ledgered_call(self, question: Question, number: int, token: str, slot: Slot) -> Concluded:
        """Send one POST between the two writes of its ledger row. During the second write, read what comes next."""
        call = self._open(question, number, slot)
        self.sleep(_seconds_until(slot))
        started = time.monotonic()
        outcome = self.api.compare(token, question.first, question.second).model_copy(update={"call": call.call})
        latency_ms = round((time.monotonic() - started) * 1000)
        # Log before writing the ledger: if no table accepts the outcome, auditors still find the charge. Logs outlive
        # an erasure, so they never contain a similarity or a face position.
        logger.info(
            "Called the comparison API",
            extra={
                "code": outcome.code,
                "transaction_id": outcome.transaction_id,
                "charged": outcome.charged,
                "latency_ms": latency_ms,
            },
        )
        self.metrics.add(Metric.CALLS)
        self.metrics.add(Metric.CHARGED_CALLS, int(outcome.charged))
        if outcome.paid_but_stated_free:
            self.metrics.add(Metric.PAID_STATED_FREE)
        with self.parallel.pool() as pool:
            saved = pool.submit(partial(self._save, call, outcome, latency_ms))
            last_read = pool.submit(partial(self._last_read, question.fingerprint))
        return Concluded(saved.result(), last_read.result())

    def _last_read(self, fingerprint: str) -> LastRead | None:
        """Return the gate and the decision after a call; None if unreadable, so that a paid answer is not lost."""
        try:
            return self.last_reads.after_call(fingerprint)
        except Unavailable:
            logger.warning("The gate and the decision cannot be read yet", exc_info=True)
            return None

    def _open(self, question: Question, number: int, slot: Slot) -> Call:
        """Write the ledger row of a call. Raises Later if too little time is left for the call."""
        too_late = f"too little time is left for a call of up to {self.api.deadline:g} s"
        needed = self.api.deadline + SAVING_SECONDS
        left = question.time_left()
        if left < needed + _seconds_until(slot):
            raise Later(too_late, code=TOO_LITTLE_TIME)
        alive_until = clock.now() + timedelta(seconds=left)
        call = self.ledger.open(question.pair_id, question.fingerprint, number, alive_until, question.earliest_upload)
        if question.time_left() < needed + _seconds_until(slot):  # writing the row took too long
            self._save(call, Outcome(code=TOO_LITTLE_TIME, message=too_late, call=call.call))
            raise Later(too_late, code=TOO_LITTLE_TIME)
        return call

    def _save(self, call: Call, outcome: Outcome, latency_ms: int | None = None) -> Outcome:
        """Complete the ledger row.

        If that fails, the outcome is not lost: `ask` completes it later, and a free refusal is saved beside the ledger
        for the worker that retries the pair.
        """
        try:
            self.ledger.complete(call, State.after(outcome), outcome, latency_ms)
        except Unavailable:
            logger.exception("The call's outcome cannot be saved yet", extra={"call": call.call})
            if not outcome.charged:
                self._keep_refusal(call, outcome)
            return outcome.model_copy(update={"unsaved": True})
        return outcome

    def _keep_refusal(self, call: Call, refusal: Outcome) -> None:
        try:
            self.refusals.save(call, refusal)
        except Unavailable:
            logger.exception(
                "Free refusal not saved: the call will count as perhaps charged", extra={"call": call.call}
            )


def _seconds_until(slot: Slot) -> float:
    return max(0.0, slot.at - clock.now().timestamp())


def _later(outcome: Outcome, refusals: int) -> Later:
    seconds = (outcome.retry_at - clock.now()).total_seconds() if outcome.retry_at else None
    return Later(outcome.message, code=outcome.code, retry_after=seconds, refusals=refusals)


def _wait_for(earlier: Outcome, refusals: int) -> None:
    """Raise Later until the last call's Retry-After has passed, whichever message of the pair made that call."""
    if earlier.retry_at and earlier.retry_at > clock.now():
        raise _later(earlier, refusals)


def _unknown(call: Call) -> Outcome:
    message = "The worker that called died before it could save an answer; the call may have been charged"
    return Outcome(code=OUTCOME_UNKNOWN, message=message, call=call.call)
