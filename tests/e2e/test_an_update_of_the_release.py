"""The upgrade test: the previous release's stack, with data and messages in flight, is updated in place to this one.

Its own template and code run until the update, and its workers beyond it, beside the new ones. Nothing is charged
twice, and nothing is lost. deploy/previous_release.py says where the previous release comes from.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.previous_release import unpack
from facepair.domain import clock
from facepair_cli.function_url import NotUnderstood
from sandbox.advance_api.models import ApiRequest
from sandbox.cloud import Sandbox
from sandbox.lambda_host import LambdaHost
from sandbox.receiver import ReceiverReply
from sandbox.stack import SandboxStack
from tests.support import ROOT
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, BEN, BLANK, Deployed, Row, notification, picture
from tests.support.previous_release import STATEFUL, previous
from tests.support.resources import Resources

# What takes minutes takes seconds: a killed worker's message comes back, and its call is given up.
OVERRIDES = {"CompareFunction": {"Timeout": 14}, "UploadsQueue": {"VisibilityTimeout": 15}}
VARIABLES = {
    "BACKOFF_FIRST_SECONDS": "1",
    "BACKOFF_SOON_SECONDS": "1",
    "BACKOFF_LONGEST_SECONDS": "3",
    "VISIBILITY_TIMEOUT_SECONDS": "15",
    "WEBHOOK_BACKOFF_FIRST_SECONDS": "1",
    "WEBHOOK_BACKOFF_LONGEST_SECONDS": "1",
}
PARAMETERS = {"ApiDeadlineSeconds": 6, "BlockedRetrySeconds": 4, "FindMissedAfterMinutes": 0, "LogLevel": "DEBUG"}
UPDATE_SECONDS = 5.5
"""Delay of the answer to a call that is in flight while the stack is updated."""

DECIDED = ("passed", "retake", "held", "reviewed", "manual")
IN_FLIGHT = ("waiting", "in flight", "killed", "pending", "queued", "missed")


class Upgraded(Deployed):
    """The stack after its update. `before` and `rows` are the stack and the decided rows as the old release left them;
    `old` still runs old code."""

    def __init__(self, sandbox: Sandbox, before: SandboxStack, rows: dict[str, Row], old: LambdaHost) -> None:
        super().__init__(sandbox)
        self.before, self.rows, self.old = before, rows, old

    @property
    def new(self) -> LambdaHost:
        assert self.sandbox.host is not None
        return self.sandbox.host


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    root, logs = unpack(tmp_path_factory.mktemp("previous")), tmp_path_factory.mktemp("upgrade")
    with Sandbox(root, PARAMETERS, overrides=OVERRIDES, environment=VARIABLES, logs=logs) as sandbox:
        deployed = Deployed(sandbox)
        decide(deployed)
        rows = {pair_id: deployed.row(pair_id) or {} for pair_id in DECIDED}
        before = sandbox.stack
        leave_in_flight(deployed)
        upgraded = Upgraded(sandbox, before, rows, old=sandbox.update(ROOT))
        sandbox.receiver.always(None)
        yield upgraded
        upgraded.idle()
        assert upgraded.dead_letters() == []
        assert upgraded.metrics()["UnexpectedErrors"] == 0, [line for line in upgraded.log() if "exception" in line]


def decide(deployed: Deployed) -> None:
    """Leave final rows of every kind, a pair for a reviewer, and a pair whose second picture is missing."""
    deployed.upload_pair("passed")
    deployed.upload_pair("retake", BLANK)
    deployed.upload_pair("held", answer={"drop": "after_reading"})
    for pair_id in ("reviewed", "manual"):
        deployed.upload_pair(pair_id, ANNA, ANNA_ON_ANOTHER_DAY)
    deployed.upload_pair("waiting", only="first")
    for pair_id in DECIDED:
        deployed.settled(pair_id)
    deployed.row_with("waiting", "WAITING")
    fingerprint = next(pair["fingerprint"] for pair in ask_for_pairs(deployed) if pair["pair_id"] == "reviewed")
    deployed.post("ReviewUrl", decision("reviewed", fingerprint, "REJECT"))
    deployed.post("ReviewUrl", {"action": "give_back", "desk": "1", "pair_ids": ["manual"]})
    deployed.idle()


def ask_for_pairs(deployed: Deployed) -> list[dict[str, Any]]:
    return list(deployed.post("ReviewUrl", {"action": "pairs", "desk": "1", "count": 10})["pairs"])


def decision(pair_id: str, fingerprint: str, verdict: str) -> dict[str, str]:
    facts = {"pair_id": pair_id, "fingerprint": fingerprint, "verdict": verdict, "reason": "compared by eye"}
    return {"action": "decide", "desk": "1"} | facts


def leave_in_flight(deployed: Deployed) -> None:
    """Leave work at every stage, while the webhook fails and the account is blocked."""
    host = deployed.sandbox.host
    assert host is not None
    deployed.sandbox.receiver.always(ReceiverReply(status=503))
    deployed.upload_pair("undelivered", ANNA, BEN)
    deployed.settled("undelivered")
    deployed.idle()
    host.pause()
    deployed.upload_pair("missed")
    deployed.lose_messages()
    host.resume()

    deployed.upload_pair("killed", answer={"delay": 60})
    was_asked(deployed, "killed")
    for worker in host.environments():
        if worker.busy and worker.function.logical_id == "CompareFunction":
            worker.kill()
    deployed.upload_pair("in flight", answer={"delay": UPDATE_SECONDS})
    was_asked(deployed, "in flight")
    deployed.upload_pair("pending", answer={"code": "INSUFFICIENT_BALANCE"})
    deployed.row_with("pending", "PENDING")

    host.pause()
    deployed.invoke("FindMissedFunction", {})
    deployed.upload_pair("queued")
    deployed.upload_pair("erased")
    resources = Resources(deployed.sandbox.variables["AWS_ENDPOINT_URL"], dict(deployed.sandbox.outputs))
    marks = previous("aws.erasure_marks").ErasureMarks(resources.tables, resources.outputs["IdempotencyTable"])
    marks.set("erased", clock.now() + timedelta(seconds=1))


def calls(deployed: Deployed, pair_id: str, person: str = ANNA) -> list[ApiRequest]:
    return deployed.asked(picture(person, f"{pair_id}, first"))


def was_asked(deployed: Deployed, pair_id: str) -> None:
    deployed.wait(lambda: calls(deployed, pair_id), lambda: f"the API was not asked about {pair_id}")


def test_stateful_resources_keep_their_logical_ids_and_names(upgraded: Upgraded) -> None:
    """tests/stack/test_update_in_place.py compares the templates."""
    stateful = {name: each for name, each in upgraded.before.resources.items() if each.type in STATEFUL}
    after = upgraded.sandbox.stack.resources

    assert {name: after[name].physical_id if name in after else None for name in stateful} == {
        name: each.physical_id for name, each in stateful.items()
    }


@pytest.fixture(scope="module")
def delivered_again(upgraded: Upgraded) -> Upgraded:
    """Workers of both releases take messages until no pair is in flight. Pairs whose call was sent have one more."""
    upgraded.old.resume()
    upgraded.upload_pair("waiting", only="second")
    for pair_id in ("in flight", "killed", "pending"):
        upgraded.send(notification(f"{pair_id}/first.jpg"))
    for pair_id in IN_FLIGHT:
        upgraded.settled(pair_id)
    upgraded.old.pause()
    upgraded.wait(
        lambda: erased_by_log(upgraded) or upgraded.row("erased"), lambda: "no new worker got the erased pair's message"
    )
    for role in ("first", "second"):  # the rest of the erasure
        bucket = upgraded.sandbox.outputs["ImagesBucket"]
        upgraded.sandbox.aws("s3").delete_object(Bucket=bucket, Key=f"erased/{role}.jpg")
    upgraded.idle()
    return upgraded


@pytest.mark.parametrize(
    ("pair_id", "verdict", "codes"),
    [
        ("waiting", "PASS", ["SUCCESS"]),
        ("in flight", "PASS", ["SUCCESS"]),
        ("killed", "UNDETERMINED", [None]),
        ("pending", "PASS", ["INSUFFICIENT_BALANCE", "SUCCESS"]),
        ("queued", "PASS", ["SUCCESS"]),
        ("missed", "PASS", ["SUCCESS"]),
    ],
)
def test_a_pair_in_flight_is_finished_and_charged_once(
    delivered_again: Upgraded, pair_id: str, verdict: str, codes: list[str | None]
) -> None:
    assert delivered_again.settled(pair_id)["verdict"] == verdict
    assert [call.code for call in calls(delivered_again, pair_id)] == codes


def erased_by_log(deployed: Deployed) -> list[Row]:
    """Return what this release logs of the pair that the previous one has begun to erase."""
    return [
        line
        for line in deployed.log()
        if line.get("reason") == "the pair was erased after a picture of it was uploaded"
    ]


def test_a_pair_that_the_previous_release_erased_is_not_compared(delivered_again: Upgraded) -> None:
    assert {line["pair_id"] for line in erased_by_log(delivered_again)} == {"erased"}
    assert (delivered_again.row("erased"), calls(delivered_again, "erased")) == (None, [])


def test_no_decided_row_changes_when_its_messages_come_again(delivered_again: Upgraded) -> None:
    for pair_id in DECIDED:
        delivered_again.send(notification(f"{pair_id}/first.jpg"))
    delivered_again.idle()

    rows = {pair_id: delivered_again.row(pair_id) or {} for pair_id in DECIDED}
    # A held pair is looked at again, because its retry may have been approved; its row is written as this release does.
    held, before = rows.pop("held"), delivered_again.rows["held"]
    assert {name for name in held if held[name] != before.get(name)} <= {
        "call",
        "expires_at",
        "listed_at",
        "updated_at",
    }
    assert rows == {pair_id: delivered_again.rows[pair_id] for pair_id in rows}


def test_every_verdict_reaches_the_webhook(delivered_again: Upgraded) -> None:
    expected = {*DECIDED, *IN_FLIGHT, "undelivered"} - {"erased"}

    def missing() -> set[str]:
        taken = delivered_again.sandbox.receiver.taken.values()
        return expected - {json.loads(delivery.body)["data"]["pair_id"] for delivery in taken}

    delivered_again.wait(lambda: not missing(), lambda: f"no webhook of {missing()} was taken")


@pytest.mark.parametrize("records", ["kept", "expired"])
def test_unchanged_pictures_are_not_charged_again(delivered_again: Upgraded, records: str) -> None:
    """The old release's records and ledger rows are understood; the ledger alone is enough."""
    delivered_again.idle()
    before = {pair_id: len(delivered_again.ledger(pair_id)) for pair_id in DECIDED}
    if records == "expired":
        delete_records(delivered_again)

    delivered_again.upload_pair("retake", BLANK)
    for pair_id in ("passed", "held"):
        delivered_again.upload_pair(pair_id)
    for pair_id in ("reviewed", "manual"):
        delivered_again.upload_pair(pair_id, ANNA, ANNA_ON_ANOTHER_DAY)
    delivered_again.idle()

    assert {pair_id: len(delivered_again.ledger(pair_id)) for pair_id in DECIDED} == before
    rows = {pair_id: delivered_again.row(pair_id) or {} for pair_id in DECIDED}
    for name in ("verdict", "code", "similarity", "transaction_id", "review"):
        assert {pair_id: row.get(name) for pair_id, row in rows.items()} == {
            pair_id: row.get(name) for pair_id, row in delivered_again.rows.items()
        }


def delete_records(deployed: Deployed) -> None:
    """Delete Powertools' idempotency records, as DynamoDB does when they expire."""
    dynamodb, table = deployed.sandbox.aws("dynamodb"), deployed.sandbox.outputs["IdempotencyTable"]
    ids = [item["id"] for item in dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]]
    records = [each for each in ids if each["S"].startswith("compare#")]
    assert records
    for record_id in records:
        dynamodb.delete_item(TableName=table, Key={"id": record_id})


@pytest.mark.parametrize("pair_id", ["held", "killed"])
def test_a_held_pair_of_the_previous_release_can_be_retried(delivered_again: Upgraded, pair_id: str) -> None:
    delivered_again.row_with(pair_id, "UNDETERMINED")

    delivered_again.post("OperateUrl", {"action": "retry", "pair_ids": [pair_id]})

    assert delivered_again.row_with(pair_id, "PASS")["code"] == "SUCCESS"
    assert [call["state"] for call in delivered_again.ledger(pair_id)] == ["UNKNOWN", "ANSWERED"]
    assert len(calls(delivered_again, pair_id)) == 2


def test_a_manual_check_of_the_previous_release_can_be_reviewed(upgraded: Upgraded) -> None:
    [pair] = ask_for_pairs(upgraded)

    upgraded.post("ReviewUrl", decision("manual", pair["fingerprint"], "PASS"))

    assert upgraded.row_with("manual", "PASS")["review"]["reason"] == "compared by eye"


@pytest.mark.parametrize("first", ["previous", "present"])
def test_a_pair_that_workers_of_both_releases_get_is_charged_once(delivered_again: Upgraded, first: str) -> None:
    pair_id = f"{first} release first"
    hosts = [delivered_again.old, delivered_again.new]
    begins, follows = hosts if first == "previous" else reversed(hosts)

    follows.pause()
    begins.resume()
    delivered_again.upload_pair(pair_id, answer={"delay": 2})
    was_asked(delivered_again, pair_id)
    begins.pause()
    follows.resume()
    delivered_again.send(notification(f"{pair_id}/first.jpg"))

    assert delivered_again.settled(pair_id)["verdict"] == "PASS"
    delivered_again.idle()
    assert [call.code for call in calls(delivered_again, pair_id)] == ["SUCCESS"]
    delivered_again.old.pause()
    delivered_again.new.resume()


def test_the_retry_of_an_earlier_command_line_says_to_update(upgraded: Upgraded) -> None:
    with pytest.raises(NotUnderstood, match="Update facepair to the release of the stack"):
        upgraded.post("PermitUrl", {"pair_ids": ["anna"]})
