"""A row of the ledger: one HTTP call to the comparison API, written before the call and completed after it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from facepair.domain.verdict import OUTCOME_UNKNOWN, Outcome, is_charged

OnUnknownOutcome = Literal["hold", "retry"]
"""What becomes of a pair whose call may have been charged without an answer: it is held, or called for once more."""
MOST_UNANSWERED = 2
"""Calls without an answer that `retry` allows for the same contents. An operator has to approve more."""


class State(StrEnum):
    """What is known of a call."""

    SENT = "SENT"  # about to be sent, or sent and not answered yet
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"  # not charged
    UNKNOWN = "UNKNOWN"  # perhaps charged
    ERASED = "ERASED"  # no call: the pair was erased, and this number is taken

    @classmethod
    def after(cls, outcome: Outcome) -> "State":
        """The state of a call that has brought this outcome."""
        if outcome.code == OUTCOME_UNKNOWN:
            return cls.UNKNOWN
        return cls.ANSWERED if outcome.charged else cls.REFUSED


class Charge(StrEnum):
    """What a call has cost, as far as it is known."""

    CHARGED = "charged"
    FREE = "free"
    PERHAPS = "perhaps charged"

    @classmethod
    def of(
        cls, state: str | None, code: str | None, pricing_strategy: str | None, charged: bool | None = None
    ) -> "Charge":
        """Return the charge that a row's attributes stand for. Rows of earlier releases have no `charged`."""
        if state not in (State.ANSWERED, State.REFUSED):
            return cls.PERHAPS
        return cls.CHARGED if (is_charged(code, pricing_strategy) if charged is None else charged) else cls.FREE


@dataclass(frozen=True)
class Call:
    """One row. Partition key `pair_id`, sort key `call`: the call number within its pair, so it sorts in time.

    `alive_until` is when the worker that wrote the row is dead at the latest; `outcome` is what it was answered;
    `permitted_by` is who has permitted to call once more although it was not answered: an ARN, as AWS has told it.
    `earliest_upload` is when the older of its two pictures was uploaded; rows of earlier releases lack it. `erased_at`
    is the second up to which the pair was erased, in a row that marks an erasure and in the calls that it took: they
    say what was charged and nothing of the pictures, and decide nothing any more. `expires_at` is in epoch seconds;
    None for a row that never expires.
    """

    pair_id: str
    call: str
    fingerprint: str
    state: State
    owner: str
    sent_at: datetime
    alive_until: datetime
    outcome: Outcome | None = None
    permitted_by: str | None = None
    earliest_upload: datetime | None = None
    erased_at: datetime | None = None
    expires_at: int | None = None

    @property
    def erased(self) -> bool:
        """Whether it marks an erasure, or was taken by one."""
        return self.erased_at is not None

    @property
    def unanswered(self) -> bool:
        """Whether it may have been charged without an answer."""
        return self.state in (State.SENT, State.UNKNOWN)

    @property
    def answer(self) -> Outcome | None:
        """The answer that stands for these contents: every later upload of them gets it without another call.

        Earlier releases stored a paid code that was stated FREE as REFUSED.
        """
        if self.unanswered or self.outcome is None:
            return None
        return self.outcome if self.state is State.ANSWERED or self.outcome.charged else None


class Numbered(Protocol):
    """A row of the ledger, as far as it matters which erasure has taken it."""

    @property
    def call(self) -> str: ...
    @property
    def state(self) -> State | None: ...
    @property
    def earliest_upload(self) -> datetime | None: ...
    @property
    def erased_at(self) -> datetime | None: ...


def last_erasure(rows: Iterable[Numbered]) -> datetime | None:
    """Return the second up to which a pair was erased by the last erasure that the ledger knows."""
    return max((row.erased_at for row in rows if row.state is State.ERASED and row.erased_at), default=None)


def is_taken(row: Numbered, rows: Iterable[Numbered]) -> bool:
    """Whether a call is about pictures that one of these erasures took: they were uploaded up to its second. A call of
    an earlier release does not say so; it was erased if its number is lower."""
    if row.erased_at:
        return True
    erasures = [(each, each.erased_at) for each in rows if each.state is State.ERASED]
    if row.earliest_upload is None:
        return any(row.call < each.call for each, _ in erasures)
    return any(moment is not None and row.earliest_upload <= moment for _, moment in erasures)


def may_call_again(unanswered: Sequence[Call], policy: OnUnknownOutcome) -> bool:
    """Whether contents may be called for although these calls, oldest first, were not answered.

    The policy allows it, or an operator has approved it for the last of them. An approval lasts for one call that may
    be charged: then that call is the last.
    """
    if not unanswered or (policy == "retry" and len(unanswered) < MOST_UNANSWERED):
        return True
    return unanswered[-1].permitted_by is not None
