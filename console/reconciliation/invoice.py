"""An invoice as it comes: a CSV of any make. Which column is which is found by what the ledger knows of its values."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from pathlib import Path
from typing import Self, TextIO

import click

from facepair.domain.reconciliation import Billed

DELIMITERS = (";", "\t", ",")
"""In this order where two divide equally well: a comma may be a decimal one."""
SAMPLE = 50
"""Lines by which the delimiter is found, and rows known to the ledger by which columns are."""
ABOUT = timedelta(days=2)
"""A date alone, in any time zone, is as near to the ledger's time; the date of the bill itself is not."""
ALIKE = 0.9
"""So many of a column's times must be so near."""

type Known = Callable[[str], datetime | None]
"""When the ledger says that a transaction was charged; None for what is none of its transactions."""
type Reader = Callable[[str], datetime | None]
"""The moment that a cell tells, if it tells one; without a zone where the cell has none."""
type Sample = list[tuple[Row, datetime]]
"""Rows that the ledger knows, and when it says that they were charged."""


@dataclass(frozen=True)
class Row:
    line: int
    cells: list[str]

    def cell(self, column: int) -> str:
        """Without what spreadsheets put around a text so that it stays one: an apostrophe, `="…"`."""
        text = self.cells[column].strip() if column < len(self.cells) else ""
        return text.removeprefix("=").strip("'\"").strip()


@dataclass(frozen=True)
class Column:
    """A column by its number, from 0, and its name: its number, from 1, where there is no header."""

    number: int
    name: str

    @classmethod
    def of(cls, header: Row, number: int) -> Self:
        return cls(number, header.cell(number) or str(number + 1))


@dataclass(frozen=True)
class Times(Column):
    """A column of times, and how to read it."""

    read: Reader


@dataclass(frozen=True)
class Layout:
    """Where in the invoice is what: the rows begin with `first_line`."""

    first_line: int
    ids: Column
    times: Times | None


class Invoice:
    """A CSV file, read anew each time: delimiter `,`, `;` or tab, quoted or not, with or without a byte order mark.

    `zone` is that of times which name none. Raises click.ClickException for what cannot be read.
    """

    def __init__(self, path: Path, zone: tzinfo) -> None:
        self._path = path
        self._zone = zone
        self._encoding = _encoding(path)
        self._delimiter = self._found_delimiter()

    def rows(self) -> Iterator[Row]:
        """Every row with anything in it, with the number of its last line."""
        with self._open() as file:
            yield from (row for row in self._parsed(file, self._delimiter) if any(map(str.strip, row.cells)))

    def layout(self, known: Known, column: str | None = None) -> Layout:
        """Find the column of transaction ids, or take the one of that name, and that of times, if there is one.

        Raises click.ClickException where there is no such column.
        """
        if column:
            header = self._header_with(column)
            number = _names(header).index(_plain(column))
            sample = self._known_rows(known, [number]).get(number, [])
        else:
            number, sample = self._column_of_known(known)
            header = self._header_before(sample[0][0])
        return Layout(
            first_line=header.line + 1,
            ids=Column.of(header, number),
            times=_times(sample, header, skip=number, zone=self._zone),
        )

    def billed(self, layout: Layout) -> Iterator[Billed]:
        """Its rows with a transaction id."""
        for row in self.rows():
            transaction_id = row.cell(layout.ids.number)
            if row.line >= layout.first_line and transaction_id:
                at = layout.times.read(row.cell(layout.times.number)) if layout.times else None
                yield Billed(transaction_id, row.line, _in_zone(at, self._zone))

    def _known_rows(self, known: Known, columns: Sequence[int] | None = None) -> dict[int, Sample]:
        """By column, the first rows in which the ledger knows that column's value."""
        found: dict[int, Sample] = {}
        for row in self.rows():
            for number in range(len(row.cells)) if columns is None else columns:
                if charged_at := known(row.cell(number)):
                    found.setdefault(number, []).append((row, charged_at))
            if any(len(sample) == SAMPLE for sample in found.values()):
                break
        return found

    def _column_of_known(self, known: Known) -> tuple[int, Sample]:
        found = self._known_rows(known)
        if not found:
            raise click.ClickException(
                f"No column of {self._path} has a transaction id of the ledger; name it with --column: "
                f"{', '.join(filter(None, self._widest().cells)) or 'but the file is empty'}."
            )
        return max(found.items(), key=lambda each: (len(each[1]), -each[0]))

    def _found_delimiter(self) -> str:
        """The one that divides most lines into equally many cells, and into most."""
        with self._open() as file:
            lines = list(islice(file, SAMPLE))

        def divides(delimiter: str) -> int:
            widths = Counter(len(row.cells) for row in self._parsed(lines, delimiter))
            return max(((width - 1) * count for width, count in widths.items()), default=0)

        return max(DELIMITERS, key=divides)

    def _open(self) -> TextIO:
        return self._path.open(encoding=self._encoding, errors="replace", newline="")

    def _parsed(self, lines: Iterable[str], delimiter: str) -> Iterator[Row]:
        reader = csv.reader(lines, delimiter=delimiter)
        try:
            yield from (Row(reader.line_num, cells) for cells in reader)
        except csv.Error as error:
            raise click.ClickException(f"{self._path}, line {reader.line_num}, is no CSV: {error}.") from error

    def _header_with(self, column: str) -> Row:
        for row in self.rows():
            if _plain(column) in _names(row):
                return row
        raise click.ClickException(
            f"{self._path} has no column {column}; it has {', '.join(filter(None, self._widest().cells))}."
        )

    def _header_before(self, first: Row) -> Row:
        """The first row that is as full as the first one that is known; what is above it is a letterhead."""
        for row in self.rows():
            if row.line < first.line and _filled(row) >= _filled(first):
                return row
            if row.line >= first.line:
                break
        return Row(0, [])

    def _widest(self) -> Row:
        """The row that is likeliest the header: the first of the fullest of the first lines."""
        return max(islice(self.rows(), SAMPLE), key=_filled, default=Row(0, []))


def _encoding(path: Path) -> str:
    """By the byte order mark. What is asked of the file is ASCII, so other bytes need not be understood."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _plain(name: str) -> str:
    return name.strip().casefold()


def _names(row: Row) -> list[str]:
    return [_plain(cell) for cell in row.cells]


def _filled(row: Row) -> int:
    return sum(bool(cell.strip()) for cell in row.cells)


def _in_zone(moment: datetime | None, zone: tzinfo) -> datetime | None:
    return moment.replace(tzinfo=zone) if moment and not moment.tzinfo else moment


# --- times ------------------------------------------------------------------------------------------------------------


def _iso(text: str) -> datetime | None:
    """2026-10-31, 2026/10/31 23:59:59, 2026-10-31T23:59:59.123+02:00."""
    if not re.match(r"\d{4}[-/]\d", text):
        return None
    try:
        return datetime.fromisoformat(text.replace("/", "-").removesuffix(" UTC"))
    except ValueError:
        return None


def _epoch(text: str) -> datetime | None:
    """Seconds or milliseconds since 1970."""
    if not re.fullmatch(r"\d{10}(\d{3})?", text):
        return None
    return datetime.fromtimestamp(int(text) / (1 if len(text) == 10 else 1000), UTC)


def _dated(form: str) -> Reader:
    def read(text: str) -> datetime | None:
        for clock in ("", " %H:%M", " %H:%M:%S"):
            try:
                return datetime.strptime(text, form + clock)
            except ValueError:
                continue
        return None

    return read


READERS: tuple[Reader, ...] = (_iso, _epoch, _dated("%d.%m.%Y"), _dated("%d/%m/%Y"), _dated("%m/%d/%Y"))


def _times(sample: Sample, header: Row, *, skip: int, zone: tzinfo) -> Times | None:
    """The column, and how to read it, that tells about the times at which the ledger has these rows."""

    def agreeing(column: int, read: Reader) -> int:
        told = ((_in_zone(read(row.cell(column)), zone), charged_at) for row, charged_at in sample)
        return sum(moment is not None and abs(moment - charged_at) <= ABOUT for moment, charged_at in told)

    columns = [each for each in range(max((len(row.cells) for row, _ in sample), default=0)) if each != skip]
    candidates = [(agreeing(column, read), -column, read) for column in columns for read in READERS]
    most, column, read = max(candidates, key=lambda each: each[:2], default=(0, 0, _iso))
    return Times(-column, Column.of(header, -column).name, read) if most and most >= ALIKE * len(sample) else None
