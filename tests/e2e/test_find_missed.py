"""FindMissedFunction by a real Invoke: finds pairs whose event was lost, and touches no others."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from facepair.domain import clock
from tests.support.deployed import BEN, Deployed, notification, record

CURSOR = "/facepair/find-missed-cursor"


@pytest.fixture(autouse=True)
def nothing_else_is_missed(deployed: Deployed) -> None:
    """Settle leftovers of other tests first."""
    deployed.idle()
    search(deployed)
    deployed.idle()


def search(deployed: Deployed) -> dict[str, Any]:
    found: dict[str, Any] = deployed.invoke("FindMissedFunction", {})
    return found


def cursor(deployed: Deployed) -> str:
    return str(deployed.sandbox.aws("ssm").get_parameter(Name=CURSOR)["Parameter"]["Value"])


@pytest.fixture
def purged_afterwards(deployed: Deployed) -> Iterator[None]:
    """Purge messages that stay invisible; SQS allows one purge a minute."""
    yield
    deployed.sandbox.aws("sqs").purge_queue(QueueUrl=deployed.sandbox.outputs["UploadsQueue"])


def test_a_pair_whose_events_never_came_is_found_and_compared(without_notifications: Deployed) -> None:
    deployed, pair_ids = without_notifications, ["missed", "missed/inner", "missed: ü +%"]
    for pair_id in pair_ids:
        deployed.upload_pair(pair_id, second=BEN)
    deployed.upload_pair("missed, half of it", only="first")
    deployed.lose_messages()
    deployed.resume()

    found = search(deployed)

    assert (found["sent"], found["finished"]) == (len(pair_ids), True)
    assert [deployed.settled(pair_id)["verdict"] for pair_id in pair_ids] == ["REJECT"] * len(pair_ids)
    assert search(deployed)["sent"] == 0


def test_a_pair_whose_pictures_are_deleted_while_blocked_does_not_stay_pending(deployed: Deployed) -> None:
    deployed.control.script(code="INSUFFICIENT_BALANCE", times=None)
    deployed.upload_pair("deleted while it waits")
    pending = deployed.row_with("deleted while it waits", "PENDING")
    undetermined = deployed.metrics()["Undetermined"]

    for role in ("first", "second"):
        deployed.sandbox.aws("s3").delete_object(
            Bucket=deployed.sandbox.outputs["ImagesBucket"], Key=pending[role]["key"]
        )
    search(deployed)
    row = deployed.row_with("deleted while it waits", "UNDETERMINED")
    deployed.control.clear()
    deployed.idle()

    assert (row["code"], row["uploaded_at"]) == ("PICTURES_DELETED", pending["uploaded_at"])
    assert "retry_at" not in row
    assert deployed.metrics()["Undetermined"] == undetermined


def test_finished_held_and_waiting_pairs_are_left_alone(deployed: Deployed) -> None:
    pair_ids = ["finished", "held", "waiting"]
    deployed.upload_in_turn("finished")
    deployed.upload_in_turn("held", answer={"drop": "after_reading"})
    deployed.upload_pair("waiting", only="second")
    deployed.idle()
    before = [deployed.row(pair_id) for pair_id in pair_ids]

    found = search(deployed)
    deployed.idle()

    assert [row and row["verdict"] for row in before] == ["PASS", "UNDETERMINED", "WAITING"]
    assert found["sent"] == 0
    assert found["pairs"] >= 2
    assert [deployed.row(pair_id) for pair_id in pair_ids] == before


def test_a_picture_uploaded_anew_without_an_event_is_found(without_notifications: Deployed) -> None:
    deployed = without_notifications
    deployed.upload_pair("anew")
    deployed.invoke("CompareFunction", {"Records": [record(notification("anew/first.jpg"))]})
    before = deployed.row("anew")
    deployed.upload_pair("anew", second=BEN, only="second")
    deployed.lose_messages()
    deployed.resume()

    found = search(deployed)

    assert before is not None
    assert before["verdict"] == "PASS"
    assert found["sent"] == 1
    assert deployed.row_with("anew", "REJECT")["code"] == "SUCCESS"


@pytest.mark.usefixtures("purged_afterwards")
def test_of_pending_pairs_only_one_whose_time_is_over_is_found(deployed: Deployed) -> None:
    assert deployed.sandbox.host is not None
    deployed.upload_in_turn("pending for an hour", answer={"code": "SERVICE_BUSY", "retry_after": "3600"})
    in_an_hour = deployed.row_with("pending for an hour", "PENDING")
    deployed.upload_in_turn("pending for seconds", answer={"code": "ERROR"})
    deployed.row_with("pending for seconds", "PENDING")
    deployed.sandbox.host.pause()
    deployed.wait(deployed.lose_messages, lambda: "the message has not come back")
    deployed.resume()

    found = search(deployed)

    assert clock.parse(in_an_hour["retry_at"]) - clock.parse(in_an_hour["updated_at"]) >= timedelta(seconds=3599)
    assert found["sent"] == 1
    assert deployed.settled("pending for seconds")["verdict"] == "PASS"
    assert deployed.row("pending for an hour") == in_an_hour


def test_a_search_goes_on_where_the_last_one_stopped(without_notifications: Deployed) -> None:
    deployed = without_notifications
    deployed.upload_pair("searched before", second=BEN)
    deployed.upload_pair("searched later", second=BEN)
    deployed.lose_messages()
    deployed.resume()
    stopped_at = f"after={quote_plus('searched before/second.jpg')}"
    deployed.sandbox.aws("ssm").put_parameter(Name=CURSOR, Value=stopped_at, Type="String", Overwrite=True)

    rest = search(deployed)
    cursor_at_the_end = cursor(deployed)
    all_again = search(deployed)

    assert (rest["sent"], rest["finished"]) == (1, True)
    assert cursor_at_the_end == "after="
    assert all_again["objects"] > rest["objects"]
    assert deployed.settled("searched later")["verdict"] == deployed.settled("searched before")["verdict"] == "REJECT"
