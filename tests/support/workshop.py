"""Throw-away functions and queues for tests of the Lambda host, and stand-ins for the template's functions."""

import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.aws import ACCOUNT, REGION, LocalAws
from sandbox.lambda_host import LambdaHost
from sandbox.lambda_host.log_group import LogGroup
from sandbox.stack import EventSource, Function, SandboxStack, Schedule, StreamSource
from tests.support import LAMBDA_PYTHON


class Workshop:
    """Runs throw-away functions: `host(source)` is a LambdaHost with one function `work`, closed with the test.

    The variable NOTES names a file for lines to the test.
    """

    def __init__(self, aws: LocalAws, folder: Path) -> None:
        self.aws = aws
        self.folder = folder
        self._notes = folder / "notes"
        self._notes.touch()
        self.hosts: list[LambdaHost] = []

    def host(
        self,
        source: str,
        *,
        timeout: int = 10,
        layers: tuple[Path, ...] = (),
        variables: dict[str, str] | None = None,
        queue: "Queue | None" = None,
        batch_size: int = 1,
        maximum_concurrency: int = 5,
        every: timedelta | None = None,
        stream: Mapping[str, Any] | None = None,
        checkpoints: dict[str, str] | None = None,
    ) -> LambdaHost:
        code = self.folder / "code"
        code.mkdir(exist_ok=True)
        (code / "app.py").write_text(source)
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:work-1"
        function = Function(
            logical_id="work",
            name="work-1",
            arn=arn,
            handler="app.handler",
            code=code,
            layers=layers,
            environment={"NOTES": str(self._notes)} | (variables or {}),
            timeout=timeout,
            memory=128,
            log_group="work",
        )
        source_of_events = (
            (EventSource(queue.url, queue.arn, arn, batch_size, maximum_concurrency, reports_batch_item_failures=True),)
            if queue
            else ()
        )
        schedules = (Schedule("arn:aws:events:rule", arn, every),) if every else ()
        streams = (StreamSource(function_arn=arn, **stream),) if stream else ()
        stack = SandboxStack("work", {}, {}, {}, {"work": function}, source_of_events, schedules, {}, streams)
        logs = self.folder / "logs"
        host = LambdaHost(stack, self.aws, python=LAMBDA_PYTHON, logs=logs, checkpoints=checkpoints)
        self.hosts.append(host)
        return host

    def queue(self, *, visibility_timeout: int = 30, max_receives: int | None = None) -> "Queue":
        name = f"queue-{time.monotonic_ns()}"
        sqs = self.aws.client("sqs")
        attributes = {"VisibilityTimeout": str(visibility_timeout)}
        dead_letters = None
        if max_receives:
            dead_letters = self.queue()
            policy = f'{{"deadLetterTargetArn": "{dead_letters.arn}", "maxReceiveCount": {max_receives}}}'
            attributes["RedrivePolicy"] = policy
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return Queue(sqs, url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", dead_letters)

    def log(self) -> list[str]:
        return LogGroup(self.folder / "logs" / "work").lines()

    def noted(self) -> list[str]:
        """Return the lines left by the function."""
        return self._notes.read_text().splitlines()


class Queue:
    def __init__(self, sqs: Any, url: str, arn: str, dead_letters: "Queue | None") -> None:
        self._sqs = sqs
        self.url = url
        self.arn = arn
        self.dead_letters = dead_letters

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self._sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def count(self) -> int:
        """Count its messages, including those in flight."""
        attributes = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible", "Delayed"))

    def receive(self) -> list[str]:
        answer = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", [])]


# Replaces the two functions that look at pairs: writes each record's body, or the event, as a verdict.
STAND_IN = """
import json, os, urllib.parse
import boto3

dynamodb = boto3.client("dynamodb")

def handler(event, context):
    for record in event.get("Records", []):
        for upload in json.loads(record["body"]).get("Records", []):
            pair = urllib.parse.unquote_plus(upload["s3"]["object"]["key"]).rpartition("/")[0]
            row = {"pair_id": pair, "verdict": "PASS", "updated_at": "now", "pass_above": os.environ["PASS_ABOVE"]}
            item = {name: {"S": value} for name, value in row.items()}
            dynamodb.put_item(TableName=os.environ["VERDICTS_TABLE"], Item=item)
    return {"batchItemFailures": [], "environment": dict(os.environ)}
"""

# Replaces the other functions.
IDLE = "def handler(event, context): return {'batchItemFailures': []}"

STAND_INS = {
    "compare_pair": STAND_IN,
    "find_missed": STAND_IN,
    "operate": IDLE,
    "erase_pair": IDLE,
    "publish_verdict": IDLE,
    "deliver_webhook": IDLE,
    "review_pairs": IDLE,
}
"""Function folder -> code of its stand-in."""
