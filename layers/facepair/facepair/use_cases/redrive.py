"""Dead letters return to their queue: received, sent, deleted, in this order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from facepair.domain.backlog import DeadLetter
from facepair.domain.notification import Malformed

HIDDEN_SECONDS = 300
"""Visibility timeout of what the redrive receives; if it dies, the messages can be received again after that."""


class DeadLetters(Protocol):
    """A dead-letter queue."""

    def receive(self, seconds: int) -> list[DeadLetter]:
        """Return some messages, hidden from other receivers for that time; none if there are no more."""

    def delete(self, messages: Iterable[DeadLetter]) -> None:
        """Delete what was received."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Let a message be received again in `seconds`."""


class Destination(Protocol):
    """The queue to which the messages return."""

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages, however many."""


@dataclass
class Redriven:
    """How many messages were moved, and by their ids those that cannot be read, which stay.

    `more` if the time ran out before the queue was empty.
    """

    sent: int = 0
    unreadable: dict[str, DeadLetter] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True)
class Route:
    """From a dead-letter queue to a queue whose messages `read` understands; it raises Malformed for others.

    A message that cannot be read would only become a dead letter again, with an error in the log: it stays.
    """

    dead_letters: DeadLetters
    destination: Destination
    read: Callable[[str], object]

    def redrive(self, may_go_on: Callable[[], bool]) -> Redriven:
        """Move what can be read, until the queue is empty or `may_go_on` returns False.

        A message is sent before it is deleted: a failure in between duplicates it, which costs nothing, and loses none.
        """
        done = Redriven()
        while may_go_on():
            batch = self.dead_letters.receive(HIDDEN_SECONDS)
            readable = [message for message in batch if self._can_read(message)]
            unreadable = {message.message_id: message for message in batch if message not in readable}
            if not readable and unreadable.keys() <= done.unreadable.keys():
                break  # empty, or what stays comes round: nothing else is left
            self.destination.send([message.body for message in readable])
            self.dead_letters.delete(readable)
            done.sent += len(readable)
            done.unreadable |= unreadable
        else:
            done.more = True
            return done  # what stays remains hidden, so that the next request does not meet it again
        for message in done.unreadable.values():
            self.dead_letters.defer(message.receipt_handle, 0)
        return done

    def _can_read(self, message: DeadLetter) -> bool:
        try:
            self.read(message.body)
        except Malformed:
            return False
        return True
