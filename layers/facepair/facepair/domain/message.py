"""A message of a queue."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Message:
    """A received message. `receive_count` counts from 1; `sent_at` is when the message came into the queue."""

    body: str
    receipt_handle: str
    receive_count: int
    sent_at: datetime
