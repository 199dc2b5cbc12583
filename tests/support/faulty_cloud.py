"""The deployed stack in bad weather: a proxy before AWS, workers to be killed, and leases short enough to wait for."""

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
from sandbox.advance_api.models import ApiRequest
from sandbox.cloud import Sandbox
from sandbox.lambda_host import Environment, InvocationResult
from tests.support import LAMBDA_PYTHON, ROOT
from tests.support.deployed import ANNA, Deployed, Row, notification, picture, plain, sha256
from tests.support.faulty_aws import FaultyAws
from tests.support.leaks import leaks
from tests.support.waiting import eventually

TIMEOUT = 12
"""Seconds after which a worker is dead for sure, and its ledger row and idempotency record are given up."""
VISIBILITY_TIMEOUT = 13
"""Seconds after which the message of a killed worker comes back."""
DEADLINE = 3
"""Seconds of ApiDeadlineSeconds."""
PARAMETERS: dict[str, object] = {
    "ApiDeadlineSeconds": DEADLINE,
    "BlockedRetrySeconds": 2,
    "FindMissedAfterMinutes": 0,
    "MaxConcurrency": 8,
    # What one test lets the API refuse, or leave without an answer, neither slows down nor stops the others.
    "MaxCallsPerSecond": 50,
    "StopAfterUnknown": 1000,
    # Whatever fails, nothing secret is written down, at the most talkative level either.
    "LogLevel": "DEBUG",
}

# What takes minutes takes seconds, by the same code.
HURRIED = {"CompareFunction": {"Timeout": TIMEOUT}, "UploadsQueue": {"VisibilityTimeout": VISIBILITY_TIMEOUT}}
LONGEST_BACKOFF = 5
VARIABLES = {
    "BACKOFF_FIRST_SECONDS": "1",
    "BACKOFF_SOON_SECONDS": "2",
    "VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_TIMEOUT),
}


@dataclass(frozen=True)
class Pair:
    """Two pictures that no other pair has: the emulator's calls about them can be recognised."""

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
        """Powertools' for these contents."""
        return sha256(json.dumps(self.fingerprint).encode())


class Worker(Environment):
    """An execution environment beside the fleet, for one message that a test gives it."""

    def start(self, event: Mapping[str, Any]) -> "Future[InvocationResult]":
        """Invoke it; the test goes on meanwhile."""
        answer: Future[InvocationResult] = Future()

        def run() -> None:
            answer.set_result(self.invoke(json.dumps(event).encode()))

        threading.Thread(target=run, daemon=True).start()
        return answer


class Undead(Worker):
    """A worker that goes on when its time is over and everybody takes it for dead, until it is closed."""

    def kill(self) -> None:
        pass

    def close(self) -> None:
        super().kill()
        super().close()


class FaultyCloud(Deployed):
    """One running stack whose functions reach AWS by way of a proxy: `aws.fault(...)` says what goes wrong there."""

    def __init__(self, sandbox: Sandbox, aws: FaultyAws, folder: Path) -> None:
        super().__init__(sandbox)
        self.aws = aws
        self._folder = folder

    def pair(self, pair_id: str, first: str = ANNA, second: str = ANNA) -> Pair:
        """A pair that can be uploaded."""
        return Pair(pair_id, picture(first, f"{pair_id}, first"), picture(second, f"{pair_id}, second"))

    def put(self, pair: Pair, *steps: Mapping[str, Any]) -> Pair:
        """Upload both pictures. Each step of the emulator's script is for one call about this pair."""
        for step in steps:
            self.control.script(first_sha256=pair.first_sha256, **step)
        self.upload(f"{pair.pair_id}/first.jpg", pair.first)
        self.upload(f"{pair.pair_id}/second.jpg", pair.second)
        return pair

    def repeat(self, pair: Pair, times: int = 1) -> None:
        """Deliver the event of an upload again."""
        for _ in range(times):
            self.send(notification(f"{pair.pair_id}/first.jpg"))

    def checks(self, pair: Pair) -> list[ApiRequest]:
        """What the emulator was asked about the pair."""
        return self.asked(pair.first)

    def charges(self, pair: Pair) -> list[str]:
        """Transaction ids of what the emulator charged for the pair."""
        return [call.transaction_id for call in self.checks(pair) if call.charged]

    def rows(self, *attributes: str) -> list[Row]:
        """Return these attributes of all verdict rows, without the tombstones of erased pairs."""
        table, scan = self.sandbox.outputs["VerdictsTable"], self.sandbox.aws("dynamodb").get_paginator("scan")
        pages = scan.paginate(
            TableName=table,
            ProjectionExpression=", ".join(attributes),
            FilterExpression="attribute_exists(verdict)",
            ConsistentRead=True,
        )
        return [plain(item) for page in pages for item in page["Items"]]

    def states(self, pair: Pair) -> list[str]:
        """The states of the pair's calls in the ledger, in their order."""
        return [row["state"] for row in self.ledger(pair.pair_id)]

    def log_of_pair(self, pair: Pair, beginning: str) -> list[str]:
        """What the function's log says of the pair, in lines that begin so."""
        lines = [line for line in self.log() if line.get("pair_id") == pair.pair_id]
        return [line["message"] for line in lines if str(line.get("message")).startswith(beginning)]

    def when_asked(self, pair: Pair, times: int = 1) -> None:
        """Wait until the emulator has read that many requests about the pair."""
        self.wait(lambda: len(self.checks(pair)) >= times, lambda: f"{pair.pair_id} was not asked {times} times")

    def paid_once(self, pair: Pair) -> Row:
        """The pair's final row; fails unless it has been charged once and row, ledger and emulator say so alike."""
        row = self.settled(pair.pair_id)
        [charge] = self.charges(pair)
        assert row["transaction_id"] == charge, row
        answered = [call for call in self.ledger(pair.pair_id) if call["state"] == "ANSWERED"]
        assert [call["transaction_id"] for call in answered] == [charge]
        return row

    def forget(self, table: str, **key: str) -> None:
        """Delete an item of the table of that output."""
        item = {name: {"S": value} for name, value in key.items()}
        self.sandbox.aws("dynamodb").delete_item(TableName=self.sandbox.outputs[table], Key=item)

    def purge(self) -> None:
        """Throw away the messages that wait for too long."""
        self.sandbox.aws("sqs").purge_queue(QueueUrl=self.sandbox.outputs["UploadsQueue"])

    @contextmanager
    def held(self) -> Iterator[Self]:
        """Messages stay in the queue meanwhile."""
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
        """The messages of a pair's two uploads, received as Lambda does, each as an event: they are the test's until
        they come back. Others', which a test before has left, are received too, and come back by themselves."""
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
        """Take received messages out of the queue: they will not come back."""
        url = self.sandbox.outputs["UploadsQueue"]
        for event in events:
            for record in event["Records"]:
                self.sandbox.aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])

    @contextmanager
    def worker[W: Worker](
        self, kind: type[W], variables: Mapping[str, str] = MappingProxyType({}), *, timeout: int = TIMEOUT
    ) -> Iterator[W]:
        """A worker of CompareFunction in which some environment variables differ."""
        function = self.sandbox.stack.functions["CompareFunction"]
        worker = kind(
            replace(function, timeout=timeout, environment=dict(function.environment) | dict(variables)),
            LAMBDA_PYTHON,
            dict(self.sandbox.variables),
            (self._folder / f"worker-{time.monotonic_ns()}.log").open("ab"),
        )
        try:
            worker.invoke(b'{"Records": []}')  # the first event makes the clients, which takes its time
            yield worker
        finally:
            worker.close()


@contextmanager
def faulty_cloud(
    folder: Path, *, warm: int = 4, longest_backoff: int = LONGEST_BACKOFF, **parameters: object
) -> Iterator[FaultyCloud]:
    """The sandbox in a hurry, and a proxy between its functions and AWS; at the end, a look for what leaked.

    `longest_backoff` in seconds.
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
