"""A ledger row: one HTTP call to the comparison API, written before the call and completed after it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

from facepair.domain.verdict import OUTCOME_UNKNOWN, is_charged

if TYPE_CHECKING:
    from facepair.domain.outcome import Outcome

OnUnknownOutcome = Literal["hold", "retry"]
"""What to do after an unknown outcome: hold the pair, or call once more."""
MOST_UNANSWERED = 2
"""Unanswered calls for the same contents before `retry` needs an operator's approval, too."""

OF_FACES = ("similarity", "outcome")
"""Attributes of CallsTable that describe faces: an erasure removes them, and a late completion leaves them out."""
OF_CONTENTS = ("fingerprint",)
"""Attributes of CallsTable that identify the pictures.

An erasure finds records by them, so they go once it is confirmed.
"""
OF_CHARGES = (
    *("pair_id", "call", "state", "owner", "sent_at", "answered_at", "alive_until", "latency_ms", "expires_at"),
    *("code", "transaction_id", "pricing_strategy", "charged", "permitted_by", "permitted_at"),
    *("earliest_upload", "erased_at", "erased_by"),
)
"""Attributes of CallsTable kept for the invoice. Every attribute is in one of these three lists."""


class State(StrEnum):
    SENT = "SENT"  # about to be sent, or sent and not answered yet
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"  # not charged
    UNKNOWN = "UNKNOWN"  # perhaps charged
    ERASED = "ERASED"  # not a call: the pair was erased, and this call number is taken

    @classmethod
    def after(cls, outcome: "Outcome") -> "State":
        """Return the state that an outcome leads to."""
        if outcome.code == OUTCOME_UNKNOWN:
            return cls.UNKNOWN
        return cls.ANSWERED if outcome.charged else cls.REFUSED


class Charge(StrEnum):
    """What a call cost, as far as known."""

    CHARGED = "charged"
    FREE = "free"
    PERHAPS = "perhaps charged"

    @classmethod
    def of(
        cls, state: str | None, code: str | None, pricing_strategy: str | None, charged: bool | None = None
    ) -> "Charge":
        """Return the charge from a row's attributes. Rows of earlier releases have no `charged`."""
        if state not in (State.ANSWERED, State.REFUSED):
            return cls.PERHAPS
        return cls.CHARGED if (is_charged(code, pricing_strategy) if charged is None else charged) else cls.FREE


@dataclass(frozen=True)
class Call:
    """A ledger row. Partition key `pair_id`, sort key `call`: the pair's call number, so calls sort by time.

    `alive_until`: when its worker is dead at the latest. `permitted_by`: ARN of the operator who approved a retry after
    it. `earliest_upload`: time of the older picture; rows of earlier releases lack it. `erased_at`: in the row that
    marks an erasure and in the calls that it took; these keep what was charged and decide nothing. `expires_at`: epoch
    seconds, None for never.
    """

    pair_id: str
    call: str
    fingerprint: str
    state: State
    owner: str
    sent_at: datetime
    alive_until: datetime
    outcome: "Outcome | None" = None
    permitted_by: str | None = None
    earliest_upload: datetime | None = None
    erased_at: datetime | None = None
    expires_at: int | None = None

    @property
    def erased(self) -> bool:
        """Whether it marks an erasure or was taken by one."""
        return self.erased_at is not None

    @property
    def unanswered(self) -> bool:
        """Whether it may have been charged without an answer."""
        return self.state in (State.SENT, State.UNKNOWN)

    @property
    def answer(self) -> "Outcome | None":
        """The answer that stands for these contents: later uploads of them need no call.

        Earlier releases stored a paid code stated FREE as REFUSED.
        """
        if self.unanswered or self.outcome is None:
            return None
        return self.outcome if self.state is State.ANSWERED or self.outcome.charged else None


class Numbered(Protocol):
    """The part of a ledger row that decides which erasure took it."""

    @property
    def call(self) -> str: ...
    @property
    def state(self) -> State | None: ...
    @property
    def earliest_upload(self) -> datetime | None: ...
    @property
    def erased_at(self) -> datetime | None: ...


def last_erasure(rows: Iterable[Numbered]) -> datetime | None:
    """Return the second of the last erasure in the ledger, if any."""
    return max((row.erased_at for row in rows if row.state is State.ERASED and row.erased_at), default=None)


def is_taken(row: Numbered, rows: Iterable[Numbered]) -> bool:
    """Return whether one of the rows' erasures took the call: its pictures were uploaded by then.

    Calls of earlier releases do not say when; they were taken if their number is lower.
    """
    if row.erased_at:
        return True
    erasures = [(each, each.erased_at) for each in rows if each.state is State.ERASED]
    if row.earliest_upload is None:
        return any(row.call < each.call for each, _ in erasures)
    return any(moment is not None and row.earliest_upload <= moment for _, moment in erasures)


def may_call_again(unanswered: Sequence[Call], policy: OnUnknownOutcome) -> bool:
    """Return whether to call again after these unanswered calls, oldest first.

    Either the policy allows it, or an operator has approved it for the last call. An approval covers one call, which
    then is the last.
    """
    if not unanswered or (policy == "retry" and len(unanswered) < MOST_UNANSWERED):
        return True
    return unanswered[-1].permitted_by is not None
