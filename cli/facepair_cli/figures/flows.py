"""Verdicts that other thresholds would give for the stored similarities."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from facepair.domain.verdict import Policy, Verdict
from facepair_cli.figures.judgement import Judgement
from facepair_cli.figures.share import Share

JUDGED = (Verdict.PASS, Verdict.MANUAL_CHECK, Verdict.REJECT)
"""The verdicts that depend on a similarity, best first."""


@dataclass
class Flows:
    """Counts, by the verdict now and the verdict that `policy` would have made.

    Where a person has decided, the verdict now is the one before: thresholds change who is asked, not the answer.
    """

    policy: Policy
    counts: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)
    similarities: Counter[int] = field(default_factory=Counter)
    """By whole points, 100 among 99: where in the scale of 0 to 100 they are."""
    decided: Counter[tuple[Verdict, Verdict]] = field(default_factory=Counter)
    """What persons have decided, by the verdict of `policy` and by theirs."""
    policies: Counter[Policy] = field(default_factory=Counter)
    """The thresholds by which the verdicts now were made."""

    def add(self, row: Judgement) -> None:
        """Count a row; one without a similarity is none of these."""
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
        """Those that would have another verdict."""
        return Share(sum(count for (now, then), count in self.counts.items() if now is not then), self.total)

    def now(self, verdict: Verdict) -> Share:
        """Those with this verdict."""
        return Share(sum(self.counts[verdict, then] for then in JUDGED), self.total)

    def then(self, verdict: Verdict) -> Share:
        """Those that would have this verdict."""
        return Share(sum(self.counts[now, verdict] for now in JUDGED), self.total)

    def table(self) -> dict[Verdict, dict[Verdict, int]]:
        """{verdict now: {verdict then: count}}, with those of which there are none."""
        return {now: {then: self.counts[now, then] for then in JUDGED} for now in JUDGED}


def point(similarity: Decimal) -> int:
    """The whole point of the scale that a similarity is in: 0 to 99."""
    return min(int(similarity), 99)
