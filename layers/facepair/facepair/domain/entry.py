"""A ledger row as compared with an invoice: a call and its cost, without faces."""

from dataclasses import dataclass
from datetime import datetime

from facepair.domain.ledger import Charge, State
from facepair.domain.verdict import is_paid_but_stated_free


@dataclass(frozen=True)
class Entry:
    """A row of CallsTable without the comparison's result."""

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
        """The time of the charge, as nearly as known."""
        return self.answered_at or self.sent_at

    @property
    def charge(self) -> Charge:
        return Charge.of(self.state, self.code, self.pricing_strategy, self.charged)

    @property
    def is_stated_free(self) -> bool:
        """Whether the API answered FREE under a paid code; such a call may or may not be billed."""
        return is_paid_but_stated_free(self.code, self.pricing_strategy)
