"""`facepair list` with millions of rows: memory use, and spreadsheet exports."""

import csv
import io
import tracemalloc
from collections.abc import Iterator
from itertools import batched
from types import SimpleNamespace
from typing import Any

import pytest

from facepair.aws.written_rows import StoredRows
from facepair.domain.stored_row import StoredRow
from facepair.domain.verdict import Verdict
from facepair_cli.output import print_json_array, print_json_lines
from facepair_cli.reading.list import write_csv

PAGE = 500
"""Rows per page: about one megabyte, DynamoDB's limit."""


class LargeTable:
    """Rows that are generated page by page, newest first."""

    name = "verdicts"

    def __init__(self, rows: int) -> None:
        self._rows = rows // len(Verdict)
        self.meta = SimpleNamespace(client=self)

    def get_paginator(self, operation: str) -> "LargeTable":
        assert operation == "query"
        return self

    def paginate(self, *, KeyConditionExpression: Any, ScanIndexForward: bool, **_: Any) -> Iterator[dict[str, Any]]:
        assert not ScanIndexForward
        of_verdict, _until = KeyConditionExpression.get_expression()["values"]
        verdict = of_verdict.get_expression()["values"][1]
        for numbers in batched(range(self._rows), PAGE, strict=False):
            yield {"Items": [row(verdict, number) for number in numbers], "Count": len(numbers)}


def row(verdict: str, number: int) -> dict[str, Any]:
    return {
        "pair_id": f"{verdict}/{number}",
        "verdict": verdict,
        "message": f"OK {number}",
        "first": {"key": f"{verdict}/{number}/first.jpg", "size": number},
        "updated_at": f"{2 * 10**9 - number}",  # sorts like a time and is faster
    }


class Sink(io.TextIOBase):
    """A file that keeps only its length."""

    length = 0

    def write(self, text: str) -> int:
        self.length += len(text)
        return len(text)


def most_held(rows: int) -> int:
    """Return the peak of bytes held while this many rows are written to a CSV."""
    sink: Any = Sink()
    tracemalloc.start()
    write_csv(StoredRows(LargeTable(rows)).newest_first(Verdict), sink)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sink.length > rows * 50
    return peak


def test_memory_use_does_not_grow_with_the_number_of_exported_rows() -> None:
    assert most_held(28_000) < 2 * most_held(3_500)  # includes garbage that is not collected yet


def test_rows_of_all_verdicts_come_newest_first_across_pages() -> None:
    written = StoredRows(LargeTable(10_000))  # type: ignore[arg-type]

    times = [image["updated_at"] for image in written.newest_first(Verdict)]

    assert len(times) == written.rows_read == 10_000 // 7 * 7
    assert times == sorted(times, reverse=True)


def test_json_is_streamed(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[StoredRow]:
        yield {"pair_id": "anna"}
        assert "anna" in capsys.readouterr().out
        yield {"pair_id": "ben"}

    print_json_lines(rows())
    print_json_array(rows())


@pytest.mark.parametrize(("rows", "printed"), [([], "[]\n"), ([{"a": 1}, {"a": 2}], '[\n{"a": 1},\n{"a": 2}\n]\n')])
def test_an_array_is_one_json_document(rows: list[StoredRow], printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json_array(rows)

    assert capsys.readouterr().out == printed


def exported(*rows: dict[str, Any]) -> list[dict[str, str]]:
    file = io.StringIO()
    write_csv(rows, file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


@pytest.mark.parametrize("pair_id", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\uff1d1", "'we", "'=1"])
def test_no_cell_is_a_formula_and_removing_an_apostrophe_restores_the_text(pair_id: str) -> None:
    [cells] = exported({"pair_id": pair_id, "verdict": "PASS", "updated_at": "2026"})

    assert cells["pair_id"] == f"'{pair_id}"


@pytest.mark.parametrize("pair_id", ["anna", "a=1", "équipe/№ 7", 'say "a", or b'])
def test_any_other_cell_is_the_row_s_text(pair_id: str) -> None:
    [cells] = exported({"pair_id": pair_id, "verdict": "PASS", "updated_at": "2026", "retake": ["first", "second"]})

    assert cells["pair_id"] == pair_id
    assert cells["retake"] == "first second"
    assert cells["similarity"] == ""


def test_a_reviewer_s_decision_is_exported_too() -> None:
    review = {"by": "arn:aws:iam::1:user/eva", "at": "2026-02-01", "from": "MANUAL_CHECK", "reason": "the same scar"}

    [cells] = exported({"pair_id": "anna", "verdict": "PASS", "updated_at": "2026", "review": review})

    assert {name: cells[f"review_{name}"] for name in review} == review
