"""How long something is kept: never shorter than the pictures that it speaks of."""

from dataclasses import dataclass
from datetime import datetime, timedelta

LATE_DELETION = timedelta(days=7)
"""S3 deletes pictures some days after their time is over."""


@dataclass(frozen=True)
class Retention:
    """`own` is the time that was asked for, `images` that of the pictures.

    What is forgotten while the pictures are there would be made again, without end, and perhaps paid for again.
    """

    own: timedelta
    images: timedelta

    @property
    def longest_seconds(self) -> int:
        """Seconds for which something may have to be kept, whenever its pictures were uploaded."""
        return int(max(self.own, self.images + LATE_DELETION).total_seconds())

    def expires_at_if_written(self, now: datetime) -> int:
        """When something may be deleted that is written now, about pictures uploaded up to now, in epoch seconds."""
        return int(now.timestamp()) + self.longest_seconds

    def expires_at(self, now: datetime, uploaded_at: datetime) -> datetime:
        """When something may be deleted that is written now about pictures uploaded then."""
        return max(now + self.own, uploaded_at + self.images + LATE_DELETION)
