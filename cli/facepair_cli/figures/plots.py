"""A month's plots, as inline SVG."""

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facepair.domain.ledger import Charge
from facepair.domain.verdict import Verdict
from facepair_cli.figures.figures import BAND, ChargeCounts, DecisionCounts, Durations, VerdictCounts
from facepair_cli.figures.flows import JUDGED

VERDICT_COLOURS = {
    Verdict.PASS: "#3a9d6e",
    Verdict.MANUAL_CHECK: "#f0b93a",
    Verdict.REJECT: "#b3392f",
    Verdict.RETAKE: "#9a6fb0",
    Verdict.WAITING: "#c3c8cd",
    Verdict.PENDING: "#6cb4c9",
    Verdict.UNDETERMINED: "#52595f",
}
CHARGE_COLOURS = {Charge.CHARGED: "#2f6690", Charge.FREE: "#b8cfe0", Charge.PERHAPS: "#f0b93b"}
INK, LINE, PAGE = "#3d444b", "#e4e7ea", "#ffffff"
NAMES = {INK: "ink", LINE: "line", PAGE: "page"} | {
    colour: each.lower().replace(" ", "-").replace("_", "-")
    for colours in (VERDICT_COLOURS, CHARGE_COLOURS)
    for each, colour in colours.items()
}
"""Names of the colours in page.css, which defines them for light and dark mode."""


@dataclass(frozen=True)
class PlotSize:
    """Size in inches, and the layout that fits; the page scales it to its width."""

    name: str
    width: float
    height: float
    legend_columns: int
    legend_spacing: float
    days_between_ticks: int
    slanted: float
    """Rotation of the bars' labels, in degrees."""


WIDE = PlotSize("wide", 9.0, 2.9, legend_columns=7, legend_spacing=2, days_between_ticks=2, slanted=0)
NARROW = PlotSize("narrow", 4.2, 3.1, legend_columns=3, legend_spacing=1, days_between_ticks=5, slanted=55)
"""For phones."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # keeps text searchable, accessible and small
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # bundled with matplotlib, which measures it; the page's own font is narrower
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
}


def verdicts_by_day(verdicts: VerdictCounts, days: Sequence[date]) -> str:
    def draw(axes: Axes, size: PlotSize) -> None:
        layers = {each: [verdicts.by_day[day, each] for day in days] for each in Verdict}
        _stack(axes, size, [day.day for day in days], layers, VERDICT_COLOURS)
        _month(axes, size, days, "rows")

    return _svg("verdicts", "Stacked bars: rows by day and verdict; the table “By day” has the numbers.", draw)


def similarities(verdicts: VerdictCounts) -> str:
    """Bars of one point; a bar split by a threshold has a part for each verdict."""
    policy = verdicts.policy

    def draw(axes: Axes, size: PlotSize) -> None:
        layers = {each: [verdicts.similarities[point, each] for point in range(100)] for each in JUDGED}
        _stack(axes, size, [point + 0.5 for point in range(100)], layers, VERDICT_COLOURS, width=1, edges=False)
        for threshold, name in ((policy.reject_below, "REJECT below"), (policy.pass_above, "PASS above")):
            axes.axvline(float(threshold), color=INK, linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{name} {threshold}", (float(threshold), 1), xycoords=("data", "axes fraction"), rotation=90,
                xytext=(-3, -3), textcoords="offset points", ha="right", va="top", fontsize=8,
            )  # fmt: skip
        axes.set(xlim=(0, 100), xlabel="similarity", ylabel="rows")

    return _svg("similarities", "Bars: rows by similarity, with the thresholds as lines; the numbers are below.", draw)


def seconds(durations: Durations) -> str:
    names = [*(f"≤ {brief(step)}" for step in durations.steps), "longer"]

    def draw(axes: Axes, size: PlotSize) -> None:
        counts = [durations.counts[number] for number in range(len(names))]
        bars = axes.bar(names, counts, width=0.8, color=CHARGE_COLOURS[Charge.CHARGED])
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], fontsize=8, padding=2)
        axes.tick_params(axis="x", labelrotation=size.slanted)
        axes.set(xlabel="from the later upload to the verdict", ylabel="rows")

    return _svg("seconds", "Bars: rows by the time that their verdict took; the numbers are below.", draw)


def charges_by_day(charges: ChargeCounts, days: Sequence[date]) -> str:
    def draw(axes: Axes, size: PlotSize) -> None:
        layers = {each: [charges.by_day[day, each] for day in days] for each in Charge}
        _stack(axes, size, [day.day for day in days], layers, CHARGE_COLOURS, hatched=Charge.PERHAPS)
        _month(axes, size, days, "calls")

    return _svg("charges", "Stacked bars: calls by day and cost; the table “By day” has the numbers.", draw)


def decisions_by_similarity(decisions: DecisionCounts) -> str:
    bands = range(min(decisions.by_band), max(decisions.by_band) + BAND, BAND)

    def draw(axes: Axes, size: PlotSize) -> None:
        decided = (Verdict.PASS, Verdict.REJECT, Verdict.RETAKE)
        layers = {
            each: [decisions.by_band[lowest][each] if lowest in decisions.by_band else 0 for lowest in bands]
            for each in decided
        }
        _stack(axes, size, list(bands), layers, VERDICT_COLOURS, width=0.8 * BAND)
        axes.set_xticks(list(bands), [band_name(lowest) for lowest in bands])
        axes.tick_params(axis="x", labelrotation=size.slanted if len(bands) > 5 else 0)
        axes.set(xlabel="similarity", ylabel="decisions")

    return _svg("decisions", "Stacked bars: reviewers' decisions by similarity; the numbers are below.", draw)


def band_name(lowest: int) -> str:
    return f"{lowest} to {lowest + BAND}"


def brief(seconds: int) -> str:
    """Return a duration as `30 s`, `5 min`, `1 h` or `7 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _month(axes: Axes, size: PlotSize, days: Sequence[date], what: str) -> None:
    ticks = range(1, len(days) + 1, size.days_between_ticks)
    axes.set(xlim=(0.4, len(days) + 0.6), xticks=ticks, xlabel="day of the month", ylabel=what)


def _stack[K: StrEnum](
    axes: Axes,
    size: PlotSize,
    places: Sequence[float],
    layers: Mapping[K, Sequence[int]],
    colours: Mapping[K, str],
    *,
    width: float = 0.8,
    edges: bool = True,
    hatched: K | None = None,
) -> None:
    """Draw stacked bars, with a legend of the layers that occur."""
    heights = [0] * len(places)
    for key, counts in layers.items():
        bars = [(place, count, below) for place, count, below in zip(places, counts, heights, strict=True) if count]
        if bars:
            axes.bar(
                [place for place, _, _ in bars],
                [count for _, count, _ in bars],
                width,
                bottom=[below for _, _, below in bars],
                color=colours[key],
                label=key,
                hatch="///" if key == hatched else None,
                edgecolor=PAGE if edges else "none",
            )
        heights = [below + count for below, count in zip(heights, counts, strict=True)]
    if axes.get_legend_handles_labels()[1]:
        spacing = size.legend_spacing
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=size.legend_columns, frameon=False, fontsize=8,
            columnspacing=spacing, handlelength=spacing,
        )  # fmt: skip


def _svg(name: str, description: str, draw: Callable[[Axes, PlotSize], None]) -> str:
    """Return the plot as SVG elements, one per size; the page shows one."""
    return "".join(_drawn(f"{name}-{size.name}", description, draw, size) for size in (WIDE, NARROW))


def _drawn(name: str, description: str, draw: Callable[[Axes, PlotSize], None], size: PlotSize) -> str:
    with rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(size.width, size.height), layout="constrained")
        axes = figure.subplots()
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        draw(axes, size)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    label = f'<svg class="{size.name}" role="img" aria-label="{html.escape(description)}"'
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace("<svg", label, 1)
    svg = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", svg, count=1)
    for colour, its_name in NAMES.items():
        svg = svg.replace(colour, f"var(--{its_name})")
    # Ids must be unique on the page.
    return re.sub(r'(id="|href="#|url\(#)', rf"\1{name}-", svg)
