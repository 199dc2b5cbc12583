"""The deployed stack as users see it: pictures go into the bucket, rows come out of the tables."""

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

PATIENCE = 60.0  # seconds, on a busy machine
UNSETTLED = ("WAITING", "PENDING")
SIZE = (450, 600)  # small pictures are faster and as good
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
    """Return a JPEG of a person; a comment makes the bytes of each `copy` unique."""
    comment, content = copy.encode(), _portrait(name)
    return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2) + comment + content[2:]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def notification(key: str) -> str:
    """Return S3's message about a created object, with the fields that are read."""
    record = {"eventName": "ObjectCreated:Put", "s3": {"object": {"key": quote_plus(key, safe="/")}}}
    return json.dumps({"Records": [record]})


def record(body: str) -> dict[str, str]:
    """Return a message as the event source mapping passes it on, with the fields that are read."""
    return {"messageId": sha256(body.encode()), "receiptHandle": "", "body": body, "eventSource": "aws:sqs"}


class Deployed:
    """A running stack: uploads, rows and logs, with deadlines for waiting."""

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
        """Upload two pictures, or given bytes, or `only` one of them.

        `answer` scripts the emulator for this pair.
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
        """Upload the second picture after the first is processed, so that one message compares."""
        self.upload_pair(pair_id, first, second, only="first")
        self.row_with(pair_id, "WAITING")
        self.upload_pair(pair_id, first, second, answer, only="second")

    def row(self, pair_id: str) -> Row | None:
        """Return the pair's row of VerdictsTable, with numbers as Decimals."""
        answer = self._dynamodb.get_item(
            TableName=self.sandbox.outputs["VerdictsTable"], Key={"pair_id": {"S": pair_id}}, ConsistentRead=True
        )
        return plain(answer["Item"]) if "Item" in answer else None

    def row_that(self, pair_id: str, is_it: Callable[[Row], bool], *, within: float = PATIENCE) -> Row:
        """Wait for the pair's row to meet the condition. Fails with the row and the end of the log."""
        row: Row | None = None

        def look() -> bool:
            nonlocal row
            row = self.row(pair_id)
            return row is not None and is_it(row)

        self.wait(look, lambda: f"{pair_id!r} has the row {json.dumps(row, indent=1, default=str)}", within=within)
        assert row is not None
        return row

    def settled(self, pair_id: str, *, within: float = PATIENCE) -> Row:
        """Wait until the pair's row is neither WAITING nor PENDING."""
        return self.row_that(pair_id, lambda row: row.get("verdict") not in (None, *UNSETTLED), within=within)

    def row_with(self, pair_id: str, verdict: str, *, within: float = PATIENCE) -> Row:
        return self.row_that(pair_id, lambda row: row.get("verdict") == verdict, within=within)

    def ledger(self, pair_id: str) -> list[Row]:
        """Return the pair's ledger rows in order."""
        answer = self._dynamodb.query(
            TableName=self.sandbox.outputs["CallsTable"],
            KeyConditionExpression="pair_id = :pair_id",
            ExpressionAttributeValues={":pair_id": {"S": pair_id}},
            ConsistentRead=True,
        )
        return [plain(item) for item in answer["Items"]]

    def asked(self, content: bytes) -> list[ApiRequest]:
        """Return the calls about a first picture that was sent unchanged."""
        return self.control.calls("check", first_sha256=sha256(content))

    def idle(self, *, within: float = PATIENCE) -> None:
        """Wait until every message is processed, including those in flight and deferred."""
        self.wait(
            lambda: self.messages("UploadsQueue") == 0,
            lambda: f"{self.messages('UploadsQueue')} messages are left in the queue",
            within=within,
        )

    def messages(self, queue: str) -> int:
        """Count the messages in the queue of that output, visible or not."""
        url = self.sandbox.outputs[queue]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible", "Delayed"))

    def resume(self) -> None:
        assert self.sandbox.host is not None
        self.sandbox.host.resume()

    def send(self, body: str) -> str:
        """Put a message into UploadsQueue; return its id."""
        sent = self._sqs.send_message(QueueUrl=self.sandbox.outputs["UploadsQueue"], MessageBody=body)
        return str(sent["MessageId"])

    def lose_messages(self) -> list[str]:
        """Take all message bodies from UploadsQueue, so that no worker receives them."""
        return self.take("UploadsQueue")

    def dead_letters(self) -> list[str]:
        """Take the bodies from the dead-letter queue."""
        return self.take("DeadLetterQueue")

    def take(self, queue: str) -> list[str]:
        """Take the bodies from the queue of that output."""
        url, bodies = self.sandbox.outputs[queue], []
        while messages := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            for message in messages:
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def invoke(self, function: str, event: object) -> Any:
        """Invoke a function synchronously; it must not fail."""
        name = self.sandbox.outputs[function]
        answer = self.sandbox.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def post(self, output: str, question: Mapping[str, object]) -> Any:
        """Call the function whose URL is in that output, as the sandbox's user."""
        variables = self.sandbox.variables
        session = boto3.Session(
            variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], region_name=variables["AWS_REGION"]
        )
        return FunctionUrl(session, self.sandbox.outputs[output], "OperatorPolicy").post(question)

    def log(self, function: str = "CompareFunction") -> list[Row]:
        """Return the function's log as Powertools' JSON lines, including metrics. New ones come last."""
        read, lines = self._logs.setdefault(function, []), self.lines(function)
        read += (
            json.loads(line) if line.startswith("{") and line.endswith("}") else None for line in lines[len(read) :]
        )
        return [record for record in read if record is not None]

    def lines(self, function: str = "CompareFunction") -> list[str]:
        return self.sandbox.log(function)

    def log_of(self, key: str) -> list[Row]:
        """Return the log's lines about an upload."""
        return [line for line in self.log() if line.get("key") == key]

    def metrics(self, function: str = "CompareFunction") -> Counter[str]:
        """Return the sums of the function's metrics so far."""
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
            pause = min(pause * 1.2, 0.5)  # each look is a request


def plain(item: dict[str, Any]) -> Row:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
