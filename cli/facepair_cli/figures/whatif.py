"""`facepair whatif`: what other thresholds would have decided."""

from datetime import datetime
from decimal import Decimal, InvalidOperation

import click
from pydantic import ValidationError
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from facepair.domain.outcome import Policy
from facepair.domain.verdict import Verdict
from facepair_cli.errors import extra
from facepair_cli.figures.flows import JUDGED, Flows
from facepair_cli.figures.judgement import judgements
from facepair_cli.output import json_option, print_json
from facepair_cli.progress import announced
from facepair_cli.stack import Stack, stack_option
from facepair_cli.times import TIME, TIMES, check_order
from facepair_cli.verdict_table import STYLES, WIDEST

SIMILAR = (*JUDGED, Verdict.RETAKE)
"""Verdicts of rows with a similarity: a reviewer may ask for a RETAKE in spite of one."""
BIN = 2
"""Points of similarity per bar."""
HEIGHT = 14


class Threshold(click.ParamType[Decimal]):
    """A threshold, kept exactly as typed."""

    name = "similarity"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            return Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number from 0 to 100", param, ctx)


@click.command(epilog=TIMES)
@click.option("--pass-above", metavar="X", type=Threshold(), required=True, help="PASS above this similarity.")
@click.option("--reject-below", metavar="Y", type=Threshold(), required=True, help="REJECT below this similarity.")
@click.option("--since", type=TIME, help="Rows written at that time or later.")
@click.option("--until", type=TIME, help="Rows written before that time.")
@json_option
@stack_option
def whatif(
    pass_above: Decimal,
    reject_below: Decimal,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    stack: Stack,
) -> None:
    """Show which verdicts other thresholds would have given.

    The stored similarities are judged again; nothing is changed or called. Where a reviewer has decided, the verdict
    before the decision counts, and the decisions are listed separately.

    Example: facepair whatif --pass-above 80 --reject-below 60
    """
    try:
        policy = Policy(pass_above=pass_above, reject_below=reject_below)
    except ValidationError as error:
        raise click.UsageError(_sentence(error)) from error
    check_order(since, until)
    if not as_json:
        with extra("report"):
            import plotext  # noqa: F401  0.4 s; missing, it is reported before anything is read
    flows = Flows(policy)
    rows = stack.written.newest_first(SIMILAR, since=since, until=until)
    for row in judgements(announced(rows, "row", stack.written.size(), part=True)):
        flows.add(row)
    if as_json:
        print_json(_plain(flows))
        return
    console = Console()
    console.print(_text(flows, stack.policy))
    if flows.total:
        click.echo(_plot(flows, stack.policy, width=min(console.width, WIDEST)))


def _sentence(error: ValidationError) -> str:
    """Rephrase pydantic's error in terms of the options."""
    said = error.errors()[0]
    where = "".join(f"--{str(name).replace('_', '-')}: " for name in said["loc"])
    message = said["msg"].removeprefix("Value error, ")
    return f"{where}{message}".replace("RejectBelow", "--reject-below").replace("PassAbove", "--pass-above")


def _plain(flows: Flows) -> dict[str, object]:
    return {
        "flows": flows.table(),
        "rows": flows.total,
        "changed": {
            "count": flows.changed.count,
            "of": flows.total,
            "interval": flows.changed.interval,
            "too_few": flows.changed.too_few,
        },
        "decided_by_persons": {
            then: {decided: count for (of, decided), count in flows.decided.items() if of is then} for then in JUDGED
        },
        "policy": flows.policy.model_dump(),
    }


def _text(flows: Flows, deployed: Policy) -> RenderableType:
    if not flows.total:
        return Text("No row has a similarity; `facepair list` shows all rows.")
    return Group(*_lines(flows, deployed))


def _lines(flows: Flows, deployed: Policy) -> list[RenderableType]:
    lines: list[RenderableType] = [
        Text(f"Rows with a similarity: {flows.total:,}. Then: {_told(flows.policy)}; deployed: {_told(deployed)}."),
        Text(),
        _flow_table(flows),
        Text(),
        Text(f"Another verdict: {flows.changed}."),
        *(Text(f"{then}: {flows.then(then)}; now {flows.now(then).count:,}.") for then in JUDGED),
        Text(
            "In parentheses: where the share of all pairs to come lies, with 95 % confidence, if they are like these."
        ),
    ]
    if flows.changed.too_few:
        lines.append(Text("Too few rows to choose thresholds by.", style="bold"))
    others = sum(count for policy, count in flows.policies.items() if policy != deployed)
    if others:
        lines.append(Text(f"Verdicts made with other thresholds than those deployed: {others:,}."))
    if flows.decided:
        lines.append(Text("Reviewers decided some of these. With these thresholds:"))
        lines += [
            Text(f"  {then}, and were decided {decided}: {count:,}")
            for (then, decided), count in sorted(flows.decided.items())
        ]
    return lines


def _told(policy: Policy) -> str:
    return f"PASS above {policy.pass_above}, REJECT below {policy.reject_below}"


def _flow_table(flows: Flows) -> Table:
    table = Table(title="Verdicts now and then", title_justify="left", title_style="bold")
    table.add_column("now")
    for then in JUDGED:
        table.add_column(f"then {then}", justify="right", header_style=STYLES[then])
    table.add_column("all", justify="right")
    for now in JUDGED:
        counts = (f"{flows.counts[now, then]:,}" for then in JUDGED)
        table.add_row(Text(now, style=STYLES[now]), *counts, f"{flows.now(now).count:,}")
    return table


def _plot(flows: Flows, deployed: Policy, width: int) -> str:
    """Return a text plot of the similarities, with the thresholds as lines."""
    from plotext import figure, uncolorize

    bars = [sum(flows.similarities[each] for each in range(low, low + BIN)) for low in range(0, 100, BIN)]
    highest = max(bars)
    figure.clear()
    figure.theme("colorless").plot_size(width, HEIGHT)
    figure.title(
        f"Similarities. Deployed: {deployed.reject_below}, {deployed.pass_above} (dotted). "
        f"Then: {flows.policy.reject_below}, {flows.policy.pass_above}."
    )
    for policy, style in ((deployed, "dotted"), (flows.policy, "heavy")):
        for threshold in (policy.reject_below, policy.pass_above):
            figure.line(float(threshold), "v", style=style)
    figure.draw(figure.bar([low + BIN / 2 for low in range(0, 100, BIN)], bars, width=1, marker="full"))
    figure.ruler("x").lim(0, 100).ticks(range(0, 101, 10))
    # Leave room above the highest bar for the lines.
    figure.ruler("y").lim(0, highest * 1.2).ticks([0, highest])
    figure.label("similarity", axis="x")
    figure.label("rows", axis="y")
    return str(uncolorize(figure.build().string()))
