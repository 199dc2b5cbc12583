"""An entry of the ledger as it is held against an invoice: a call, and what it has cost. Nothing of faces."""

from dataclasses import dataclass
from datetime import datetime

from facepair.domain.ledger import Charge, State
from facepair.domain.verdict import is_paid_but_stated_free


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
    charged: bool | None = None

    @property
    def at(self) -> datetime:
        """When it was charged, if it was: as near as we know."""
        return self.answered_at or self.sent_at

    @property
    def charge(self) -> Charge:
        """What it has cost."""
        return Charge.of(self.state, self.code, self.pricing_strategy, self.charged)

    @property
    def is_stated_free(self) -> bool:
        """Whether the API has answered FREE under a paid code: then it may be billed or not."""
        return is_paid_but_stated_free(self.code, self.pricing_strategy)
