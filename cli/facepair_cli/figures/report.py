"""`facepair report`: a month on one page."""

import click

from facepair.domain import clock
from facepair.domain.verdict import Verdict
from facepair_cli.errors import extra
from facepair_cli.figures.figures import ChargeCounts, VerdictCounts
from facepair_cli.figures.judgement import judgements
from facepair_cli.month import Month
from facepair_cli.output import counted, note, say
from facepair_cli.output_file import OutputFile, OutputPath
from facepair_cli.progress import announced
from facepair_cli.stack import Stack, stack_option


@click.command()
@click.option("--month", "month_text", metavar="M", required=True, help="A month of UTC: 2026-10.")
@click.option("--output", metavar="FILE.html", type=OutputPath(), required=True, help="The page to write.")
@stack_option
def report(month_text: str, output: OutputFile, stack: Stack) -> None:
    """Write a page with plots about a month.

    It has verdicts by day, similarities, times to the verdict, charges and reviewers' decisions, in one file that
    opens without a network. The command reads the month's rows and the whole ledger.

    Example: facepair report --month 2026-10 --output october.html
    """
    with extra("report"):
        from facepair_cli.figures.page import Report  # matplotlib takes a second to import

    try:
        month = Month.parse(month_text)
    except ValueError as error:
        raise click.UsageError(f"--month: {error}") from error
    verdicts, charges = VerdictCounts(stack.policy), ChargeCounts(month)
    rows = stack.written.newest_first([*Verdict], since=month.start, until=month.end)
    for row in judgements(announced(rows, "row", stack.written.size(), part=True)):
        verdicts.add(row)
    for entry in announced(stack.calls.entries(), "call", stack.calls.size()):
        charges.add(entry)

    page = Report(stack.name, month, clock.now(), verdicts, charges).html()
    with output.open() as file:
        file.write(page)
    written = note if output.is_stdout else say
    written(f"{output.name}: {counted(verdicts.total, 'row')} and {counted(charges.total, 'call')} of {month_text}.")
