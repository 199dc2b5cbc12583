"""The samples in events/ through the real handlers, and other messages that the queue may bring."""

import json
from pathlib import Path
from typing import Any

import pytest

from facepair.domain.notification import created_objects
from tests.support.deployed import ANNA, BEN, Deployed, notification

EVENTS = Path(__file__).parents[2] / "events"
NOTHING_FAILED: dict[str, list[str]] = {"batchItemFailures": []}


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def key_in(event: Any) -> str:
    [created] = created_objects(event["Records"][0]["body"])
    key = created.key
    return key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("first-picture", "sample-pair/first.jpg"),
        ("second-picture", "sample-pair/second.jpg"),
        ("key-with-spaces-and-unicode", "café a+b 100%/日本/first.jpg"),
    ],
)
def test_a_sample_upload_is_compared(without_notifications: Deployed, name: str, key: str) -> None:
    deployed, event = without_notifications, sample(name)
    pair_id = key.rpartition("/")[0]
    deployed.upload_pair(pair_id, second=BEN)
    before = deployed.row(pair_id)

    answer = deployed.invoke("CompareFunction", event)

    assert key_in(event) == key
    assert answer == NOTHING_FAILED
    assert before is None or name == "second-picture"  # the same pair as first-picture
    assert deployed.settled(pair_id, within=0)["verdict"] == "REJECT"


def test_the_samples_are_formed_as_the_messages_that_arrive(without_notifications: Deployed) -> None:
    deployed = without_notifications
    deployed.upload_pair("formed", only="first")

    [body] = deployed.lose_messages()
    [arrived] = json.loads(body)["Records"]
    [sampled] = json.loads(sample("first-picture")["Records"][0]["body"])["Records"]

    assert sampled["eventName"] == arrived["eventName"] == "ObjectCreated:Put"
    assert sampled.keys() >= arrived.keys() - {"awsRegion"}
    assert sampled["s3"].keys() == arrived["s3"].keys()
    assert sampled["s3"]["object"].keys() >= arrived["s3"]["object"].keys()


def test_the_sample_test_event_is_ignored(deployed: Deployed) -> None:
    answer = deployed.invoke("CompareFunction", sample("s3-test-event"))

    assert answer == NOTHING_FAILED
    assert deployed.messages("DeadLetterQueue") == 0


def test_the_sample_malformed_message_lies_among_the_dead_letters(deployed: Deployed) -> None:
    event = sample("malformed-message")

    answer = deployed.invoke("CompareFunction", event)

    assert answer == NOTHING_FAILED
    assert deployed.dead_letters() == [event["Records"][0]["body"]]


def test_the_sample_schedule_searches_the_bucket(deployed: Deployed) -> None:
    deployed.upload_pair("searched", only="first")

    found = deployed.invoke("FindMissedFunction", sample("schedule"))

    assert found["objects"] >= 1
    assert found["finished"] is True


def test_malformed_messages_become_dead_letters_at_once_while_their_neighbours_go_on(deployed: Deployed) -> None:
    malformed = ["no JSON", "[1, 2]", '{"Records": 1}', '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {}}]}']
    deployed.idle()
    before = deployed.metrics()["MalformedMessages"]

    for number, body in enumerate(malformed):
        deployed.send(body)
        deployed.upload_in_turn(f"neighbour {number}")
    rows = [deployed.settled(f"neighbour {number}") for number in range(len(malformed))]
    deployed.wait(
        lambda: deployed.metrics()["MalformedMessages"] - before == len(malformed),
        lambda: f"the metric has grown by {deployed.metrics()['MalformedMessages'] - before}",
    )

    assert sorted(deployed.dead_letters()) == sorted(malformed)
    assert [row["verdict"] for row in rows] == ["PASS"] * len(malformed)


def test_a_malformed_record_does_not_keep_the_others_of_its_batch(without_notifications: Deployed) -> None:
    deployed = without_notifications
    deployed.upload_pair("same batch", ANNA, BEN)
    malformed, good = sample("malformed-message")["Records"][0], sample("first-picture")["Records"][0]
    good["body"] = notification("same batch/first.jpg")

    answer = deployed.invoke("CompareFunction", {"Records": [malformed, good]})

    assert answer == NOTHING_FAILED
    assert deployed.dead_letters() == [malformed["body"]]
    assert deployed.settled("same batch", within=0)["verdict"] == "REJECT"


@pytest.mark.parametrize(
    "body",
    [
        '{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}',
        '{"Records": []}',
        '{"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"object": {"key": "gone/first.jpg"}}}]}',
    ],
)
def test_a_message_without_a_created_object_is_ignored(deployed: Deployed, body: str) -> None:
    deployed.idle()
    before = deployed.metrics()

    deployed.send(body)
    deployed.idle()

    assert deployed.metrics() - before == {"Messages": 1}
    assert deployed.messages("DeadLetterQueue") == 0


def test_a_key_that_is_no_utf_8_is_malformed(deployed: Deployed) -> None:
    body = '{"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "%FF/first.jpg"}}}]}'

    deployed.send(body)
    deployed.idle()

    assert deployed.dead_letters() == [body]
