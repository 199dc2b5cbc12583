"""The deployed stack with faults: a proxy to AWS, workers to kill, and short leases."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from facepair.domain.notification import created_objects
from facepair.domain.pair import fingerprint, split
from facepair.domain.verdict import TOO_LITTLE_TIME
from sandbox.advance_api.models import ApiRequest
from sandbox.cloud import Sandbox
from sandbox.lambda_host import Environment, InvocationResult
from tests.support import LAMBDA_PYTHON, ROOT
from tests.support.deployed import ANNA, Deployed, Row, notification, picture, plain, sha256
from tests.support.faulty_aws import FaultyAws
from tests.support.leaks import leaks
from tests.support.waiting import eventually

TIMEOUT = 12
"""Seconds after which a worker is surely dead, and its ledger row and idempotency record are released."""
VISIBILITY_TIMEOUT = 13
"""Seconds after which a killed worker's message comes back."""
DEADLINE = 3
"""ApiDeadlineSeconds."""
PARAMETERS: dict[str, object] = {
    "ApiDeadlineSeconds": DEADLINE,
    "BlockedRetrySeconds": 2,
    "FindMissedAfterMinutes": 0,
    "MaxConcurrency": 8,
    # High, so that one test's refusals or unanswered calls do not affect the others.
    "MaxCallsPerSecond": 50,
    "StopAfterUnknown": 1000,
    # Even at the most verbose level, no secret is logged.
    "LogLevel": "DEBUG",
}

# Seconds instead of minutes, by the same code.
HURRIED = {"CompareFunction": {"Timeout": TIMEOUT}, "UploadsQueue": {"VisibilityTimeout": VISIBILITY_TIMEOUT}}
LONGEST_BACKOFF = 5
VARIABLES = {
    "BACKOFF_FIRST_SECONDS": "1",
    "BACKOFF_SOON_SECONDS": "2",
    "VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_TIMEOUT),
}


@dataclass(frozen=True)
class Pair:
    """Two unique pictures, so that the emulator's calls about them can be recognised."""

    pair_id: str
    first: bytes
    second: bytes

    @property
    def first_sha256(self) -> str:
        return sha256(self.first)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.pair_id, sha256(self.first), sha256(self.second))

    @property
    def idempotency_key(self) -> str:
        """Powertools' key for these contents."""
        return sha256(json.dumps(self.fingerprint).encode())


class Worker(Environment):
    """An execution environment outside the fleet, for one message of a test."""

    def start(self, event: Mapping[str, Any]) -> "Future[InvocationResult]":
        """Invoke it without waiting."""
        answer: Future[InvocationResult] = Future()

        def run() -> None:
            answer.set_result(self.invoke(json.dumps(event).encode()))

        threading.Thread(target=run, daemon=True).start()
        return answer


class Undead(Worker):
    """A worker that continues after its timeout, taken for dead, until it is closed."""

    def kill(self) -> None:
        pass

    def close(self) -> None:
        super().kill()
        super().close()


class FaultyCloud(Deployed):
    """A running stack whose functions reach AWS through a proxy; `aws.fault(...)` sets what fails."""

    def __init__(self, sandbox: Sandbox, aws: FaultyAws, folder: Path) -> None:
        super().__init__(sandbox)
        self.aws = aws
        self._folder = folder

    def pair(self, pair_id: str, first: str = ANNA, second: str = ANNA) -> Pair:
        return Pair(pair_id, picture(first, f"{pair_id}, first"), picture(second, f"{pair_id}, second"))

    def put(self, pair: Pair, *steps: Mapping[str, Any]) -> Pair:
        """Upload both pictures. Each step scripts one call about this pair."""
        for step in steps:
            self.control.script(first_sha256=pair.first_sha256, **step)
        self.upload(f"{pair.pair_id}/first.jpg", pair.first)
        self.upload(f"{pair.pair_id}/second.jpg", pair.second)
        return pair

    def repeat(self, pair: Pair, times: int = 1) -> None:
        """Deliver an upload's event again."""
        for _ in range(times):
            self.send(notification(f"{pair.pair_id}/first.jpg"))

    def checks(self, pair: Pair) -> list[ApiRequest]:
        return self.asked(pair.first)

    def charges(self, pair: Pair) -> list[str]:
        """Return the transaction ids that the emulator charged for the pair."""
        return [call.transaction_id for call in self.checks(pair) if call.charged]

    def rows(self, *attributes: str) -> list[Row]:
        """Return these attributes of all verdict rows, without tombstones."""
        table, scan = self.sandbox.outputs["VerdictsTable"], self.sandbox.aws("dynamodb").get_paginator("scan")
        pages = scan.paginate(
            TableName=table,
            ProjectionExpression=", ".join(attributes),
            FilterExpression="attribute_exists(verdict)",
            ConsistentRead=True,
        )
        return [plain(item) for page in pages for item in page["Items"]]

    def calls(self, pair_id: str) -> list[Row]:
        """Return the ledger rows of the pair's calls, in order.

        On a slow machine, too little of a short timeout may be left once a row is written; that call is not made.
        """
        return [row for row in self.ledger(pair_id) if row.get("code") != TOO_LITTLE_TIME]

    def refused(self, pair: Pair) -> Row:
        """Wait for the PENDING row of a pair whose call was made (`calls`) or need not be made."""
        return self.row_that(
            pair.pair_id, lambda row: row.get("verdict") == "PENDING" and row["code"] != TOO_LITTLE_TIME
        )

    def states(self, pair: Pair) -> list[str]:
        """Return the states of the pair's calls, in order."""
        return [row["state"] for row in self.calls(pair.pair_id)]

    def log_of_pair(self, pair: Pair, beginning: str) -> list[str]:
        """Return the log messages about the pair that start with `beginning`."""
        lines = [line for line in self.log() if line.get("pair_id") == pair.pair_id]
        return [line["message"] for line in lines if str(line.get("message")).startswith(beginning)]

    def when_asked(self, pair: Pair, times: int = 1) -> None:
        """Wait until the emulator has read that many requests about the pair."""
        self.wait(lambda: len(self.checks(pair)) >= times, lambda: f"{pair.pair_id} was not asked {times} times")

    def paid_once(self, pair: Pair) -> Row:
        """Return the pair's final row. Fails unless row, ledger and emulator agree on exactly one charge."""
        row = self.settled(pair.pair_id)
        [charge] = self.charges(pair)
        assert row["transaction_id"] == charge, row
        answered = [call for call in self.ledger(pair.pair_id) if call["state"] == "ANSWERED"]
        assert [call["transaction_id"] for call in answered] == [charge]
        return row

    def forget(self, table: str, **key: str) -> None:
        """Delete an item of the table in that output."""
        item = {name: {"S": value} for name, value in key.items()}
        self.sandbox.aws("dynamodb").delete_item(TableName=self.sandbox.outputs[table], Key=item)

    def purge(self) -> None:
        self.sandbox.aws("sqs").purge_queue(QueueUrl=self.sandbox.outputs["UploadsQueue"])

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Keep messages in the queue."""
        host = self.host
        host.pause()
        try:
            yield self
        finally:
            host.resume()

    @property
    def host(self) -> Any:
        assert self.sandbox.host is not None
        return self.sandbox.host

    def received(self, pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
        """Receive the messages of a pair's two uploads like Lambda, each as an event.

        They belong to the test until they come back. Leftovers of earlier tests come back by themselves.
        """
        url = self.sandbox.outputs["UploadsQueue"]
        events: list[dict[str, Any]] = []

        def both() -> bool:
            answer = self.sandbox.aws("sqs").receive_message(
                QueueUrl=url, MaxNumberOfMessages=1, MessageSystemAttributeNames=["All"], WaitTimeSeconds=1
            )
            for message in answer.get("Messages", []):
                record = {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                }
                if any(split(created.key)[0] == pair.pair_id for created in created_objects(message["Body"])):
                    events.append({"Records": [record]})
            return len(events) == 2

        eventually(both)
        first, second = events
        return first, second

    def delete(self, *events: dict[str, Any]) -> None:
        """Delete received messages."""
        url = self.sandbox.outputs["UploadsQueue"]
        for event in events:
            for record in event["Records"]:
                self.sandbox.aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])

    @contextmanager
    def worker[W: Worker](
        self, kind: type[W], variables: Mapping[str, str] = MappingProxyType({}), *, timeout: int = TIMEOUT
    ) -> Iterator[W]:
        """Yield a worker of CompareFunction with other environment variables."""
        function = self.sandbox.stack.functions["CompareFunction"]
        worker = kind(
            replace(function, timeout=timeout, environment=dict(function.environment) | dict(variables)),
            LAMBDA_PYTHON,
            dict(self.sandbox.variables),
            (self._folder / f"worker-{time.monotonic_ns()}.log").open("ab"),
        )
        try:
            worker.invoke(b'{"Records": []}')  # the first event creates the clients
            yield worker
        finally:
            worker.close()


@contextmanager
def faulty_cloud(
    folder: Path, *, warm: int = 4, longest_backoff: int = LONGEST_BACKOFF, **parameters: object
) -> Iterator[FaultyCloud]:
    """Yield the sandbox with short times and a proxy to AWS; at the end, check for leaks.

    `longest_backoff` is in seconds.
    """
    variables = VARIABLES | {"BACKOFF_LONGEST_SECONDS": str(longest_backoff)}
    with (
        FaultyAws() as aws,
        Sandbox(
            ROOT,
            PARAMETERS | parameters,
            overrides=HURRIED,
            environment=variables | {"AWS_ENDPOINT_URL": aws.url},
            warm=warm,
            logs=folder / "logs",
        ) as sandbox,
    ):
        aws.upstream = sandbox.variables["AWS_ENDPOINT_URL"]
        cloud = FaultyCloud(sandbox, aws, folder)
        yield cloud
        assert not (found := leaks(cloud)), "\n".join(found)
