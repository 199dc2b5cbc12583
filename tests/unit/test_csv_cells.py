"""CSV cells stay text for every separator a spreadsheet may assume."""

import csv
import io
import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facepair_cli.csv_cells import CellWriter
from facepair_cli.escaping import escaped


def written(*cells: object) -> str:
    file = io.StringIO()
    CellWriter(file).row(cells)
    return file.getvalue()


def read(text: str, separator: str) -> list[str]:
    [cells] = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return cells


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", '"=1', "＝1", " ＋1"])  # noqa: RUF001
def test_a_text_that_could_be_a_formula_gets_an_apostrophe(formula: str) -> None:
    assert read(written(formula), ",") == [f"'{formula}"]


def test_a_formula_after_a_semicolon_gets_an_apostrophe_too() -> None:
    assert written("x;=WEBSERVICE(A1); @SUM(1);y") == "x;'=WEBSERVICE(A1);' @SUM(1);y\n"


def test_control_characters_are_escaped() -> None:
    assert written("a\x1b[2J\nb\t=1") == "a\\x1b[2J\\nb\\t=1\n"


def test_a_leading_apostrophe_is_doubled_so_that_removing_one_is_always_right() -> None:
    assert written("'=1", "'s-Hertogenbosch") == "''=1,''s-Hertogenbosch\n"


def test_everything_else_is_written_unchanged() -> None:
    assert written("anna + 50%", "a,b", 'say "x"', "", None, Decimal("87.3"), -1, "é") == (
        'anna + 50%,"a,b","say ""x""",,,87.3,-1,é\n'
    )


TEXTS = st.text(st.sampled_from(" ;,\t\n\"'=+-@＝a"), max_size=8)  # noqa: RUF001


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_no_cell_is_a_formula_and_removing_apostrophes_restores_the_text(texts: list[str]) -> None:
    line = written(*texts)

    for separator in ",;\t":
        for cell in read(line, separator):
            assert not unicodedata.normalize("NFKC", cell.lstrip(' "')).startswith(("=", "+", "-", "@")), (line, cell)
    cells = read(line, ",")
    assert [";".join(part.removeprefix("'") for part in cell.split(";")) for cell in cells] == [*map(escaped, texts)]
