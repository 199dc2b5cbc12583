"""A table's stream in the sandbox: ordered, retried, halved, given up and reported as in Lambda's documentation."""

import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from sandbox.aws import LocalAws
from tests.support.waiting import eventually
from tests.support.workshop import Queue, Workshop

# Notes each row's id; fails for those in FAILS for the first TIMES times; reports or crashes.
WORKER = """
import os, time
def note(text):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(text + "\\n")
def noted(text):
    return open(os.environ["NOTES"]).read().splitlines().count(text)
def handler(event, context):
    failed = []
    note("batch of " + str(len(event["Records"])))
    for record in event["Records"]:
        change = record["dynamodb"]
        row = record["eventName"] + " " + change["Keys"]["id"]["S"]
        note(row)
        time.sleep(float(os.environ.get("SLEEP", 0)))
        if change["Keys"]["id"]["S"] in os.environ.get("FAILS", "").split() and noted(row) <= int(os.environ["TIMES"]):
            if os.environ["HOW"] == "crash":
                os._exit(7)
            failed.append({"itemIdentifier": change["SequenceNumber"]})
    return {"batchItemFailures": failed}
"""
NEVER = "1000"


@dataclass
class Table:
    aws: LocalAws
    name: str = field(default_factory=lambda: f"table-{uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        created = self.aws.client("dynamodb").create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.stream_arn = created["TableDescription"]["LatestStreamArn"]

    def put(self, *ids: str) -> None:
        for each in ids:
            self.aws.client("dynamodb").put_item(TableName=self.name, Item={"id": {"S": each}})

    def delete(self, each: str) -> None:
        self.aws.client("dynamodb").delete_item(TableName=self.name, Key={"id": {"S": each}})

    def stream(self, queue: Queue | None = None, **settings: Any) -> dict[str, Any]:
        return {
            "stream_arn": self.stream_arn,
            "starting_position": "TRIM_HORIZON",
            "batch_size": 100,
            "reports_batch_item_failures": True,
            "bisects": False,
            "maximum_retries": -1,
            "maximum_age_seconds": -1,
            "on_failure_queue_url": queue.url if queue else None,
        } | settings


@pytest.fixture
def table(local_aws: LocalAws) -> Iterator[Table]:
    table = Table(local_aws)
    yield table
    local_aws.client("dynamodb").delete_table(TableName=table.name)


def rows(workshop: Workshop) -> list[str]:
    """Return what the function noted, without batch sizes."""
    return [note for note in workshop.noted() if not note.startswith("batch")]


def test_every_write_arrives_in_its_order_from_the_first_on(workshop: Workshop, table: Table) -> None:
    table.put("a", "b")
    workshop.host(WORKER, stream=table.stream())

    table.put("a", "c")
    table.delete("b")

    wanted = ["INSERT a", "INSERT b", "MODIFY a", "INSERT c", "REMOVE b"]
    eventually(lambda: rows(workshop) == wanted)


def test_a_canceled_transaction_changes_nothing_and_the_stream_goes_on(workshop: Workshop, table: Table) -> None:
    dynamodb = table.aws.client("dynamodb")

    def put(each: str) -> dict[str, Any]:
        return {"Put": {"TableName": table.name, "Item": {"id": {"S": each}}}}

    new = {"ConditionExpression": "attribute_not_exists(id)"}
    table.put("a")
    workshop.host(WORKER, stream=table.stream())
    eventually(lambda: rows(workshop) == ["INSERT a"])

    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as canceled:
        dynamodb.transact_write_items(TransactItems=[put("b"), {"Put": put("a")["Put"] | new}])
    check = {"ConditionCheck": {"TableName": table.name, "Key": {"id": {"S": "absent"}}} | new}
    dynamodb.transact_write_items(TransactItems=[check, put("c")])

    codes = [reason["Code"] for reason in canceled.value.response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed"]
    eventually(lambda: rows(workshop) == ["INSERT a", "INSERT c"])


def test_a_batch_has_no_more_records_than_wished(workshop: Workshop, table: Table) -> None:
    table.put("a", "b", "c", "d", "e")

    workshop.host(WORKER, stream=table.stream(batch_size=2))

    eventually(lambda: len(rows(workshop)) == 5)
    assert [note for note in workshop.noted() if note.startswith("batch")] == ["batch of 2", "batch of 2", "batch of 1"]


def test_after_a_reported_failure_what_came_before_it_is_not_brought_again(workshop: Workshop, table: Table) -> None:
    table.put("a", "bad", "c")

    workshop.host(WORKER, stream=table.stream(), variables={"FAILS": "bad", "TIMES": "1", "HOW": "report"})

    eventually(lambda: rows(workshop)[3:] == ["INSERT bad", "INSERT c"])
    assert rows(workshop)[:3] == ["INSERT a", "INSERT bad", "INSERT c"]


def test_after_a_crash_the_whole_batch_is_brought_again(workshop: Workshop, table: Table) -> None:
    table.put("a", "bad", "c")

    workshop.host(WORKER, stream=table.stream(), variables={"FAILS": "bad", "TIMES": "1", "HOW": "crash"})

    eventually(lambda: rows(workshop) == ["INSERT a", "INSERT bad"] * 2 + ["INSERT c"])


@pytest.mark.parametrize("how", ["report", "crash"])
def test_a_record_that_never_succeeds_is_reported_alone_and_the_others_go_on(
    workshop: Workshop, table: Table, how: str
) -> None:
    told = workshop.queue()
    table.put("a", "b", "poison", "c", "d", "e")
    stream = table.stream(told, bisects=True, maximum_retries=1)

    workshop.host(WORKER, stream=stream, variables={"FAILS": "poison", "TIMES": NEVER, "HOW": how})

    [message] = [json.loads(body) for body in eventually(told.receive)]
    place = message["DDBStreamBatchInfo"]
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert (place["batchSize"], place["streamArn"]) == (1, table.stream_arn)
    assert place["startSequenceNumber"] == place["endSequenceNumber"]
    assert "poison" not in json.dumps(message)  # random hexadecimal ids cannot contain this word
    eventually(lambda: {"INSERT c", "INSERT d", "INSERT e"} <= set(rows(workshop)))


def test_without_halving_the_whole_batch_is_given_up(workshop: Workshop, table: Table) -> None:
    told = workshop.queue()
    table.put("bad", "b", "c")
    stream = table.stream(told, maximum_retries=1)

    workshop.host(WORKER, stream=stream, variables={"FAILS": "bad", "TIMES": NEVER, "HOW": "report"})

    [message] = [json.loads(body) for body in eventually(told.receive)]
    assert message["DDBStreamBatchInfo"]["batchSize"] == 3


def test_a_record_is_not_retried_beyond_its_age(workshop: Workshop, table: Table) -> None:
    told = workshop.queue()
    table.put("bad")
    stream = table.stream(told, maximum_age_seconds=1)

    workshop.host(WORKER, stream=stream, variables={"FAILS": "bad", "TIMES": NEVER, "HOW": "report"})

    [message] = [json.loads(body) for body in eventually(told.receive)]
    assert message["requestContext"]["condition"] == "RecordAgeExceeded"
    table.put("next")
    eventually(lambda: "INSERT next" in rows(workshop))


def test_a_host_goes_on_where_the_one_before_it_stopped(workshop: Workshop, table: Table) -> None:
    checkpoints: dict[str, str] = {}
    table.put("a", "b")
    first = workshop.host(WORKER, stream=table.stream(), checkpoints=checkpoints)
    eventually(lambda: len(rows(workshop)) == 2)
    first.drain()
    first.close()

    table.put("c")
    workshop.host(WORKER, stream=table.stream(), checkpoints=checkpoints)

    eventually(lambda: rows(workshop) == ["INSERT a", "INSERT b", "INSERT c"])


def test_the_records_of_a_killed_environment_are_brought_again(workshop: Workshop, table: Table) -> None:
    table.put("a", "b", "c")
    host = workshop.host(WORKER, stream=table.stream(), variables={"SLEEP": "0.3"})
    eventually(lambda: len(rows(workshop)) == 2)

    os.kill(next(one.pid for one in host.environments() if one.busy), signal.SIGKILL)

    eventually(lambda: rows(workshop)[-3:] == ["INSERT a", "INSERT b", "INSERT c"])


def test_while_paused_no_record_is_taken(workshop: Workshop, table: Table) -> None:
    host = workshop.host(WORKER, stream=table.stream())
    host.pause()
    table.put("a")
    time.sleep(1)
    assert workshop.noted() == []

    host.resume()

    eventually(lambda: rows(workshop) == ["INSERT a"])
