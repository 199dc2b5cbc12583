"""Messages of the uploads queue: how each is handled, and that none affects another."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from facepair.domain.message import Message
from facepair.domain.metric import Metric
from facepair.domain.notification import created_notification
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Closed, Later, RetryReason, Unavailable, Unreadable
from facepair.domain.row import Case, Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.compare import Attempt, Deferred
from facepair.use_cases.receive import ComesBack
from tests.fakes import LIFETIME, SUCCESS, picture
from tests.unit.test_events import message as notification
from tests.unit.test_events import record
from tests.world import POLICY, World

BUSY = Later("busy", code="SERVICE_BUSY")
SILENT = Closed("API_NOT_ANSWERING", "no answer", seconds=600)
BLOCKED = Closed("INSUFFICIENT_BALANCE", "top up", seconds=600)


class Comparisons:
    """A stand-in for the comparer that returns or raises what a test sets for each pair."""

    def __init__(self) -> None:
        self.does: dict[str, Row | Exception] = {}
        self.attempts: list[tuple[str, Attempt]] = []

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        self.attempts.append((pair_id, attempt))
        done = self.does.get(pair_id)
        if isinstance(done, Exception):
            raise done
        return done

    @property
    def pairs(self) -> list[str]:
        return [pair_id for pair_id, _ in self.attempts]


@pytest.fixture
def comparisons() -> Comparisons:
    return Comparisons()


def receive(world: World, comparisons: Comparisons, body: str, receive_count: int = 1) -> Message:
    """Receive one message from the queue; delete it unless it must come back."""
    world.queue.send([body])
    received = None
    for _ in range(receive_count):
        world.time.passes(3600)
        received = world.queue.receive()
    assert received is not None
    world.time.new_worker()
    try:
        world.receiver(comparisons).receive(received, world.time.left)
    except ComesBack:
        return received
    world.queue.delete(received.receipt_handle)
    return received


def created(*keys: str) -> str:
    return notification(*map(record, keys))


# --- which pairs are compared ----------------------------------------------------------------------------------------


def test_an_upload_has_its_pair_compared_and_its_message_deleted(world: World, comparisons: Comparisons) -> None:
    receive(world, comparisons, created_notification("a b/ü+%/FIRST.jpeg", "etag"))

    assert comparisons.pairs == ["a b/ü+%"]
    assert world.queue.bodies == []
    assert world.metrics.sums() == {Metric.MESSAGES: 1}


def test_an_attempt_knows_its_receive_count_and_its_worker_s_deadline(world: World, comparisons: Comparisons) -> None:
    receive(world, comparisons, created("anna/first.jpg"), receive_count=3)

    [(_, attempt)] = comparisons.attempts
    assert (attempt.receive_count, attempt.time_left()) == (3, LIFETIME)


def test_every_log_line_names_the_pair_and_the_key(world: World, comparisons: Comparisons) -> None:
    receive(world, comparisons, created("anna/first.jpg", "anna/notes.txt"))

    assert world.log_keys == [
        {"pair_id": "anna", "key": "anna/first.jpg"},
        {"pair_id": "anna", "key": "anna/notes.txt"},
    ]


@pytest.mark.parametrize("key", ["first.jpg", "/first.jpg", "anna/notes.txt", "anna/", "anna/first/x.jpg"])
def test_an_upload_that_is_no_picture_of_a_pair_is_ignored_and_counted(
    world: World, comparisons: Comparisons, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    receive(world, comparisons, created(key))

    assert (comparisons.pairs, world.queue.bodies) == ([], [])
    assert world.metrics.sums() == {Metric.MESSAGES: 1, Metric.IGNORED_UPLOADS: 1}
    assert [line.levelname for line in caplog.records] == ["INFO"]


def test_a_message_about_no_created_object_is_ignored(world: World, comparisons: Comparisons) -> None:
    receive(world, comparisons, notification(record("anna/first.jpg", "ObjectRemoved:Delete")))

    assert (comparisons.pairs, world.queue.bodies, world.queue.dead_letters) == ([], [], [])
    assert world.metrics.sums() == {Metric.MESSAGES: 1}


@pytest.mark.parametrize(
    "body",
    [
        {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": notification(record("anna/first.jpg"))},
        {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": {"key": "anna/first.jpg"}}},
    ],
    ids=["SNS", "EventBridge"],
)
def test_an_upload_in_a_foreign_envelope_is_ignored_with_a_warning(
    world: World, comparisons: Comparisons, body: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    receive(world, comparisons, json.dumps(body))

    assert (comparisons.pairs, world.queue.bodies, world.queue.dead_letters) == ([], [], [])
    assert world.metrics.sums() == {Metric.MESSAGES: 1, Metric.IGNORED_UPLOADS: 1}
    assert [line.levelname for line in caplog.records] == ["WARNING"]


def test_s3_s_test_event_is_no_foreign_envelope(world: World, comparisons: Comparisons) -> None:
    receive(world, comparisons, json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}))

    assert world.metrics.sums() == {Metric.MESSAGES: 1}


def test_a_picture_that_s3_refuses_to_return_is_counted(world: World, comparisons: Comparisons) -> None:
    comparisons.does["anna"] = Deferred(Unreadable("InvalidObjectState"), 3600)

    receive(world, comparisons, created("anna/first.jpg"))

    assert world.metrics.sums()[Metric.UNREADABLE_PICTURES] == 1


@pytest.mark.parametrize(("body", "dead_letter"), [("not JSON", "not JSON"), ("", "(empty)")])
def test_an_unreadable_message_is_dead_lettered_at_once(
    world: World, comparisons: Comparisons, body: str, dead_letter: str
) -> None:
    receive(world, comparisons, body)

    assert (comparisons.pairs, world.queue.bodies, world.queue.dead_letters) == ([], [], [dead_letter])
    assert world.metrics.sums() == {Metric.MESSAGES: 1, Metric.MALFORMED_MESSAGES: 1}


def test_a_message_that_cannot_be_dead_lettered_stays_and_is_logged(
    world: World, comparisons: Comparisons, caplog: pytest.LogCaptureFixture
) -> None:
    world.queue.at("dead_letter", Unavailable("ThrottlingException"))

    receive(world, comparisons, "not JSON")

    assert world.metrics.sums()[Metric.UNEXPECTED_ERRORS] == 1
    assert "Message not dead-lettered" in caplog.messages
    assert (world.queue.bodies, world.queue.dead_letters) == (["not JSON"], [])


# --- messages that come back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "metric"),
    [(BUSY, Metric.DEFERRED), (BLOCKED, Metric.BLOCKED), (SILENT, Metric.API_NOT_ANSWERING)],
)
def test_a_deferred_pair_s_message_comes_back_when_it_is_due(
    world: World, comparisons: Comparisons, reason: RetryReason, metric: Metric
) -> None:
    comparisons.does["anna"] = Deferred(reason, 77)

    message = receive(world, comparisons, created("anna/first.jpg"))

    age = (world.time.now() - message.sent_at).total_seconds()
    assert world.queue.due_in(message.receipt_handle) == 77
    assert world.metrics.sums() == {Metric.MESSAGES: 1, metric: 1, Metric.OLDEST_DEFERRED: age}


@pytest.mark.parametrize(("receive_count", "seconds"), [(1, 5), (4, 40)])
@pytest.mark.parametrize("error", [Unavailable("ThrottlingException"), ValueError("a bug")])
def test_an_unexpected_error_is_logged_counted_and_retried_with_back_off(
    world: World,
    comparisons: Comparisons,
    error: Exception,
    receive_count: int,
    seconds: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    comparisons.does["anna"] = error

    message = receive(world, comparisons, created("anna/first.jpg"), receive_count)

    assert world.queue.due_in(message.receipt_handle) == seconds
    assert world.metrics.sums().keys() == {Metric.MESSAGES, Metric.UNEXPECTED_ERRORS, Metric.OLDEST_DEFERRED}
    [line] = [line for line in caplog.records if line.levelname == "ERROR"]
    assert line.exc_info
    assert line.exc_info[1] is error


def test_a_message_that_cannot_be_deferred_comes_back_anyway_and_is_logged(
    world: World, comparisons: Comparisons, caplog: pytest.LogCaptureFixture
) -> None:
    comparisons.does["anna"] = Deferred(BUSY, 77)
    world.queue.at("defer", Unavailable("ThrottlingException"))

    receive(world, comparisons, created("anna/first.jpg"))

    assert len(world.queue.bodies) == 1
    assert world.metrics.sums()[Metric.UNEXPECTED_ERRORS] == 1
    [line] = [line for line in caplog.records if line.levelname == "ERROR"]
    assert "ThrottlingException" in vars(line)["reason"]


def test_a_message_of_several_uploads_comes_back_when_the_last_is_due(world: World, comparisons: Comparisons) -> None:
    comparisons.does = {"a": Deferred(BUSY, 30), "b": ValueError("a bug"), "c": Deferred(BLOCKED, 900)}

    message = receive(world, comparisons, created("a/first.jpg", "b/first.jpg", "notes", "c/first.jpg", "d/first.jpg"))

    assert comparisons.pairs == ["a", "b", "c", "d"]
    assert world.queue.due_in(message.receipt_handle) == 900
    assert world.happened("queue.defer") == ["queue.defer"]


# --- metrics ---------------------------------------------------------------------------------------------------------


def row(world: World, make: Callable[[Case], Row]) -> Row:
    world.bucket.put("anna/first.jpg", picture(1))
    world.bucket.put("anna/second.jpg", picture(2))
    return make(Case(world.bucket.find("anna"), {}, POLICY, "f" * 64))


@pytest.mark.parametrize(
    ("outcome", "metric"),
    [
        (SUCCESS, Metric.PASS),
        (Outcome(code="FIRST_IMAGE_LOW_QUALITY_FACE", message=""), Metric.RETAKE),
        (Outcome(code="OUTCOME_UNKNOWN", message=""), Metric.UNDETERMINED),
    ],
)
def test_a_verdict_is_counted_with_the_seconds_since_the_later_upload(
    world: World, comparisons: Comparisons, outcome: Outcome, metric: Metric
) -> None:
    judged = row(world, lambda case: Row.judged(case, outcome))
    comparisons.does["anna"] = judged.model_copy(
        update={"uploaded_at": world.time.now() + timedelta(hours=1, seconds=-9)}
    )

    receive(world, comparisons, created("anna/first.jpg"))

    assert world.metrics.sums() == {Metric.MESSAGES: 1, metric: 1, Metric.SECONDS_TO_VERDICT: 9}


def test_a_verdict_earlier_than_its_upload_by_s3_s_clock_counts_as_zero_seconds(
    world: World, comparisons: Comparisons
) -> None:
    judged = row(world, lambda case: Row.judged(case, SUCCESS))
    comparisons.does["anna"] = judged.model_copy(update={"uploaded_at": world.time.now() + timedelta(hours=2)})

    receive(world, comparisons, created("anna/first.jpg"))

    assert world.metrics.values[Metric.SECONDS_TO_VERDICT] == [0]


def test_a_waiting_row_is_counted_without_a_duration(world: World, comparisons: Comparisons) -> None:
    world.bucket.put("anna/first.jpg", picture())
    comparisons.does["anna"] = Row.waiting(world.bucket.find("anna"), {}, POLICY)

    receive(world, comparisons, created("anna/first.jpg"))

    assert world.metrics.sums() == {Metric.MESSAGES: 1, Metric.WAITING: 1}


# --- end to end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_two_uploads_in_either_order_make_a_verdict_and_one_charge(world: World, order: tuple[str, str]) -> None:
    world.upload(f"anna/{order[0]}.jpg")
    world.work()
    waiting = world.stored().verdict
    world.upload(f"anna/{order[1]}.jpg", shade=1)
    world.work()

    assert (waiting, world.stored().verdict) == (Verdict.WAITING, Verdict.PASS)
    assert (world.queue.bodies, world.api.charged) == ([], 1)


def test_a_busy_api_is_called_again_when_the_message_returns_and_charges_once(world: World) -> None:
    world.upload_pair()
    busy = Outcome(code="SERVICE_BUSY", message="later", pricing_strategy="FREE")
    world.api.answers(busy, busy, SUCCESS)  # each upload has its own message

    world.work()
    pending = world.stored().verdict
    for _ in range(2):
        world.time.passes(60)
        world.work()

    assert (pending, world.stored().verdict) == (Verdict.PENDING, Verdict.PASS)
    assert (world.queue.bodies, world.api.charged) == ([], 1)
