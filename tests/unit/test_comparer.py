"""The compare use case for one pair: the order of its guards, and the row it writes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest

from facepair.domain import clock
from facepair.domain.metric import Metric
from facepair.domain.outcome import Face, Outcome, Seen
from facepair.domain.pair import MEGABYTE
from facepair.domain.retry import Blocked, Closed, Later, RateLimited, Unavailable, Unreadable
from facepair.domain.row import Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.ask import Concluded, Question
from facepair.use_cases.compare import MOST_DEATHS, Deferred
from tests.fakes import BLOCKED_RETRY, LIFETIME, NOON, SUCCESS, picture
from tests.world import MAX_UPLOAD_MEGABYTES, POLICY, World

NO_PICTURE = b"this is text"
THROTTLED = Unavailable("ThrottlingException")


@dataclass
class Oracle:
    """An asker that returns or raises what a test sets, and records its questions."""

    says: Outcome | Exception = SUCCESS
    meanwhile: Callable[[], object] = lambda: None
    questions: list[Question] = field(default_factory=list)

    def is_new(self, pair_id: str) -> bool:
        return True

    def ask(self, question: Question) -> Concluded:
        self.questions.append(question)
        self.meanwhile()
        if isinstance(self.says, Exception):
            raise self.says
        return Concluded(self.says, last_read=None)


@pytest.fixture
def oracle() -> Oracle:
    return Oracle()


def compare(world: World, oracle: Oracle, receive_count: int = 1) -> Row | None:
    return world.comparer(oracle).compare("anna", world.attempt(receive_count))


def deferred(world: World, oracle: Oracle, receive_count: int = 1) -> Deferred:
    with pytest.raises(Deferred) as deferred:
        compare(world, oracle, receive_count)
    return deferred.value


# --- nothing to compare ----------------------------------------------------------------------------------------------


def test_a_pair_with_deleted_pictures_costs_one_listing(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    world.bucket.delete("anna/first.jpg")
    world.bucket.delete("anna/second.jpg")

    assert compare(world, oracle) is None
    assert world.happened("bucket.find", "bucket.read", "bucket.version") == ["bucket.find"]
    assert world.verdicts.items == {}


@pytest.mark.parametrize(("there", "missing"), [("first", "second"), ("second", "first")])
def test_a_lone_picture_waits_for_the_other_without_a_download(
    world: World, oracle: Oracle, there: str, missing: str
) -> None:
    version = world.bucket.put(f"anna/{there}.jpg", picture())

    row = compare(world, oracle)

    assert row is not None
    assert (row.verdict, row.waiting_for, row.fingerprint) == (Verdict.WAITING, missing, None)
    assert world.item()[there]["version_id"] == version
    assert missing not in world.item()
    assert world.diary == [
        "gate.look",
        "verdicts.item",
        "earlier_erasures.of",
        "bucket.find",
        "bucket.version",
        "verdicts.write",
    ]


def test_a_final_verdict_on_these_uploads_stands_and_nothing_is_downloaded(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    compare(world, oracle)
    world.diary.clear()

    assert compare(world, oracle) is None
    assert world.diary == ["gate.look", "verdicts.item", "earlier_erasures.of", "bucket.find"]
    assert len(oracle.questions) == 1


def test_a_row_for_newer_uploads_that_were_deleted_since_stands(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    world.time.passes(10)
    world.bucket.put("anna/first.png", picture(1))
    compare(world, oracle)
    world.bucket.delete("anna/first.png")

    assert compare(world, oracle) is None
    assert len(oracle.questions) == 1


def test_a_redelivered_message_of_a_pair_with_unknown_outcome_asks_again(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Outcome(code="OUTCOME_UNKNOWN", message="")
    compare(world, oracle)
    oracle.says = SUCCESS

    row = compare(world, oracle)

    assert row is not None
    assert row.verdict is Verdict.PASS


def test_a_free_refusal_is_asked_again_only_with_the_next_upload(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Outcome(code="CLIENT_ERROR", message="", pricing_strategy="FREE")
    compare(world, oracle)
    oracle.says = SUCCESS

    assert compare(world, oracle) is None
    world.time.passes(1)
    world.upload("anna/second.jpg")

    row = compare(world, oracle)
    assert row is not None
    assert row.verdict is Verdict.PASS


# --- closed gate, deferred pairs, crashing pairs ---------------------------------------------------------------------


def close(world: World) -> None:
    world.gate.block(Blocked("INSUFFICIENT_BALANCE", "top up"))


def test_while_the_gate_is_closed_a_pair_is_listed_once_and_never_downloaded(world: World) -> None:
    world.upload_pair()
    close(world)
    seen: list[Row] = []

    for receive_count in (1, 2, 3):
        with pytest.raises(Deferred) as put_off:
            world.comparer().compare("anna", world.attempt(receive_count))
        assert put_off.value.seconds > 0
        seen.append(world.stored())
        world.time.passes(30)

    assert world.happened("bucket.find", "bucket.read", "bucket.version") == ["bucket.find"]
    assert {(row.verdict, row.code, row.message) for row in seen} == {
        (Verdict.PENDING, "INSUFFICIENT_BALANCE", "top up")
    }
    assert len({row.retry_at for row in seen}) == 3


def test_a_lone_picture_waits_for_its_partner_while_the_gate_is_closed(world: World) -> None:
    world.upload("anna/first.jpg")
    close(world)

    row = world.comparer().compare("anna", world.attempt())

    assert row is not None
    assert row.verdict is Verdict.WAITING


def test_a_final_verdict_does_not_depend_on_the_gate(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    compare(world, oracle)
    close(world)

    assert compare(world, oracle) is None


def test_the_row_gives_the_current_reason_for_waiting(world: World) -> None:
    world.upload_pair()
    close(world)
    with pytest.raises(Deferred):
        world.comparer().compare("anna", world.attempt())
    world.gate.block(Blocked("ACCOUNT_DISABLED", "call us"))

    with pytest.raises(Deferred):
        world.comparer().compare("anna", world.attempt(2))

    assert world.stored().code == "ACCOUNT_DISABLED"


def test_a_new_picture_is_checked_while_the_old_one_waits(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Later("busy", code="SERVICE_BUSY", retry_after=3600)
    deferred(world, oracle)
    world.time.passes(1)
    world.upload("anna/first.jpg", shade=9)
    oracle.says = SUCCESS

    row = world.comparer(oracle).compare("anna", world.attempt(created=world.created("anna/first.jpg", shade=9)))

    assert row is not None
    assert row.verdict is Verdict.PASS


def test_a_picture_replaced_within_its_second_while_the_gate_is_closed_is_compared(world: World) -> None:
    world.upload_pair()
    world.work()
    assert world.stored().verdict is Verdict.PASS
    world.time.passes(0.5)
    world.upload("anna/second.jpg", shade=9)
    close(world)

    world.work()
    assert (world.stored().verdict, world.stored().code) == (Verdict.PENDING, "INSUFFICIENT_BALANCE")
    assert world.stored().fingerprint is None
    world.time.passes(2 * BLOCKED_RETRY)
    world.work()

    now_there = world.bucket.find("anna").second
    assert now_there is not None
    assert world.stored().verdict is Verdict.PASS
    assert world.stored().pictures["second"].shows(now_there)
    assert world.api.posts == 2


def test_a_deferred_pair_goes_back_to_the_queue_without_a_listing(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Later("busy", code="SERVICE_BUSY", retry_after=3600)
    deferred(world, oracle)
    world.diary.clear()

    again = deferred(world, oracle, receive_count=2)

    assert 3600 <= again.seconds <= 3610
    assert world.diary == ["gate.look", "verdicts.item", "earlier_erasures.of"]


def test_a_pair_that_kills_every_worker_is_dead_lettered_after_a_few(world: World) -> None:
    class Killed(BaseException):
        """Kill the worker, like SIGKILL: no handler catches this exception."""

    world.upload_pair()
    for _ in range(MOST_DEATHS):
        world.bucket.at("read", Killed())
        with pytest.raises(Killed):
            world.comparer().compare("anna", world.attempt())
        world.time.passes(720)

    row = world.comparer().compare("anna", world.attempt())

    assert row is not None
    assert (row.verdict, row.code) == (Verdict.UNDETERMINED, "WORKER_DIED")
    assert world.comparer().compare("anna", world.attempt()) is None


@pytest.mark.parametrize("unread", [1, 2])
def test_a_picture_that_s3_refuses_to_return_defers_its_pair_for_an_hour(
    world: World, oracle: Oracle, unread: int
) -> None:
    world.upload_pair()
    world.bucket.at("read", *[lambda: None] * (unread - 1), Unreadable("InvalidObjectState"))

    assert deferred(world, oracle).seconds == 3600

    row = world.verdicts.row("anna")
    assert row is not None
    assert (row.verdict, row.code) == (Verdict.PENDING, "PICTURE_UNREADABLE")
    assert "InvalidObjectState" in (row.message or "")
    assert row.retry_at == clock.now() + timedelta(hours=1)
    assert oracle.questions == []


def test_a_restored_picture_is_compared_at_the_next_try(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    world.bucket.at("read", Unreadable("InvalidObjectState"))
    deferred(world, oracle)
    world.time.passes(3601)

    row = compare(world, oracle, receive_count=2)

    assert row is not None
    assert row.verdict is Verdict.PASS


def test_a_lone_picture_that_s3_refuses_to_return_still_waits_for_the_other(world: World) -> None:
    world.bucket.put("anna/first.jpg", picture())
    world.bucket.at("version", Unreadable("403"))

    row = world.comparer().compare("anna", world.attempt())

    assert row is not None
    assert (row.verdict, row.first and row.first.version_id) == (Verdict.WAITING, None)


def test_an_error_does_not_count_as_a_killed_worker(world: World) -> None:
    world.upload_pair()
    for _ in range(MOST_DEATHS * 2):
        world.bucket.at("read", THROTTLED)
        with pytest.raises(Unavailable):
            world.comparer().compare("anna", world.attempt())

    row = world.comparer().compare("anna", world.attempt())

    assert row is not None
    assert row.verdict is Verdict.PASS


def test_a_worker_keeps_off_a_pair_while_another_one_can_be_alive(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.meanwhile = lambda: deferred(world, Oracle())

    compare(world, oracle)

    assert len(oracle.questions) == 1


# --- pictures deleted while their pair waits -------------------------------------------------------------------------


@pytest.fixture
def waiting(world: World) -> World:
    """Upload Anna's second picture after her first, while the API is busy."""
    world.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"))
    world.upload("anna/first.jpg")
    world.time.passes(5)
    world.upload("anna/second.jpg")
    world.work()
    assert world.stored().verdict is Verdict.PENDING
    return world


def delete(world: World, *roles: str) -> None:
    for role in roles:
        world.bucket.delete(f"anna/{role}.jpg")


@pytest.mark.parametrize("roles", [("first", "second"), ("first",), ("second",)])
def test_a_waiting_pair_with_deleted_pictures_is_settled_when_its_message_returns(
    waiting: World, roles: tuple[str, ...]
) -> None:
    before = waiting.stored()
    delete(waiting, *roles)
    waiting.metrics.values.clear()
    waiting.time.passes(3600)
    waiting.work()

    row = waiting.stored()
    assert (row.verdict, row.code, row.retry_at) == (Verdict.UNDETERMINED, "PICTURES_DELETED", None)
    assert (row.uploaded_at, row.pictures) == (before.uploaded_at, before.pictures)
    assert waiting.queue.bodies == []
    assert not waiting.metrics.sums().keys() & {Metric.UNDETERMINED, Metric.SECONDS_TO_VERDICT}


def test_an_older_picture_of_a_role_does_not_revive_a_deleted_pair(waiting: World) -> None:
    waiting.time.passes(5)
    waiting.upload("anna/second.png", shade=3)
    waiting.work()
    waiting.bucket.delete("anna/second.png")
    waiting.time.passes(3600)
    waiting.work()

    assert waiting.stored().code == "PICTURES_DELETED"


def test_a_later_upload_replaces_a_row_of_deleted_pictures(waiting: World) -> None:
    delete(waiting, "first", "second")
    waiting.time.passes(3600)
    waiting.work()
    close(waiting)

    waiting.upload("anna/first.jpg")
    waiting.work()
    assert waiting.stored().verdict is Verdict.WAITING
    waiting.upload("anna/second.jpg")
    waiting.work()
    assert waiting.stored().verdict is Verdict.PENDING


def test_a_row_written_since_it_was_read_is_not_replaced_as_deleted(waiting: World) -> None:
    delete(waiting, "first", "second")
    waiting.time.passes(3600)
    waiting.verdicts.at("replace", lambda: waiting.verdicts.write(newer, None))
    newer = waiting.stored().model_copy(update={"verdict": Verdict.PASS, "code": "SUCCESS"})

    waiting.work()

    assert (waiting.stored().verdict, waiting.stored().code) == (Verdict.PASS, "SUCCESS")


def test_an_erased_row_does_not_come_back_as_deleted(waiting: World) -> None:
    delete(waiting, "first", "second")
    waiting.time.passes(3600)
    waiting.verdicts.at("replace", waiting.verdicts.items.clear)

    waiting.work()

    assert waiting.verdicts.items == {}


def test_an_answer_that_arrives_after_the_deletion_is_kept(world: World) -> None:
    def delete_and_search() -> None:
        delete(world, "first", "second")
        assert world.missed_pairs().send(lambda: 900).deleted == 1

    world.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"), SUCCESS)
    world.upload_pair()
    world.work()
    world.api.at("answer", delete_and_search)
    world.time.passes(3600)

    world.work()

    assert (world.stored().verdict, world.api.posts) == (Verdict.PASS, 2)


def test_restored_pictures_are_compared(waiting: World) -> None:
    delete(waiting, "first", "second")
    waiting.time.passes(3600)
    waiting.work()
    waiting.bucket.restore("anna/first.jpg", "anna/second.jpg")
    waiting.api.answers(SUCCESS)

    assert waiting.missed_pairs().send(lambda: 900).sent == 1
    waiting.work()

    assert waiting.stored().verdict is Verdict.PASS


# --- reads and questions ---------------------------------------------------------------------------------------------


def test_the_guards_run_in_this_order_and_none_is_skipped(world: World) -> None:
    world.upload_pair()

    world.comparer().compare("anna", world.attempt())

    steps = [
        "gate.look",
        "verdicts.item",
        "earlier_erasures.of",
        "bucket.find",
        "in_flight.begin",  # at the same time as the next three
        "ledger.of_pair",
        "bucket.read",
        "bucket.read",
        "idempotency.once",
        "gate.enter",
        "ledger.open",
        "api.compare",
        "ledger.complete",  # at the same time as the reading of the gate and the decision
        "gate.look",
        "decisions.of",
        "gate.report",
        "verdicts.write",
        "in_flight.finish",
    ]
    assert world.happened(*steps) == steps


def test_the_question_has_both_pictures_and_the_remaining_time(world: World, oracle: Oracle) -> None:
    world.upload("anna/first.jpg", shade=1)
    world.upload("anna/second.jpg", shade=2)

    compare(world, oracle)

    [question] = oracle.questions
    assert (question.first.content, question.second.content) == (picture(1), picture(2))
    assert (question.pair_id, question.time_left()) == ("anna", LIFETIME)


def test_a_fingerprint_depends_on_the_contents_alone(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Later("busy", code="SERVICE_BUSY")

    deferred(world, oracle)
    world.time.passes(60)
    world.upload_pair()  # the same contents in new versions
    deferred(world, oracle)
    world.time.passes(60)
    world.upload("anna/first.jpg", shade=9)
    deferred(world, oracle)

    once, again, other = (question.fingerprint for question in oracle.questions)
    assert len(once) == 64
    assert once == again != other


def test_swapped_pictures_have_another_fingerprint(world: World, oracle: Oracle) -> None:
    for first, second in ((1, 2), (2, 1)):
        world.upload("anna/first.jpg", shade=first)
        world.upload("anna/second.jpg", shade=second)
        world.time.passes(1)
        compare(world, oracle)

    assert len({question.fingerprint for question in oracle.questions}) == 2


@pytest.mark.parametrize(("role", "other"), [("first", "second"), ("second", "first")])
def test_a_file_that_is_no_picture_is_a_retake_without_a_call(
    world: World, oracle: Oracle, role: str, other: str
) -> None:
    world.bucket.put(f"anna/{role}.jpg", NO_PICTURE)
    world.bucket.put(f"anna/{other}.jpg", picture())

    row = compare(world, oracle)

    assert row is not None
    assert (row.verdict, row.retake, row.code) == (Verdict.RETAKE, (role,), "IMAGE_INVALID_FORMAT")
    assert f"{role} picture: " in (row.message or "")
    assert len(row.fingerprint or "") == 64
    assert oracle.questions == []


def test_two_unusable_pictures_are_both_named(world: World, oracle: Oracle) -> None:
    world.bucket.put("anna/first.jpg", NO_PICTURE)
    world.bucket.put("anna/second.jpg", NO_PICTURE)

    row = compare(world, oracle)

    assert row is not None
    assert row.retake == ("first", "second")


def test_an_upload_that_is_too_large_is_not_downloaded(world: World, oracle: Oracle) -> None:
    version = world.bucket.put("anna/first.jpg", bytes(MAX_UPLOAD_MEGABYTES * MEGABYTE + 1))
    world.bucket.put("anna/second.jpg", picture())

    row = compare(world, oracle)

    assert row is not None
    assert (row.verdict, row.retake, row.code) == (Verdict.RETAKE, ("first",), "IMAGE_INVALID_SIZE")
    assert f"the limit is {MAX_UPLOAD_MEGABYTES} MB" in (row.message or "")
    assert world.item()["first"]["version_id"] == version
    assert world.happened("bucket.read", "bucket.version") == ["bucket.version", "bucket.read"]


def test_an_upload_of_exactly_the_size_limit_is_downloaded(world: World, oracle: Oracle) -> None:
    content = picture() + bytes(MAX_UPLOAD_MEGABYTES * MEGABYTE - len(picture()))
    world.bucket.put("anna/first.jpg", content)
    world.bucket.put("anna/second.jpg", picture())

    compare(world, oracle)

    assert len(oracle.questions) == 1


# --- rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("similarity", "verdict"),
    [
        ("70.01", Verdict.PASS),
        ("70", Verdict.MANUAL_CHECK),
        ("55", Verdict.MANUAL_CHECK),
        ("54.99", Verdict.REJECT),
    ],
)
def test_a_similarity_is_judged_by_the_policy_that_the_row_names(
    world: World, oracle: Oracle, similarity: str, verdict: Verdict
) -> None:
    world.upload_pair()
    oracle.says = SUCCESS.model_copy(update={"similarity": Decimal(similarity)})

    row = compare(world, oracle)

    assert row is not None
    assert (row.verdict, row.similarity, row.policy) == (verdict, Decimal(similarity), POLICY)
    assert world.item()["verdict"] == verdict


def test_a_verdict_s_row_has_its_evidence_and_the_versions(world: World, oracle: Oracle) -> None:
    first = world.bucket.put("anna/first.jpg", picture(1))
    second = world.bucket.put("anna/second.jpg", picture(2))
    face = Face(id="1", left=Decimal(1), top=Decimal(2), right=Decimal(3), bottom=Decimal(4))
    oracle.says = SUCCESS.model_copy(update={"first": Seen(face=face), "transaction_id": "t7"})

    compare(world, oracle)

    item = world.item()
    assert (item["first"]["version_id"], item["second"]["version_id"]) == (first, second)
    assert item["first"]["face"] == face.model_dump()
    assert (item["transaction_id"], item["pricing_strategy"], item["code"]) == ("t7", "PAY", "SUCCESS")
    assert item["fingerprint"] == oracle.questions[0].fingerprint


@pytest.mark.parametrize(
    ("code", "verdict", "retake"),
    [
        ("NO_FACE_DETECTED_FROM_FIRST_IMAGE", Verdict.RETAKE, ("first",)),
        ("OUTCOME_UNKNOWN", Verdict.UNDETERMINED, None),
        ("BAD_ANSWER", Verdict.UNDETERMINED, None),
        ("A_CODE_OF_TOMORROW", Verdict.UNDETERMINED, None),
    ],
)
def test_an_outcome_without_a_similarity_is_never_a_reject(
    world: World, oracle: Oracle, code: str, verdict: Verdict, retake: tuple[str, ...] | None
) -> None:
    world.upload_pair()
    oracle.says = Outcome(code=code, message="as answered")

    row = compare(world, oracle)

    assert row is not None
    assert (row.verdict, row.retake, row.code, row.message) == (verdict, retake, code, "as answered")


def test_a_row_that_would_go_back_in_time_is_not_written(world: World, oracle: Oracle) -> None:
    world.upload_pair()

    def another_worker_is_faster_with_a_newer_upload() -> None:
        world.time.passes(1)
        world.upload("anna/first.jpg", shade=9)
        compare(world, Oracle(SUCCESS.model_copy(update={"similarity": Decimal(10)})))

    oracle.meanwhile = another_worker_is_faster_with_a_newer_upload

    assert compare(world, oracle) is None
    assert world.stored().verdict is Verdict.REJECT


# --- deferred pairs --------------------------------------------------------------------------------------------------


def test_a_busy_api_leaves_a_pending_row_with_the_next_try(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Later("please wait", code="SERVICE_BUSY", retry_after=77)

    reason = deferred(world, oracle)

    assert reason.seconds == 77
    row = world.stored()
    assert (row.verdict, row.code, row.message) == (Verdict.PENDING, "SERVICE_BUSY", "please wait")
    assert row.retry_at == NOON + timedelta(seconds=77)


@pytest.mark.parametrize(("receive_count", "seconds"), [(1, 5), (2, 10), (5, 80), (300, 3600)])
def test_without_a_retry_after_the_back_off_doubles_with_each_receive(
    world: World, oracle: Oracle, receive_count: int, seconds: int
) -> None:
    world.upload_pair()
    oracle.says = Later("cannot reach it", code="NETWORK_ERROR")

    assert deferred(world, oracle, receive_count).seconds == seconds
    assert world.stored().retry_at == NOON + timedelta(seconds=seconds)


def test_a_blocked_account_leaves_a_pending_row_and_defers_past_the_pause(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Closed("INSUFFICIENT_BALANCE", "top up", seconds=BLOCKED_RETRY)

    reason = deferred(world, oracle)

    assert isinstance(reason.reason, Closed)
    assert reason.seconds > BLOCKED_RETRY
    row = world.stored()
    assert (row.verdict, row.code, row.message) == (Verdict.PENDING, "INSUFFICIENT_BALANCE", "top up")
    assert row.retry_at == NOON + timedelta(seconds=reason.seconds)


def test_a_rate_limited_gate_leaves_a_pending_row_and_defers_the_message(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = RateLimited(7)

    reason = deferred(world, oracle, receive_count=3)

    assert reason.seconds == 7 + 3 * 5
    assert (world.stored().verdict, world.stored().code) == (Verdict.PENDING, "SERVICE_BUSY")


def test_a_pair_that_another_worker_has_is_deferred_briefly_without_a_row(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Later("another worker is asking")

    assert deferred(world, oracle, receive_count=300).seconds == 10
    assert world.verdicts.items == {}


@pytest.mark.parametrize("only", [None, "first"])
def test_a_picture_that_changed_since_it_was_listed_is_left_to_its_own_event(
    world: World, oracle: Oracle, only: str | None
) -> None:
    world.upload_pair()
    if only:
        world.bucket.delete("anna/second.jpg")
    world.bucket.at("version" if only else "read", lambda: world.bucket.put("anna/first.jpg", picture(9)))

    reason = deferred(world, oracle)

    assert reason.seconds == 10
    assert "overwritten or deleted" in str(reason)
    assert (world.verdicts.items, oracle.questions) == ({}, [])


def test_a_pending_row_never_replaces_a_verdict(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    compare(world, Oracle())
    passed = dict(world.verdicts.items)
    world.verdicts.items.clear()
    oracle.says = Later("busy", code="SERVICE_BUSY")
    oracle.meanwhile = lambda: world.verdicts.items.update(passed)

    deferred(world, oracle)

    assert world.stored().verdict is Verdict.PASS


def test_a_verdict_replaces_every_attribute_of_a_pending_row(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    oracle.says = Later("busy", code="SERVICE_BUSY")
    deferred(world, oracle)
    oracle.says = SUCCESS
    world.time.passes(60)

    compare(world, oracle)

    assert world.stored().verdict is Verdict.PASS
    assert "retry_at" not in world.item()


# --- unexpected errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fake", "operation"), [("bucket", "find"), ("verdicts", "item"), ("bucket", "read"), ("verdicts", "write")]
)
def test_an_aws_error_at_any_step_is_raised_and_leaves_the_pair_as_it_was(
    world: World, oracle: Oracle, fake: str, operation: str
) -> None:
    world.upload_pair()
    getattr(world, fake).at(operation, THROTTLED)

    with pytest.raises(Unavailable):
        compare(world, oracle)

    assert world.verdicts.items == {}
    row = compare(world, oracle)
    assert row is not None
    assert row.verdict is Verdict.PASS


def test_a_verdict_that_could_not_be_written_is_not_paid_for_again(world: World) -> None:
    world.upload_pair()
    world.verdicts.at("write", THROTTLED, THROTTLED)

    for _ in range(2):
        with pytest.raises(Unavailable):
            world.comparer().compare("anna", world.attempt())
    row = world.comparer().compare("anna", world.attempt())

    assert row is not None
    assert (row.verdict, row.transaction_id) == (Verdict.PASS, "t1")
    assert (world.api.posts, world.api.charged) == (1, 1)


def test_the_row_s_time_is_the_moment_before_the_bucket_was_listed(world: World, oracle: Oracle) -> None:
    world.upload_pair()
    world.bucket.at("find", lambda: world.time.passes(5))

    compare(world, oracle)

    assert world.stored().listed_at == NOON
    assert world.stored().updated_at == NOON + timedelta(seconds=5)
