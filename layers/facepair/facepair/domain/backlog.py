"""Counts of messages, dead letters and rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backlog:
    """A queue's messages: `waiting` are visible, `in_flight` received but not deleted."""

    waiting: int
    in_flight: int

    @property
    def all(self) -> int:
        return self.waiting + self.in_flight


@dataclass(frozen=True)
class DeadLetter:
    """A message received from a dead-letter queue."""

    message_id: str
    body: str
    receipt_handle: str


@dataclass(frozen=True)
class Count:
    """A number of rows, or with `lower_bound` at least that many."""

    number: int
    lower_bound: bool = False

    def __str__(self) -> str:
        return f"{self.number:,} or more" if self.lower_bound else f"{self.number:,}"


@dataclass(frozen=True)
class Oldest:
    """The pair that has waited longest; attributes as in the table."""

    pair_id: str
    uploaded_at: str
    code: str | None = None
    message: str | None = None
    retry_at: str | None = None
    waiting_for: str | None = None
