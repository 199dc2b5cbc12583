"""An entry of the ledger as it is held against an invoice: a call, and what it has cost. Nothing of faces."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from facepair.domain.ledger import State
from facepair.domain.verdict import is_charged


class Cost(StrEnum):
    """What a call has cost, as far as anybody knows."""

    CHARGED = "CHARGED"
    FREE = "FREE"
    UNKNOWN = "UNKNOWN"  # perhaps charged: no answer came, or none yet


@dataclass(frozen=True)
class Entry:
    """A row of CallsTable without what it says of the comparison."""

    pair_id: str
    call: str
    state: State
    sent_at: datetime
    answered_at: datetime | None = None
    code: str | None = None
    transaction_id: str | None = None
    pricing_strategy: str | None = None

    @property
    def at(self) -> datetime:
        """When it was charged, if it was: as near as we know."""
        return self.answered_at or self.sent_at

    @property
    def cost(self) -> Cost:
        if self.state in (State.SENT, State.UNKNOWN):
            return Cost.UNKNOWN
        return Cost.CHARGED if is_charged(self.code or "", self.pricing_strategy) else Cost.FREE
