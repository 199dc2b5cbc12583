"""Times on the command line: one way to say them, for every command."""

import re
from datetime import UTC, datetime, timedelta

import click

from facepair.domain import clock

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
TIMES = """\b
Times are ISO 8601, in UTC unless they have an offset, or go back from now:
  2026-01-31                  the beginning of that day
  2026-01-31T18:30            half past six in the evening
  2026-01-31T18:30:00+02:00   the same two hours earlier
  30m, 24h, 7d, 2w            so many minutes, hours, days or weeks ago"""
"""For the help of commands that take a time."""


class Time(click.ParamType[datetime]):
    """A moment, with its offset; see TIMES."""

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
    """Return the time that a user wrote. Raises ValueError in one sentence, with the remedy."""
    try:
        if ago := re.fullmatch(r"([0-9]+)([mhdw])", said.strip()):
            return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(said.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{said!r} is not a time. Write 2026-01-31, 2026-01-31T18:30:00+02:00, or 24h or 7d before now."
        ) from None


def check_order(since: datetime | None, until: datetime | None) -> None:
    """Raises click.UsageError if nothing can lie between the two."""
    if since and until and since >= until:
        raise click.UsageError(
            f"Nothing lies between --since {clock.iso(since)} and --until {clock.iso(until)}: --since must be earlier."
        )
