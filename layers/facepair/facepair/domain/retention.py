"""Lifetimes of stored items: never shorter than those of their pictures."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LATE_DELETION = timedelta(days=7)
"""S3 deletes expired pictures some days late."""


@dataclass(frozen=True)
class Retention:
    """`own` is the configured lifetime, `images` that of the pictures.

    What expired before its pictures would be created again, and perhaps paid for again.
    """

    own: timedelta
    images: timedelta

    @property
    def longest_seconds(self) -> int:
        """The longest time, in seconds, for which an item may be needed."""
        return int(max(self.own, self.images + LATE_DELETION).total_seconds())

    def expires_at_if_written(self, now: datetime) -> int:
        """Return when an item written now may expire, in epoch seconds, for pictures uploaded up to now."""
        return int(now.timestamp()) + self.longest_seconds

    def expires_at(self, now: datetime, uploaded_at: datetime) -> datetime:
        """Return when an item written now may expire, for pictures uploaded at `uploaded_at`."""
        return max(now + self.own, uploaded_at + self.images + LATE_DELETION)
