"""What a worker reads while it compares a pair: first, before anything more expensive, and last, after its call."""

from dataclasses import dataclass
from datetime import datetime

from facepair.domain.decision import Decision
from facepair.domain.gate import Gate
from facepair.domain.row import PairItem


@dataclass(frozen=True)
class FirstRead:
    """The gate, the pair's item and, if known, the second of an erasure by an earlier release."""

    gate: Gate
    item: PairItem
    erased_earlier: datetime | None = None


@dataclass(frozen=True)
class LastRead:
    """The gate, and a reviewer's decision about the two contents."""

    gate: Gate
    decision: Decision | None
