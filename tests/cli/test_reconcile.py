"""`facepair reconcile`: the ledger against an invoice."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from facepair.domain import clock
from sandbox.cloud import Sandbox
from tests.cli.conftest import CommandLine
from tests.cli.stored import Tables
from tests.support.deployed import Deployed

MIDDLE = datetime(2021, 5, 15, 12, tzinfo=UTC)
END = datetime(2021, 6, 1, tzinfo=UTC)
MONTH = ("--month", "2021-05")
NO_FACE = "NO_FACE_DETECTED_FROM_FIRST_IMAGE"
"""A paid code; its calls stated FREE may be billed or not."""
UNKNOWN = "[/]\x1bcmd|' /C calc'!A0"
"""Must not be interpreted by spreadsheets, terminals or rich."""
INVOICE = """\
Transaction ID;Date;Product;Price
matched-1;15.05.2021 12:00;face comparison;0,05
=[/]\x1bcmd|' /C calc'!A0;15.05.2021 12:00;face comparison;0,05
free-1;15.05.2021 12:00;face comparison;0,05
matched-1;15.05.2021 12:00;face comparison;0,05
beside-1;31.05.2021 23:59;face comparison;0,05
stated-1;15.05.2021 12:00;face comparison;0,05
stated-3;15.05.2021 12:00;face comparison;0,05
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
def test_every_row_of_either_side_is_listed_in_its_class(facepair: CommandLine, invoice: Path) -> None:
    held = facepair("reconcile", str(invoice), *MONTH, "--json")

    assert held.returncode == 1, held.stderr
    told = json.loads(held.stdout)
    [silent] = told.pop("without_answer")
    assert (silent["pair_id"], silent["state"]) == ("reconcile/silent", "UNKNOWN")
    assert told == {
        "matched": 4,  # includes stated-1 and stated-3; stated-2 was not billed, which is no difference
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
        ("billed_unknown", UNKNOWN.replace("\x1b", r"\x1b"), "3", ""),
        ("charged_not_billed", "at-the-end", "", "reconcile/at-the-end"),
        ("charged_not_billed", "matched-2", "", "reconcile/2"),
        ("billed_free", "free-1", "4", "reconcile/free"),
        ("billed_twice", "matched-1", "5", "reconcile/1"),
        ("without_answer", "", "", "reconcile/silent"),
    ]
    assert rows[1]["remark"].startswith("within a day of the month's ends")
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.usefixtures("_stored")
def test_people_read_totals_how_the_invoice_was_read_and_calls_without_an_id(
    facepair: CommandLine, invoice: Path
) -> None:
    done = facepair("reconcile", str(invoice), *MONTH, "--timezone", "Europe/Berlin")

    assert done.stderr.startswith(
        "Transaction ids are in the column Transaction ID; 1 row without one left out (line 9).\nReading about "
    )
    text = " ".join(done.stdout.split())
    assert r"[/]\x1bcmd|" in text
    assert "charged_not_billed │ 1 │ charged by the ledger; not billed: matched-2" in text
    assert "7 rows of the invoice, 5 charged calls of the ledger." in text
    assert "2021-05-15T12:00:00.000Z reconcile/silent, call 000001: OUTCOME_UNKNOWN" in text
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.usefixtures("_stored")
def test_differences_on_stdout_are_alone_there_and_the_invoice_is_no_output(
    facepair: CommandLine, invoice: Path
) -> None:
    done = facepair("reconcile", str(invoice), *MONTH, "--output", "-")
    refused = facepair("reconcile", str(invoice), *MONTH, "--output", str(invoice))

    assert next(csv.DictReader(done.stdout.splitlines()))["class"] == "billed_unknown"
    assert "The ledger and the invoice" in done.stderr
    assert refused.returncode == 2
    assert f"{invoice} is the invoice; name another file." in refused.stderr
    assert invoice.read_text() == INVOICE


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


def test_a_missing_column_is_reported_with_those_that_exist(facepair: CommandLine, invoice: Path) -> None:
    held = facepair("reconcile", str(invoice), *MONTH, "--column", "reference")

    assert held.returncode == 1
    assert held.stderr.endswith("has no column reference; its headers are: Transaction ID, Date, Product, Price.\n")
