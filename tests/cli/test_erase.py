"""`facepair erase`: nothing of the pair remains, whatever workers do; later uploads are new submissions."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from facepair.aws.record_id import record_id
from facepair.domain import clock
from tests.cli.conftest import CommandLine
from tests.support.commands import FACEPAIR
from tests.support.deployed import ANNA, Deployed, picture, sha256


@pytest.fixture
def pair_id() -> str:
    return f"erased {uuid4().hex[:8]}/é +%"


def compared(deployed: Deployed, pair_id: str) -> dict[str, Any]:
    deployed.upload_in_turn(pair_id)
    return deployed.row_with(pair_id, "PASS")


def versions(deployed: Deployed, prefix: str) -> list[str]:
    """Return the keys of all versions and delete markers with a prefix."""
    found = deployed.sandbox.aws("s3").list_object_versions(
        Bucket=deployed.sandbox.outputs["ImagesBucket"], Prefix=prefix
    )
    return [each["Key"] for each in (*found.get("Versions", []), *found.get("DeleteMarkers", []))]


def record(deployed: Deployed, fingerprint: str) -> Any:
    table = deployed.sandbox.outputs["IdempotencyTable"]
    return (
        deployed.sandbox.aws("dynamodb")
        .get_item(TableName=table, Key={"id": {"S": record_id(fingerprint)}})
        .get("Item")
    )


def arn(deployed: Deployed) -> str:
    return str(deployed.sandbox.aws("sts").get_caller_identity()["Arn"])


def assert_tombstone(deployed: Deployed, pair_id: str) -> None:
    row = deployed.row(pair_id)
    assert row
    assert row.keys() == {"pair_id", "erased_at", "expires_at"}


def nothing_is_left(deployed: Deployed, pair_id: str, fingerprint: str) -> None:
    assert versions(deployed, f"{pair_id}/") == []
    assert_tombstone(deployed, pair_id)
    assert record(deployed, fingerprint) is None
    *calls, mark = deployed.ledger(pair_id)
    assert mark["state"] == "ERASED"
    for call in calls:
        assert call["erased_at"]
        assert not call.keys() & {"similarity", "outcome", "fingerprint"}


def test_nothing_of_the_pictures_and_faces_is_left_and_what_was_charged_is(
    deployed: Deployed, facepair: CommandLine, pair_id: str, tmp_path: Path
) -> None:
    row = compared(deployed, pair_id)
    deployed.upload(f"{pair_id}/first.jpg", picture(ANNA, "another one"))
    deployed.row_that(pair_id, lambda now: now["fingerprint"] != row["fingerprint"])
    s3, bucket = deployed.sandbox.aws("s3"), deployed.sandbox.outputs["ImagesBucket"]
    s3.delete_object(Bucket=bucket, Key=f"{pair_id}/second.jpg")
    s3.create_multipart_upload(Bucket=bucket, Key=f"{pair_id}/second.png")
    s3.put_object(Bucket=bucket, Key=f"{pair_id}/below/first.jpg", Body=b"of another pair")
    assert record(deployed, row["fingerprint"])

    done = facepair("erase", pair_id, "--yes", "--json", "--receipt", str(tmp_path / "receipt.json"))

    assert done.returncode == 0, done.stderr
    assert versions(deployed, f"{pair_id}/") == [f"{pair_id}/below/first.jpg"]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket, Prefix=pair_id)
    assert_tombstone(deployed, pair_id)
    assert record(deployed, row["fingerprint"]) is None
    *calls, mark = deployed.ledger(pair_id)
    assert (mark["state"], mark["erased_by"]) == ("ERASED", arn(deployed))
    assert [call["state"] for call in calls] == ["ANSWERED", "ANSWERED"]
    assert all(call["transaction_id"] and call["pricing_strategy"] == "PAY" for call in calls)
    assert not [call for call in calls if call.keys() & {"similarity", "outcome", "fingerprint"}]
    receipt = json.loads(done.stdout)
    assert json.loads((tmp_path / "receipt.json").read_text()) == receipt
    remaining = receipt.pop("remaining")
    assert receipt == {
        "pair_ids": [pair_id],
        "versions_deleted": 4,  # two of the first, one of the second, one delete marker
        "uploads_aborted": 1,
        "rows_deleted": 1,
        "ledger_rows_stripped": 2,
        "transaction_ids": sorted(call["transaction_id"] for call in calls),
        "erased_at": calls[0]["erased_at"],
        "erased_by": arn(deployed),
        "stack": receipt["stack"],
        "unconfirmed": [],
        "complete": True,
    }
    assert all(each.keys() == {"where", "until"} for each in remaining)
    assert any("ADVANCE.AI" in each["where"] for each in remaining)


def test_an_erasure_reaches_the_bus_and_the_webhook(deployed: Deployed, facepair: CommandLine, pair_id: str) -> None:
    compared(deployed, pair_id)
    receiver = deployed.sandbox.receiver

    facepair("erase", pair_id, "--yes")

    def delivered() -> bool:
        messages = [each.message for each in receiver.deliveries]
        return any(each["type"] == "pair.erased" and each["data"]["pair_id"] == pair_id for each in messages)

    deployed.wait(delivered, lambda: "the erasure was not delivered")


def test_the_same_pictures_uploaded_again_are_a_new_submission_that_is_paid_for(
    deployed: Deployed, facepair: CommandLine, pair_id: str
) -> None:
    before = compared(deployed, pair_id)
    facepair("erase", pair_id, "--yes")

    after = compared(deployed, pair_id)

    assert after["fingerprint"] == before["fingerprint"]
    assert after["transaction_id"] != before["transaction_id"]
    assert len(deployed.asked(picture(ANNA, f"{pair_id}, first"))) == 2


def test_a_worker_that_has_the_pair_brings_nothing_back(
    deployed: Deployed, facepair: CommandLine, pair_id: str
) -> None:
    first = picture(ANNA, f"{pair_id}, first")
    deployed.upload_in_turn(pair_id, answer={"delay": 8})
    deployed.wait(lambda: deployed.asked(first), lambda: "the API was not asked")

    done = facepair("erase", pair_id, "--yes", "--json", within=150)  # a worker's lifetime
    deployed.idle()

    assert done.returncode == 0, done.stderr
    assert "a worker that still processes a pair may save something" in done.stderr
    call, _ = deployed.ledger(pair_id)
    assert (call["state"], call["code"]) == ("ANSWERED", "SUCCESS")
    assert json.loads(done.stdout)["transaction_ids"] == [call["transaction_id"]]
    second = picture(ANNA, f"{pair_id}, second")
    nothing_is_left(deployed, pair_id, fingerprint_of(pair_id, first, second))


def fingerprint_of(pair_id: str, first: bytes, second: bytes) -> str:
    return sha256(json.dumps([pair_id, sha256(first), sha256(second)]).encode())


def test_a_message_that_waits_and_the_search_bring_nothing_back(
    deployed: Deployed, facepair: CommandLine, pair_id: str
) -> None:
    assert deployed.sandbox.host is not None
    deployed.sandbox.host.drain()
    deployed.upload_pair(pair_id)

    done = facepair("erase", pair_id, "--yes")
    deployed.resume()
    deployed.idle()
    deployed.invoke("FindMissedFunction", {})
    deployed.idle()

    assert done.returncode == 0, done.stderr
    assert_tombstone(deployed, pair_id)
    assert [row["state"] for row in deployed.ledger(pair_id)] == ["ERASED"]
    assert deployed.asked(picture(ANNA, f"{pair_id}, first")) == []


def test_a_picture_that_comes_during_the_erasure_is_kept_and_waits_for_its_partner(
    deployed: Deployed, facepair: CommandLine, pair_id: str
) -> None:
    compared(deployed, pair_id)
    new = picture(ANNA, "of a new submission")
    erasing = threading.Thread(target=lambda: facepair("erase", pair_id, "--yes"))
    erasing.start()
    deployed.wait(lambda: over(deployed, pair_id), lambda: "the pair was not erased, or its second is not over")
    deployed.upload(f"{pair_id}/first.jpg", new)
    erasing.join()

    deployed.row_with(pair_id, "WAITING")
    assert deployed.asked(new) == []
    deployed.upload(f"{pair_id}/second.jpg", picture(ANNA, f"{pair_id}, second"))
    deployed.row_with(pair_id, "PASS")


def over(deployed: Deployed, pair_id: str) -> bool:
    """Return whether the row is a tombstone and its second is over."""
    row = deployed.row(pair_id) or {}
    return "erased_at" in row and time.time() >= clock.parse(row["erased_at"]).timestamp() + 1


def test_a_prefix_erases_the_pairs_below_it_and_no_other(deployed: Deployed, facepair: CommandLine) -> None:
    customer = f"customer {uuid4().hex[:8]}"
    pair_ids = [f"{customer}/a", f"{customer}/b/c"]
    for pair_id in [*pair_ids, f"{customer}0/a"]:
        deployed.upload_pair(pair_id, only="first")
    for pair_id in [*pair_ids, f"{customer}0/a"]:
        deployed.row_with(pair_id, "WAITING")

    done = facepair("erase", f"{customer}/", "--yes", "--json")

    assert done.returncode == 0, done.stderr
    assert "Looking for pairs below" in done.stderr
    receipt = json.loads(done.stdout)
    assert (receipt["pair_ids"], receipt["versions_deleted"], receipt["rows_deleted"]) == (pair_ids, 2, 2)
    for pair_id in pair_ids:
        assert_tombstone(deployed, pair_id)
    assert deployed.row(f"{customer}0/a")


def test_an_erasure_that_is_killed_is_completed_with_the_same_receipt(
    deployed: Deployed, facepair: CommandLine, tmp_path: Path
) -> None:
    customer, receipt = f"customer {uuid4().hex[:8]}", tmp_path / "receipt.json"
    pair_ids = [f"{customer}/{number:02}" for number in range(20)]
    for pair_id in pair_ids:
        deployed.upload_pair(pair_id, only="first")
    for pair_id in pair_ids:
        deployed.row_with(pair_id, "WAITING")
    command = ("erase", f"{customer}/", "--yes", "--receipt", str(receipt))
    running = subprocess.Popen([FACEPAIR, *command], env=os.environ | deployed.sandbox.variables)
    deployed.wait(
        lambda: receipt.exists() and json.loads(receipt.read_text())["pair_ids"] != [], lambda: "no pair was erased"
    )

    running.kill()
    running.wait()
    killed = json.loads(receipt.read_text())
    done = facepair(*command)

    assert done.returncode == 0, done.stderr
    assert not killed["complete"]
    assert sorted({*killed["pair_ids"], *killed["unconfirmed"]}) == pair_ids
    completed = json.loads(receipt.read_text())
    assert (completed["pair_ids"], completed["unconfirmed"], completed["complete"]) == (pair_ids, [], True)
    for pair_id in pair_ids:
        assert_tombstone(deployed, pair_id)


def test_a_no_erases_nothing(deployed: Deployed, facepair: CommandLine, pair_id: str) -> None:
    deployed.upload_pair(pair_id, only="first")
    deployed.row_with(pair_id, "WAITING")

    with facepair.terminal("erase", pair_id) as terminal:
        terminal.shows(f"Erase {pair_id}? It cannot be undone. [y/N]: ")
        terminal.type("n\n")
        no = terminal.ended()

    assert no.returncode == 1
    assert no.stdout.endswith("Error: Nothing was erased.\n")
    assert deployed.row(pair_id)


def test_a_receipt_that_cannot_be_written_is_an_error_before_anything_is_erased(
    deployed: Deployed, facepair: CommandLine, pair_id: str
) -> None:
    deployed.upload_pair(pair_id, only="first")
    deployed.row_with(pair_id, "WAITING")

    for receipt in ("/nowhere/receipt.json", "/dev/full"):
        done = facepair("erase", pair_id, "--yes", "--receipt", receipt)
        assert done.returncode == 2
        assert "Invalid value for '--receipt'" in done.stderr
    assert deployed.row(pair_id)


def test_a_pair_that_was_erased_before_and_one_that_never_existed_are_reported(
    deployed: Deployed, facepair: CommandLine, pair_id: str
) -> None:
    deployed.upload_pair(pair_id, only="first")
    deployed.row_with(pair_id, "WAITING")
    facepair("erase", pair_id, "--yes")

    again = facepair("erase", pair_id, "--yes")
    never = facepair("erase", "never/there", "--yes")

    assert (again.returncode, "it was erased before" in again.stderr) == (0, True)
    assert never.returncode == 1
    assert never.stderr == "Error: Nothing is stored about never/there: no picture, row or call.\n"
