"""A message as a queue delivers it, without AWS's format."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Message:
    """A message received from a queue. `receive_count` starts at 1; `sent_at` is when it entered the queue."""

    body: str
    receipt_handle: str
    receive_count: int
    sent_at: datetime
