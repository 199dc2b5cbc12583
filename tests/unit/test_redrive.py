"""Dead letters that go back, with queues in memory that hide what was received."""

from collections.abc import Iterable, Sequence
from itertools import count

import pytest

from facepair.domain.backlog import DeadLetter
from facepair.domain.notification import created_notification, created_objects
from facepair.domain.retry import Unavailable
from facepair.use_cases.redrive import Redriven, Route


class FakeDeadLetterQueue:
    """A dead-letter queue: what was received is hidden, until time passes or somebody shows it again."""

    def __init__(self, bodies: Iterable[str], *, hides: bool = True) -> None:
        self._receipts = count()
        self.bodies = {f"message {number}": body for number, body in enumerate(bodies)}
        self._hidden: set[str] = set()
        self._hides = hides

    def receive(self, seconds: int) -> list[DeadLetter]:
        seen = [name for name in self.bodies if name not in self._hidden][:10]
        self._hidden |= set(seen) if self._hides else set()
        return [DeadLetter(name, self.bodies[name], f"{name}, {next(self._receipts)}") for name in seen]

    def delete(self, dead_letters: Iterable[DeadLetter]) -> None:
        for message in dead_letters:
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


def redrive(dead_letters: FakeDeadLetterQueue, destination: Destination) -> Redriven:
    return Route(dead_letters, destination, created_objects).redrive(lambda done: None)


def test_every_letter_is_sent_once_and_is_gone() -> None:
    dead_letters, destination = FakeDeadLetterQueue(uploads(25)), Destination()

    done = redrive(dead_letters, destination)

    assert done == Redriven(sent=25)
    assert destination.bodies == uploads(25)
    assert dead_letters.bodies == {}


def test_what_nobody_can_read_stays_is_told_once_and_can_be_seen_again() -> None:
    dead_letters, destination = FakeDeadLetterQueue(["rubbish", *uploads(12), "more rubbish"]), Destination()

    done = redrive(dead_letters, destination)

    assert done.sent == 12
    assert [message.body for message in done.unreadable.values()] == ["rubbish", "more rubbish"]
    assert destination.bodies == uploads(12)
    assert dead_letters.visible == ["rubbish", "more rubbish"]


def test_it_ends_when_what_stays_comes_round_again() -> None:
    dead_letters = FakeDeadLetterQueue([f"rubbish {number}" for number in range(4)], hides=False)

    done = redrive(dead_letters, Destination())

    assert len(done.unreadable) == 4


def test_a_letter_that_could_not_be_sent_is_not_deleted() -> None:
    dead_letters = FakeDeadLetterQueue(uploads(3))

    with pytest.raises(Unavailable):
        redrive(dead_letters, Destination(broken=True))

    assert list(dead_letters.bodies.values()) == uploads(3)


def test_it_tells_how_far_it_has_come() -> None:
    told: list[int] = []

    Route(FakeDeadLetterQueue(uploads(25)), Destination(), created_objects).redrive(lambda done: told.append(done.sent))

    assert told == [10, 20, 25]
