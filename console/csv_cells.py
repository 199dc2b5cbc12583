"""CSV for spreadsheets: what comes from outside must not become a formula there."""

import csv
import unicodedata
from collections.abc import Iterable
from typing import TextIO

FORMULA_BEGINS = tuple("=+-@\t\r\n")
"""What a cell begins with that spreadsheets take for a formula (OWASP, CSV Injection)."""
HOW_TO_READ = (
    "In CSV, a cell that a spreadsheet would take for a formula (it begins with =, +, - or @) has an apostrophe before "
    "it, and so has one that begins with an apostrophe: a program that reads the file takes one away."
)


class CellWriter:
    """Writes rows of CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it, by which it
    is a text there, and so does one that begins with one; None is an empty cell, numbers stay what they are."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")

    def row(self, cells: Iterable[object]) -> None:
        self._writer.writerow(map(_defused, cells))


def _defused(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and (_is_formula(cell) or cell.startswith("'")) else cell


def _is_formula(text: str) -> bool:
    """Some spreadsheets look behind blanks, and take full-width signs for the plain ones (NFKC makes them plain)."""
    visible = unicodedata.normalize("NFKC", text.lstrip()[:1])
    return text.startswith(FORMULA_BEGINS) or visible.startswith(FORMULA_BEGINS)
