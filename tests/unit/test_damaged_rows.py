"""A damaged row does not hide the others."""

import io
from typing import Any

import pytest

from facepair_cli.reading.list import print_table, write_csv

GOOD = {"pair_id": "good", "verdict": "PASS", "updated_at": "2026-01-31T12:00:00.000Z"}
DAMAGES: tuple[dict[str, Any], ...] = (
    {"first": "a"},
    {"second": ["a"]},
    {"review": "a"},
    {"review": {"opinions": ["a"]}},
    {"uploaded_at": "yesterday"},
    {"uploaded_at": 7},
    {"uploaded_at": "2026-01-31"},
)


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_the_table_names_a_damaged_row_and_shows_the_others(
    capsys: pytest.CaptureFixture[str], damage: dict[str, Any]
) -> None:
    print_table([GOOD | damage | {"pair_id": "bad"}, GOOD])

    printed = capsys.readouterr()
    assert "good" in printed.out
    assert printed.err == "The row of bad cannot be read and is left out.\n"


def test_the_export_names_a_damaged_row_and_has_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()

    write_csv([GOOD | {"pair_id": "bad", "review": "a"}, GOOD], file)

    assert [line.split(",")[0] for line in file.getvalue().splitlines()[1:]] == ["good"]
    assert "The row of bad cannot be read" in capsys.readouterr().err
