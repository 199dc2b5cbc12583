"""Asks ADVANCE about two pictures: at most one charged answer for the same two contents, whatever fails."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import Literal, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from facepair import clock
from facepair.advance import Advance, Answer, FacePosition, NoAnswer, Token, TokenKeeper, TokenRefused, Unreached
from facepair.aws.calls import Call, Calls, State
from facepair.aws.credentials import CredentialsInvalid, CredentialsSecret
from facepair.picture import Box, Fitted
from facepair.retry import Blocked, Later
from facepair.verdict import (
    BAD_ANSWER,
    COMPARISON_CODES,
    CREDENTIALS_INVALID,
    NETWORK_ERROR,
    OUTCOME_UNKNOWN,
    TOKEN_CODES,
    Face,
    Meaning,
    Outcome,
    Seen,
    comparison_code,
)

logger = logging.getLogger(__name__)

OnUnknownOutcome = Literal["hold", "retry"]

SAVING_SECONDS = 5
"""Time that has to be left after a call for writing down what it brought."""


@dataclass(frozen=True)
class Question:
    """Two contents, fit to be sent. `time_left` gives the seconds that this worker has still to live."""

    pair_id: str
    fingerprint: str
    first: Fitted
    second: Fitted
    time_left: Callable[[], float]


class Breaker(Protocol):
    """Runs a call unless the account is known to be blocked; opens when the call raises Blocked."""

    def run(self, call: Callable[[], Outcome]) -> Outcome: ...


class Minter:
    """Gets new tokens with the account's credentials."""

    def __init__(self, advance: Advance, secret: CredentialsSecret, validity: int, blocked_pause: float) -> None:
        self._advance = advance
        self._secret = secret
        self._validity = validity
        self._blocked_pause = blocked_pause

    def mint(self) -> Token:
        """A new token. Free. Raises Blocked for a person to mend, Later for what passes."""
        try:
            return self._advance.mint(self._secret.load(), self._validity)
        except CredentialsInvalid as error:
            raise Blocked(CREDENTIALS_INVALID, str(error), pause=self._blocked_pause) from error
        except Unreached as error:
            raise Later(f"{error.message}; is AdvanceBaseUrl right?", code=NETWORK_ERROR) from error
        except NoAnswer as error:
            message = f"No token: {error.message}; is AdvanceBaseUrl right?"
            raise Later(message, code=NETWORK_ERROR if error.http_status is None else BAD_ANSWER) from error
        except TokenRefused as refusal:
            meaning, code = TOKEN_CODES.get(refusal.code, (Meaning.RETRY, refusal.code))
            message = f"generate-token answered {refusal.code}: {refusal.message}"
            if meaning is Meaning.BLOCKED:
                raise Blocked(code, message, pause=self._blocked_pause) from refusal
            raise Later(message, code=code, retry_after=refusal.retry_after) from refusal


class Asker:
    """The ledger around the call. It alone decides whether a POST may be made."""

    def __init__(
        self,
        advance: Advance,
        tokens: TokenKeeper,
        calls: Calls,
        breaker: Breaker,
        on_unknown: OnUnknownOutcome,
        blocked_pause: float,
        count_call: Callable[[Outcome], None],
    ) -> None:
        self._advance = advance
        self._tokens = tokens
        self._calls = calls
        self._breaker = breaker
        self._on_unknown = on_unknown
        self._blocked_pause = blocked_pause
        self._count_call = count_call

    def ask(self, question: Question) -> Outcome:
        """What ADVANCE says of the two pictures: from the ledger if it has been asked before, else by calling.

        A call without an answer is an outcome too (OUTCOME_UNKNOWN). Raises Later or Blocked, surely not charged: or,
        with OnUnknownOutcome `retry`, perhaps charged, and to be called once more.
        """
        calls = self._calls.of_pair(question.pair_id)
        earlier = [call for call in calls if call.fingerprint == question.fingerprint]
        answered = next((call for call in earlier if call.state is State.ANSWERED and call.outcome), None)
        if answered and answered.outcome:
            return answered.outcome
        if earlier and earlier[-1].outcome:
            _wait_for(earlier[-1].outcome)
        unanswered = self._unanswered(earlier)
        if unanswered and not self._may_repeat(len(unanswered)):
            return unanswered[-1].outcome or _unknown(unanswered[-1])
        next_number = int(calls[-1].call) + 1 if calls else 1
        return self._breaker.run(lambda: self._call(question, next_number, len(unanswered)))

    def settle(self, pair_id: str, outcome: Outcome) -> None:
        """Complete the ledger row of an outcome that could not be saved when it came."""
        if outcome.unsaved and outcome.call:
            self._calls.complete(self._calls.get(pair_id, outcome.call), _state(outcome), outcome)

    def _unanswered(self, earlier: list[Call]) -> list[Call]:
        """Calls that may have been charged without an answer. A worker that can still be alive is waited for."""
        for call in earlier:
            if call.state is State.SENT:
                if call.alive_until > clock.now():
                    raise Later("another worker is waiting for the answer")
                self._calls.complete(call, State.UNKNOWN, _unknown(call))
        return [call for call in earlier if call.state in (State.SENT, State.UNKNOWN)]

    def _may_repeat(self, unanswered: int) -> bool:
        return self._on_unknown == "retry" and unanswered < 2

    def _call(self, question: Question, number: int, unanswered: int) -> Outcome:
        """Call with one token after the other until one is accepted."""
        for attempt, token in enumerate(self._tokens.tokens()):
            outcome = self._post(question, number + attempt, token)
            if outcome.code == OUTCOME_UNKNOWN and self._may_repeat(unanswered + 1):
                raise Later(outcome.message, code=OUTCOME_UNKNOWN)
            if outcome.charged:  # whatever its code: another call would be paid for again
                return outcome
            match comparison_code(outcome.code).meaning:
                case Meaning.RENEW_TOKEN:
                    logger.warning("Token refused: %s", outcome.message)
                case Meaning.RETRY:
                    raise _later(outcome)
                case Meaning.BLOCKED:
                    raise Blocked(outcome.code, outcome.message, pause=self._blocked_pause)
                case _:
                    return outcome
        raise Blocked("IAM_FAILED", f"A new token was refused too: {outcome.message}", pause=self._blocked_pause)

    def _post(self, question: Question, number: int, token: str) -> Outcome:
        """One POST between two writes of its ledger row."""
        call = self._open(question, number)
        started = time.monotonic()
        try:
            answer = self._advance.compare(token, question.first, question.second)
        except Unreached as error:
            outcome = Outcome(code=NETWORK_ERROR, message=error.message, call=call.call)
        except NoAnswer as error:
            outcome = Outcome(code=OUTCOME_UNKNOWN, message=error.message, call=call.call)
        else:
            outcome = _read(answer, call, question)
        latency_ms = round((time.monotonic() - started) * 1000)
        # The log has it before the ledger: should no table take it, an auditor still finds what was charged.
        logger.info(
            "Called the comparison API", extra={"api": outcome.model_dump(mode="json"), "latency_ms": latency_ms}
        )
        self._count_call(outcome)
        return self._save(call, outcome, latency_ms)

    def _open(self, question: Question, number: int) -> Call:
        """Write the ledger row of a call. Raises Later if there is too little time for the call, before or after it."""
        too_late = f"too little time is left for a call of up to {self._advance.deadline:g} s"
        needed = self._advance.deadline + SAVING_SECONDS
        left = question.time_left()
        if left < needed:
            raise Later(too_late)
        alive_until = clock.now() + timedelta(seconds=left)
        call = self._calls.open(question.pair_id, question.fingerprint, number, alive_until)
        if question.time_left() < needed:  # the table was slow
            outcome = Outcome(code=NETWORK_ERROR, message=too_late, call=call.call)
            self._calls.complete(call, State.REFUSED, outcome)
            raise Later(too_late)
        return call

    def _save(self, call: Call, outcome: Outcome, latency_ms: int) -> Outcome:
        """Complete the ledger row. An outcome that cannot be saved now is marked, not lost: see `settle`."""
        try:
            self._calls.complete(call, _state(outcome), outcome, latency_ms)
        except (ClientError, BotoCoreError):
            logger.exception("The outcome of call %s cannot be saved yet", call.call)
            return outcome.model_copy(update={"unsaved": True})
        return outcome


def _state(outcome: Outcome) -> State:
    if outcome.code == OUTCOME_UNKNOWN:
        return State.UNKNOWN
    if outcome.charged or comparison_code(outcome.code).meaning is Meaning.JUDGE:
        return State.ANSWERED
    return State.REFUSED


def _later(outcome: Outcome) -> Later:
    seconds = (outcome.retry_at - clock.now()).total_seconds() if outcome.retry_at else None
    return Later(outcome.message, code=outcome.code, retry_after=seconds)


def _wait_for(earlier: Outcome) -> None:
    """A pair has two messages or more: the Retry-After that one of them met holds for all. Raises Later."""
    if earlier.retry_at and earlier.retry_at > clock.now():
        raise _later(earlier)


def _unknown(call: Call) -> Outcome:
    message = "The worker that called died before it could save an answer; the call may have been charged"
    return Outcome(code=OUTCOME_UNKNOWN, message=message, call=call.call)


def _read(answer: Answer, call: Call, question: Question) -> Outcome:
    """The outcome of an answer. A SUCCESS that breaks its contract is a BAD_ANSWER, never a verdict."""
    outcome = Outcome(
        code=answer.code,
        message=answer.message,
        transaction_id=answer.transaction_id,
        pricing_strategy=answer.pricing_strategy,
        first=Seen(adjusted=question.first.adjusted),
        second=Seen(adjusted=question.second.adjusted),
        call=call.call,
        retry_at=None if answer.retry_after is None else clock.now() + timedelta(seconds=answer.retry_after),
    )
    too_many = answer.http_status == HTTPStatus.TOO_MANY_REQUESTS and answer.code not in COMPARISON_CODES
    if too_many and answer.pricing_strategy != "PAY":
        # The Glossary: SERVICE_BUSY "may migrate to HTTP 429 Too Many Requests in the future".
        return outcome.model_copy(update={"code": "SERVICE_BUSY"})
    if answer.code != "SUCCESS":
        return outcome
    try:
        comparison = answer.comparison()
    except ValueError as error:
        return outcome.model_copy(update={"code": BAD_ANSWER, "message": f"{answer.code} with {error}"})
    return outcome.model_copy(
        update={
            "similarity": comparison.similarity,
            "first": _seen(comparison.first_face, question.first),
            "second": _seen(comparison.second_face, question.second),
        }
    )


def _seen(face: FacePosition | None, fitted: Fitted) -> Seen:
    """A face as the API found it in what was sent, in pixels of the upload."""
    if face is None:
        return Seen(adjusted=fitted.adjusted)
    box = fitted.on_upload(Box(float(face.left), float(face.top), float(face.right), float(face.bottom)))
    left, top, right, bottom = (Decimal(str(round(edge, 2))) for edge in (box.left, box.top, box.right, box.bottom))
    found = Face(id=face.id, left=left, top=top, right=right, bottom=bottom)
    return Seen(face=found, adjusted=fitted.adjusted)
