"""Dead letters go back to the queue that they were meant for: received, sent, deleted, in this order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from facepair.domain.backlog import DeadLetter
from facepair.domain.notification import Malformed

HIDDEN_SECONDS = 300
"""For so long nobody else sees a dead letter that was received; if the redrive dies, it lies there again after that."""


class DeadLetters(Protocol):
    """A dead-letter queue."""

    def receive(self, seconds: int) -> list[DeadLetter]:
        """Some dead letters, for a time in which nobody else sees them; none if there are no more."""

    def delete(self, dead_letters: Iterable[DeadLetter]) -> None:
        """Remove what was received."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Let a dead letter be seen again in `seconds`."""


class Destination(Protocol):
    """The queue that the dead letters were meant for."""

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages, however many."""


@dataclass
class Redriven:
    """How many dead letters went back, and by their ids those that nobody can read, which stayed."""

    sent: int = 0
    unreadable: dict[str, DeadLetter] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """From dead letters to a queue whose messages `read` understands; it raises Malformed for those that nobody can
    read. Sent, they would be dead-lettered again at once, and be an error in the log each time: they stay."""

    dead_letters: DeadLetters
    destination: Destination
    read: Callable[[str], object]

    def redrive(self, tell: Callable[[Redriven], object]) -> Redriven:
        """Send back what can be read; `tell` hears how far it has come.

        Sent before it is deleted: where that fails in between a message comes twice, which costs nothing, and none is
        lost.
        """
        done = Redriven()
        while batch := self.dead_letters.receive(HIDDEN_SECONDS):
            readable = [message for message in batch if self._can_read(message)]
            unreadable = {message.message_id: message for message in batch if message not in readable}
            if not readable and unreadable.keys() <= done.unreadable.keys():
                break  # those that stay have come round: nothing else is left
            self.destination.send([message.body for message in readable])
            self.dead_letters.delete(readable)
            done.sent += len(readable)
            done.unreadable |= unreadable
            tell(done)
        for message in done.unreadable.values():
            self.dead_letters.defer(message.receipt_handle, 0)
        return done

    def _can_read(self, message: DeadLetter) -> bool:
        try:
            self.read(message.body)
        except Malformed:
            return False
        return True
