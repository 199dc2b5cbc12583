"""Redrive dead letters: receive, send to their queue, delete, in this order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from facepair.domain.backlog import DeadLetter
from facepair.domain.notification import Malformed

HIDDEN_SECONDS = 300
"""Visibility timeout of received messages; if the redrive dies, they can be received again after it."""


class DeadLetters(Protocol):
    """A dead-letter queue."""

    def receive(self, seconds: int) -> list[DeadLetter]:
        """Return some messages and hide them for that time; none if the queue is empty."""

    def delete(self, messages: Iterable[DeadLetter]) -> None:
        """Delete what was received."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Make a message visible again in `seconds`."""


class Destination(Protocol):
    """The queue to which the messages return."""

    def send(self, bodies: Sequence[str]) -> None:
        """Send any number of messages."""


@dataclass
class Redriven:
    """Number of messages moved, and the unreadable ones that stay, by id.

    `more`: time ran out before the queue was empty.
    """

    sent: int = 0
    unreadable: dict[str, DeadLetter] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True)
class Route:
    """Moves messages from a dead-letter queue to the queue whose messages `read` parses (or raises Malformed).

    Unreadable messages stay: they would only be dead-lettered again.
    """

    dead_letters: DeadLetters
    destination: Destination
    read: Callable[[str], object]

    def redrive(self, may_go_on: Callable[[], bool]) -> Redriven:
        """Move readable messages until the queue is empty or `may_go_on` returns False.

        A message is sent before it is deleted: a failure in between duplicates it, which is harmless.
        """
        done = Redriven()
        while may_go_on():
            batch = self.dead_letters.receive(HIDDEN_SECONDS)
            readable = [message for message in batch if self._can_read(message)]
            unreadable = {message.message_id: message for message in batch if message not in readable}
            if not readable and unreadable.keys() <= done.unreadable.keys():
                break  # empty, or only unreadable messages are left
            self.destination.send([message.body for message in readable])
            self.dead_letters.delete(readable)
            done.sent += len(readable)
            done.unreadable |= unreadable
        else:
            done.more = True
            return done  # unreadable messages stay hidden, so that the next request skips them
        for message in done.unreadable.values():
            self.dead_letters.defer(message.receipt_handle, 0)
        return done

    def _can_read(self, message: DeadLetter) -> bool:
        try:
            self.read(message.body)
        except Malformed:
            return False
        return True
