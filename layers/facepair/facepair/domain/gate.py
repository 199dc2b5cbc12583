"""When the fleet may call the comparison API: what all workers share, and the rules by which it changes.

The pace is found out as networks do it: it grows while calls are accepted and is cut when one is refused (additive
increase and multiplicative decrease: Chiu and Jain, 1989; here both in shares of the pace, so that it serves an API of
two calls a second as well as one of fifty). The figures come from a simulation: docs/performance.md.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Self

from facepair.domain.retry import Closed
from facepair.domain.verdict import (
    API_NOT_ANSWERING,
    BUSY_CODES,
    NETWORK_ERROR,
    OUTCOME_UNKNOWN,
    Outcome,
)

FIRST_PACE = 5.0
"""Calls a second with which a fleet begins that knows nothing."""
LEAST_PACE = 0.1
MOST_PACE = 1000.0
"""DynamoDB takes about as many writes of one item a second: the gate itself would be the limit."""
QUICK_GROWTH = 1.3
"""Factor by which the pace grows in a second of calling, until the first refusal."""
GROWTH = 1.02
"""The same after it."""
FIRST_CUT = 0.6
"""What the first refusal leaves of the pace: quick growth has overshot, and calls already have their slots."""
CUT = 0.85
"""What every other refusal leaves of it."""
LONGEST_GROWTH_SECONDS = 1.0
"""A pause proves nothing about the API: it counts as this much calling at most."""
HEADROOM = 1.06
"""Calls arrive some milliseconds early or late: at exactly its rate, an API that counts would refuse one in ten."""
LONGEST_WAIT_SECONDS = 3.0
"""A worker waits this long for its slot at most; beyond it the message waits instead."""


class Signal(Enum):
    """What a call says about the API's health, beside its answer."""

    ANSWERED = auto()
    BUSY = auto()  # refused: too fast
    UNANSWERED = auto()
    NOTHING = auto()  # it was not reached

    @classmethod
    def of(cls, outcome: Outcome) -> "Signal":
        """Return the signal of an outcome. A refusal that was charged counts as an answer."""
        if outcome.code == OUTCOME_UNKNOWN:
            return cls.UNANSWERED
        if outcome.charged:
            return cls.ANSWERED
        if outcome.code in BUSY_CODES:
            return cls.BUSY
        return cls.NOTHING if outcome.code == NETWORK_ERROR else cls.ANSWERED


class GateState(StrEnum):
    """Whether the fleet calls, as `status` shows it."""

    OPEN = "open"
    BLOCKED = "blocked"
    NOT_ANSWERING = "not_answering"


@dataclass(frozen=True)
class Slot:
    """The permission for one call at a moment, in epoch seconds. `probe`: the one call while the gate is closed."""

    at: float
    taken_at: float
    probe: bool = False


@dataclass(frozen=True)
class Rules:
    """`per_second` is the rate of the user's contract, 0 to find it out; `pause` seconds lie between two probes."""

    per_second: float
    stop_after_unknown: int
    pause: float


@dataclass(frozen=True)
class Gate:
    """The state that all workers share. Times in epoch seconds, `pace` in calls a second as it was at `paced_at`.

    `next_slot` is the earliest time of the next slot, computed with the rate `per_second` by the worker that took the
    last one. Items of earlier releases have no rate: None. `version` changes with everything but slots and the count of
    unanswered calls. While the gate is closed, `code` and `message` say why, `closed_at` since when, and `reopens_at`
    when the next worker may try. `unanswered` counts calls in a row.
    """

    version: int = 0
    next_slot: float = 0.0
    per_second: float | None = None
    pace: float = FIRST_PACE
    paced_at: float = 0.0
    cut_at: float = 0.0
    unanswered: int = 0
    code: str | None = None
    message: str | None = None
    closed_at: float = 0.0
    reopens_at: float = 0.0

    @property
    def standing(self) -> GateState:
        """Closed until an answer opens it, also while a probe is due."""
        if self.code is None:
            return GateState.OPEN
        return GateState.NOT_ANSWERING if self.code == API_NOT_ANSWERING else GateState.BLOCKED

    def closed(self, now: float) -> Closed | None:
        """Return why no call is allowed now; None if one is, if only a probe."""
        if self.code is None or now >= self.reopens_at:
            return None
        return Closed(self.code, self.message or "", seconds=self.reopens_at - now)

    def slot(self, rules: Rules, now: float) -> float:
        """Return the time of the next slot."""
        return max(now, self.next_slot + self.shift(rules, now))

    def shift(self, rules: Rules, now: float) -> float:
        """Return the seconds by which a changed rate moves the next slot, so that the new rate applies at once."""
        if self.per_second is None:
            # No worker waited longer for its slot, so the rate was lower where the next one is further ahead.
            furthest = self.paced_at + LONGEST_WAIT_SECONDS + self.interval(rules, now)
            return min(0.0, furthest - self.next_slot)
        if self.per_second == rules.per_second:
            return 0.0
        computed_with = HEADROOM / self.per_second if self.per_second else 1 / self.pace
        return self.interval(rules, now) - computed_with

    def wait(self, rules: Rules, now: float) -> float:
        """Return the seconds until the next slot."""
        return self.slot(rules, now) - now

    def took(self, rules: Rules, now: float) -> Self:
        """Return the state after a worker has taken the next slot."""
        next_slot = self.slot(rules, now) + self.interval(rules, now)
        return replace(self, next_slot=next_slot, per_second=rules.per_second, pace=self.pace_at(now), paced_at=now)

    def pace_at(self, now: float) -> float:
        """The pace, grown by the time since the last slot was taken."""
        seconds = min(LONGEST_GROWTH_SECONDS, max(0.0, now - self.paced_at)) if self.paced_at else 0.0
        factor: float = (GROWTH if self.cut_at else QUICK_GROWTH) ** seconds
        return min(MOST_PACE, self.pace * factor)

    def interval(self, rules: Rules, now: float) -> float:
        """Seconds from one slot to the next."""
        return HEADROOM / rules.per_second if rules.per_second else 1 / self.pace_at(now)

    def probing(self, rules: Rules, now: float) -> Self:
        """One worker tries while it is closed; should it die, the next may after the pause."""
        return replace(self, version=self.version + 1, reopens_at=now + rules.pause)

    def counted(self) -> Self:
        """One more call in a row has gone unanswered."""
        return replace(self, unanswered=self.unanswered + 1)

    def blocked(self, rules: Rules, code: str, message: str, now: float) -> Self:
        """The account is refused; the same object if the gate is closed for that reason already.

        Workers that were calling at that moment all learn the same: one write is enough.
        """
        return self if self.code == code and self.closed(now) else self.shut(rules, code, message, now)

    def shut(self, rules: Rules, code: str, message: str, now: float) -> Self:
        """No worker may call for a pause."""
        closed_at = self.closed_at if self.code else now
        changed = replace(self, code=code, message=message, closed_at=closed_at, reopens_at=now + rules.pause)
        return replace(changed, version=self.version + 1)

    def after(self, slot: Slot, outcome: Outcome, rules: Rules, now: float) -> Self:
        """The state when a call has ended that was no refusal of the account or of its token; the same object if
        nothing is new. A call without an answer has been `counted` before."""
        match Signal.of(outcome):
            case Signal.UNANSWERED:
                # Calls that were in progress when the gate closed say nothing new: it stays closed as it is.
                stops = self.code is None and self.unanswered >= rules.stop_after_unknown
                return self.shut(rules, API_NOT_ANSWERING, outcome.message, now) if slot.probe or stops else self
            case Signal.NOTHING:
                return self.given_back(slot, now)
            case Signal.BUSY:
                return self._answered()._slower(slot, now)
            case Signal.ANSWERED:
                return self._answered()

    def given_back(self, slot: Slot, now: float) -> Self:
        """A slot was taken for nothing: if it was for a probe, another worker may try at once."""
        return replace(self, reopens_at=now, version=self.version + 1) if slot.probe and self.code else self

    def _answered(self) -> Self:
        """Any answer that is no refusal of the account opens the gate, a busy one too."""
        if self.code is None and not self.unanswered:
            return self
        opened = replace(self, code=None, message=None, closed_at=0.0, reopens_at=0.0, unanswered=0)
        return replace(opened, version=self.version + 1)

    def _slower(self, slot: Slot, now: float) -> Self:
        """One burst is one lesson: calls that had their slot before the last cut teach nothing new."""
        if slot.taken_at <= self.cut_at:
            return self
        pace = max(LEAST_PACE, self.pace_at(now) * (CUT if self.cut_at else FIRST_CUT))
        return replace(self, pace=pace, paced_at=now, cut_at=now, version=self.version + 1)
