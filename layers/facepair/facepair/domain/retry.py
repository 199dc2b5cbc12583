"""What keeps a pair from its verdict for now, and how long to wait."""

import math
import random
from dataclasses import dataclass


class Later(Exception):
    """Surely not charged: the message goes back to the queue.

    `code` and `message` are for the PENDING row. Without a code there is nothing to say to the pair's readers, and it
    passes within the life of a worker: another one is at it, the bucket changed meanwhile, or time ran short.
    `retry_after` in seconds, where it is known.
    """

    def __init__(self, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retry_after = retry_after


class Blocked(Exception):
    """The account is refused (balance, quota, access, credentials): the fleet stops calling. Never charged.

    `pause` is the seconds until somebody may call again; `code` is None where the reason got lost.
    """

    def __init__(self, code: str | None, message: str, *, pause: float) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.pause = pause


class Unavailable(Exception):
    """AWS did not do what it was asked: throttled, denied, down. Nothing is known to be lost; the message names it."""


QUEUE_LIMIT_SECONDS = 12 * 3600 - 60
"""SQS counts 12 hours from the receive (quota: visibility timeout), of which an invocation takes up to a minute."""


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter, remembered by the message's receive count. Seconds.

    It doubles from `first` to at most `longest`, so the wait after an outage is about as long as the outage, never more
    than an hour; UploadsQueue's maxReceiveCount (300) then lasts for days. `soon` bounds the wait for another worker.
    """

    first: float = 5
    longest: float = 3600
    soon: float = 10

    def seconds(self, receive_count: int, retry_after: float = 0) -> int:
        """Seconds until the next try: what a Retry-After asked for, or longer when that has not helped so far."""
        ceiling = min(self.longest, self.first * 2 ** min(receive_count - 1, 16))
        return math.ceil(min(QUEUE_LIMIT_SECONDS, max(1, retry_after, self.jitter(ceiling))))

    def seconds_soon(self) -> int:
        """Seconds until the next try of what another worker is at: it lives for a minute at the most."""
        return math.ceil(max(1, self.jitter(self.soon)))

    def seconds_blocked(self, receive_count: int, pause: float) -> int:
        """Seconds until the next try of a blocked account: after the pause, and not all messages at once."""
        return math.ceil(min(QUEUE_LIMIT_SECONDS, pause + self.seconds(receive_count)))

    def jitter(self, ceiling: float) -> float:
        """Alone in a method so that a test can hold it still."""
        return random.uniform(0, ceiling)
