"""CSV for spreadsheets: what comes from outside must not become a formula there."""

import csv
from collections.abc import Iterable
from typing import TextIO

FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings that spreadsheets take for a formula's (OWASP, CSV Injection)."""


class CellWriter:
    """Writes rows of CSV. A text that a spreadsheet would take for a formula gets an apostrophe before it, by which it
    is a text there; None is an empty cell, numbers stay what they are."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")

    def row(self, cells: Iterable[object]) -> None:
        self._writer.writerow(map(_defused, cells))


def _defused(cell: object) -> object:
    """A blank at the beginning does not hide a formula from every spreadsheet."""
    if isinstance(cell, str) and (cell.startswith(FORMULA_BEGINS) or cell.lstrip().startswith(FORMULA_BEGINS)):
        return f"'{cell}"
    return cell
