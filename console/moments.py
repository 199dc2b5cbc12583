"""Options that say when."""

from datetime import UTC, datetime

import click


class Moment(click.ParamType[datetime]):
    """A date, or a date with a time, of ISO 8601; in UTC where it names no zone."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-10-31 or 2026-10-31T12:30Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


MOMENT = Moment()
