"""A calendar month."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum, auto
from typing import Self

NEIGHBOURHOOD = timedelta(days=1)
"""Margin around a month on an invoice, for different clocks and time zones."""


class Place(StrEnum):
    """Where a moment is, as seen from a month."""

    INSIDE = auto()
    BESIDE = auto()  # within a day of its ends
    ELSEWHERE = auto()


@dataclass(frozen=True)
class Month:
    """From `start` to `end`, which is the next month's start; in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str, zone: tzinfo = UTC) -> Self:
        """`2026-10`, as a clock in that zone sees it. Raises ValueError for anything else."""
        found = re.fullmatch(r"([1-9]\d{3})-(0[1-9]|1[0-2])", text)
        if not found:
            raise ValueError(f"{text!r} is no month: write it as 2026-10")
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
        """Whether a moment of the month is within a day of one of its ends."""
        return not self.start + NEIGHBOURHOOD <= moment < self.end - NEIGHBOURHOOD

    @property
    def days(self) -> list[date]:
        """Its days, for a month in UTC."""
        first = self.start.date()
        return [first + timedelta(days=number) for number in range((self.end - self.start).days)]
