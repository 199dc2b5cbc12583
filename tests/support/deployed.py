"""The deployed stack as its users meet it: pictures go into the bucket, rows come out of the tables."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal
from urllib.parse import quote_plus

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer
from PIL import Image

from facepair_cli.function_url import FunctionUrl
from sandbox import portraits
from sandbox.advance_api.control import Control
from sandbox.advance_api.models import ApiRequest
from sandbox.cloud import Sandbox

type Row = dict[str, Any]
type Role = Literal["first", "second"]

PATIENCE = 60.0  # seconds, on a machine that does much else
UNSETTLED = ("WAITING", "PENDING")
SIZE = (450, 600)  # small pictures are as good as large ones, and faster
ANNA, ANNA_ON_ANOTHER_DAY, BEN, BLANK, BLURRED = "anna", "anna on another day", "ben", "blank", "blurred"


@cache
def _portrait(name: str) -> bytes:
    width, height = SIZE
    drawn: dict[str, Callable[[], Image.Image]] = {
        ANNA: lambda: portraits.portrait(1, width=width, height=height),
        ANNA_ON_ANOTHER_DAY: lambda: portraits.portrait(
            1, variation=portraits.NEEDS_A_LOOK, width=width, height=height
        ),
        BEN: lambda: portraits.portrait(2, width=width, height=height),
        BLANK: lambda: portraits.blank(width, height),
        BLURRED: lambda: portraits.blurred(portraits.portrait(1, width=width, height=height)),
    }
    return portraits.jpeg(drawn[name]())


def picture(name: str, copy: str) -> bytes:
    """A JPEG of a person; each `copy` shows the same and has bytes of its own (a comment behind its first marker)."""
    comment, content = copy.encode(), _portrait(name)
    return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + content[2:]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def notification(key: str) -> str:
    """S3's message about a created object, reduced to the fields that are read."""
    record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key, safe="/")}}}
    return json.dumps({"Records": [record]})


def record(body: str) -> dict[str, str]:
    """A message as the event source mapping passes it on, reduced to the fields that are read."""
    return {"messageId": sha256(body.encode()), "receiptHandle": "", "body": body, "eventSource": "aws:sqs"}


class Deployed:
    """One running stack: uploads, rows and logs, and waiting for them with a deadline."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._logs: dict[str, list[Row | None]] = {}
        self._s3, self._dynamodb, self._sqs = (sandbox.aws(service) for service in ("s3", "dynamodb", "sqs"))

    @property
    def control(self) -> Control:
        return self.sandbox.advance.control

    def upload(self, key: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self.sandbox.outputs["ImagesBucket"], Key=key, Body=content)

    def upload_pair(
        self,
        pair_id: str,
        first: str | bytes = ANNA,
        second: str | bytes = ANNA,
        answer: Mapping[str, Any] | None = None,
        *,
        only: Role | None = None,
    ) -> None:
        """Two pictures, or bytes of one's own, or `only` one of them.

        `answer` is a step of the emulator's script for this pair alone.
        """
        contents = {
            role: content if isinstance(content, bytes) else picture(content, f"{pair_id}, {role}")
            for role, content in (("first", first), ("second", second))
        }
        if answer:
            self.control.script(first_sha256=sha256(contents["first"]), **answer)
        for role, content in contents.items():
            if only in (None, role):
                self.upload(f"{pair_id}/{role}.jpg", content)

    def upload_in_turn(
        self,
        pair_id: str,
        first: str | bytes = ANNA,
        second: str | bytes = ANNA,
        answer: Mapping[str, Any] | None = None,
    ) -> None:
        """As `upload_pair`, but the first picture has been dealt with before the second comes: one message compares."""
        self.upload_pair(pair_id, first, second, only="first")
        self.row_with(pair_id, "WAITING")
        self.upload_pair(pair_id, first, second, answer, only="second")

    def row(self, pair_id: str) -> Row | None:
        """The pair's row of VerdictsTable, numbers as Decimals."""
        answer = self._dynamodb.get_item(
            TableName=self.sandbox.outputs["VerdictsTable"], Key={"pair_id": {"S": pair_id}}, ConsistentRead=True
        )
        return plain(answer["Item"]) if "Item" in answer else None

    def row_that(self, pair_id: str, is_it: Callable[[Row], bool], *, within: float = PATIENCE) -> Row:
        """The pair's row as soon as it is as wanted. Fails with the row and the end of the log."""
        row: Row | None = None

        def look() -> bool:
            nonlocal row
            row = self.row(pair_id)
            return row is not None and is_it(row)

        self.wait(look, lambda: f"{pair_id!r} has the row {json.dumps(row, indent=1, default=str)}", within=within)
        assert row is not None
        return row

    def settled(self, pair_id: str, *, within: float = PATIENCE) -> Row:
        """The pair's row when it neither waits nor is pending."""
        return self.row_that(pair_id, lambda row: row.get("verdict") not in (None, *UNSETTLED), within=within)

    def row_with(self, pair_id: str, verdict: str, *, within: float = PATIENCE) -> Row:
        return self.row_that(pair_id, lambda row: row.get("verdict") == verdict, within=within)

    def ledger(self, pair_id: str) -> list[Row]:
        """The pair's rows of CallsTable, in the order of their sort key."""
        answer = self._dynamodb.query(
            TableName=self.sandbox.outputs["CallsTable"],
            KeyConditionExpression="pair_id = :pair_id",
            ExpressionAttributeValues={":pair_id": {"S": pair_id}},
            ConsistentRead=True,
        )
        return [plain(item) for item in answer["Items"]]

    def asked(self, content: bytes) -> list[ApiRequest]:
        """What the emulator was asked about a first picture that was sent as it is."""
        return self.control.calls("check", first_sha256=sha256(content))

    def idle(self, *, within: float = PATIENCE) -> None:
        """Wait until every message is processed, including those in flight and deferred."""
        self.wait(
            lambda: self.messages("UploadsQueue") == 0,
            lambda: f"{self.messages('UploadsQueue')} messages are left in the queue",
            within=within,
        )

    def messages(self, queue: str) -> int:
        """How many there are in the queue of that output, visible or not."""
        url = self.sandbox.outputs[queue]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible", "Delayed"))

    def resume(self) -> None:
        """Let the queue of uploads be received from again."""
        assert self.sandbox.host is not None
        self.sandbox.host.resume()

    def send(self, body: str) -> str:
        """Put a message into the queue of uploads; its id."""
        sent = self._sqs.send_message(QueueUrl=self.sandbox.outputs["UploadsQueue"], MessageBody=body)
        return str(sent["MessageId"])

    def lose_messages(self) -> list[str]:
        """Take all message bodies from the queue of uploads, so that no worker receives them."""
        return self.take("UploadsQueue")

    def dead_letters(self) -> list[str]:
        """Take the bodies that lie in the dead-letter queue."""
        return self.take("DeadLetterQueue")

    def take(self, queue: str) -> list[str]:
        """Take the bodies that lie in the queue of that output."""
        url, bodies = self.sandbox.outputs[queue], []
        while messages := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            for message in messages:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def invoke(self, function: str, event: object) -> Any:
        """Lambda's answer to a synchronous invocation, which must not fail."""
        name = self.sandbox.outputs[function]
        answer = self.sandbox.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def post(self, output: str, question: Mapping[str, object]) -> Any:
        """Call a function by its URL, which is that output, as the sandbox's own user."""
        variables = self.sandbox.variables
        session = boto3.Session(
            variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], region_name=variables["AWS_REGION"]
        )
        return FunctionUrl(session, self.sandbox.outputs[output], "OperatorPolicy").post(question)

    def log(self, function: str = "CompareFunction") -> list[Row]:
        """The function's log: Powertools' JSON lines, log records and metrics alike. New ones come last."""
        read, lines = self._logs.setdefault(function, []), self.lines(function)
        read += (
            json.loads(line) if line.startswith("{") and line.endswith("}") else None for line in lines[len(read) :]
        )
        return [record for record in read if record is not None]

    def lines(self, function: str = "CompareFunction") -> list[str]:
        """Everything that the function wrote."""
        return self.sandbox.log(function)

    def log_of(self, key: str) -> list[str]:
        """What the log says while an upload of that key is dealt with."""
        return [line["message"] for line in self.log() if line.get("key") == key]

    def metrics(self, function: str = "CompareFunction") -> Counter[str]:
        """Sums of the function's metrics so far."""
        sums: Counter[str] = Counter()
        for line in self.log(function):
            for group in line.get("_aws", {}).get("CloudWatchMetrics", []):
                for metric in group["Metrics"]:
                    sums[metric["Name"]] += sum(line[metric["Name"]])
        return sums

    def wait(self, until: Callable[[], object], what: Callable[[], str], *, within: float = PATIENCE) -> None:
        deadline, pause = time.monotonic() + within, 0.05
        while not until():
            if time.monotonic() > deadline:
                pytest.fail("\n".join([f"After {within} s {what()}. The log ends:", *self.lines()[-15:]]))
            time.sleep(pause)
            pause = min(pause * 1.2, 0.5)  # what takes long is looked for more rarely: each look is a request


def plain(item: dict[str, Any]) -> Row:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
