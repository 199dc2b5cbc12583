"""The receipt of an erasure lists every pair, over any number of runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from facepair.domain.erasure import Erasure
from facepair_cli.erase.receipt import Receipt
from facepair_cli.erase.spool import Spool
from facepair_cli.output_file import OutputFile

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
HOSTILE = "gpj\N{RIGHT-TO-LEFT OVERRIDE}\x1b"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "receipt.json"


@contextmanager
def receipt(file: Path, stack: str = "arn:stack") -> Iterator[Receipt]:
    with Spool() as pair_ids, Spool() as transactions, Spool() as unconfirmed:
        output = OutputFile(str(file))
        parameters = {"LogRetentionDays": "90", "VerdictRetentionDays": "365", "ImageRetentionDays": "30"}
        yield Receipt(stack, parameters, pair_ids, transactions, unconfirmed, output)


def erasure(pair_id: str, *, by: str = "anna", at: datetime = NOON, complete: bool = True) -> Erasure:
    return Erasure(
        pair_id=pair_id,
        erased_by=by,
        erased_at=at,
        known=True,
        versions=2,
        rows=1,
        calls=1,
        transaction_ids=[f"T-{pair_id}"],
        complete=complete,
    )


def written(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_each_pair_is_written_as_soon_as_it_is_erased(file: Path) -> None:
    with receipt(file) as done:
        done.unconfirmed.add(["a", "b"])
        done.write()
        assert (written(file)["pair_ids"], written(file)["unconfirmed"]) == ([], ["a", "b"])

        done.add(erasure("a"))
        assert (written(file)["pair_ids"], written(file)["complete"]) == (["a"], False)

        done.add(erasure("b"))
        assert (written(file)["versions_deleted"], written(file)["complete"]) == (4, True)


def test_another_run_adds_to_the_receipt_and_removes_nothing(file: Path) -> None:
    with receipt(file) as first:
        first.unconfirmed.add(["a", "b"])
        first.add(erasure("a"))
    with receipt(file) as second:
        second.unconfirmed.add(["b"])
        second.add(erasure("b", by="ben", at=NOON + timedelta(hours=1)))

    found = written(file)
    assert found["pair_ids"] == ["a", "b"]
    assert found["transaction_ids"] == ["T-a", "T-b"]
    assert (found["versions_deleted"], found["rows_deleted"], found["ledger_rows_stripped"]) == (4, 2, 2)
    assert (found["erased_at"], found["erased_by"]) == ("2026-10-05T13:00:00.000Z", "anna, ben")
    assert found["complete"]
    places = [each["where"] for each in found["remaining"]]
    assert len(places) == len(set(places))
    assert found["remaining"][0]["until"] == "2026-11-09T13:00:00.000Z"


def test_an_incompletely_erased_pair_keeps_the_receipt_incomplete(file: Path) -> None:
    with receipt(file) as done:
        done.unconfirmed.add(["a"])
        done.add(erasure("a", complete=False))

    assert (written(file)["unconfirmed"], written(file)["complete"]) == (["a"], False)


def test_a_confirmation_completes_what_an_interrupted_run_has_begun(file: Path) -> None:
    with receipt(file) as interrupted:
        interrupted.unconfirmed.add(["a"])
        interrupted.add(erasure("a", complete=False))
    with receipt(file) as again:
        again.add(Erasure(pair_id="a", erased_by="anna", erased_at=NOON, known=True, complete=True))

    found = written(file)
    assert (found["pair_ids"], found["unconfirmed"], found["complete"]) == (["a"], [], True)
    assert (found["versions_deleted"], found["transaction_ids"]) == (2, ["T-a"])


def test_a_receipt_of_another_stack_is_refused_and_stays(file: Path) -> None:
    with receipt(file, "arn:staging") as staging:
        staging.add(erasure("a"))
    before = file.read_text()

    with pytest.raises(click.UsageError, match=r"belongs to another stack, arn:staging"), receipt(file, "arn:prod"):
        pass

    assert file.read_text() == before


def test_records_that_can_no_longer_be_found_remain_until_they_expire(file: Path) -> None:
    with receipt(file) as done:
        done.add(erasure("a").model_copy(update={"expired": True}))

    [records] = [each for each in written(file)["remaining"] if "idempotency records" in each["where"]]
    assert records["until"] == "2027-10-05T12:00:00.000Z"


def test_hostile_ids_are_escaped_in_the_file_and_exact_when_it_is_read(file: Path) -> None:
    with receipt(file) as done:
        done.add(erasure(HOSTILE))

    assert all(line.isprintable() for line in file.read_text().split("\n"))
    assert written(file)["pair_ids"] == [HOSTILE]


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"pair_ids": []}', "7"])
def test_a_file_that_is_no_receipt_is_refused_and_kept(file: Path, text: str) -> None:
    file.write_text(text)

    with pytest.raises(click.UsageError, match="exists and is not a receipt"), receipt(file):
        pass

    assert file.read_text() == text
