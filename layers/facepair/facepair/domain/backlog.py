"""What an operator finds waiting: messages, dead letters, rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backlog:
    """A queue's messages: `waiting` to be received, and `in_flight`, received but not deleted yet."""

    waiting: int
    in_flight: int

    @property
    def all(self) -> int:
        return self.waiting + self.in_flight


@dataclass(frozen=True)
class DeadLetter:
    """A message that was received from a dead-letter queue."""

    message_id: str
    body: str
    receipt_handle: str


@dataclass(frozen=True)
class Count:
    """So many rows; with `lower_bound` so many or more."""

    number: int
    lower_bound: bool = False

    def __str__(self) -> str:
        return f"{self.number:,} or more" if self.lower_bound else f"{self.number:,}"


@dataclass(frozen=True)
class Oldest:
    """What the row of the pair says that has waited longest: the table's attributes, by their names."""

    pair_id: str
    uploaded_at: str
    code: str | None = None
    message: str | None = None
    retry_at: str | None = None
    waiting_for: str | None = None
