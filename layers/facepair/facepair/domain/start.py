"""What a worker knows when it begins with a pair."""

from dataclasses import dataclass
from datetime import datetime

from facepair.domain.gate import Gate
from facepair.domain.row import Standing


@dataclass(frozen=True)
class Start:
    """The gate, the pair's item, and the second up to which an earlier release erased the pair, if one did lately."""

    gate: Gate
    standing: Standing
    erased_earlier: datetime | None = None
