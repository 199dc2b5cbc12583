"""Times as the tables hold them."""

from datetime import UTC, datetime


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def at(seconds: float) -> datetime:
    """The moment of so many seconds since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)


def iso(moment: datetime) -> str:
    """ISO 8601 UTC in milliseconds, always equally long, so that it sorts as text: 2026-01-31T23:59:59.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """What `iso` wrote."""
    return datetime.fromisoformat(text)


def milliseconds(moment: datetime | str) -> datetime:
    """A moment, or the text of one, as exact as the tables hold it: what `parse` makes of `iso`."""
    return parse(moment if isinstance(moment, str) else iso(moment))
