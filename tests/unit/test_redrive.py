"""Redriving dead-letter queues, with in-memory queues that hide received messages."""

from collections.abc import Iterable, Sequence
from itertools import count

import pytest

from facepair.domain.backlog import DeadLetter
from facepair.domain.notification import created_notification, created_objects
from facepair.domain.retry import Unavailable
from facepair.use_cases.redrive import Redriven, Route


class DeadLetterQueue:
    """A dead-letter queue that hides received messages until a test makes them visible again."""

    def __init__(self, bodies: Iterable[str], *, hides: bool = True) -> None:
        self._receipts = count()
        self.bodies = {f"message {number}": body for number, body in enumerate(bodies)}
        self._hidden: set[str] = set()
        self._hides = hides

    def receive(self, seconds: int) -> list[DeadLetter]:
        seen = [name for name in self.bodies if name not in self._hidden][:10]
        self._hidden |= set(seen) if self._hides else set()
        return [DeadLetter(name, self.bodies[name], f"{name}, {next(self._receipts)}") for name in seen]

    def delete(self, messages: Iterable[DeadLetter]) -> None:
        for message in messages:
            del self.bodies[message.message_id]

    def defer(self, receipt_handle: str, seconds: int) -> None:
        self._hidden.discard(receipt_handle.partition(",")[0])

    @property
    def visible(self) -> list[str]:
        return [body for name, body in self.bodies.items() if name not in self._hidden]


class Destination:
    def __init__(self, broken: bool = False) -> None:
        self.bodies: list[str] = []
        self._broken = broken

    def send(self, bodies: Sequence[str]) -> None:
        if self._broken:
            raise Unavailable("SQS is down")
        self.bodies += bodies


def uploads(number: int) -> list[str]:
    return [created_notification(f"pair {each}/first.jpg", "etag") for each in range(number)]


def redrive(queue: DeadLetterQueue, destination: Destination) -> Redriven:
    return Route(queue, destination, created_objects).redrive(lambda: True)


def test_every_message_is_sent_once_and_deleted() -> None:
    queue, destination = DeadLetterQueue(uploads(25)), Destination()

    done = redrive(queue, destination)

    assert done == Redriven(sent=25)
    assert destination.bodies == uploads(25)
    assert queue.bodies == {}


def test_an_unreadable_message_stays_and_can_be_received_again() -> None:
    queue, destination = DeadLetterQueue(["rubbish", *uploads(12), "more rubbish"]), Destination()

    done = redrive(queue, destination)

    assert done.sent == 12
    assert [message.body for message in done.unreadable.values()] == ["rubbish", "more rubbish"]
    assert destination.bodies == uploads(12)
    assert queue.visible == ["rubbish", "more rubbish"]


def test_it_ends_when_only_unreadable_messages_come_round() -> None:
    queue = DeadLetterQueue([f"rubbish {number}" for number in range(4)], hides=False)

    done = redrive(queue, Destination())

    assert len(done.unreadable) == 4


def test_a_message_that_could_not_be_sent_is_not_deleted() -> None:
    queue = DeadLetterQueue(uploads(3))

    with pytest.raises(Unavailable):
        redrive(queue, Destination(broken=True))

    assert list(queue.bodies.values()) == uploads(3)


def test_it_stops_when_the_time_is_over_and_says_that_there_is_more() -> None:
    queue, destination = DeadLetterQueue(["rubbish", *uploads(24)]), Destination()
    turns = iter([True, True, False])

    done = Route(queue, destination, created_objects).redrive(lambda: next(turns))

    assert (done.sent, list(done.unreadable), done.more) == (19, ["message 0"], True)
    assert (len(destination.bodies), len(queue.bodies)) == (19, 6)
    rest = redrive(queue, destination)
    assert (rest.sent, rest.more, list(queue.bodies)) == (5, False, ["message 0"])


def test_a_redrive_that_dies_between_sending_and_deleting_only_duplicates() -> None:
    class Dying(DeadLetterQueue):
        def delete(self, messages: Iterable[DeadLetter]) -> None:
            raise Unavailable("the function ended")

    queue, destination = Dying(uploads(3)), Destination()
    with pytest.raises(Unavailable):
        redrive(queue, destination)

    assert list(queue.bodies.values()) == destination.bodies == uploads(3)
