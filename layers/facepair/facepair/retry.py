"""What keeps a pair from its verdict for now, and how long to wait."""

import math
import random


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


SOON_SECONDS = 10
FIRST_SECONDS = 5
LONGEST_SECONDS = 3600
QUEUE_LIMIT_SECONDS = 12 * 3600 - 60
"""SQS counts 12 hours from the receive (quota: visibility timeout), of which an invocation takes up to a minute."""


class Backoff:
    """Exponential back-off with full jitter, remembered by the message's receive count.

    It doubles from 5 s to at most an hour, so the wait after an outage is about as long as the outage, never more than
    an hour; UploadsQueue's maxReceiveCount (300) then lasts for days.
    """

    def seconds(self, receive_count: int, retry_after: float = 0) -> int:
        """Seconds until the next try: what a Retry-After asked for, or longer when that has not helped so far."""
        ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(receive_count - 1, 16))
        return math.ceil(min(QUEUE_LIMIT_SECONDS, max(1, retry_after, self.jitter(ceiling))))

    def seconds_soon(self) -> int:
        """Seconds until the next try of what another worker is at: it lives for a minute at the most."""
        return math.ceil(max(1, self.jitter(SOON_SECONDS)))

    def seconds_blocked(self, receive_count: int, pause: float) -> int:
        """Seconds until the next try of a blocked account: after the pause, and not all messages at once."""
        return math.ceil(min(QUEUE_LIMIT_SECONDS, pause + self.seconds(receive_count)))

    def jitter(self, ceiling: float) -> float:
        """Alone in a method so that a test can hold it still."""
        return random.uniform(0, ceiling)
