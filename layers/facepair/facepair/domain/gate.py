"""When the fleet may call the comparison API: the shared state and its rules.

The pace adapts like TCP's: it grows while calls are accepted and is cut on a refusal (AIMD: Chiu and Jain, 1989; here
both are factors, to suit two calls per second as well as fifty). The constants come from a simulation:
docs/performance.md.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Self

from facepair.advance.codes import BUSY_CODES
from facepair.domain.retry import Closed
from facepair.domain.verdict import API_NOT_ANSWERING, NETWORK_ERROR, OUTCOME_UNKNOWN

if TYPE_CHECKING:
    from facepair.domain.outcome import Outcome

FIRST_PACE = 5.0
"""Calls per second before anything is known."""
LEAST_PACE = 0.1
MOST_PACE = 1000.0
"""DynamoDB allows about this many writes per second to one item."""
QUICK_GROWTH = 1.3
"""Growth factor per second of calling, until the first refusal."""
GROWTH = 1.02
"""Growth factor after it."""
FIRST_CUT = 0.5
"""Cut by the first refusal, as TCP does: quick growth has overshot, and calls have their slots already."""
CUT = 0.85
"""Cut by every later refusal."""
LONGEST_GROWTH_SECONDS = 1.0
"""A pause proves nothing about the API, so it counts as at most this much calling."""
HEADROOM = 1.06
"""Calls arrive some milliseconds early or late: at exactly its rate, the API would refuse one in ten."""
LONGEST_WAIT_SECONDS = 3.0
"""Longest wait for a slot within a worker; otherwise the message is deferred."""


class Signal(Enum):
    """What a call says about the API's health."""

    ANSWERED = auto()
    BUSY = auto()  # refused: too fast
    UNANSWERED = auto()
    NOTHING = auto()  # not reached

    @classmethod
    def of(cls, outcome: "Outcome") -> "Signal":
        """Return an outcome's signal. A charged refusal counts as an answer."""
        if outcome.code == OUTCOME_UNKNOWN:
            return cls.UNANSWERED
        if outcome.charged:
            return cls.ANSWERED
        if outcome.code in BUSY_CODES:
            return cls.BUSY
        return cls.NOTHING if outcome.code == NETWORK_ERROR else cls.ANSWERED


class GateState(StrEnum):
    """Whether the fleet may call; the names are those of `status`."""

    OPEN = "open"
    BLOCKED = "blocked"
    NOT_ANSWERING = "not_answering"


@dataclass(frozen=True)
class Slot:
    """Permission for one call, in epoch seconds. `probe`: the one call while the gate is closed."""

    at: float
    taken_at: float
    probe: bool = False


@dataclass(frozen=True)
class Rules:
    """`per_second`: the contract's rate, 0 to discover it. `pause`: seconds between two probes."""

    per_second: float
    stop_after_unknown: int
    pause: float


@dataclass(frozen=True)
class Gate:
    """The state shared by all workers. Times are epoch seconds; `pace` is in calls per second, as of `paced_at`.

    `next_slot` was computed with the rate `per_second` of the worker that took the last slot (None: an earlier
    release). `version` changes with everything but slots and `unanswered`, the number of unanswered calls in a row.
    While the gate is closed, `code` and `message` say why, `closed_at` since when, and `reopens_at` when the next
    worker may probe.
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
    def state(self) -> GateState:
        """Not OPEN until an answer arrives, even while a probe is due."""
        if self.code is None:
            return GateState.OPEN
        return GateState.NOT_ANSWERING if self.code == API_NOT_ANSWERING else GateState.BLOCKED

    def closed(self, now: float) -> Closed | None:
        """Return why no call is allowed now; None if a call, or at least a probe, is."""
        if self.code is None or now >= self.reopens_at:
            return None
        return Closed(self.code, self.message or "", seconds=self.reopens_at - now)

    def slot(self, rules: Rules, now: float) -> float:
        """Return when the next slot is."""
        return max(now, self.next_slot + self.shift(rules, now))

    def shift(self, rules: Rules, now: float) -> float:
        """Return how far a changed rate moves the next slot, in seconds, so that it applies at once."""
        if self.per_second is None:
            # No worker waits longer for its slot, so a next slot further ahead was computed with a lower rate.
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
        """Return the state after taking the next slot."""
        next_slot = self.slot(rules, now) + self.interval(rules, now)
        return replace(self, next_slot=next_slot, per_second=rules.per_second, pace=self.pace_at(now), paced_at=now)

    def pace_at(self, now: float) -> float:
        """Return the pace, grown since the last slot was taken."""
        seconds = min(LONGEST_GROWTH_SECONDS, max(0.0, now - self.paced_at)) if self.paced_at else 0.0
        factor: float = (GROWTH if self.cut_at else QUICK_GROWTH) ** seconds
        return min(MOST_PACE, self.pace * factor)

    def interval(self, rules: Rules, now: float) -> float:
        """Return the seconds between two slots."""
        return HEADROOM / rules.per_second if rules.per_second else 1 / self.pace_at(now)

    def probing(self, rules: Rules, now: float) -> Self:
        """Return the state for one worker's probe. Should it die, the next may probe after the pause."""
        return replace(self, version=self.version + 1, reopens_at=now + rules.pause)

    def counted(self) -> Self:
        """Count one more unanswered call in a row."""
        return replace(self, unanswered=self.unanswered + 1)

    def blocked(self, rules: Rules, code: str, message: str, now: float) -> Self:
        """Close the gate as the account is refused; `self` if it is closed for that reason already.

        All workers calling at that moment learn the same, so one write is enough.
        """
        return self if self.code == code and self.closed(now) else self.shut(rules, code, message, now)

    def shut(self, rules: Rules, code: str, message: str, now: float) -> Self:
        """Close the gate for a pause."""
        closed_at = self.closed_at if self.code else now
        changed = replace(self, code=code, message=message, closed_at=closed_at, reopens_at=now + rules.pause)
        return replace(changed, version=self.version + 1)

    def after(self, slot: Slot, outcome: "Outcome", rules: Rules, now: float) -> Self:
        """Return the state after a call, except a refusal of the account or token; `self` if nothing changes.

        An unanswered call was `counted` before.
        """
        match Signal.of(outcome):
            case Signal.UNANSWERED:
                # Calls in progress when the gate closed bring no news.
                stops = self.code is None and self.unanswered >= rules.stop_after_unknown
                return self.shut(rules, API_NOT_ANSWERING, outcome.message, now) if slot.probe or stops else self
            case Signal.NOTHING:
                return self.given_back(slot, now)
            case Signal.BUSY:
                return self._answered()._slower(slot, now)
            case Signal.ANSWERED:
                return self._answered()

    def given_back(self, slot: Slot, now: float) -> Self:
        """Release an unused slot: another worker may probe at once."""
        return replace(self, reopens_at=now, version=self.version + 1) if slot.probe and self.code else self

    def _answered(self) -> Self:
        """Open the gate: any answer but a refusal of the account does, even a busy one."""
        if self.code is None and not self.unanswered:
            return self
        opened = replace(self, code=None, message=None, closed_at=0.0, reopens_at=0.0, unanswered=0)
        return replace(opened, version=self.version + 1)

    def _slower(self, slot: Slot, now: float) -> Self:
        """Cut the pace once per burst: calls with slots from before the last cut bring no news."""
        if slot.taken_at <= self.cut_at:
            return self
        pace = max(LEAST_PACE, self.pace_at(now) * (CUT if self.cut_at else FIRST_CUT))
        return replace(self, pace=pace, paced_at=now, cut_at=now, version=self.version + 1)
