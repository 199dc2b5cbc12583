"""`facepair retry`: an operator approves one more call, and one call is made."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cli.conftest import CommandLine
from tests.support.deployed import ANNA, BEN, Deployed, Row, picture, sha256
from tests.support.waiting import next_second

DROPPED = {"drop": "after_reading"}


@pytest.fixture
def held(deployed: Deployed) -> Callable[[], str]:
    """Makes a pair with an unanswered call."""

    def hold() -> str:
        pair_id = f"held {uuid4().hex[:8]}/é"
        deployed.upload_in_turn(pair_id, ANNA, ANNA, DROPPED)
        deployed.row_with(pair_id, "UNDETERMINED")
        return pair_id

    return hold


def _is_held_by(call: str, row: Row) -> bool:
    """Return whether the row is UNDETERMINED because of that call."""
    return (row["verdict"], row.get("call")) == ("UNDETERMINED", call)


def asked(deployed: Deployed, pair_id: str) -> int:
    """Return how many POSTs the API got about a pair."""
    return len(deployed.asked(picture(ANNA, f"{pair_id}, first")))


def test_an_approval_becomes_one_call_and_the_ledger_names_the_operator(
    deployed: Deployed, facepair: CommandLine, held: Callable[[], str]
) -> None:
    pair_id, me = held(), deployed.sandbox.aws("sts").get_caller_identity()["Arn"]

    approved = facepair("retry", pair_id, "--yes")
    deployed.row_with(pair_id, "PASS")
    again = facepair("retry", pair_id, "--json", "--yes")
    deployed.idle()

    assert (approved.returncode, approved.stdout) == (0, f"{pair_id}: approved; its verdict will follow\n")
    assert again.returncode == 1
    assert json.loads(again.stdout) == [
        {"pair_id": pair_id, "approval": "not of unknown outcome", "verdict": "PASS", "code": "SUCCESS"}
    ]
    assert asked(deployed, pair_id) == 2
    calls: list[dict[str, Any]] = deployed.ledger(pair_id)
    assert [call["state"] for call in calls] == ["UNKNOWN", "ANSWERED"]
    assert [call.get("permitted_by") for call in calls] == [me, None]
    assert calls[0]["permitted_at"] <= calls[1]["sent_at"]


def test_each_pair_of_a_list_is_answered(
    deployed: Deployed, facepair: CommandLine, held: Callable[[], str], tmp_path: Path
) -> None:
    wanted, passed = held(), f"passed {uuid4().hex[:8]}"
    deployed.upload_pair(passed, ANNA, BEN)
    deployed.row_with(passed, "REJECT")
    names = tmp_path / "names"
    names.write_text(f"{wanted}\n\n{passed}\nnobody\n", encoding="utf-8-sig")

    done = facepair("retry", "--from", str(names), "--yes")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"{wanted}: approved; its verdict will follow",
        f"{passed}: not of unknown outcome: REJECT (SUCCESS)",
        "nobody: no such pair",
    ]
    deployed.row_with(wanted, "PASS")


def test_an_approved_call_without_an_answer_is_not_repeated(
    deployed: Deployed, facepair: CommandLine, held: Callable[[], str]
) -> None:
    pair_id = held()
    deployed.control.script(first_sha256=sha256(picture(ANNA, f"{pair_id}, first")), **DROPPED)

    facepair("retry", pair_id, "--yes")
    deployed.wait(lambda: asked(deployed, pair_id) == 2, lambda: "the approval was not used")
    deployed.idle()
    deployed.upload(f"{pair_id}/first.jpg", picture(ANNA, f"{pair_id}, first"))
    deployed.idle()

    assert asked(deployed, pair_id) == 2
    assert (deployed.row(pair_id) or {})["verdict"] == "UNDETERMINED"


def test_an_approval_after_pictures_were_swapped_is_for_the_pictures_that_are_there(
    deployed: Deployed, facepair: CommandLine
) -> None:
    pair_id = f"swapped {uuid4().hex[:8]}"
    a, b, c, d = (picture(ANNA, f"{pair_id}, {number}") for number in range(4))
    keys = [f"{pair_id}/first.jpg", f"{pair_id}/second.jpg"]
    for first in (a, c):
        deployed.control.script(first_sha256=sha256(first), **DROPPED)

    for contents, call in (((a, b), "000001"), ((c, d), "000002"), ((b, a), "000001")):
        for key in keys:  # otherwise this first picture would be compared with the earlier second one
            deployed.sandbox.aws("s3").delete_object(Bucket=deployed.sandbox.outputs["ImagesBucket"], Key=key)
        next_second()
        for key, content in zip(keys, contents, strict=True):
            deployed.upload(key, content)
        deployed.row_that(pair_id, partial(_is_held_by, call))
        deployed.idle()
    facepair("retry", pair_id, "--yes")
    row = deployed.row_with(pair_id, "PASS")

    calls = deployed.ledger(pair_id)
    assert row["call"] == "000003"
    assert ["permitted_by" in call for call in calls] == [True, False, False]
    assert [len(deployed.asked(first)) for first in (a, b, c)] == [1, 1, 1]


def test_a_pair_whose_pictures_were_deleted_is_refused_with_the_remedy(
    deployed: Deployed, facepair: CommandLine
) -> None:
    pair_id = f"deleted {uuid4().hex[:8]}"
    deployed.control.script(code="INSUFFICIENT_BALANCE", times=None)
    deployed.upload_pair(pair_id)
    row = deployed.row_with(pair_id, "PENDING")
    for role in ("first", "second"):
        deployed.sandbox.aws("s3").delete_object(Bucket=deployed.sandbox.outputs["ImagesBucket"], Key=row[role]["key"])
    deployed.invoke("FindMissedFunction", {})
    deployed.row_with(pair_id, "UNDETERMINED")
    deployed.control.clear()

    done = facepair("retry", pair_id, "--yes")

    assert done.returncode == 1
    assert done.stdout == f"{pair_id}: its pictures were deleted before it was compared; upload both again\n"


def test_a_request_of_no_pair_is_wrong_use(facepair: CommandLine) -> None:
    done = facepair("retry")

    assert done.returncode == 2
    assert "Name pairs, or a file of pair ids with --from." in done.stderr
