"""Why a pair has no verdict yet, and how long to wait."""

import math
import random
from dataclasses import dataclass
from datetime import timedelta

from facepair.domain.verdict import PICTURE_UNREADABLE


class RetryReason(Exception):
    """Why a pair cannot be compared now. It was not charged; its message returns to the queue.

    `code` and `message` go into the PENDING row. Without a code the row stays as it is.
    """

    code: str | None
    message: str

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        raise NotImplementedError


class Later(RetryReason):
    """The pair itself has to wait.

    Without a code the reason passes soon: another worker has the pair, or the bucket changed meanwhile. `retry_after`
    is in seconds. `refusals`: how often the API refused this pair, if known.
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
    """S3 refuses to return a picture, which may be archived or encrypted with a key that is not allowed."""

    def __init__(self, refusal: str) -> None:
        super().__init__(
            f"S3 refuses to return a picture ({refusal}): restore it if it is archived, or allow its key",
            code=PICTURE_UNREADABLE,
        )

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        return backoff.seconds_unreadable()


class Closed(RetryReason):
    """The gate is closed for the reason in `code` and `message`; a probe is possible in `seconds`."""

    def __init__(self, code: str, message: str, *, seconds: float) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.seconds = seconds

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        return backoff.seconds_closed(receive_count, self.seconds)


class RateLimited(RetryReason):
    """More pairs than the API allows: the next slot is in `seconds`, too long to wait for."""

    code = "SERVICE_BUSY"

    def __init__(self, seconds: float) -> None:
        self.message = f"More pairs want to be compared than the API allows; the next call is free in {seconds:.1f} s"
        super().__init__(self.message)
        self.seconds = seconds

    def delay(self, backoff: "Backoff", receive_count: int) -> int:
        return backoff.seconds_rate_limited(receive_count, self.seconds)


class Blocked(Exception):
    """The account is refused (balance, quota, access, credentials). Never charged; closes the gate."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Unavailable(Exception):
    """An AWS request failed (throttled, denied, down). The message names it."""


QUEUE_LIMIT_SECONDS = 12 * 3600 - 120
"""SQS's limit is 12 hours from the receive (quota: visibility timeout), less an invocation's two minutes."""
BURST_RECEIVES = 30
"""After this many receives at a rate-limited gate it is not a burst: the load exceeds the pace for hours."""


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter, in seconds, based on the message's receive count.

    Doubles from `first` to `longest`, so a wait is at most about as long as the outage so far, and an hour;
    UploadsQueue's maxReceiveCount (300) then lasts for days. `soon` bounds the wait for another worker.
    """

    first: float = 5
    longest: float = 3600
    soon: float = 10

    def seconds(self, tries: int, retry_after: float = 0) -> int:
        """Return the seconds until the next try: Retry-After, or longer if that has not helped.

        `tries` from 1: refusals by the API, or else receives of the message.
        """
        ceiling = min(self.longest, self.first * 2 ** min(max(tries, 1) - 1, 16))
        return math.ceil(min(QUEUE_LIMIT_SECONDS, max(1, retry_after, self.jitter(ceiling))))

    def seconds_soon(self, known: float = 0) -> int:
        """Return the seconds until a retry of something that passes by itself, no earlier than the `known` seconds."""
        return math.ceil(min(QUEUE_LIMIT_SECONDS, known + max(1, self.jitter(self.soon))))

    def seconds_unreadable(self) -> int:
        """Return the seconds until S3 is asked again for a picture it refused; an operator has to fix that first."""
        return math.ceil(self.longest)

    def seconds_closed(self, receive_count: int, pause: float) -> int:
        """Return the seconds until the next look at a closed gate: after the pause, spread out."""
        return math.ceil(min(QUEUE_LIMIT_SECONDS, pause + self.seconds(receive_count)))

    def seconds_rate_limited(self, receive_count: int, wait: float) -> int:
        """Return the seconds until the next look at a rate-limited gate.

        Grows linearly in a burst, as a late message leaves slots unused. After about 20 minutes it grows by a tenth per
        receive, and at least half of that is waited, or a load above the pace would use up the receives within a day.
        """
        ceiling = min(self.longest, self.first * receive_count * 1.1 ** max(0, receive_count - BURST_RECEIVES))
        return math.ceil(min(self.longest, max(1, wait + ceiling / 2 + self.jitter(ceiling / 2))))

    def jitter(self, ceiling: float) -> float:
        """Return a random wait; tests replace this method."""
        return random.uniform(0, ceiling)


WEBHOOK_BACKOFF = Backoff(first=10, longest=3600)
"""Between attempts to deliver a webhook, in seconds."""
WEBHOOK_PATIENCE = timedelta(days=3)
"""How long delivery is tried: a receiver may be down over a weekend."""
