"""Publishing change events, publishing them again, and delivering webhooks."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from facepair.domain import clock
from facepair.domain.change import Change, Write
from facepair.domain.message import Message
from facepair.domain.retry import Backoff, Unavailable
from facepair.domain.stored_row import StoredRow
from facepair.domain.webhook import Undelivered, Webhook
from facepair.use_cases.deliver import Deliverer
from facepair.use_cases.publish import Publisher
from facepair.use_cases.receive import ComesBack
from facepair.use_cases.resend import Resender

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def row(pair_id: str, verdict: object = "PASS", minute: int = 0) -> dict[str, Any]:
    return {"pair_id": pair_id, "verdict": verdict, "updated_at": clock.iso(NOON + timedelta(minutes=minute))}


def write(old: StoredRow | None, new: StoredRow | None) -> Write:
    return Write(old, new, NOON, expired=False, place="111")


@dataclass
class Bus:
    """A bus that remembers what was published and raises while it is down."""

    published: list[Change] = field(default_factory=list)
    requests: int = 0
    down: bool = False

    def put(self, changes: Sequence[Change]) -> None:
        self.requests += 1
        if self.down:
            raise Unavailable("the bus is down")
        self.published += changes

    @property
    def pairs(self) -> list[str]:
        return [change.pair_id for change in self.published]


@dataclass
class Rows:
    """A table of rows, by pair id."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def since(self, moment: datetime) -> Iterator[StoredRow]:
        late = [each for each in self.rows if each["updated_at"] >= clock.iso(moment)]
        return iter(sorted(late, key=lambda each: str(each["updated_at"])))

    def of(self, pair_ids: Iterable[str]) -> Iterator[StoredRow]:
        wanted = set(pair_ids)
        return iter([each for each in self.rows if each["pair_id"] in wanted])


@dataclass
class Queue:
    """A queue that remembers deferred and dead-lettered messages."""

    bodies: list[str] = field(default_factory=list)
    deferred: list[tuple[str, int]] = field(default_factory=list)

    def dead_letter(self, body: str) -> None:
        self.bodies.append(body)

    def defer(self, receipt_handle: str, seconds: int) -> None:
        self.deferred.append((receipt_handle, seconds))


class Counts(Counter[str]):
    def add(self, metric: str, value: float = 1) -> None:
        self[metric] += value  # type: ignore[assignment]


@dataclass
class World:
    bus: Bus = field(default_factory=Bus)
    rows: Rows = field(default_factory=Rows)
    dead_letters: Queue = field(default_factory=Queue)
    counts: Counts = field(default_factory=Counts)

    @property
    def publisher(self) -> Publisher:
        return Publisher(bus=self.bus, dead_letters=self.dead_letters, metrics=self.counts)

    @property
    def resender(self) -> Resender:
        return Resender(bus=self.bus, rows=self.rows, metrics=self.counts)


@pytest.fixture
def world() -> World:
    return World()


def always() -> bool:
    return True


# --- publishing ------------------------------------------------------------------------------------------------------


def test_a_change_is_published_once_and_no_change_is_not_published(world: World) -> None:
    world.publisher.publish(write(None, row("anna")))
    world.publisher.publish(write(row("anna"), row("anna", minute=1)))

    assert world.bus.pairs == ["anna"]
    assert (world.counts["Writes"], world.counts["ChangesPublished"]) == (2, 1)


def test_a_bus_that_is_down_is_retried_by_the_caller(world: World) -> None:
    world.bus.down = True

    with pytest.raises(Unavailable):
        world.publisher.publish(write(None, row("anna")))

    assert world.dead_letters.bodies == []


def test_an_unreadable_row_is_dead_lettered_without_its_contents(world: World) -> None:
    world.publisher.publish(write(None, row("anna") | {"code": Decimal(7), "message": "private"}))

    [message] = [json.loads(body) for body in world.dead_letters.bodies]
    assert (message["pair_id"], message["place"]) == ("anna", "111")
    assert "code" in message["reason"]
    assert "private" not in json.dumps(message)
    assert world.bus.published == []
    assert world.counts["UnreadableRows"] == 1


@pytest.mark.parametrize(
    "poison",
    [
        {"uploaded_at": Decimal(1764270000)},
        {"updated_at": [1]},
        {"retry_at": {}},
        {"verdict": ["PASS"]},
        {"message": "x" * 300_000},
    ],
    ids=["a number", "a list", "a map", "an unhashable verdict", "more than an event can hold"],
)
def test_a_record_that_can_never_be_published_is_dead_lettered_at_once(world: World, poison: dict[str, Any]) -> None:
    world.publisher.publish(write(None, row("anna") | poison))
    world.publisher.publish(write(None, row("ben")))

    [message] = [json.loads(body) for body in world.dead_letters.bodies]
    assert (message["pair_id"], message["place"]) == ("anna", "111")
    assert world.bus.pairs == ["ben"]


# --- publishing again ------------------------------------------------------------------------------------------------


def test_rows_since_a_time_are_published_in_the_order_of_their_writing(world: World) -> None:
    world.rows.rows = [row(f"pair {minute}", minute=minute) for minute in reversed(range(25))]

    done = world.resender.since(NOON + timedelta(minutes=2), always)

    assert world.bus.pairs == [f"pair {minute}" for minute in range(2, 25)]
    assert world.bus.requests == 3
    assert (done.published, done.since, done.missing) == (23, None, [])


def test_named_pairs_are_published_under_the_same_ids_and_missing_ones_are_named(world: World) -> None:
    world.publisher.publish(write(None, row("anna")))
    world.rows.rows = [row("anna"), row("ben")]

    done = world.resender.pairs(["anna", "carl", "anna"])

    assert [change.id for change in world.bus.published] == [world.bus.published[0].id] * 2
    assert (done.published, done.missing) == (1, ["carl"])


def test_an_unreadable_row_does_not_keep_others_from_being_resent(world: World) -> None:
    world.rows.rows = [row("anna"), row("ben", verdict="PASSED"), row("carl")]

    done = world.resender.pairs(["anna", "ben", "carl"])

    assert world.bus.pairs == ["anna", "carl"]
    assert (done.unreadable, done.missing) == (["ben"], [])


def test_when_the_time_runs_out_the_answer_says_where_to_go_on(world: World) -> None:
    world.rows.rows = [row(f"pair {minute}", minute=minute) for minute in range(25)]
    turns = iter([True, False])

    done = world.resender.since(NOON, lambda: next(turns))
    rest = world.resender.since(clock.parse(str(done.since)), always)

    assert (done.published, done.since) == (10, "2026-01-31T12:10:00.000Z")
    assert (rest.published, rest.since) == (15, None)
    assert world.bus.pairs == [f"pair {minute}" for minute in range(25)]


# --- delivering ------------------------------------------------------------------------------------------------------

EVENT = {"detail-type": "Verdict changed", "time": "2026-01-31T12:00:00Z", "detail": {"id": "1", "pair_id": "anna"}}


@dataclass
class Server:
    """A receiver that refuses with `refusals` in turn, then accepts everything."""

    refusals: list[Undelivered] = field(default_factory=list)
    taken: list[Webhook] = field(default_factory=list)

    def take(self, webhook: Webhook) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append(webhook)


def deliverer(server: Server, queue: Queue, counts: Counts) -> Deliverer:
    return Deliverer(
        receiver=server,
        queue=queue,
        backoff=Backoff(10, 3600),
        metrics=counts,
        add_log_keys=lambda **keys: None,
    )


def message(body: str = json.dumps(EVENT), receive_count: int = 1, age: timedelta = timedelta()) -> Message:
    return Message(body, f"receipt {receive_count}", receive_count, clock.now() - age)


def test_an_accepted_event_is_done() -> None:
    server, queue, counts = Server(), Queue(), Counts()

    deliverer(server, queue, counts).deliver(message(age=timedelta(seconds=2)))

    assert [webhook.id for webhook in server.taken] == ["1"]
    assert (counts["WebhooksDelivered"], counts["WebhooksPostponed"]) == (1, 0)
    assert 2 <= counts["SecondsToReceiver"] < 3


def test_a_refused_event_comes_back_within_ten_seconds() -> None:
    server, queue, counts = Server([Undelivered("HTTP 500")]), Queue(), Counts()

    with pytest.raises(ComesBack):
        deliverer(server, queue, counts).deliver(message())

    [(receipt, seconds)] = queue.deferred
    assert (receipt, counts["WebhooksPostponed"]) == ("receipt 1", 1)
    assert 1 <= seconds <= 10


@pytest.mark.parametrize(("retry_after", "seconds"), [(1200.0, 1200), (10 * 86400.0, 12 * 3600 - 120)])
def test_a_retry_after_is_obeyed_up_to_the_queue_s_limit(retry_after: float, seconds: int) -> None:
    server, queue = Server([Undelivered("HTTP 503", retry_after=retry_after)]), Queue()

    with pytest.raises(ComesBack):
        deliverer(server, queue, Counts()).deliver(message())

    assert queue.deferred == [("receipt 1", seconds)]


def test_after_three_days_an_event_is_dead_lettered() -> None:
    server, queue, counts = Server([Undelivered("HTTP 500")] * 2), Queue(), Counts()

    with pytest.raises(ComesBack):
        deliverer(server, queue, counts).deliver(message(receive_count=150, age=timedelta(days=3, seconds=-5)))
    deliverer(server, queue, counts).deliver(message(receive_count=151, age=timedelta(days=3, seconds=5)))

    assert queue.bodies == [json.dumps(EVENT)]
    assert len(queue.deferred) == 1
    assert counts["SecondsUndelivered"] > 3 * 86400


def test_a_message_that_is_no_event_is_dead_lettered_at_once() -> None:
    server, queue, counts = Server(), Queue(), Counts()

    deliverer(server, queue, counts).deliver(message("not an event"))

    assert queue.bodies == ["not an event"]
    assert (server.taken, counts["MalformedMessages"]) == ([], 1)
