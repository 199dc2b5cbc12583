"""Wrong use of a command gets one sentence and exit status 2, before anything is read."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from facepair_cli.cli import main

HERE = str(Path(__file__))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("whatif --pass-above 50 --reject-below 60", "--reject-below (60) must not be above --pass-above (50)"),
        ("whatif --pass-above 170 --reject-below 60", "--pass-above: Input should be less than or equal to 100"),
        ("whatif --pass-above high --reject-below 60", "'high' is not a number from 0 to 100"),
        ("whatif --pass-above 70", "Missing option '--reject-below'"),
        ("whatif --pass-above 70 --reject-below 5 --since soon", "'soon' is not a time. Write 2026-01-31"),
        (f"reconcile {HERE} --month May", "'May' is not a month: write it as 2026-10"),
        (f"reconcile {HERE} --month 2026-10 --timezone Berlin", "'Berlin' is not a time zone: write it as"),
        ("reconcile /nowhere/invoice.csv --month 2026-10", "File '/nowhere/invoice.csv' does not exist"),
        ("report --month 2026-13 --output page.html", "'2026-13' is not a month: write it as 2026-10"),
        ("report --month 2026-10 --output /nowhere/page.html", "there is no folder /nowhere"),
    ],
)
def test_wrong_use_is_reported_before_anything_is_read(arguments: str, says: str) -> None:
    used = CliRunner().invoke(main, arguments.split())

    assert used.exit_code == 2
    assert says in " ".join(used.stderr.split())
