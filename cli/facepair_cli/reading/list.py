"""`facepair list`: rows, newest first, as a table, CSV or JSON."""

import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import TextIO

import click
from rich.console import Console, RenderableType

from facepair.domain import clock
from facepair.domain.stored_row import StoredRow
from facepair.domain.verdict import Verdict
from facepair_cli import cost
from facepair_cli.csv_cells import HOW_TO_READ, CellWriter
from facepair_cli.output import counted, json_option, note, print_json_array, print_json_lines
from facepair_cli.readable import readable
from facepair_cli.stack import Stack, stack_option
from facepair_cli.times import TIME, TIMES, check_order
from facepair_cli.verdict_table import entry, heading

COLUMNS = (
    *("pair_id", "verdict", "code", "message", "similarity", "transaction_id", "updated_at"),
    *("pricing_strategy", "uploaded_at", "fingerprint", "retake", "waiting_for", "retry_at"),
)
"""CSV columns: the row's attributes. Those of the review follow."""
DECISION = ("by", "at", "from", "reason", "saw_similarity", "also_by")


@click.command("list", epilog=f"{HOW_TO_READ}\n\n{TIMES}")
@click.option(
    "--verdict",
    type=click.Choice(Verdict, case_sensitive=False),
    metavar="VERDICT",
    help=f"Rows of this verdict alone: {', '.join(Verdict)}.",
)
@click.option("--since", type=TIME, help="Rows written at that time or later.")
@click.option("--until", type=TIME, help="Rows written before that time.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="The newest N of them.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer in CSV: the export.")
@json_option
@click.option("--jsonl", "as_json_lines", is_flag=True, help="Answer in JSON, one row a line.")
@stack_option
def list_rows(
    verdict: Verdict | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    as_csv: bool,
    as_json: bool,
    as_json_lines: bool,
    stack: Stack,
) -> None:
    """List rows, newest first, as a table, CSV or JSON.

    Rows are printed as they are read, so memory stays flat. How many were read, and the price from a cent on, goes to
    stderr.

    \b
    Examples:
      facepair list --verdict UNDETERMINED --limit 20
      facepair list --since 2026-01-01 --until 2026-02-01 --csv > january.csv
    """
    if as_csv + as_json + as_json_lines > 1:
        raise click.UsageError("Choose one of --csv, --json and --jsonl.")
    check_order(since, until)
    if not (verdict or since or until or limit):
        rows, size = stack.written.size()
        note(f"Reading every row, about {counted(rows, 'row')}{cost.price_of_bytes(size)}.")
    found = stack.written.newest_first([verdict] if verdict else list(Verdict), since=since, until=until)
    images = islice(found, limit)
    if as_json:
        print_json_array(images)
    elif as_json_lines:
        print_json_lines(images)
    elif as_csv:
        write_csv(images, sys.stdout)
    else:
        print_table(images)
    note(f"{counted(stack.written.rows_read, 'row')} read{cost.price(stack.written.read_units)}.")


def write_csv(images: Iterable[StoredRow], file: TextIO) -> None:
    """Write the export, streaming the rows."""
    writer = CellWriter(file)
    writer.row((*COLUMNS, *(f"review_{name}" for name in DECISION)))
    for cells in readable(images, _cells):
        writer.row(cells)


def _cells(image: StoredRow) -> list[object]:
    cells = (*map(image.get, COLUMNS), *map(image.get("review", {}).get, DECISION))
    return [" ".join(cell) if isinstance(cell, list) else cell for cell in cells]


def print_table(images: Iterable[StoredRow]) -> None:
    """Print rows to stdout, streaming them."""
    console = Console()
    console.print(heading())
    for row in readable(images, _entry):
        console.print(row)


def _entry(image: StoredRow) -> RenderableType:
    return entry(image, note=str(image["updated_at"]), seconds=_seconds(image))


def _seconds(image: StoredRow) -> float | None:
    """Return the time from the later upload to the row; None without a verdict."""
    if image["verdict"] in (Verdict.WAITING, Verdict.PENDING) or "uploaded_at" not in image:
        return None
    return (clock.parse(image["updated_at"]) - clock.parse(image["uploaded_at"])).total_seconds()
