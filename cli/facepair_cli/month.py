"""Calendar months."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum, auto
from typing import Self

NEIGHBOURHOOD = timedelta(days=1)
"""Margin around an invoice's month, for clock and time zone differences."""


class Place(StrEnum):
    """Position of a time relative to a month."""

    INSIDE = auto()
    BESIDE = auto()  # within a day of its start or end
    ELSEWHERE = auto()


@dataclass(frozen=True)
class Month:
    """From `start` (inclusive) to `end` (exclusive), in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str, zone: tzinfo = UTC) -> Self:
        """Parse `2026-10` as a month in `zone`. Raises ValueError for anything else."""
        found = re.fullmatch(r"([1-9]\d{3})-(0[1-9]|1[0-2])", text)
        if not found:
            raise ValueError(f"{text!r} is not a month: write it as 2026-10")
        year, month = map(int, found.groups())
        start = datetime(year, month, 1, tzinfo=zone)
        end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
        return cls(start.astimezone(UTC), end.astimezone(UTC))

    def place(self, moment: datetime) -> Place:
        if self.start <= moment < self.end:
            return Place.INSIDE
        near = self.start - NEIGHBOURHOOD <= moment < self.end + NEIGHBOURHOOD
        return Place.BESIDE if near else Place.ELSEWHERE

    def is_at_an_end(self, moment: datetime) -> bool:
        """Return whether a time in the month is within a day of its start or end."""
        return not self.start + NEIGHBOURHOOD <= moment < self.end - NEIGHBOURHOOD

    @property
    def days(self) -> list[date]:
        """Its days, for a month in UTC."""
        first = self.start.date()
        return [first + timedelta(days=number) for number in range((self.end - self.start).days)]
