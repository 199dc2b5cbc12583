"""`facepair report`: a month on one page."""

from pathlib import Path

import click

from console.output import FileToWrite
from console.reading import judgements, told
from console.stack import Stack, stack_option
from facepair.domain import clock
from facepair.domain.figures import Charges, Verdicts
from facepair.domain.month import Month
from facepair.domain.verdict import Verdict


@click.command()
@click.option("--month", "month_text", metavar="M", required=True, help="A month of UTC: 2026-10.")
@click.option("--output", metavar="FILE.html", type=FileToWrite(), required=True, help="The page.")
@stack_option
def report(month_text: str, output: Path, stack: Stack) -> None:
    """Write a page about a month: verdicts by day, similarities, seconds to the verdict, charges, persons' decisions.

    The page is one file that opens without a network. The month's rows and the whole ledger are read.

    Example: facepair report --month 2026-10 --output october.html
    """
    try:
        month = Month.parse(month_text)
    except ValueError as error:
        raise click.UsageError(f"--month: {error}") from error
    verdicts, charges = Verdicts(), Charges(month)
    rows = stack.written.newest_first([*Verdict], since=month.start, until=month.end)
    for row in judgements(told(rows, "rows", stack.written.size(), part=True)):
        verdicts.add(row)
    for entry in told(stack.calls.entries(), "calls", stack.calls.size()):
        charges.add(entry)

    from console.report.page import Report  # matplotlib takes a second

    page = Report(stack.name, month, clock.now(), stack.policy, verdicts, charges).html()
    output.write_text(page, encoding="utf-8")
    click.echo(f"{output}: {verdicts.total:,} rows and {charges.total:,} calls of {month_text}.")
