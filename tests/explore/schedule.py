"""A schedule: the option taken at each decision of a run.

Unnamed decisions take the first option: the current actor continues.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """How far a run may depart from the plainest one.

    Preemptions switch away from an actor that could continue; leaps move the clock to what is due next.
    """

    preemptions: int = 0
    faults: int = 0
    leaps: int = 0

    def __str__(self) -> str:
        return f"{self.preemptions} preemptions, {self.faults} faults, {self.leaps} leaps"


@dataclass
class Plan:
    """Takes the given options, and records each decision as (number of options, option taken)."""

    options: Mapping[int, int]
    trace: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, options: Sequence[int]) -> "Plan":
        """Return a plan for the first decisions."""
        return cls(dict(enumerate(options)))

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """Parse what `str` returned. Raises ValueError."""
        pairs = (each.split(".") for each in text.split(",") if each)
        return cls({int(decision): int(option) for decision, option in pairs})

    def choose(self, count: int) -> int:
        """Return the option to take, of `count`."""
        taken = min(self.options.get(len(self.trace), 0), count - 1)
        self.trace.append((count, taken))
        return taken

    def __str__(self) -> str:
        """Return the plan as `14.2,23.1`: option 2 at decision 14, option 1 at 23, otherwise the first."""
        return ",".join(f"{number}.{taken}" for number, (_, taken) in enumerate(self.trace) if taken)


@dataclass
class Walk(Plan):
    """Departs from the plainest run: pairs of decisions left alone, and the option then taken."""

    departures: Sequence[tuple[int, int]] = ()
    _next: int = 0
    _left_alone: int = 0

    def choose(self, count: int) -> int:
        """Return the option to take, of `count`."""
        taken = 0
        if self._next < len(self.departures):
            distance, option = self.departures[self._next]
            if self._left_alone < distance:
                self._left_alone += 1
            else:
                taken = 1 + option % (count - 1)
                self._next, self._left_alone = self._next + 1, 0
        self.trace.append((count, taken))
        return taken
