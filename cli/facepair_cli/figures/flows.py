"""Verdicts that other thresholds would give."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from facepair.domain.outcome import Policy
from facepair.domain.verdict import Verdict
from facepair_cli.figures.judgement import Judgement
from facepair_cli.figures.share import Share

JUDGED = (Verdict.PASS, Verdict.MANUAL_CHECK, Verdict.REJECT)
"""Verdicts that depend on a similarity, best first."""


@dataclass
class Flows:
    """Counts by the verdict now and the verdict by `policy`.

    Reviewed rows count with their verdict before the review: thresholds decide which pairs are reviewed, not the
    reviewer's answer.
    """

    policy: Policy
    counts: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)
    similarities: Counter[int] = field(default_factory=Counter)
    """Key: whole point, 0 to 99 (100 counts as 99)."""
    decided: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)
    """Reviewers' decisions. Keys: verdict by `policy`, the reviewer's verdict."""
    policies: Counter[Policy] = field(default_factory=Counter)
    """Thresholds behind the verdicts now."""

    def add(self, row: Judgement) -> None:
        """Count a row, unless it has no similarity."""
        if row.similarity is None or row.by_similarity not in JUDGED:
            return
        then = self.policy.judge(row.similarity)
        self.counts[row.by_similarity, then] += 1
        self.similarities[point(row.similarity)] += 1
        self.policies[row.policy] += 1
        if row.review:
            self.decided[then, row.verdict] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def changed(self) -> Share:
        """The share whose verdict would change."""
        return Share(sum(count for (now, then), count in self.counts.items() if now is not then), self.total)

    def now(self, verdict: Verdict) -> Share:
        return Share(sum(self.counts[verdict, then] for then in JUDGED), self.total)

    def then(self, verdict: Verdict) -> Share:
        return Share(sum(self.counts[now, verdict] for now in JUDGED), self.total)

    def table(self) -> dict[Verdict, dict[Verdict, int]]:
        """Return {verdict now: {verdict then: count}}, including zeros."""
        return {now: {then: self.counts[now, then] for then in JUDGED} for now in JUDGED}


def point(similarity: Decimal) -> int:
    """Return a similarity's whole point: 0 to 99."""
    return min(int(similarity), 99)
