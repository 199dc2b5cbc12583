"""Times on the command line."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from facepair_cli.times import check_order, moment

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T18:30", datetime(2026, 1, 30, 18, 30, tzinfo=UTC)),
        ("2026-01-30T18:30:00Z", datetime(2026, 1, 30, 18, 30, tzinfo=UTC)),
        ("2026-01-30T18:30:00.250+02:00", datetime(2026, 1, 30, 16, 30, 0, 250_000, tzinfo=UTC)),
        ("30m", NOON - timedelta(minutes=30)),
        ("24h", NOON - timedelta(hours=24)),
        ("7d", NOON - timedelta(days=7)),
        ("0001-01-01", datetime(1970, 1, 1, tzinfo=UTC)),
        ("99999w", datetime(1970, 1, 1, tzinfo=UTC)),
        (" 2w ", NOON - timedelta(days=14)),
    ],
)
def test_a_date_a_time_or_a_duration_is_a_time_in_utc(said: str, meant: datetime) -> None:
    assert moment(said, NOON) == meant
    assert moment(said, NOON).utcoffset() == timedelta(0)


@pytest.mark.parametrize("said", ["", "yesterday", "24", "h", "-24h", "1.5h", "2026-02-30", "31.1.2026", "9999999999d"])
def test_other_values_get_the_accepted_formats(said: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time\. Write 2026-01-31, .* or 24h or 7d before now") as refused:
        moment(said, NOON)

    assert repr(said) in str(refused.value)


def test_a_start_after_the_end_is_an_error() -> None:
    with pytest.raises(click.UsageError, match="--since must be earlier"):
        check_order(NOON, NOON)

    check_order(NOON, NOON + timedelta(seconds=1))
    check_order(None, NOON)
    check_order(NOON, None)
