"""What keeps a pair from its verdict for now, and how long to wait."""

import math
import random
from dataclasses import dataclass

from facepair.domain.verdict import PICTURE_UNREADABLE


class RetryReason(Exception):
    """Why a pair cannot be compared now. It is surely not charged, and its message goes back to the queue.

    `code` and `message` are for the PENDING row. Without a code the row does not change.
    """

    code: str | None
    message: str

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        """Return the seconds until the message comes back."""
        raise NotImplementedError


class Later(RetryReason):
    """The pair itself has to wait.

    Without a code the reason passes within the life of a worker: another worker has the pair, or the bucket changed
    meanwhile. `retry_after` is in seconds, where known; `refusals` is how often the API has refused this pair, where
    known.
    """

    def __init__(
        self, message: str, *, code: str | None = None, retry_after: float | None = None, refusals: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retry_after = retry_after
        self.refusals = refusals

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        if self.code is None:
            return backoff.seconds_soon(self.retry_after or 0)
        return backoff.seconds(self.refusals or receive_count, self.retry_after or 0)


class Unreadable(Later):
    """S3 refuses to return a picture. It may be restored from an archive, or its key allowed again."""

    def __init__(self, refusal: str) -> None:
        super().__init__(
            f"S3 refuses to return a picture ({refusal}): restore it if it is archived, or allow its key",
            code=PICTURE_UNREADABLE,
        )

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        return backoff.seconds_unreadable()


class Closed(RetryReason):
    """The gate is closed: `code` and `message` say why; a probe may be made in `seconds`."""

    def __init__(self, code: str, message: str, *, seconds: float) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.seconds = seconds

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        return backoff.seconds_closed(receive_count, self.seconds)


class RateLimited(RetryReason):
    """More pairs want to be compared than the API allows: the next slot is free in `seconds`, too late to wait for."""

    code = "SERVICE_BUSY"

    def __init__(self, seconds: float) -> None:
        self.message = f"More pairs want to be compared than the API allows; the next call is free in {seconds:.1f} s"
        super().__init__(self.message)
        self.seconds = seconds

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        return backoff.seconds_rate_limited(receive_count, self.seconds)


class Blocked(Exception):
    """The account is refused (balance, quota, access, credentials). Never charged; the gate closes and says Closed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Unavailable(Exception):
    """AWS did not do what it was asked: throttled, denied, down. Nothing is known to be lost; the message names it."""


QUEUE_LIMIT_SECONDS = 12 * 3600 - 120
"""SQS counts 12 hours from the receive (quota: visibility timeout), of which an invocation takes up to two minutes."""
BURST_RECEIVES = 30
"""A pair that has met a rate-limited gate this often does not wait in a burst: the load is above the pace for hours."""


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter, remembered by the message's receive count. Seconds.

    It doubles from `first` to at most `longest`, so the wait after an outage is about as long as the outage, never more
    than an hour; UploadsQueue's maxReceiveCount (300) then lasts for days. `soon` bounds the wait for another worker.
    """

    first: float = 5
    longest: float = 3600
    soon: float = 10

    def seconds(self, tries: int, retry_after: float = 0) -> int:
        """Seconds until the next try: what a Retry-After asked for, or longer when that has not helped so far.

        `tries` from 1: how often the API refused, or else how often the message was received.
        """
        ceiling = min(self.longest, self.first * 2 ** min(max(tries, 1) - 1, 16))
        return math.ceil(min(QUEUE_LIMIT_SECONDS, max(1, retry_after, self.jitter(ceiling))))

    def seconds_soon(self, known: float = 0) -> int:
        """Seconds until the next try of what passes by itself, at the earliest in the seconds that are `known`."""
        return math.ceil(min(QUEUE_LIMIT_SECONDS, known + max(1, self.jitter(self.soon))))

    def seconds_unreadable(self) -> int:
        """Seconds until a picture is asked for again that S3 refused to return: a person has to do something first."""
        return math.ceil(self.longest)

    def seconds_closed(self, receive_count: int, pause: float) -> int:
        """Seconds until the next look at a closed gate: after the pause, and not all messages at once."""
        return math.ceil(min(QUEUE_LIMIT_SECONDS, pause + self.seconds(receive_count)))

    def seconds_rate_limited(self, receive_count: int, wait: float) -> int:
        """Seconds until the next look at a rate-limited gate: in turn, and rarer the longer the queue turns out to be.

        In a burst it grows with the receives, not with their power: a message that comes too late leaves slots unused.
        After about 20 minutes it grows by a tenth each time, and never waits less than half of that, or a pace below
        the load would use up the receives within a day.
        """
        ceiling = min(self.longest, self.first * receive_count * 1.1 ** max(0, receive_count - BURST_RECEIVES))
        return math.ceil(min(self.longest, max(1, wait + ceiling / 2 + self.jitter(ceiling / 2))))

    def jitter(self, ceiling: float) -> float:
        """Alone in a method so that a test can hold it still."""
        return random.uniform(0, ceiling)
