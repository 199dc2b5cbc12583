"""Keep `updated_at` strictly increasing for each pair, even if workers' clocks differ."""

from collections.abc import Callable
from datetime import datetime, timedelta

from boto3.dynamodb.conditions import Attr, ConditionBase

from facepair.aws.transactions import StoredItem
from facepair.domain import clock
from facepair.domain.retry import Unavailable

NAME = "updated_at"
MOST_TRIES = 7
"""Attempts. Each retry means that another write came in between."""
MILLISECOND = timedelta(milliseconds=1)
"""Resolution of times in the tables."""

type WriteAt = Callable[[datetime, ConditionBase], StoredItem | None]
"""Write a row with this `updated_at` under an additional condition. Return None, or the current item if refused."""


def write_later(now: datetime, write: WriteAt) -> bool:
    """Write at `now`, or just after the replaced row if its time is not earlier. Return False if refused.

    A condition detects that case: reading the row first would cost every write a request.
    """
    moment, unreadable = now, None
    for _ in range(MOST_TRIES):
        condition = Attr(NAME).eq(unreadable) if unreadable else ~Attr(NAME).gte(clock.iso(moment))
        current = write(moment, condition)
        if current is None:
            return True
        written = current.get(NAME, {}).get("S")
        if written is None or written == unreadable or (not unreadable and written < clock.iso(moment)):
            return False  # the time is not why the write was refused
        after = _just_after(written)
        moment, unreadable = (after, None) if after else (now, written)
    raise Unavailable("the row was written again and again meanwhile")


def _just_after(written: str) -> datetime | None:
    """None for a time in a format that this project does not write."""
    try:
        return clock.parse(written) + MILLISECOND
    except (ValueError, OverflowError):
        return None
