"""Fakes behave like the adapters: the same actions on both have the same results."""

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.advance.token import Token, TokenKeeper
from facepair.aws.cursor import CursorParameter
from facepair.aws.idempotency import PowertoolsIdempotency
from facepair.aws.ledger import CallsTable
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.domain import clock
from facepair.domain.ledger import State
from facepair.domain.message import Message
from facepair.domain.outcome import Outcome
from facepair.domain.pair import Pair
from facepair.domain.retention import Retention
from facepair.domain.retry import Closed, Later, Unavailable
from facepair.domain.verdict import Verdict
from facepair.use_cases.ports import Cursor, Idempotency, Ledger, Tokens, Uploads, UploadsQueue
from facepair_cli.submit.submitter import Drop
from tests.fakes import NAMES, NOON, SUCCESS, FakeBucket, FakeCursor, FakeIdempotency, FakeLedger, FakeQueue, FakeTokens
from tests.integration.test_idempotency import Context
from tests.integration.test_verdicts_table import state
from tests.support.resources import Resources
from tests.world import World

REFUSED = Outcome(code="SERVICE_BUSY", message="later", pricing_strategy="FREE")
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")


@pytest.fixture
def fakes() -> World:
    """A world at the current time; its clock stands still."""
    return World()


def seen(act: Callable[[], Any]) -> Any:
    """Return an action's result, or the name of its error."""
    try:
        return act()
    except (Later, Closed, Unavailable, ValueError) as error:
        return type(error).__name__


# --- bucket -----------------------------------------------------------------------------------------------------------


class People(Drop, Protocol):
    def put(self, key: str, content: bytes) -> str: ...
    def delete(self, key: str) -> None: ...


class RealBucket(ImagesBucket):
    """The adapter, with what users do to the bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        super().__init__(s3, bucket, NAMES)
        self.put = lambda key, content: s3.put_object(Bucket=bucket, Key=key, Body=content)["VersionId"]
        self.delete = lambda key: s3.delete_object(Bucket=bucket, Key=key)


def bucket_story(uploads: Uploads, people: People, folder: str, file: Path) -> Iterator[Any]:
    def found() -> Pair:
        return uploads.find(f"{folder}/anna")

    def listed() -> list[str]:
        return [each.key for each in uploads.all(after=folder) if each.key.startswith(folder)]

    yield found().missing
    versions = {
        name: people.put(f"{folder}/{name}", name.encode())
        for name in (
            "anna/first.jpg",
            "anna/SECOND",
            "anna/b/first.jpg",
            "anna/notes",
            "annab/second.jpg",
            "é/x",
            "Z/x",
        )
    }
    pair = found()
    yield {role: (upload.key, upload.etag, upload.size) for role, upload in pair.uploads.items()}
    yield pair.uploaded_at.microsecond, pair.uploaded_at <= pair.listed_at
    yield listed(), [each.key for each in uploads.all(after=f"{folder}/anna/notes") if each.key.startswith(folder)]

    first = pair.uploads["first"]
    yield uploads.read(first) == (b"anna/first.jpg", versions["anna/first.jpg"])
    yield uploads.version(first) == versions["anna/first.jpg"]
    again = people.put(first.key, b"anna/first.jpg")
    yield uploads.read(first) == (b"anna/first.jpg", again), uploads.version(first) == again
    people.put(first.key, b"another")
    yield seen(lambda: uploads.read(first)), seen(lambda: uploads.version(first))
    people.delete(first.key)
    yield seen(lambda: uploads.read(first)), seen(lambda: uploads.version(first))
    yield found().missing, listed()

    file.write_bytes(b"from a desk")
    second, desk = f"{folder}/anna/SECOND", hashlib.sha256(b"from a desk").hexdigest()
    etag = people.upload(second, file, desk)
    sent, other = found().uploads["second"], uploads.find(f"{folder}/annab").uploads["second"]
    yield (sent.key, sent.etag, sent.size) == (second, etag, 11)
    yield people.holds(sent, desk), people.holds(sent, "00"), people.holds(other, hashlib.sha256(b"x").hexdigest())
    people.put(second, b"from a desk")
    yield people.holds(sent, desk)
    people.put(second, b"another")
    yield people.holds(sent, desk)
    people.delete(second)
    yield people.holds(sent, desk)


def test_the_bucket(fakes: World, deployed: Resources, pair_id: str, tmp_path: Path) -> None:
    fake: FakeBucket = fakes.bucket
    real = RealBucket(deployed.client("s3"), deployed.outputs["ImagesBucket"])

    observed = list(bucket_story(real, real, pair_id, tmp_path / "file"))

    assert list(bucket_story(fake, fake, pair_id, tmp_path / "file")) == observed
    assert ("Later", "Later") in observed


# --- verdicts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_the_verdicts_move_forward_alike(seed: int, fakes: World, deployed: Resources, pair_id: str) -> None:
    chance = random.Random(seed)
    real = VerdictsTable(
        deployed.tables,
        deployed.outputs["VerdictsTable"],
        retention=Retention(own=timedelta(days=365), images=timedelta(days=30)),
    )
    moved = []

    for number in range(20):
        name = f"{pair_id}/{number}"
        for _ in range(4):
            contents = chance.choice(["A", "B", None])
            row = state(
                chance.choice([each for each in Verdict if each is not Verdict.WAITING])
                if contents
                else Verdict.WAITING,
                contents=contents,
                uploaded=chance.choice([0, 10]),
                listed=chance.choice([11, 12, 12.0005]),
                pair_id=name,
            )
            if chance.random() < 0.4:  # the pictures are not read yet
                row = row.model_copy(update={"fingerprint": None})
            moved.append(real.write(row, None))

            assert fakes.verdicts.write(row, None) == moved[-1], f"{seed=} {row}"
            rows = [table.row(name) for table in (real, fakes.verdicts)]
            one, other = (each and each.model_copy(update={"updated_at": None, "expires_at": None}) for each in rows)
            assert one == other

    assert {True, False} == set(moved)
    names = [f"{pair_id}/{number}" for number in range(30)]
    assert real.rows(names).keys() == fakes.verdicts.rows(names).keys()


# --- ledger -----------------------------------------------------------------------------------------------------------


def ledger_story(ledger: Ledger, pair_id: str) -> Iterator[Any]:
    def open_call(number: int, fingerprint: str = "f1") -> Any:
        return ledger.open(pair_id, fingerprint, number, clock.now() + timedelta(seconds=60), NOON)

    yield list(ledger.of_pair(pair_id))
    for number in (1, 2, 10, 11, 2):
        yield seen(lambda number=number: open_call(number).state)  # type: ignore[misc]
    yield [(call.call, call.fingerprint, call.outcome) for call in ledger.of_pair(pair_id)]
    yield ledger.get(pair_id, "000003")
    call = ledger.get(pair_id, "000010")
    assert call
    ledger.keep(call)
    ledger.keep(replace(call, call="000003"))
    yield [each.call for each in ledger.of_pair(pair_id)]
    yield call.sent_at.microsecond % 1000, call.alive_until.microsecond % 1000
    yield ledger.of_pair(f"{pair_id}/other")

    outcomes = {State.ANSWERED: SUCCESS, State.REFUSED: REFUSED, State.UNKNOWN: UNKNOWN}
    for number, (earlier, later, owner) in enumerate(product(outcomes, outcomes, (None, "another")), start=100):
        call = open_call(number)
        yield seen(lambda: ledger.complete(call, earlier, outcomes[earlier]))  # noqa: B023
        late = replace(call, owner=owner or call.owner)
        yield seen(lambda: ledger.complete(late, later, outcomes[later].model_copy(update={"unsaved": True}), 7))  # noqa: B023
        current = ledger.get(pair_id, call.call)
        assert current
        yield current.state, current.outcome


def test_the_ledger(fakes: World, deployed: Resources, pair_id: str) -> None:
    fake: FakeLedger = fakes.ledger
    real = CallsTable(deployed.table("CallsTable"))

    observed = list(ledger_story(real, pair_id))

    assert list(ledger_story(fake, pair_id)) == observed
    assert "Later" in observed


# --- idempotency ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Not caught by anything."""


def idempotency_story(idempotency: Idempotency, fingerprint: str) -> Iterator[Any]:
    asked: list[str] = []

    def asking(outcome: Outcome | BaseException) -> Callable[[], Outcome]:
        def ask() -> Outcome:
            asked.append(fingerprint)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        return ask

    for error in (Later("busy"), Closed("X", "", seconds=1), ValueError("a bug")):
        yield seen(lambda error=error: idempotency.once(fingerprint, asking(error)))  # type: ignore[misc]
    unsaved = SUCCESS.model_copy(update={"call": "000001", "unsaved": True})
    yield idempotency.once(fingerprint, asking(unsaved))
    yield idempotency.once(fingerprint, asking(UNKNOWN))
    yield idempotency.once(f"{fingerprint}2", asking(UNKNOWN))
    try:
        idempotency.once(f"{fingerprint}3", asking(Killed()))
    except Killed:
        yield seen(lambda: idempotency.once(f"{fingerprint}3", asking(SUCCESS)))
    yield len(asked)


def test_the_idempotency(fakes: World, deployed: Resources, pair_id: str) -> None:
    fake: FakeIdempotency = fakes.idempotency
    real = PowertoolsIdempotency(
        deployed.client("dynamodb"), deployed.outputs["IdempotencyTable"], expires_after_seconds=3600
    )
    real.register_lambda_context(cast(LambdaContext, Context(60)))

    observed = list(idempotency_story(real, pair_id))

    assert list(idempotency_story(fake, pair_id)) == observed
    assert observed[-2:] == ["Later", 6]


# --- queue ------------------------------------------------------------------------------------------------------------


class Receives(Protocol):
    def receive(self) -> Message | None: ...
    def delete(self, receipt_handle: str) -> None: ...
    @property
    def dead_letters(self) -> list[str]: ...


class RealQueue(SqsUploadsQueue):
    """The adapter, with what Lambda does to the queue."""

    def __init__(self, sqs: Any) -> None:
        self._client = sqs
        self._urls = [sqs.create_queue(QueueName=uuid4().hex)["QueueUrl"] for _ in range(2)]
        super().__init__(sqs, self._urls[0], dead_letter_url=self._urls[1])

    def receive(self) -> Message | None:
        got = self._client.receive_message(
            QueueUrl=self._urls[0], MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
        for message in got.get("Messages", []):
            count = int(message["Attributes"]["ApproximateReceiveCount"])
            return Message(message["Body"], message["ReceiptHandle"], count, clock.now())
        return None

    def delete(self, receipt_handle: str) -> None:
        self._client.delete_message(QueueUrl=self._urls[0], ReceiptHandle=receipt_handle)

    @property
    def dead_letters(self) -> list[str]:
        got = self._client.receive_message(QueueUrl=self._urls[1], MaxNumberOfMessages=10)
        return [message["Body"] for message in got.get("Messages", [])]


def queue_story(queue: UploadsQueue, poller: Receives) -> Iterator[Any]:
    def take() -> Message:
        message = poller.receive()
        assert message is not None
        return message

    queue.send([])
    yield poller.receive()
    queue.send([f"message {number}" for number in range(23)])
    bodies = set()
    for _ in range(23):
        message = take()
        bodies.add(message.body)
        poller.delete(message.receipt_handle)
    yield sorted(bodies), poller.receive()

    queue.send(["comes back"])
    handle = take().receipt_handle
    yield poller.receive()
    queue.defer(handle, 0)
    again = take()
    yield again.body, again.receive_count
    queue.defer(again.receipt_handle, 600)
    yield poller.receive()

    yield seen(lambda: queue.defer("no such receipt", 5))
    queue.dead_letter("not JSON")
    queue.dead_letter("")
    yield sorted(poller.dead_letters)


def test_the_queue(fakes: World, deployed: Resources) -> None:
    fake: FakeQueue = fakes.queue
    real = RealQueue(deployed.client("sqs"))

    observed = list(queue_story(real, real))

    assert list(queue_story(fake, fake)) == observed
    assert "Unavailable" in observed


# --- cursor and tokens ------------------------------------------------------------------------------------------------


def cursor_story(cursor: Cursor) -> Iterator[str]:
    yield cursor.load()
    for key in ("a b/é+%/first.jpg", "{{x}}", ""):
        cursor.save(key)
        yield cursor.load()


def test_the_cursor(fakes: World, deployed: Resources) -> None:
    fake: FakeCursor = fakes.cursor
    real = CursorParameter(deployed.client("ssm"), f"/{uuid4().hex}/cursor")

    assert list(cursor_story(fake)) == list(cursor_story(real)) == ["", "a b/é+%/first.jpg", "{{x}}", ""]


class NoStore:
    def load(self) -> Token | None:
        return None

    def save(self, token: Token) -> None:
        pass


def tokens_story(tokens: Tokens) -> Iterator[Any]:
    yield next(tokens.tokens())
    yield list(tokens.tokens())
    yield next(tokens.tokens())


def test_the_tokens(fakes: World) -> None:
    fake: FakeTokens = fakes.tokens
    numbers = iter(range(1, 9))
    real = TokenKeeper(
        NoStore(), lambda: Token(token=f"token {next(numbers)}", expires_ms=int((time.time() + 3600) * 1000))
    )

    assert list(tokens_story(fake)) == list(tokens_story(real)) == ["token 1", ["token 1", "token 2"], "token 2"]
