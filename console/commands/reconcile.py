"""`facepair reconcile`: the ledger against ADVANCE's invoice."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.csv_cells import CellWriter
from console.escaping import escaped
from console.output import json_option, print_json_fields
from console.output_file import OutputFile, OutputPath
from console.reading import announced
from console.reconciliation.books import COLUMNS, Books
from console.reconciliation.invoice import Invoice, Layout
from console.stack import Stack, stack_option
from facepair.domain import clock
from facepair.domain.entry import Entry
from facepair.domain.month import Month, Place
from facepair.domain.reconciliation import DIFFERENCES, Billed, Class

MEANINGS = {
    Class.MATCHED: "billed, and charged by the ledger",
    Class.BILLED_UNKNOWN: "billed; the ledger has no such call",
    Class.CHARGED_NOT_BILLED: "charged by the ledger; not billed",
    Class.BILLED_FREE: "billed; the call was not charged",
    Class.BILLED_TWICE: "billed once more than it was charged",
}
EXAMPLES = 3
"""Transaction ids that are shown of a class."""
NEXT_INVOICE = "within a day of the month's ends, so perhaps on the neighbouring month's invoice"
OTHER_MONTH = "the ledger has it, in another month"


class Zone(click.ParamType[tzinfo]):
    """A time zone of the IANA database."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError):
            self.fail(f"{value!r} is no time zone; write Europe/Berlin", param, ctx)


@click.command()
@click.argument("invoice_path", metavar="INVOICE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--month", "month_text", metavar="M", required=True, help="The invoice's month: 2026-10.")
@click.option("--column", metavar="NAME", help="The column of transaction ids; else it is found by its values.")
@click.option("--timezone", "zone", metavar="Z", type=Zone(), default="UTC", show_default=True, help="The bill's.")
@click.option("--output", metavar="FILE.csv", type=OutputPath(), help="The differences.")
@json_option
@stack_option
def reconcile(
    invoice_path: Path,
    month_text: str,
    column: str | None,
    zone: tzinfo,
    output: OutputFile | None,
    as_json: bool,
    stack: Stack,
) -> None:
    """Compare the ledger with ADVANCE's invoice.

    Any CSV will do. The whole ledger is read. What lies within a day of the month's ends is looked up on both sides
    before anything is called a difference: clocks and time zones differ.

    \b
    Example:
      facepair reconcile invoice.csv --month 2026-10 --timezone Asia/Singapore
    """
    try:
        month = Month.parse(month_text, zone)
    except ValueError as error:
        raise click.UsageError(f"--month: {error}") from error
    invoice = Invoice(invoice_path, zone)
    with Books() as books:
        books.enter(announced(stack.calls.entries(), "call", stack.calls.size()))
        layout = invoice.layout(books.charged_at, column)
        left_out = _bill(books, invoice.billed(layout), month)
        _tell_layout(layout, month_text, zone, left_out)
        counts = books.settle(month)
        if output:
            _write(output, books, month)
        if as_json:
            print_json_fields(_fields(books, counts, month))
        else:
            _print(books, counts, month)
    if any(counts[each] for each in DIFFERENCES):
        raise SystemExit(1)


def _bill(books: Books, rows: Iterable[Billed], month: Month) -> int:
    """Take in the rows that may be of the month; how many are of another."""
    left_out = 0

    def near() -> Iterator[Billed]:
        nonlocal left_out
        for row in rows:
            if row.at and month.place(row.at) is Place.ELSEWHERE:
                left_out += 1
            else:
                yield row

    books.bill(near())
    return left_out


def _tell_layout(layout: Layout, month: str, zone: tzinfo, left_out: int) -> None:
    """What the invoice was taken for, on stderr."""
    if layout.times:
        name = escaped(layout.times.name)
        times = f"times in the column {name}, in {zone}; rows of other months, left out: {left_out:,}"
    else:
        times = f"no column of times was found, so all its rows are taken for {month}'s"
    click.echo(f"The invoice: transaction ids in the column {escaped(layout.ids.name)}; {times}.", err=True)


def _fields(books: Books, counts: dict[Class, int], month: Month) -> Iterator[tuple[str, object]]:
    yield Class.MATCHED, counts[Class.MATCHED]
    for kind in DIFFERENCES:
        yield kind, books.transaction_ids(kind)
    yield "without_answer", map(_told, books.without_answer(month))


def _told(entry: Entry) -> dict[str, object]:
    return {"pair_id": entry.pair_id, "call": entry.call, "sent_at": clock.iso(entry.sent_at), "state": entry.state}


def _print(books: Books, counts: dict[Class, int], month: Month) -> None:
    table = Table(title="The ledger against the invoice", title_justify="left", title_style="bold")
    table.add_column("class")
    table.add_column("rows", justify="right")
    table.add_column("")
    for kind in Class:
        examples = [*map(escaped, islice(books.transaction_ids(kind), EXAMPLES))]
        more = ", …" if counts[kind] > len(examples) > 0 else ""
        shown = f": {', '.join(examples)}{more}" if examples else ""
        table.add_row(kind, f"{counts[kind]:,}", Text(f"{MEANINGS[kind]}{shown}"))
    Console().print(table)
    billed = sum(counts[kind] for kind in Class if kind is not Class.CHARGED_NOT_BILLED)
    charged = counts[Class.MATCHED] + counts[Class.CHARGED_NOT_BILLED]
    click.echo(f"Rows of the invoice: {billed:,}. Charged calls of the ledger: {charged:,}.")
    unanswered = sum(1 for _ in books.without_answer(month))
    if unanswered:
        click.echo(f"Calls without an answer: {unanswered:,}. They may be among what is billed unknown.")
    at_the_ends = sum(1 for found in books.findings(Class.CHARGED_NOT_BILLED) if _remark(found, month))
    if at_the_ends:
        click.echo(f"Charged and not billed, but {NEXT_INVOICE}: {at_the_ends:,}.")


def _write(output: OutputFile, books: Books, month: Month) -> None:
    """The differences, by class."""
    with output.open() as file:
        cells = CellWriter(file)
        cells.row((*COLUMNS, "remark"))
        for kind in DIFFERENCES:
            for found in books.findings(kind):
                cells.row((*(found[name] for name in COLUMNS), _remark(found, month)))


def _remark(found: Mapping[str, Any], month: Month) -> str:
    at = clock.parse(found["at"]) if found["at"] else None
    if at and found["class"] == Class.CHARGED_NOT_BILLED and month.is_at_an_end(at):
        return NEXT_INVOICE
    if at and found["class"] == Class.BILLED_UNKNOWN:
        return OTHER_MONTH
    return ""
