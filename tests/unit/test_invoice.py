"""An invoice is read as it comes: any delimiter, header, letterhead and way to write a time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from console.reconciliation.invoice import Invoice, Layout
from facepair.domain.reconciliation import Billed

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
CHARGED = {f"tx{number}": NOON + number * timedelta(days=1) for number in range(20)}
"""What the ledger knows."""
PLAIN = "id,transaction,amount\n1,tx1,0.5\n2,tx2,0.5\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "invoice.csv"


def read(file: Path, column: str | None = None, zone: str = "UTC") -> tuple[Layout, list[Billed]]:
    invoice = Invoice(file, ZoneInfo(zone))
    layout = invoice.layout(CHARGED.get, column)
    return layout, list(invoice.billed(layout))


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";").replace("0.5", "0,5"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("tx1", '"tx1"').replace("transaction", '"transaction"'),
        PLAIN.replace("tx1", " tx1 "),
        PLAIN.replace("tx1", '"=""tx1"""'),
        PLAIN.replace("tx1", "'tx1"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.removesuffix("\n"),
        "\ufeff" + PLAIN,
        PLAIN + "\n,,\n",
    ],
    ids=[
        "comma",
        "semicolon",
        "tab",
        "quoted",
        "blanks",
        "formula",
        "apostrophe",
        "crlf",
        "no end",
        "bom",
        "empty rows",
    ],
)
def test_the_column_of_transaction_ids_is_found_by_what_the_ledger_knows(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")

    layout, rows = read(file)

    assert (layout.ids.name, layout.times) == ("transaction", None)
    assert [(row.transaction_id, row.line, row.at) for row in rows] == [("tx1", 2, None), ("tx2", 3, None)]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8"])
def test_letters_of_any_encoding_do_not_matter(file: Path, encoding: str) -> None:
    file.write_text("Kunde,Vorgang\nMüller,tx1\n", encoding=encoding)

    assert [row.transaction_id for row in read(file)[1]] == ["tx1"]


def test_a_row_that_the_ledger_does_not_know_is_a_row_too_and_one_without_an_id_is_none(file: Path) -> None:
    file.write_text("transaction,amount\nunknown,1\ntx1,1\n,total 2\n")

    assert [row.transaction_id for row in read(file)[1]] == ["unknown", "tx1"]


def test_a_letterhead_above_the_header_is_no_row(file: Path) -> None:
    file.write_text("Invoice,No 7\n\nADVANCE,\nno,transaction,amount\n1,unknown,1\n2,tx1,1\n")

    layout, rows = read(file)

    assert layout.ids.name == "transaction"
    assert [row.transaction_id for row in rows] == ["unknown", "tx1"]


def test_without_a_header_the_first_row_is_a_row(file: Path) -> None:
    file.write_text("1,tx1\n2,tx2\n")

    layout, rows = read(file)

    assert layout.ids.name == "2"
    assert [row.transaction_id for row in rows] == ["tx1", "tx2"]


def test_a_byte_order_mark_is_no_part_of_a_name(file: Path) -> None:
    file.write_text("\ufeffReference,Other\na,tx1\n", encoding="utf-8")

    assert [row.transaction_id for row in read(file, "Reference")[1]] == ["a"]


def test_a_decimal_comma_divides_no_cells(file: Path) -> None:
    file.write_text("tx1;0,5\ntx2;0,5\n")

    assert [row.transaction_id for row in read(file)[1]] == ["tx1", "tx2"]


def test_a_column_that_is_named_is_taken_in_any_case(file: Path) -> None:
    file.write_text("Reference,Other\na,tx1\nb,tx2\n")

    assert [row.transaction_id for row in read(file, "reference")[1]] == ["a", "b"]


@pytest.mark.parametrize(("column", "says"), [(None, "name it with --column: no, amount"), ("id", "has no column id")])
def test_a_column_that_is_not_there_is_told_with_those_that_are(file: Path, column: str | None, says: str) -> None:
    file.write_text("no,amount\n1,2\n")

    with pytest.raises(click.ClickException, match=says):
        read(file, column)


@pytest.mark.parametrize(
    ("written", "zone"),
    [
        ("%Y-%m-%dT%H:%M:%SZ", "UTC"),
        ("%Y-%m-%d %H:%M:%S+00:00", "Asia/Jakarta"),
        ("%Y-%m-%d %H:%M:%S", "UTC"),
        ("%Y/%m/%d %H:%M", "UTC"),
        ("%d.%m.%Y %H:%M:%S", "UTC"),
        ("%d/%m/%Y %H:%M", "UTC"),
        ("%m/%d/%Y %H:%M", "UTC"),
        ("%s", "UTC"),
        ("%s000", "UTC"),
    ],
)
def test_the_column_of_times_is_found_by_the_times_that_the_ledger_has(file: Path, written: str, zone: str) -> None:
    lines = [
        f"{transaction_id},2026-11-20,{at.strftime(written.replace('%s', str(int(at.timestamp()))))}"
        for transaction_id, at in CHARGED.items()
    ]
    file.write_text("\n".join(["transaction,bill of,charged", *lines, "unknown,2026-11-20,soon"]))

    layout, rows = read(file, zone=zone)

    assert layout.times is not None
    assert layout.times.name == "charged"
    assert [row.at for row in rows] == [*CHARGED.values(), None]


def test_a_time_without_a_zone_is_one_of_the_bill_s_zone(file: Path) -> None:
    file.write_text("transaction,charged\ntx1,2026-10-06 14:00\n")

    [row] = read(file, zone="Europe/Berlin")[1]

    assert row.at == NOON + timedelta(days=1)


def test_a_file_that_is_no_csv_is_told_with_the_line(file: Path) -> None:
    file.write_text("transaction,note\ntx1," + "x" * 200_000 + "\n")

    with pytest.raises(click.ClickException, match="line 2, is no CSV"):
        read(file)
