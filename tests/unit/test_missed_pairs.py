"""The search for missed pairs: which pairs count as missed, and how far a run gets."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from facepair.domain.notification import created_objects
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Unavailable
from facepair.domain.row import Case, Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.missed import PAIRS_AT_ONCE, STOPPING_SECONDS, WALKING_SECONDS, SearchResult
from tests.fakes import SUCCESS, picture
from tests.world import POLICY, World

AT_ONCE = timedelta(0)
A_QUARTER = timedelta(minutes=15)


def put(world: World, *keys: str, shade: int = 0) -> None:
    """Add uploads whose events are lost."""
    for key in keys:
        world.bucket.put(key, picture(shade))


def put_pairs(world: World, *pair_ids: str) -> None:
    for pair_id in pair_ids:
        put(world, f"{pair_id}/first.jpg", f"{pair_id}/second.jpg")


def write_row(world: World, make: Callable[[Case], Row]) -> None:
    """Write the row of pair `anna` for the uploads now in the bucket."""
    pair = world.bucket.find("anna")
    assert world.verdicts.write(make(Case(pair, {}, POLICY, "f" * 64)), None)


def passed(case: Case) -> Row:
    return Row.judged(case, SUCCESS)


def search(world: World, after: timedelta = AT_ONCE, time_left: Callable[[], float] = lambda: 900) -> SearchResult:
    return world.missed_pairs(after).send(time_left)


def sent(world: World) -> list[str]:
    """Return the keys in the queue's messages."""
    return [created.key for body in world.queue.bodies for created in created_objects(body)]


# --- which pairs are missed ------------------------------------------------------------------------------------------


def test_a_complete_pair_without_a_row_is_enqueued_by_its_first_picture(world: World) -> None:
    put(world, "anna bell + é/first.JPG", "anna bell + é/second", "anna bell + é/notes.txt", "outside.jpg")

    found = search(world)

    assert sent(world) == ["anna bell + é/first.JPG"]
    assert found == SearchResult(objects=4, pairs=1, sent=1, finished=True)


def test_a_lone_picture_is_no_pair(world: World) -> None:
    put(world, "anna/first.jpg", "bob/second.jpg", "bob/b/first.jpg")

    assert search(world) == SearchResult(objects=3, pairs=0, sent=0, finished=True)
    assert sent(world) == []


@pytest.mark.parametrize(
    "code", ["SUCCESS", "NO_FACE_DETECTED_FROM_FIRST_IMAGE", "OUTCOME_UNKNOWN"], ids=["final", "retake", "undetermined"]
)
def test_a_judged_or_waiting_pair_is_left_alone(world: World, code: str) -> None:
    put_pairs(world, "anna")
    write_row(world, lambda case: Row.judged(case, Outcome(code=code, message="", similarity=SUCCESS.similarity)))

    assert search(world) == SearchResult(objects=2, pairs=1, sent=0, finished=True)


def test_a_verdict_on_an_earlier_upload_does_not_count(world: World) -> None:
    put_pairs(world, "anna")
    write_row(world, passed)
    world.time.passes(1)
    put(world, "anna/first.jpg", shade=1)

    assert search(world).sent == 1


def test_another_picture_of_the_same_second_is_missed_too(world: World) -> None:
    put_pairs(world, "anna")
    write_row(world, passed)
    put(world, "anna/first.jpg", shade=1)

    assert search(world).sent == 1


def test_a_row_for_a_newer_picture_that_was_deleted_since_is_left_alone(world: World) -> None:
    put_pairs(world, "anna")
    world.time.passes(1)
    put(world, "anna/first.png")
    write_row(world, passed)
    world.bucket.delete("anna/first.png")

    assert search(world).sent == 0


def test_a_pair_that_still_waits_for_a_picture_that_exists_is_enqueued(world: World) -> None:
    put(world, "anna/first.jpg")
    pair = world.bucket.find("anna")
    world.verdicts.write(Row.waiting(pair, {}, POLICY), None)
    put(world, "anna/second.jpg")

    assert search(world).sent == 1


def test_a_waiting_row_of_a_complete_pair_counts_as_missed(world: World) -> None:
    put_pairs(world, "anna")
    alone = world.bucket.find("anna")
    write_row(world, lambda case: passed(case).model_copy(update={"verdict": Verdict.WAITING, "fingerprint": None}))

    assert world.stored().covers(alone)
    assert search(world).sent == 1


@pytest.mark.parametrize(
    ("retry_in", "missed"),
    [(3600, 0), (0, 0), (-A_QUARTER.total_seconds(), 0), (-A_QUARTER.total_seconds() - 1, 1)],
)
def test_a_pending_pair_is_missed_when_its_next_try_is_long_overdue(world: World, retry_in: float, missed: int) -> None:
    put_pairs(world, "anna")
    world.time.passes(3600)
    retry_at = world.time.now() + timedelta(seconds=retry_in)
    write_row(world, lambda case: Row.pending(case, "SERVICE_BUSY", "busy", retry_at))

    assert search(world, A_QUARTER).sent == missed


def test_a_pending_row_without_a_time_is_left_alone(world: World) -> None:
    put_pairs(world, "anna")
    write_row(world, lambda case: passed(case).model_copy(update={"verdict": Verdict.PENDING}))

    assert search(world).sent == 0


@pytest.mark.parametrize(("seconds", "pairs"), [(A_QUARTER.total_seconds() - 1, 0), (A_QUARTER.total_seconds(), 1)])
def test_a_recent_pair_is_given_time(world: World, seconds: float, pairs: int) -> None:
    put(world, "anna/first.jpg")
    world.time.passes(7200)
    put(world, "anna/second.jpg")
    world.time.passes(seconds)

    assert search(world, A_QUARTER).pairs == pairs


# --- how far a run gets ----------------------------------------------------------------------------------------------


class Looks:
    """Run out of time after this many checks."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    def __call__(self) -> float:
        self._looks -= 1
        return 900 if self._looks >= 0 else STOPPING_SECONDS - 0.1


def test_an_empty_bucket_is_searched_to_its_end(world: World) -> None:
    world.cursor.key = "where it stopped"

    assert search(world) == SearchResult(objects=0, pairs=0, sent=0, finished=True)
    assert world.cursor.key == ""


def test_a_run_without_any_time_stays_where_it_was(world: World) -> None:
    put_pairs(world, "anna")
    world.cursor.key = "a"

    assert search(world, time_left=lambda: STOPPING_SECONDS - 1) == SearchResult(
        objects=0, pairs=0, sent=0, finished=False
    )
    assert world.cursor.key == "a"


def test_a_run_with_just_enough_time_goes_on(world: World) -> None:
    put_pairs(world, "anna")

    assert search(world, time_left=lambda: STOPPING_SECONDS).finished


def test_a_run_starts_after_the_last_key_and_wraps_around_at_the_end(world: World) -> None:
    put_pairs(world, "a", "b", "c")
    world.cursor.key = "b/second.jpg"

    first, second = search(world), search(world)

    assert (first.objects, first.finished) == (2, True)
    assert (second.objects, second.finished) == (6, True)


@pytest.mark.parametrize("objects", range(1, 9))
def test_a_search_that_runs_out_of_time_resumes_and_misses_nothing(world: World, objects: int) -> None:
    pair_ids = ["a", "a/b", "b +", "c"]
    put_pairs(world, *pair_ids)

    runs = 0
    while not search(world, time_left=Looks(objects)).finished:
        runs += 1
        assert runs < 20
        while world.queue.receive():  # or the next search would leave them to the workers
            pass

    assert {key.rpartition("/")[0] for key in sent(world)} == set(pair_ids)


def test_a_folder_cut_by_the_time_limit_is_searched_as_a_whole(world: World) -> None:
    put_pairs(world, "anna", "bob")

    found = search(world, time_left=Looks(1))

    assert (found.objects, found.sent, found.finished) == (1, 1, False)
    assert (sent(world), world.cursor.key) == (["anna/first.jpg"], "anna/first.jpg")


def test_a_pair_with_many_pictures_of_a_role_is_seen_once(world: World) -> None:
    put_pairs(world, "anna")
    world.time.passes(1)
    put(world, "anna/first.png", "anna/FIRST.HEIC")

    assert search(world) == SearchResult(objects=4, pairs=1, sent=1, finished=True)
    assert sent(world) == ["anna/first.png"]


def test_rows_are_looked_up_and_messages_sent_in_batches(world: World) -> None:
    put_pairs(world, *(f"{number:04}" for number in range(2 * PAIRS_AT_ONCE + 1)))

    found = search(world)

    assert (found.pairs, found.sent) == (2 * PAIRS_AT_ONCE + 1,) * 2
    assert len(sent(world)) == len(set(sent(world))) == found.sent
    assert world.happened("verdicts.rows", "queue.send") == ["verdicts.rows", "queue.send"] * 3


@pytest.mark.parametrize(("fake", "operation"), [("verdicts", "rows"), ("queue", "send"), ("bucket", "all")])
def test_a_run_that_fails_keeps_its_starting_point(world: World, fake: str, operation: str) -> None:
    put_pairs(world, "a", "b")
    world.cursor.key = "a/second.jpg"
    getattr(world, fake).at(operation, Unavailable("ThrottlingException"))

    with pytest.raises(Unavailable):
        search(world)

    assert world.cursor.key == "a/second.jpg"
    while world.queue.receive():
        pass
    assert search(world).sent == (0 if (fake, operation) == ("cursor", "save") else 1)


def test_the_cursor_is_read_before_the_bucket_and_saved_after_all_messages(world: World) -> None:
    put_pairs(world, "anna")

    search(world)

    steps = ["cursor.load", "bucket.all", "verdicts.rows", "queue.send", "cursor.save"]
    assert world.happened(*steps) == steps


def test_an_enqueued_pair_gets_its_verdict(world: World) -> None:
    put_pairs(world, "anna")

    search(world)
    world.work()

    assert world.stored().verdict is Verdict.PASS
    assert search(world).sent == 0


# --- pictures deleted while their pair waits -------------------------------------------------------------------------


@pytest.fixture
def blocked(world: World) -> World:
    """Upload Anna's and Ben's pairs while the account stays blocked."""
    world.api.answers(Outcome(code="INSUFFICIENT_BALANCE", message="top up", pricing_strategy="FREE"))
    world.upload_pair("anna")
    world.upload_pair("ben")
    world.work()
    assert {item["verdict"] for item in world.verdicts.items.values()} == {Verdict.PENDING}
    return world


@pytest.mark.parametrize("roles", [("first", "second"), ("first",), ("second",)])
def test_deleted_pictures_of_a_waiting_pair_are_found_while_the_gate_is_closed(
    blocked: World, roles: tuple[str, ...]
) -> None:
    for role in roles:
        blocked.bucket.delete(f"anna/{role}.jpg")

    found = search(blocked)

    assert found.deleted == 1
    assert (blocked.stored().verdict, blocked.stored().code) == (Verdict.UNDETERMINED, "PICTURES_DELETED")
    assert blocked.stored("ben").verdict is Verdict.PENDING
    assert search(blocked).deleted == 0


def test_a_row_that_a_worker_rewrites_is_not_replaced_as_deleted(blocked: World) -> None:
    blocked.bucket.delete("anna/first.jpg")
    blocked.verdicts.at("replace", lambda: blocked.verdicts.write(passing, None))
    passing = blocked.stored().model_copy(update={"verdict": Verdict.PASS, "code": "SUCCESS"})

    assert search(blocked).deleted == 0
    assert blocked.stored().verdict is Verdict.PASS


def test_a_search_keeps_half_of_its_time_for_the_bucket(blocked: World) -> None:
    blocked.bucket.delete("anna/first.jpg")

    found = search(blocked, time_left=lambda: WALKING_SECONDS - 1)

    assert (found.deleted, found.finished) == (0, True)


def test_deleted_pictures_are_found_while_the_queue_is_long(blocked: World) -> None:
    blocked.bucket.delete("anna/first.jpg")
    blocked.queue.send(["one that no worker has received"] * 5)

    assert search(blocked).deleted == 1


# --- messages in flight ----------------------------------------------------------------------------------------------


def test_repeated_searches_send_one_message_for_a_pair_without_a_row(world: World) -> None:
    put_pairs(world, "anna")

    for _ in range(30):
        search(world)
        world.time.passes(60)
        world.queue.receive()

    assert len(world.queue.bodies) == 1


def test_a_message_that_the_queue_refuses_is_sent_by_the_next_search(world: World) -> None:
    put_pairs(world, "anna")
    world.time.passes(3600)
    world.queue.at("send", Unavailable("SQS refused 1 of 1 messages"))
    with pytest.raises(Unavailable):
        search(world, A_QUARTER)

    assert search(world, A_QUARTER).sent == 1
    assert "in_flight.finish" not in world.diary


def test_a_pair_whose_message_killed_its_worker_gets_no_second_message(world: World) -> None:
    class Killed(BaseException):
        """Kill the worker, like SIGKILL: no handler catches this exception."""

    world.upload("anna/first.jpg", "anna/second.jpg")
    world.bucket.at("read", Killed())
    with pytest.raises(Killed):
        world.work()
    while world.queue.receive():
        pass

    assert [search(world).sent for _ in range(30)] == [0] * 30


def test_a_pair_whose_message_the_queue_dropped_is_found_again(world: World) -> None:
    world.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"), SUCCESS)
    world.upload_pair()
    world.work()
    assert world.stored().verdict is Verdict.PENDING
    world.queue.lose()  # as SQS does after 14 days
    world.time.passes(14 * 86400)

    assert search(world, A_QUARTER).sent == 1
    world.work()
    assert world.stored().verdict is Verdict.PASS


def test_nothing_is_enqueued_while_the_queue_is_long(world: World) -> None:
    put_pairs(world, "anna")
    world.queue.send(["never received"])

    assert search(world).sent == 0


def test_a_pair_that_is_about_to_be_deleted_is_left_alone(world: World) -> None:
    put_pairs(world, "anna")
    world.time.passes(30 * 86400)

    assert search(world).sent == 0
