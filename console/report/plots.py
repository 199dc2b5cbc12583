"""The plots of a month, as SVG inside the page."""

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facepair.domain.figures import BAND, Charges, Decisions, Durations, Verdicts
from facepair.domain.ledger import Charge
from facepair.domain.verdict import Policy, Verdict

WIDTH, HEIGHT = 9.0, 2.9
"""Inches, of which the page makes its own width."""
VERDICT_COLOURS = {
    Verdict.PASS: "#3a9d6e",
    Verdict.MANUAL_CHECK: "#f0b93a",
    Verdict.REJECT: "#b3392f",
    Verdict.RETAKE: "#9a6fb0",
    Verdict.WAITING: "#c3c8cd",
    Verdict.PENDING: "#6cb4c9",
    Verdict.UNDETERMINED: "#3d444b",
}
CHARGE_COLOURS = {Charge.CHARGED: "#2f6690", Charge.FREE: "#b8cfe0", Charge.PERHAPS: "#f0b93a"}
INK = "#3d444b"
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: searched, read aloud, and small
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib brings and measures it; the page sets its own, which is narrower
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e7ea",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
}


def verdicts_by_day(verdicts: Verdicts, days: Sequence[date]) -> str:
    def draw(axes: Axes) -> None:
        layers = {each: [verdicts.by_day[day, each] for day in days] for each in Verdict}
        _stack(axes, [day.day for day in days], layers, VERDICT_COLOURS)
        _month(axes, days, "rows")

    return _svg("verdicts", "Stacked bars: rows by day and verdict; the table “By day” has the numbers.", draw)


def similarities(verdicts: Verdicts, policy: Policy) -> str:
    def draw(axes: Axes) -> None:
        points = range(100)
        axes.bar(
            [point + 0.5 for point in points],
            [verdicts.similarities[point] for point in points],
            width=1,
            color=[VERDICT_COLOURS[_middle(policy, point)] for point in points],
        )
        for threshold, name in ((policy.reject_below, "REJECT below"), (policy.pass_above, "PASS above")):
            axes.axvline(float(threshold), color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{name} {threshold}", (float(threshold), 1), xycoords=("data", "axes fraction"), rotation=90,
                xytext=(-3, -3), textcoords="offset points", ha="right", va="top", fontsize=8,
            )  # fmt: skip
        axes.set(xlim=(0, 100), xlabel="similarity", ylabel="rows")

    return _svg("similarities", "Bars: rows by similarity, with the thresholds as lines; the numbers are below.", draw)


def seconds(durations: Durations) -> str:
    """`durations` in seconds."""
    names = [*(f"≤ {brief(step)}" for step in durations.steps), "longer"]

    def draw(axes: Axes) -> None:
        counts = [durations.counts[number] for number in range(len(names))]
        bars = axes.bar(names, counts, width=0.8, color=CHARGE_COLOURS[Charge.CHARGED])
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], fontsize=8, padding=2)
        axes.set(xlabel="from the later upload to the verdict", ylabel="rows")

    return _svg("seconds", "Bars: rows by the time that their verdict took; the numbers are below.", draw)


def charges_by_day(charges: Charges, days: Sequence[date]) -> str:
    def draw(axes: Axes) -> None:
        layers = {each: [charges.by_day[day, each] for day in days] for each in Charge}
        _stack(
            axes,
            [day.day for day in days],
            layers,
            CHARGE_COLOURS,
            hatched=Charge.PERHAPS,
        )
        _month(axes, days, "calls")

    return _svg("charges", "Stacked bars: calls by day and cost; the table “By day” has the numbers.", draw)


def decisions_by_similarity(decisions: Decisions) -> str:
    bands = range(min(decisions.by_band), max(decisions.by_band) + BAND, BAND)

    def draw(axes: Axes) -> None:
        decided = (Verdict.PASS, Verdict.REJECT, Verdict.RETAKE)
        layers = {
            each: [decisions.by_band[lowest][each] if lowest in decisions.by_band else 0 for lowest in bands]
            for each in decided
        }
        _stack(axes, list(bands), layers, VERDICT_COLOURS, width=0.8 * BAND)
        axes.set_xticks(list(bands), [f"{lowest} to {lowest + BAND}" for lowest in bands])
        axes.set(xlabel="similarity", ylabel="decisions")

    return _svg("decisions", "Stacked bars: persons' decisions by similarity; the numbers are below.", draw)


def brief(seconds: int) -> str:
    """`30 s`, `5 min`, `1 h`, `7 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _middle(policy: Policy, point: int) -> Verdict:
    """The verdict of a bar: of its middle, where a threshold goes through it."""
    return policy.judge(Decimal(point) + Decimal("0.5"))


def _month(axes: Axes, days: Sequence[date], what: str) -> None:
    axes.set(xlim=(0.4, len(days) + 0.6), xticks=range(1, len(days) + 1, 2), xlabel="day of the month", ylabel=what)


def _stack[K: StrEnum](
    axes: Axes,
    places: Sequence[float],
    layers: Mapping[K, Sequence[int]],
    colours: Mapping[K, str],
    *,
    width: float = 0.8,
    hatched: K | None = None,
) -> None:
    """Bars upon each other, with a legend of those that there are."""
    height = [0] * len(places)
    for key, counts in layers.items():
        if any(counts):
            hatch = "///" if key == hatched else None
            axes.bar(
                places,
                counts,
                width,
                bottom=height,
                color=colours[key],
                label=key,
                hatch=hatch,
                edgecolor="white",
            )
            height = [below + count for below, count in zip(height, counts, strict=True)]
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=7, frameon=False, fontsize=8)


def _svg(name: str, description: str, draw: Callable[[Axes], None]) -> str:
    """A figure as an element of HTML: with a text for those who do not see it, as wide as its place."""
    with rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.subplots()
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        draw(axes)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{html.escape(description)}"', 1)
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)
    # Ids are of the whole page.
    return re.sub(r'(id="|href="#|url\(#)', rf"\1{name}-", svg)
