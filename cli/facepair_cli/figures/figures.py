"""A month's counts, in constant memory."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge
from facepair.domain.outcome import Policy
from facepair.domain.verdict import FINAL, Verdict
from facepair_cli.figures.flows import point
from facepair_cli.figures.judgement import Judgement
from facepair_cli.figures.share import Share
from facepair_cli.month import Month, Place

SECONDS = (1, 2, 5, 10, 30, 60, 300, 3_600, 86_400)
"""Bounds of the histogram of times to the verdict. S3 reports upload times in whole seconds."""
HOURS = (1, 4, 8, 24, 48, 96, 168)
"""Bounds of the histogram of times to a reviewer's decision."""
BAND = 5
"""Width of a similarity band, in points."""


@dataclass
class Durations:
    """Histogram of durations: counts up to each of `steps`, and above."""

    steps: tuple[int, ...]
    unit: timedelta
    counts: Counter[int] = field(default_factory=Counter)

    def add(self, duration: timedelta) -> None:
        taken = duration / self.unit
        self.counts[next((number for number, step in enumerate(self.steps) if taken <= step), len(self.steps))] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    def within(self, number: int) -> Share:
        """Return the share that took no longer than step `number`."""
        return Share(sum(self.counts[each] for each in range(number + 1)), self.total)


@dataclass
class DecisionCounts:
    by_person: dict[str, Counter[Verdict]] = field(default_factory=dict)
    by_band: dict[int, Counter[Verdict]] = field(default_factory=dict)
    """Key: the band's lowest similarity."""
    hours: Durations = field(default_factory=lambda: Durations(HOURS, timedelta(hours=1)))
    """From the later upload to the decision; the time of the verdict in between is not stored."""
    by_sight: dict[bool, Counter[Verdict]] = field(default_factory=dict)
    """Key: whether the reviewer saw the similarity. Earlier releases did not record it."""
    agreed: Counter[bool] = field(default_factory=Counter)
    """Key: whether the first two of several reviewers agreed."""

    def add(self, row: Judgement) -> None:
        if row.review is None:
            return
        if row.review.saw_similarity is not None:
            self.by_sight.setdefault(row.review.saw_similarity, Counter())[row.verdict] += 1
        if (agreed := row.reviewers_agree) is not None:
            self.agreed[agreed] += 1
        self.by_person.setdefault(row.review.by, Counter())[row.verdict] += 1
        self.hours.add(row.review.at - row.uploaded_at)
        if row.similarity is not None:
            self.by_band.setdefault(band(row.similarity), Counter())[row.verdict] += 1

    @property
    def total(self) -> int:
        return sum(counts.total() for counts in self.by_person.values())

    @property
    def agreement(self) -> Share:
        """The share of decisions by several reviewers in which the first two agreed."""
        return Share(self.agreed[True], self.agreed.total())

    def passed_by_sight(self, saw: bool) -> Share:
        """Return the share of PASS among decisions made with (or without) seeing the similarity."""
        counts = self.by_sight[saw]
        return Share(counts[Verdict.PASS], counts.total())

    def passed(self, lowest: int) -> Share:
        """Return the share of PASS among a band's decisions."""
        counts = self.by_band[lowest]
        return Share(counts[Verdict.PASS], counts.total())


@dataclass
class VerdictCounts:
    """A month's rows as they are now. A pair uploaded again later is not counted."""

    policy: Policy
    """The deployed thresholds."""
    by_day: Counter[tuple[date, Verdict]] = field(default_factory=Counter)
    similarities: Counter[tuple[int, Verdict]] = field(default_factory=Counter)
    """Keys: whole point (100 counts as 99) and the verdict by `policy`, as a threshold may lie within a point."""
    seconds: Durations = field(default_factory=lambda: Durations(SECONDS, timedelta(seconds=1)))
    """From the later upload to the verdict, without reviewed rows."""
    decisions: DecisionCounts = field(default_factory=DecisionCounts)

    def add(self, row: Judgement) -> None:
        self.by_day[row.updated_at.date(), row.verdict] += 1
        if row.similarity is not None:
            self.similarities[point(row.similarity), self.policy.judge(row.similarity)] += 1
        if row.review:
            self.decisions.add(row)
        elif row.verdict in FINAL:
            self.seconds.add(row.updated_at - row.uploaded_at)

    @property
    def total(self) -> int:
        return self.by_day.total()

    def of(self, verdict: Verdict) -> Share:
        """Return the share of a verdict."""
        return Share(sum(count for (_, each), count in self.by_day.items() if each is verdict), self.total)


@dataclass
class ChargeCounts:
    """A month's calls by day and cost."""

    month: Month
    by_day: Counter[tuple[date, Charge]] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """Count a call if it is in the month."""
        if self.month.place(entry.at) is Place.INSIDE:
            self.by_day[entry.at.date(), entry.charge] += 1

    def of(self, charge: Charge) -> int:
        return sum(count for (_, each), count in self.by_day.items() if each is charge)

    @property
    def total(self) -> int:
        return self.by_day.total()


def band(similarity: Decimal) -> int:
    """Return the lowest point of a similarity's band."""
    return point(similarity) // BAND * BAND
