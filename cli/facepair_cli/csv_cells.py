"""Write CSV that is safe to open in a spreadsheet."""

import csv
import unicodedata
from collections.abc import Iterable
from typing import IO

from facepair_cli.escaping import escaped

FORMULA_BEGINS = tuple("=+-@")
"""First characters of a formula (OWASP, CSV Injection)."""
HOW_TO_READ = (
    "In CSV, a text that a spreadsheet would take for a formula (it begins with =, +, - or @) gets an apostrophe in "
    "front, and so does one that begins with an apostrophe, at the start of a cell and after each semicolon in it: a "
    "program that reads the file removes one apostrophe there. Control and invisible characters are escaped, as \\n "
    "or \\u202e; JSON has the exact text."
)


class CellWriter:
    """Write rows of CSV; see HOW_TO_READ. None becomes an empty cell; numbers stay numbers."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")

    def row(self, cells: Iterable[object]) -> None:
        self._writer.writerow(_text(cell) if isinstance(cell, str) else cell for cell in cells)


def _text(cell: str) -> str:
    """Escape each part: a spreadsheet that separates by semicolons starts a cell after each."""
    parts = escaped(cell).split(";")
    return ";".join(f"'{part}" if part.startswith("'") or _is_formula(part) else part for part in parts)


def _is_formula(text: str) -> bool:
    """Some spreadsheets skip leading blanks and quotes, and accept full-width signs (NFKC makes them plain)."""
    return unicodedata.normalize("NFKC", text.lstrip(' "')[:1]).startswith(FORMULA_BEGINS)
