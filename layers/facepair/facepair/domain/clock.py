"""Times as stored in the tables."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def at(seconds: float) -> datetime:
    """Return the time of these epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def iso(moment: datetime) -> str:
    """Return ISO 8601 UTC in milliseconds. Its fixed length makes it sort as text: 2026-01-31T23:59:59.000Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """Parse what `iso` returned."""
    return datetime.fromisoformat(text)


def milliseconds(moment: datetime | str) -> datetime:
    """Return a time cut to the tables' precision."""
    return parse(moment if isinstance(moment, str) else iso(moment))
