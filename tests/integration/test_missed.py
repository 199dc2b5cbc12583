"""The search for missed pairs, with the bucket, tables and queue of its own stack."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from facepair.aws.cursor import CursorParameter
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.domain import clock
from facepair.domain.notification import created_objects
from facepair.domain.outcome import Policy
from facepair.domain.pair import Names, Pair
from facepair.domain.retention import Retention
from facepair.domain.row import PictureRow, Row
from facepair.domain.verdict import Verdict
from facepair.threads import Threads
from facepair.use_cases.missed import STOPPING_SECONDS, MissedPairs, SearchResult
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from tests.support import ROOT
from tests.support.resources import Resources

NAMES = Names("first", "second")
POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
AT_ONCE = timedelta(0)
KEPT = Retention(own=timedelta(days=365), images=timedelta(days=30))


class House:
    """A bucket with its tables and queue, and the search over it."""

    def __init__(self, deployed: Resources) -> None:
        self._s3: Any = deployed.client("s3")
        self._sqs: Any = deployed.client("sqs")
        self._bucket = deployed.outputs["ImagesBucket"]
        self._queue_url = deployed.outputs["UploadsQueue"]
        self.idempotency_table = deployed.table("IdempotencyTable")
        self.uploads = ImagesBucket(self._s3, self._bucket, NAMES)
        self.verdicts = VerdictsTable(deployed.tables, deployed.outputs["VerdictsTable"], retention=KEPT)
        self._queue = SqsUploadsQueue(self._sqs, self._queue_url)
        self.cursor = CursorParameter(deployed.client("ssm"), f"/{uuid4().hex}/find-missed-cursor")
        self._s3.put_bucket_notification_configuration(Bucket=self._bucket, NotificationConfiguration={})

    def upload(self, *keys: str, content: bytes | None = None) -> None:
        for key in keys:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=content or key.encode())

    def pairs(self, *pair_ids: str) -> None:
        for pair_id in pair_ids:
            self.upload(f"{pair_id}/first.jpg", f"{pair_id}/second.jpg")

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=key)

    def row(self, pair_id: str, verdict: Verdict, retry_in: timedelta | None = None) -> None:
        pair = self.uploads.find(pair_id)
        pictures: dict[str, Any] = {role: PictureRow.of(upload, None) for role, upload in pair.uploads.items()}
        row = Row(
            pair_id=pair_id,
            verdict=verdict,
            policy=POLICY,
            uploaded_at=pair.uploaded_at,
            listed_at=pair.listed_at,
            fingerprint=None if verdict is Verdict.WAITING else "f",
            retry_at=clock.now() + retry_in if retry_in is not None else None,
            **pictures,
        )
        self.verdicts.write(row, None)

    def search(self, after: timedelta = AT_ONCE, time_left: Callable[[], float] = lambda: 900) -> SearchResult:
        missed = MissedPairs(
            parallel=Threads(),
            uploads=self.uploads,
            names=NAMES,
            verdicts=self.verdicts,
            in_flight=InFlightMarkers(self.idempotency_table, comes_back=timedelta(minutes=12)),
            queue=self._queue,
            cursor=self.cursor,
            after=after,
            images_retention=KEPT.images,
        )
        return missed.send(time_left)

    def sent(self) -> list[str]:
        """Take the messages from the queue; return their pair ids."""
        keys: list[str] = []
        while messages := self.receive():
            for message in messages:
                keys += [created.key for created in created_objects(message["Body"])]
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(key.rpartition("/")[0] for key in keys)

    def receive(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10)
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def clear(self) -> None:
        listed = self._s3.list_object_versions(Bucket=self._bucket)
        for each in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
            self._s3.delete_object(Bucket=self._bucket, Key=each["Key"], VersionId=each["VersionId"])
        self.sent()


@pytest.fixture(scope="module")
def own_stack(local_aws: LocalAws) -> Resources:
    stack = deploy(local_aws, ROOT / "template.yaml", f"missed-{uuid4().hex[:8]}", {})
    return Resources(local_aws.url, dict(stack.outputs))


@pytest.fixture
def house(own_stack: Resources) -> House:
    house = House(own_stack)
    house.clear()
    return house


def name(pair_id: str) -> str:
    """Return a unique name, since rows stay."""
    return f"{pair_id}-{uuid4().hex[:8]}"


def test_a_complete_pair_whose_event_was_lost_is_enqueued(house: House) -> None:
    pair_id = name("anna bell + 100% é")
    house.pairs(pair_id)
    house.upload(f"{pair_id}/notes.txt", "outside.jpg")

    found = house.search()

    assert house.sent() == [pair_id]
    assert found == SearchResult(objects=4, pairs=1, sent=1, finished=True)


def test_a_lone_picture_is_not_missed(house: House) -> None:
    house.upload("anna/first.jpg", "bob/second.jpg", "bob/b/first.jpg")

    assert house.search().pairs == 0
    assert house.sent() == []


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.MANUAL_CHECK, Verdict.REJECT, Verdict.RETAKE])
def test_a_pair_with_a_final_verdict_is_left_alone(house: House, verdict: Verdict) -> None:
    pair_id = name("anna")
    house.pairs(pair_id)
    house.row(pair_id, verdict)

    assert house.search().sent == 0


def test_a_pair_that_waits_for_a_person_is_left_alone(house: House) -> None:
    pair_id = name("anna")
    house.pairs(pair_id)
    house.row(pair_id, Verdict.UNDETERMINED)

    assert house.search().sent == 0


def test_a_verdict_on_an_earlier_upload_does_not_count(house: House) -> None:
    pair_id = name("anna")
    house.pairs(pair_id)
    house.row(pair_id, Verdict.PASS)
    house.upload(f"{pair_id}/first.jpg", content=b"another")

    house.search()

    assert house.sent() == [pair_id]


def test_a_pair_that_still_waits_for_the_picture_that_is_there_is_enqueued(house: House) -> None:
    pair_id = name("anna")
    house.upload(f"{pair_id}/first.jpg")
    house.row(pair_id, Verdict.WAITING)
    house.upload(f"{pair_id}/second.jpg")

    house.search()

    assert house.sent() == [pair_id]


@pytest.mark.parametrize(("minutes", "missed"), [(60, False), (10, False), (0, True)])
def test_a_pending_pair_is_missed_when_its_next_try_is_long_overdue(
    house: House, minutes: int, missed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair_id = name("anna")
    house.pairs(pair_id)
    house.row(pair_id, Verdict.PENDING, retry_in=timedelta(minutes=minutes))

    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(minutes=20))

    found = house.search(after=timedelta(minutes=15))

    assert found.sent == missed


def test_a_pair_that_has_only_just_come_is_given_time(house: House) -> None:
    house.pairs(name("anna"))

    assert house.search(after=timedelta(minutes=15)).pairs == 0


def test_a_pair_whose_newest_picture_was_deleted_after_its_verdict_is_left_alone(house: House) -> None:
    pair_id = name("anna")
    house.pairs(pair_id)
    _a_second_later(house, f"{pair_id}/first.png")
    house.row(pair_id, Verdict.PASS)
    house.delete(f"{pair_id}/first.png")

    assert house.search().sent == 0


def _a_second_later(house: House, key: str) -> None:
    """Upload again in a later second: S3 lists times in whole seconds."""
    before = house.uploads.find(key.rpartition("/")[0]).uploaded_at
    while house.uploads.find(key.rpartition("/")[0]).uploaded_at <= before:
        house.upload(key)


def test_more_pairs_than_fit_a_batch_are_all_sent_once(house: House) -> None:
    pair_ids = [name(f"{number:02}") for number in range(23)]
    house.pairs(*pair_ids)

    found = house.search()

    assert (found.pairs, found.sent) == (23, 23)
    assert house.sent() == sorted(pair_ids)


class Clock:
    """Time that runs out after so many looks."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    def __call__(self) -> float:
        self._looks -= 1
        return 900 if self._looks >= 0 else STOPPING_SECONDS - 1


@pytest.mark.parametrize("objects", [1, 2, 3, 5, 7])
def test_a_search_that_runs_out_of_time_goes_on_where_it_stopped_and_misses_nothing(house: House, objects: int) -> None:
    pair_ids = [name("a"), name("a/b"), name("b +"), name("c")]
    house.pairs(*pair_ids)
    sent: list[str] = []

    for _ in range(20):
        found = house.search(time_left=Clock(objects))
        sent += house.sent()
        if found.finished:
            break

    assert found.finished
    assert set(sent) == set(pair_ids)
    assert house.cursor.load() == ""


def test_a_search_without_any_time_stays_where_it_was(house: House) -> None:
    house.pairs(name("a"))
    house.cursor.save("a key + % é {{x}}")

    found = house.search(time_left=lambda: 0)

    assert (found.finished, found.objects) == (False, 0)
    assert house.cursor.load() == "a key + % é {{x}}"


def test_an_empty_bucket_is_searched_to_its_end(house: House) -> None:
    assert house.search() == SearchResult(objects=0, pairs=0, sent=0, finished=True)


def test_a_message_is_one_that_the_function_understands(house: House) -> None:
    house.pairs(name("anna"))

    house.search()

    [message] = house.receive()
    assert json.loads(message["Body"])["Records"][0]["eventName"].startswith("ObjectCreated:")


def test_a_pair_is_listed_once_however_many_pictures_of_a_role_it_has(house: House) -> None:
    pair_id = name("anna")
    house.pairs(pair_id)
    house.upload(f"{pair_id}/first.png", f"{pair_id}/FIRST.HEIC")

    assert house.search().pairs == 1
    assert isinstance(house.uploads.find(pair_id), Pair)


@pytest.mark.parametrize("deleted", [("first", "second"), ("first",), ("second",)])
def test_a_waiting_pair_whose_pictures_are_deleted_is_settled(house: House, deleted: tuple[str, ...]) -> None:
    gone, there = name("gone"), name("there")
    house.pairs(gone, there)
    for pair_id in (gone, there):
        house.row(pair_id, Verdict.PENDING, retry_in=timedelta(hours=1))
    before = house.verdicts.row(gone)
    for role in deleted:
        house.delete(f"{gone}/{role}.jpg")

    found = house.search()

    after, other = house.verdicts.row(gone), house.verdicts.row(there)
    assert before is not None
    assert after is not None
    assert other is not None
    assert found.deleted >= 1  # rows of other tests stay
    assert (after.verdict, after.code, after.retry_at) == (Verdict.UNDETERMINED, "PICTURES_DELETED", None)
    assert after.uploaded_at == before.uploaded_at
    assert after.expires_at
    assert before.expires_at
    assert after.expires_at >= before.expires_at
    assert other.verdict is Verdict.PENDING
