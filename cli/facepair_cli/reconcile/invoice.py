"""Invoices: CSV files with a header and a column of transaction ids."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from facepair_cli.csv_table import CsvTable
from facepair_cli.reconcile.rules import Billed

NAMES_AN_ID = re.compile(
    r".*(transaction|request|txn|trx)s?(id|identifier).*|(transaction|request|txn|trx)(no|nr|number|ref)?"
)
"""Matches headers without spaces and signs:

`Transaction ID`, `requestId`, `Transaction No.`; not `Transaction date`.
"""


class Invoice:
    """The invoice's rows that have a transaction id.

    `column` is the header of the ids; by default, the only header that names a transaction or request id. Raises
    ClickException, which lists the headers, if that is not exactly one column.
    """

    def __init__(self, path: Path, column: str | None = None) -> None:
        self._table = CsvTable(path, any_bytes=True)
        self._number = _column(path, [name.strip() for name in self._table.header], column)
        self.column = self._table.header[self._number].strip()
        self.lines_without_id: list[int] = []

    def billed(self) -> Iterator[Billed]:
        """Yield the rows with an id; collect the lines of the others in `lines_without_id`."""
        for row in self._table.rows():
            if transaction_id := _without_quotes(row.cells[self._number]):
                yield Billed(transaction_id, row.line)
            else:
                self.lines_without_id.append(row.line)


def _column(path: Path, header: list[str], column: str | None) -> int:
    headers = ", ".join(filter(None, header)) or "none, as the file is empty"
    if column is None:
        found = [number for number, name in enumerate(header) if NAMES_AN_ID.fullmatch(_letters(name))]
        if len(found) != 1:
            how_many = "no header" if not found else "more than one header"
            raise click.ClickException(
                f"In {path}, {how_many} names a transaction or request id. Pass --column with one of: {headers}."
            )
    else:
        found = [number for number, name in enumerate(header) if name.casefold() == column.strip().casefold()]
        if len(found) != 1:
            how_many = "no column" if not found else "more than one column"
            raise click.ClickException(f"{path} has {how_many} {column}; its headers are: {headers}.")
    return found[0]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _without_quotes(cell: str) -> str:
    """Remove the marks by which spreadsheets keep text as text: an apostrophe, `="…"`."""
    return cell.strip().removeprefix("=").strip("'\"").strip()
