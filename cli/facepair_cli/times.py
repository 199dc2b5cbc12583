"""Times on the command line."""

import re
from datetime import UTC, datetime, timedelta

import click

from facepair.domain import clock

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""No row is older, and Python can compute with the times around it."""
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TIMES = """\b
Times are ISO 8601, in UTC without an offset, or relative to now:
  2026-01-31                  midnight
  2026-01-31T18:30            6.30 pm
  2026-01-31T18:30:00+02:00   16:30 UTC
  30m, 24h, 7d, 2w            minutes, hours, days or weeks ago"""
"""For the help of commands that take a time."""


class Time(click.ParamType[datetime]):
    """A time with its offset; see TIMES."""

    name = "time"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "T"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return moment(value, clock.now())
        except ValueError as error:
            self.fail(str(error), param, ctx)


TIME = Time()


def moment(said: str, now: datetime) -> datetime:
    """Parse a time from the command line. Raises ValueError with the remedy."""
    try:
        if ago := re.fullmatch(r"([0-9]+)([mhdw])", said.strip()):
            return max(EARLIEST, now - timedelta(**{UNITS[ago[2]]: int(ago[1])}))
        at = datetime.fromisoformat(said.strip())
        return max(EARLIEST, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{said!r} is not a time. Write 2026-01-31, 2026-01-31T18:30:00+02:00, or 24h or 7d before now."
        ) from None


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raise UsageError unless `since` is before `until`."""
    if since and until and since >= until:
        raise click.UsageError(
            f"Nothing lies between --since {clock.iso(since)} and --until {clock.iso(until)}: --since must be earlier."
        )
