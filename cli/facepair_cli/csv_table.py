"""Read a CSV from any spreadsheet, row by row."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from facepair_cli.output import counted

SEPARATORS = (";", "\t", ",")
"""The one that splits the header into the most cells wins; on a tie, the first, since names may contain commas."""
EXCEL_SAYS = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
"""Excel may name the separator in the first line."""
SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of xlsx and ods files, and of xls files."""


@dataclass(frozen=True)
class CsvRow:
    """A row's cells, one per header, and the number of its last line."""

    line: int
    cells: list[str]


class CsvTable:
    """A CSV file with a header; empty rows are skipped.

    Accepts UTF-8, or UTF-16 with a byte order mark, separated by commas, semicolons or tabs. With `any_bytes`, bytes
    that are not UTF-8 are replaced. Raises ClickException, with the line, for what cannot be read.
    """

    def __init__(self, path: Path, *, any_bytes: bool = False) -> None:
        self._path = path
        self._errors = "replace" if any_bytes else "strict"
        self._encoding = self._found_encoding()
        self.header: list[str] = next(self._read(), CsvRow(0, [])).cells

    def rows(self) -> Iterator[CsvRow]:
        rows = self._read()
        next(rows, None)
        for row in rows:
            extra = len(row.cells) - len(self.header)
            if extra > 0 and any(row.cells[len(self.header) :]):
                raise click.ClickException(
                    f"{self._path}, line {row.line}, has {counted(len(row.cells), 'cell')} for "
                    f"{counted(len(self.header), 'header')}: quote cells that contain the separator."
                )
            yield CsvRow(row.line, row.cells[: len(self.header)] + [""] * -extra)

    def _read(self) -> Iterator[CsvRow]:
        """Yield the header and the non-empty rows."""
        try:
            with self._path.open(encoding=self._encoding, errors=self._errors, newline="") as file:
                separator = _separator(file)
                reader = csv.reader(file, delimiter=separator, strict=True)
                try:
                    for cells in reader:
                        if any(map(str.strip, cells)):
                            yield CsvRow(reader.line_num, cells)
                except csv.Error as error:
                    line = reader.line_num
                    raise click.ClickException(f"{self._path}, line {line}, cannot be read as CSV: {error}.") from error
        except UnicodeDecodeError as error:
            raise click.ClickException(f"{self._path} is not in UTF-8: save it as CSV UTF-8.") from error

    def _found_encoding(self) -> str:
        with self._path.open("rb") as file:
            begin = file.read(4)
        if begin.startswith(SPREADSHEETS):
            raise click.ClickException(f"{self._path} is a spreadsheet: save it as CSV.")
        return "utf-16" if begin.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def _separator(file: TextIO) -> str:
    """Return the header's separator and position the file at the header."""
    first = file.readline()
    if said := EXCEL_SAYS.fullmatch(first):
        return said[1]
    while first and not first.strip():
        first = file.readline()
    file.seek(0)
    first = first[: csv.field_size_limit()]  # the caller reports a cell that is longer, with its line
    return max(SEPARATORS, key=lambda separator: len(next(csv.reader([first], delimiter=separator), [])))
