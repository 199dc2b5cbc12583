"""Changes are published on the bus, and delivered to a webhook receiver that verifies signatures."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from facepair.domain.change import schema
from sandbox.aws import ACCOUNT, REGION
from sandbox.receiver import Delivery
from tests.support.deployed import ANNA, BEN, Deployed
from tests.support.waiting import next_second

ROOT = Path(__file__).parents[2]
EVENTS, RUNBOOK = ROOT / "events", (ROOT / "docs" / "runbook.md").read_text()
NOTHING_FAILED: dict[str, list[str]] = {"batchItemFailures": []}
PUBLISHED_FIELDS = (
    *("pair_id", "verdict", "code", "message", "similarity", "transaction_id", "pricing_strategy", "retake"),
    *("waiting_for", "retry_at", "fingerprint", "uploaded_at", "updated_at", "policy"),
)


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


class Listener:
    """A queue that gets all events of the bus, as the guide shows."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._sqs, events = deployed.sandbox.aws("sqs"), deployed.sandbox.aws("events")
        name, bus = f"listener-{uuid4().hex[:8]}", deployed.sandbox.outputs["VerdictsBus"]
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["facepair"]}')
        target = {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"}
        events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        self._heard: list[dict[str, Any]] = []

    def heard(self, pair_id: str) -> list[dict[str, Any]]:
        """Return a pair's events in order of arrival."""
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._heard.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [event for event in self._heard if event["detail"]["pair_id"] == pair_id]

    def wait(self, pair_id: str, count: int) -> list[dict[str, Any]]:
        """Wait for that many events of a pair; return their details."""
        self._deployed.wait(lambda: len(self.heard(pair_id)) >= count, lambda: f"{pair_id}: {self.heard(pair_id)}")
        return [event["detail"] for event in self.heard(pair_id)]


@pytest.fixture(scope="module")
def listener(deployed: Deployed) -> Listener:
    return Listener(deployed)


def taken(deployed: Deployed, pair_id: str) -> list[Delivery]:
    """Return a pair's verified deliveries."""
    return [each for each in deployed.sandbox.receiver.taken.values() if each.message["data"]["pair_id"] == pair_id]


def webhook(deployed: Deployed, pair_id: str, kind: str = "verdict.changed") -> dict[str, Any]:
    """Wait for and return the pair's only webhook of that type."""

    def found() -> list[dict[str, Any]]:
        return [each.message for each in taken(deployed, pair_id) if each.message["type"] == kind]

    deployed.wait(found, lambda: f"no {kind} of {pair_id} came")
    [message] = found()
    return message


def test_an_event_says_what_its_row_says_and_nothing_about_its_pictures(deployed: Deployed, listener: Listener) -> None:
    deployed.upload_in_turn("out/event é", ANNA, BEN)
    row = deployed.settled("out/event é")

    waiting, rejected = listener.wait("out/event é", 2)
    message = webhook(deployed, "out/event é")

    for name in PUBLISHED_FIELDS:
        assert (name in rejected) == (name in row), name
        if name in row and name != "policy":
            assert rejected[name] == (float(row[name]) if name == "similarity" else row[name])
    assert rejected.keys() == {"id", "previous_verdict"} | (row.keys() & set(PUBLISHED_FIELDS))
    assert (waiting["verdict"], rejected["previous_verdict"]) == ("WAITING", "WAITING")
    assert message == {"type": "verdict.changed", "timestamp": row["updated_at"], "data": rejected}
    for detail in (waiting, rejected):
        jsonschema.validate(detail, schema())


def test_the_webhook_is_for_final_verdicts_the_bus_for_all(deployed: Deployed, listener: Listener) -> None:
    deployed.upload_pair("out/waiting", only="first")
    deployed.row_with("out/waiting", "WAITING")

    [detail] = listener.wait("out/waiting", 1)
    deployed.upload_pair("out/after", ANNA, ANNA)
    webhook(deployed, "out/after")

    assert (detail["verdict"], detail["waiting_for"]) == ("WAITING", "second")
    assert taken(deployed, "out/waiting") == []


def test_a_pending_pair_is_published_once_however_often_it_is_tried(deployed: Deployed, listener: Listener) -> None:
    busy = {"code": "SERVICE_BUSY", "retry_after": "1s", "times": 3}
    deployed.upload_in_turn("out/busy", ANNA, BEN, busy)
    deployed.settled("out/busy")

    told = [detail["verdict"] for detail in listener.wait("out/busy", 3)]

    assert told == ["WAITING", "PENDING", "REJECT"]
    assert len({detail["id"] for detail in listener.wait("out/busy", 3)}) == 3


def test_a_new_upload_is_a_new_change(deployed: Deployed) -> None:
    deployed.upload_pair("out/anew", ANNA, ANNA)
    deployed.row_with("out/anew", "PASS")
    next_second()

    deployed.upload_pair("out/anew", ANNA, BEN, only="second")
    deployed.row_with("out/anew", "REJECT")

    deployed.wait(lambda: len(taken(deployed, "out/anew")) == 2, lambda: "the second verdict did not come")
    newest = max(taken(deployed, "out/anew"), key=lambda each: str(each.message["data"]["updated_at"]))
    assert newest.message["data"]["verdict"] == "REJECT"


def test_a_row_written_by_hand_is_published(deployed: Deployed) -> None:
    deployed.upload_pair("out/by hand", ANNA, BEN)
    deployed.row_with("out/by hand", "REJECT")
    webhook(deployed, "out/by hand")

    deployed.sandbox.aws("dynamodb").update_item(
        TableName=deployed.sandbox.outputs["VerdictsTable"],
        Key={"pair_id": {"S": "out/by hand"}},
        UpdateExpression="SET verdict = :v, updated_at = :t",
        ExpressionAttributeValues={":v": {"S": "PASS"}, ":t": {"S": "2100-01-01T00:00:00.000Z"}},
    )

    deployed.wait(lambda: len(taken(deployed, "out/by hand")) == 2, lambda: "the repair was not published")
    repaired = max(taken(deployed, "out/by hand"), key=lambda each: each.at)
    assert (repaired.message["data"]["previous_verdict"], repaired.message["data"]["verdict"]) == ("REJECT", "PASS")


def test_an_erasure_is_published(deployed: Deployed, listener: Listener) -> None:
    deployed.upload_pair("out/erased", ANNA, BEN)
    deployed.settled("out/erased")

    deployed.sandbox.aws("dynamodb").delete_item(
        TableName=deployed.sandbox.outputs["VerdictsTable"], Key={"pair_id": {"S": "out/erased"}}
    )

    message = webhook(deployed, "out/erased", "pair.erased")
    assert message["data"].keys() == {"id", "pair_id", "erased_at"}
    assert message["timestamp"] == message["data"]["erased_at"]
    deployed.wait(
        lambda: [event for event in listener.heard("out/erased") if event["detail-type"] == "Pair erased"],
        lambda: "the bus does not know",
    )


def test_a_row_that_expires_is_not_published(deployed: Deployed, listener: Listener) -> None:
    """DynamoDB's TTL deletion is simulated: the sandbox does not have it."""
    event = sample("rows-written")
    [record] = event["Records"]
    image = record["dynamodb"].pop("NewImage") | {"pair_id": {"S": "out/expired"}}
    record |= {"eventName": "REMOVE", "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    record["dynamodb"]["OldImage"] = image
    deployed.invoke("PublishFunction", event)
    del record["userIdentity"]

    deployed.invoke("PublishFunction", event)

    listener.wait("out/expired", 1)
    assert [told["detail-type"] for told in listener.heard("out/expired")] == ["Pair erased"]


@pytest.mark.parametrize("how", ["pair_ids", "since"])
def test_what_is_published_again_has_the_same_ids(deployed: Deployed, listener: Listener, how: str) -> None:
    pair_id = f"out/again {how}"
    deployed.upload_in_turn(pair_id, ANNA, BEN)
    row = deployed.settled(pair_id)
    change_id = webhook(deployed, pair_id)["data"]["id"]
    wanted: dict[str, Any] = {"pair_ids": [pair_id]} if how == "pair_ids" else {"since": row["updated_at"]}

    answer = deployed.post("OperateUrl", wanted | {"action": "resend"})

    [again] = [
        detail for detail in listener.wait(pair_id, 3) if detail.keys().isdisjoint({"previous_verdict", "waiting_for"})
    ]
    assert again == row_told(row) | {"id": change_id}
    assert answer == {"published": answer["published"], "missing": [], "unreadable": [], "since": None}
    assert answer["published"] >= 1
    deployed.wait(lambda: len(deliveries(deployed, change_id)) == 2, lambda: "it was not delivered again")
    assert all(each.verified for each in deliveries(deployed, change_id))


def row_told(row: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in row.items() if name in PUBLISHED_FIELDS}
    policy = {name: float(value) for name, value in row["policy"].items()}
    return told | {"similarity": float(row["similarity"]), "policy": policy}


def deliveries(deployed: Deployed, change_id: str) -> list[Delivery]:
    return [each for each in deployed.sandbox.receiver.deliveries if each.id == change_id]


def test_publishing_takes_nothing_from_people(deployed: Deployed) -> None:
    name = deployed.sandbox.outputs["PublishFunction"]
    since = json.dumps({"republish": {"since": "2020-01-01T00:00:00Z"}}).encode()

    answer = deployed.sandbox.aws("lambda").invoke(FunctionName=name, Payload=since)

    assert answer["FunctionError"] == "Unhandled"
    assert "update the facepair command" in json.loads(answer["Payload"].read())["errorMessage"]


# --- webhook secret ---------------------------------------------------------------------------------------------------


@pytest.fixture
def rotated(deployed: Deployed) -> Iterator[str]:
    """Replaces the secret; the receiver's one becomes the previous."""
    value = uuid4().hex
    deployed.sandbox.aws("secretsmanager").put_secret_value(
        SecretId=deployed.sandbox.outputs["WebhookSecret"], SecretString=value
    )
    yield value
    deployed.sandbox.receiver.secrets.append(f"whsec_{value}")


def test_a_secret_is_rotated_without_a_gap(deployed: Deployed, rotated: str) -> None:
    deployed.upload_pair("out/rotated", ANNA, BEN)
    webhook(deployed, "out/rotated")

    [delivery] = taken(deployed, "out/rotated")
    secrets, deployed.sandbox.receiver.secrets = deployed.sandbox.receiver.secrets, [f"whsec_{rotated}"]
    assert deployed.sandbox.receiver.verified(delivery.headers, delivery.body)
    deployed.sandbox.receiver.secrets = secrets
    assert len(delivery.headers["webhook-signature"].split(" ")) == 2


# --- samples ----------------------------------------------------------------------------------------------------------


def test_the_sample_of_the_stream_is_published(deployed: Deployed, listener: Listener) -> None:
    answer = deployed.invoke("PublishFunction", sample("rows-written"))

    assert answer == NOTHING_FAILED
    assert listener.wait("anna", 1)[0] == sample("verdict-changed")["detail"]


def test_the_sample_of_a_webhook_s_message_is_delivered(deployed: Deployed) -> None:
    answer = deployed.invoke("DeliverFunction", sample("webhook-message"))

    assert answer == NOTHING_FAILED
    assert sample("verdict-changed")["detail"]["id"] in deployed.sandbox.receiver.taken
