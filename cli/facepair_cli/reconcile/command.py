"""`facepair reconcile`: compare the ledger with ADVANCE's invoice."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facepair.domain import clock
from facepair.domain.entry import Entry
from facepair_cli.csv_cells import CellWriter
from facepair_cli.escaping import escaped
from facepair_cli.month import Month
from facepair_cli.output import counted, json_option, note, print_json_fields, say
from facepair_cli.output_file import OutputFile, OutputPath
from facepair_cli.progress import announced
from facepair_cli.reconcile.books import COLUMNS, Books
from facepair_cli.reconcile.invoice import Invoice
from facepair_cli.reconcile.rules import DIFFERENCES, Class
from facepair_cli.stack import Stack, stack_option

MEANINGS = {
    Class.MATCHED: "billed, and charged by the ledger",
    Class.BILLED_UNKNOWN: "billed; the ledger has no such call",
    Class.CHARGED_NOT_BILLED: "charged by the ledger; not billed",
    Class.BILLED_FREE: "billed; the call was not charged",
    Class.BILLED_TWICE: "billed once more than it was charged",
}
EXAMPLES = 3
"""Transaction ids shown per class."""
SHOWN = 10
"""Calls without an id shown."""
NEXT_INVOICE = "within a day of the month's ends, so perhaps on the neighbouring month's invoice"
OTHER_MONTH = "the ledger has it, in another month"
WITHOUT_ID = "perhaps billed under an id that the ledger does not have"


class Zone(click.ParamType[tzinfo]):
    """An IANA time zone."""

    name = "zone"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        try:
            return ZoneInfo(str(value))
        except (ZoneInfoNotFoundError, ValueError):
            self.fail(f"{value!r} is not a time zone: write it as Europe/Berlin", param, ctx)


@click.command()
@click.argument("invoice_path", metavar="INVOICE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--month", "month_text", metavar="M", required=True, help="The invoice's month: 2026-10.")
@click.option("--column", metavar="NAME", help="The header of the transaction ids.")
@click.option("--timezone", "zone", metavar="Z", type=Zone(), default="UTC", show_default=True, help="The invoice's.")
@click.option("--output", metavar="FILE.csv", type=OutputPath(), help="Write the differences.")
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

    Rows are matched by transaction id. INVOICE.csv has a header in its first row, separated by commas, semicolons or
    tabs; --column names the transaction ids, unless only one header does. All its rows are taken for the month's. The
    whole ledger is read, and a call within a day of the month's ends can match too: clocks and time zones differ. Exit
    status 1 if there are differences.

    \b
    Example:
      facepair reconcile invoice.csv --month 2026-10 --timezone Asia/Singapore
    """
    try:
        month = Month.parse(month_text, zone)
    except ValueError as error:
        raise click.UsageError(f"--month: {error}") from error
    if output and output.is_same(invoice_path):
        raise click.UsageError(f"--output: {output.name} is the invoice; name another file.")
    invoice = Invoice(invoice_path, column)
    show = note if output and output.is_stdout else say
    with Books() as books:
        books.bill(invoice.billed())
        note(f"Transaction ids are in the column {invoice.column}{_left_out(invoice.lines_without_id)}.")
        books.enter(announced(stack.calls.entries(), "call", stack.calls.size()))
        counts = books.settle(month)
        if output:
            _write(output, books, month)
        if as_json:
            print_json_fields(_fields(books, counts, month))
        else:
            _print(books, counts, month, show)
    if any(counts[each] for each in DIFFERENCES):
        raise SystemExit(1)


def _left_out(lines: Sequence[int]) -> str:
    if not lines:
        return ""
    shown = ", ".join(map(str, lines[:EXAMPLES])) + (", …" if len(lines) > EXAMPLES else "")
    return f"; {counted(len(lines), 'row')} without one left out (line {shown})"


def _fields(books: Books, counts: dict[Class, int], month: Month) -> Iterator[tuple[str, object]]:
    yield Class.MATCHED, counts[Class.MATCHED]
    for kind in DIFFERENCES:
        yield kind, books.transaction_ids(kind)
    yield "without_answer", map(_described, books.without_id(month))


def _described(entry: Entry) -> dict[str, object]:
    return {"pair_id": entry.pair_id, "call": entry.call, "sent_at": clock.iso(entry.sent_at), "state": entry.state}


def _print(books: Books, counts: dict[Class, int], month: Month, show: Callable[[str], None]) -> None:
    table = Table(title="The ledger and the invoice", title_justify="left", title_style="bold")
    table.add_column("class")
    table.add_column("rows", justify="right")
    table.add_column("")
    for kind in Class:
        examples = [*map(escaped, islice(books.transaction_ids(kind), EXAMPLES))]
        more = ", …" if counts[kind] > len(examples) > 0 else ""
        shown = f": {', '.join(examples)}{more}" if examples else ""
        table.add_row(kind, f"{counts[kind]:,}", Text(f"{MEANINGS[kind]}{shown}"))
    Console(stderr=show is note).print(table)
    billed = sum(counts[kind] for kind in Class if kind is not Class.CHARGED_NOT_BILLED)
    charged = counts[Class.MATCHED] + counts[Class.CHARGED_NOT_BILLED]
    show(f"{counted(billed, 'row')} of the invoice, {counted(charged, 'charged call')} of the ledger.")
    at_the_ends = sum(1 for found in books.findings(Class.CHARGED_NOT_BILLED) if _remark(found, month))
    if at_the_ends:
        show(f"Charged and not billed, but {NEXT_INVOICE}: {at_the_ends:,}.")
    without_id = [*islice(books.without_id(month), SHOWN + 1)]
    if without_id:
        show("Calls that may be billed under an id that the ledger does not have (the CSV has all of them):")
    for entry in without_id[:SHOWN]:
        show(f"  {clock.iso(entry.sent_at)}  {entry.pair_id}, call {entry.call}: {entry.code or entry.state}")
    if len(without_id) > SHOWN:
        show("  …")


def _write(output: OutputFile, books: Books, month: Month) -> None:
    with output.open() as file:
        cells = CellWriter(file)
        cells.row((*COLUMNS, "remark"))
        for kind in DIFFERENCES:
            for found in books.findings(kind):
                cells.row((*(found[name] for name in COLUMNS), _remark(found, month)))
        for entry in books.without_id(month):
            call = (entry.pair_id, entry.call, clock.iso(entry.at), entry.code, entry.pricing_strategy)
            cells.row(("without_answer", None, None, *call, WITHOUT_ID))


def _remark(found: Mapping[str, Any], month: Month) -> str:
    at = clock.parse(found["at"]) if found["at"] else None
    if at and found["class"] == Class.CHARGED_NOT_BILLED and month.is_at_an_end(at):
        return NEXT_INVOICE
    if at and found["class"] == Class.BILLED_UNKNOWN:
        return OTHER_MONTH
    return ""
