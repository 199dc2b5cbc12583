"""CSV whose cells stay texts."""

import csv
import io
from decimal import Decimal

import pytest

from console.csv_cells import CellWriter


def written(*cells: object) -> str:
    file = io.StringIO()
    CellWriter(file).row(cells)
    return file.getvalue()


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", " =1", "＝1", " ＋1"])  # noqa: RUF001
def test_a_text_that_could_be_a_formula_begins_with_an_apostrophe(formula: str) -> None:
    [[cell]] = csv.reader(io.StringIO(written(formula), newline=""))

    assert cell == f"'{formula}"


def test_a_text_that_begins_with_an_apostrophe_gets_another_one_so_that_taking_one_away_is_always_right() -> None:
    assert written("'=1", "'s-Hertogenbosch") == "''=1,''s-Hertogenbosch\n"


def test_everything_else_is_written_as_it_is() -> None:
    assert written("anna + 50%", "a,b", 'say "x"', "", None, Decimal("87.3"), -1, "é") == (
        'anna + 50%,"a,b","say ""x""",,,87.3,-1,é\n'
    )
