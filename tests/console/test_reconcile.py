"""`facepair reconcile`: the ledger against an invoice."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facepair.domain import clock
from sandbox.cloud import Sandbox
from tests.console.conftest import CommandLine
from tests.console.stored import Tables
from tests.support.deployed import Deployed

MIDDLE = datetime(2021, 5, 15, 12, tzinfo=UTC)
END = datetime(2021, 6, 1, tzinfo=UTC)
MONTH = ("--month", "2021-05")
NO_FACE = "NO_FACE_DETECTED_FROM_FIRST_IMAGE"
"""A paid code: calls of it that are stated FREE may be billed or not."""
UNKNOWN = "[/]\x1bcmd|' /C calc'!A0"
"""Nothing for a spreadsheet, a terminal or rich to obey."""
INVOICE = """\
Invoice;No 7;;
Transaction ID;Date;Product;Price
matched-1;15.05.2021 12:00;face comparison;0,05
=[/]\x1bcmd|' /C calc'!A0;15.05.2021 12:00;face comparison;0,05
free-1;15.05.2021 12:00;face comparison;0,05
matched-1;15.05.2021 12:00;face comparison;0,05
beside-1;31.05.2021 23:59;face comparison;0,05
stated-1;15.05.2021 12:00;face comparison;0,05
stated-3;15.05.2021 12:00;face comparison;0,05
next-month;15.06.2021 12:00;face comparison;0,05
;;total;0,35
"""


@pytest.fixture(scope="module")
def _stored(sandbox: Sandbox) -> Iterator[None]:
    with Tables(sandbox) as tables:
        for number in (1, 2):
            tables.call(f"reconcile/{number}", f"matched-{number}", MIDDLE)
        tables.call("reconcile/free", "free-1", MIDDLE, "FREE")
        for number in (1, 2):
            tables.call(f"reconcile/stated-{number}", f"stated-{number}", MIDDLE, "FREE", code=NO_FACE)
        tables.call("reconcile/stated-3", "stated-3", MIDDLE, "FREE", code=NO_FACE, charged=True)
        tables.call("reconcile/silent", None, MIDDLE)
        tables.call("reconcile/beside", "beside-1", END + timedelta(hours=1))
        tables.call("reconcile/at-the-end", "at-the-end", END - timedelta(seconds=1))
        yield


@pytest.fixture
def invoice(tmp_path: Path) -> Path:
    path = tmp_path / "invoice.csv"
    path.write_text(INVOICE)
    return path


@pytest.mark.usefixtures("_stored")
def test_every_row_of_either_side_is_told_in_its_class(facepair: CommandLine, invoice: Path) -> None:
    held = facepair("reconcile", str(invoice), *MONTH, "--json")

    assert held.returncode == 1, held.stderr
    told = json.loads(held.stdout)
    [silent] = told.pop("without_answer")
    assert (silent["pair_id"], silent["state"]) == ("reconcile/silent", "UNKNOWN")
    assert told == {
        "matched": 4,  # stated-1 and stated-3 among them; stated-2 was not billed, which is no difference
        "billed_unknown": [UNKNOWN],
        "charged_not_billed": ["at-the-end", "matched-2"],
        "billed_free": ["free-1"],
        "billed_twice": ["matched-1"],
    }


@pytest.mark.usefixtures("_stored")
def test_the_differences_are_a_csv_that_is_no_formula(facepair: CommandLine, invoice: Path, tmp_path: Path) -> None:
    output = tmp_path / "differences.csv"

    facepair("reconcile", str(invoice), *MONTH, "--output", str(output))

    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], row["transaction_id"], row["line"], row["pair_id"]) for row in rows] == [
        ("billed_unknown", UNKNOWN, "4", ""),
        ("charged_not_billed", "at-the-end", "", "reconcile/at-the-end"),
        ("charged_not_billed", "matched-2", "", "reconcile/2"),
        ("billed_free", "free-1", "5", "reconcile/free"),
        ("billed_twice", "matched-1", "6", "reconcile/1"),
    ]
    assert rows[1]["remark"].startswith("within a day of the month's ends")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.usefixtures("_stored")
def test_a_person_reads_totals_what_was_read_and_how_the_invoice_was_understood(
    facepair: CommandLine, invoice: Path
) -> None:
    held = facepair("reconcile", str(invoice), *MONTH, "--timezone", "Europe/Berlin")

    assert held.stderr.startswith("Reading calls, about ")
    assert (
        "transaction ids in the column Transaction ID; times in the column Date, in Europe/Berlin; "
        "rows of other months, left out: 1." in held.stderr
    )
    text = " ".join(held.stdout.split())
    assert "such call: [/]\N{REPLACEMENT CHARACTER}cmd|" in text
    assert "charged_not_billed │ 1 │ charged by the ledger; not billed: matched-2" in text
    assert "Rows of the invoice: 7. Charged calls of the ledger: 5." in text
    assert "Calls without an answer: 1." in text
    assert max(map(len, held.stdout.splitlines())) <= 80


@pytest.mark.usefixtures("_stored")
def test_an_invoice_without_times_is_taken_for_the_month_s_and_that_is_said(
    facepair: CommandLine, tmp_path: Path
) -> None:
    invoice = tmp_path / "invoice.csv"
    invoice.write_text("id\nmatched-1\nmatched-2\nat-the-end\n")

    held = facepair("reconcile", str(invoice), *MONTH, "--json")

    assert held.returncode == 0
    assert "no column of times was found, so all its rows are taken for 2021-05's" in held.stderr
    assert json.loads(held.stdout)["matched"] == 3


def test_what_was_compared_today_is_matched_with_what_the_emulator_billed(
    facepair: CommandLine, deployed: Deployed, tmp_path: Path
) -> None:
    deployed.upload_pair("reconcile/compared")
    deployed.settled("reconcile/compared")
    [call] = deployed.ledger("reconcile/compared")
    invoice = tmp_path / "invoice.csv"
    invoice.write_text(f"transactionId,when\n{call['transaction_id']},{call['answered_at']}\nnever-called,\n")

    held = facepair("reconcile", str(invoice), "--month", clock.iso(clock.now())[:7], "--json")

    told = json.loads(held.stdout)
    assert (held.returncode, told["matched"], told["billed_unknown"]) == (1, 1, ["never-called"])


def test_a_column_that_is_not_there_is_told_with_those_that_are(facepair: CommandLine, invoice: Path) -> None:
    held = facepair("reconcile", str(invoice), *MONTH, "--column", "reference")

    assert held.returncode == 1
    assert held.stderr.endswith("has no column reference; it has Transaction ID, Date, Product, Price.\n")
