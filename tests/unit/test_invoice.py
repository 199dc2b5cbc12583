"""Which files are invoices, and which column holds the transaction ids."""

from pathlib import Path

import click
import pytest

from facepair_cli.reconcile.invoice import Invoice
from facepair_cli.reconcile.rules import Billed

PLAIN = "no,Transaction ID,amount\n1,tx1,0.5\n2,tx2,0.5\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "invoice.csv"


def read(file: Path, column: str | None = None) -> list[Billed]:
    return list(Invoice(file, column).billed())


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";").replace("0.5", "0,5"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("tx1", '"tx1"').replace("Transaction ID", '"Transaction ID"'),
        PLAIN.replace("tx1", " tx1 "),
        PLAIN.replace("tx1", '"=""tx1"""'),
        PLAIN.replace("tx1", "'tx1"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.removesuffix("\n"),
        "\ufeff" + PLAIN,
        PLAIN + "\n,,\n",
    ],
    ids=["comma", "semicolon", "tab", "quoted", "blanks", "formula", "apostrophe", "crlf", "no end", "bom", "empty"],
)
def test_an_invoice_is_read_in_every_format_that_programs_save(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")

    assert read(file) == [Billed("tx1", 2), Billed("tx2", 3)]


def test_excel_may_name_the_separator_in_a_first_line(file: Path) -> None:
    file.write_text("sep=;\nTransaction ID;amount\ntx1;1,5\n")

    assert [row.transaction_id for row in read(file)] == ["tx1"]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8"])
def test_text_in_any_encoding_is_accepted(file: Path, encoding: str) -> None:
    file.write_text("Kunde,transactionId\nMüller,tx1\n", encoding=encoding)

    assert [row.transaction_id for row in read(file)] == ["tx1"]


@pytest.mark.parametrize(
    "header", ["transaction_id", "TransactionID", "Request Id", "ADVANCE transaction-id", "transaction", "Txn No."]
)
def test_the_only_header_that_names_an_id_is_the_column(file: Path, header: str) -> None:
    file.write_text(f"Transaction date,{header},,Request time,paid\n1,tx1,x,2,3\n")

    assert Invoice(file).column == header
    assert read(file) == [Billed("tx1", 2)]


@pytest.mark.parametrize("rows", [["ghost", "tx1"], ["tx1", "ghost"]])
def test_an_index_column_without_a_header_hides_no_row(file: Path, rows: list[str]) -> None:
    file.write_text(",transaction_id,amount\n" + "".join(f"{number},{row},1\n" for number, row in enumerate(rows)))

    assert [row.transaction_id for row in read(file)] == rows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no,amount\n1,2\n", "no header names a transaction or request id. Pass --column with one of: no, amount."),
        ("request_id,transaction_id\n1,2\n", "more than one header names a transaction or request id. Pass --column"),
        ("tx1,0.5\ntx2,0.5\n", "no header names a transaction or request id. Pass --column with one of: tx1, 0.5."),
        ("", "with one of: none, as the file is empty."),
    ],
)
def test_the_headers_are_listed_if_no_single_one_names_an_id(file: Path, text: str, says: str) -> None:
    file.write_text(text)

    with pytest.raises(click.ClickException) as raised:
        Invoice(file)

    assert says in raised.value.message


def test_a_column_is_named_in_any_case(file: Path) -> None:
    file.write_text("\ufeffReference ,transaction_id\na,tx1\n", encoding="utf-8")

    assert read(file, "reference") == [Billed("a", 2)]


@pytest.mark.parametrize(
    ("column", "says"), [("id", "has no column id; its headers are: a, b, B."), ("B", "more than one")]
)
def test_a_column_that_is_missing_or_ambiguous_is_an_error(file: Path, column: str, says: str) -> None:
    file.write_text("a,b,B\n1,2,3\n")

    with pytest.raises(click.ClickException, match=says):
        Invoice(file, column)


def test_rows_without_an_id_are_left_out_and_their_lines_reported(file: Path) -> None:
    file.write_text("transaction,amount\nunknown,1\ntx1,1\n,total 2\n")
    invoice = Invoice(file)

    assert [row.transaction_id for row in invoice.billed()] == ["unknown", "tx1"]
    assert invoice.lines_without_id == [4]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("transaction,note\ntx1," + "x" * 200_000 + "\n", "line 2, cannot be read as CSV: field larger than"),
        ('[{"transaction": "' + "x" * 200_000 + '"}]', "line 1, cannot be read as CSV: field larger than"),
        ('transaction,note\n"tx1,1\ntx2,1\n', "line 3, cannot be read as CSV: unexpected end of data"),
        ("transaction,price\ntx1,0,50\n", "line 2, has 3 cells for 2 headers: quote cells that contain the separator"),
    ],
)
def test_a_line_that_cannot_be_read_is_an_error_that_names_it(file: Path, text: str, says: str) -> None:
    file.write_text(text)

    with pytest.raises(click.ClickException, match=says):
        read(file)


@pytest.mark.parametrize("begin", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_spreadsheet_is_refused_with_the_remedy(file: Path, begin: bytes) -> None:
    file.write_bytes(begin + b"transaction_id\ntx1\n")

    with pytest.raises(click.ClickException, match="is a spreadsheet: save it as CSV"):
        Invoice(file)
