"""Times in stored models."""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from facepair.domain import clock


def _moment(value: object) -> datetime:
    """Return a stored time. Raises ValueError, which pydantic reports with the field's name."""
    if not isinstance(value, datetime | str):
        raise ValueError("not a time: expected ISO 8601 text")
    try:
        return clock.milliseconds(clock.parse(value) if isinstance(value, str) else value)
    except OverflowError:
        raise ValueError("not a time: out of range") from None


Moment = Annotated[datetime, BeforeValidator(_moment), PlainSerializer(clock.iso)]
"""A stored time: ISO 8601 UTC in milliseconds."""
