"""`updated_at`: later with each write of a pair's row than with the one before it, whatever workers' clocks say."""

from collections.abc import Callable
from datetime import datetime, timedelta

from boto3.dynamodb.conditions import Attr, ConditionBase

from facepair.aws.transactions import StoredItem
from facepair.domain import clock
from facepair.domain.retry import Unavailable

NAME = "updated_at"
MOST_TRIES = 7
"""Each further one means that another write came in between."""
MILLISECOND = timedelta(milliseconds=1)
"""What the tables' times are exact to."""

type WriteAt = Callable[[datetime, ConditionBase], StoredItem | None]
"""Writes a row with this `updated_at`, under this condition beside its own. Returns None, or what stands if refused."""


def write_later(now: datetime, write: WriteAt) -> bool:
    """Write at `now`, or just after the row that is replaced if its time is not earlier; False if it was refused.

    The time comes from the row itself, by a condition on it: reading it first would cost every write a request.
    """
    moment, unreadable = now, None
    for _ in range(MOST_TRIES):
        condition = Attr(NAME).eq(unreadable) if unreadable else ~Attr(NAME).gte(clock.iso(moment))
        stands = write(moment, condition)
        if stands is None:
            return True
        written = stands.get(NAME, {}).get("S")
        if written is None or written == unreadable or (not unreadable and written < clock.iso(moment)):
            return False  # its time is not what refused the write
        after = _just_after(written)
        moment, unreadable = (after, None) if after else (now, written)
    raise Unavailable("the row was written again and again meanwhile")


def _just_after(written: str) -> datetime | None:
    """None for a time that this project did not write: nothing can be later than that."""
    try:
        return clock.parse(written) + MILLISECOND
    except (ValueError, OverflowError):
        return None
