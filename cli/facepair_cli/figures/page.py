"""The report's page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from facepair.domain.ledger import Charge
from facepair.domain.verdict import Verdict
from facepair_cli.escaping import escaped
from facepair_cli.figures import plots
from facepair_cli.figures.figures import BAND, HOURS, SECONDS, ChargeCounts, VerdictCounts
from facepair_cli.figures.share import Share
from facepair_cli.month import Month


def _shown(value: object) -> object:
    """Escape outside text; keep what the page has marked as HTML."""
    return escaped(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    finalize=_shown,
)


@dataclass(frozen=True)
class Report:
    stack: str
    month: Month
    made_at: datetime
    verdicts: VerdictCounts
    charges: ChargeCounts

    def html(self) -> str:
        """Return the page as one self-contained file."""
        return TEMPLATES.get_template("page.html").render(
            report=self,
            title=f"{self.month.start:%B %Y}",
            days=self.month.days,
            Verdict=Verdict,
            Charge=Charge,
            SECONDS=[plots.brief(step) for step in SECONDS],
            HOURS=[plots.brief(3_600 * step) for step in HOURS],
            band_name=plots.band_name,
            plots=self._plots(),
            percent=percent,
            interval=interval,
        )

    def _plots(self) -> Mapping[str, str]:
        """Return the plots by name; those without data are missing."""
        verdicts, charges, days = self.verdicts, self.charges, self.month.days
        drawn = {}
        if verdicts.total:
            drawn["verdicts"] = plots.verdicts_by_day(verdicts, days)
        if verdicts.similarities:
            drawn["similarities"] = plots.similarities(verdicts)
        if verdicts.seconds.total:
            drawn["seconds"] = plots.seconds(verdicts.seconds)
        if charges.total:
            drawn["charges"] = plots.charges_by_day(charges, days)
        if verdicts.decisions.by_band:
            drawn["decisions"] = plots.decisions_by_similarity(verdicts.decisions)
        return drawn

    @property
    def bands(self) -> Sequence[tuple[str | int, ...]]:
        """Counts by verdict for each band, from the lowest that occurs."""
        counts = self.verdicts.similarities
        points = [point for point, _ in counts]
        bands = range(min(points) // BAND * BAND, max(points) + 1, BAND)

        def rows(lowest: int, verdict: Verdict) -> int:
            return sum(counts[point, verdict] for point in range(lowest, lowest + BAND))

        shown = (Verdict.REJECT, Verdict.MANUAL_CHECK, Verdict.PASS)
        return [(plots.band_name(lowest), *(rows(lowest, verdict) for verdict in shown)) for lowest in bands]


def percent(share: Share) -> str:
    return f"{100 * share.fraction:.1f} %" if share.of else ""


def interval(share: Share) -> str:
    """Return the interval as text, marked if there is too little data."""
    low, high = share.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %{', too few' if share.too_few else ''}"
