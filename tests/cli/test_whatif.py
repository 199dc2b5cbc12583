"""`facepair whatif`: what other thresholds would have decided."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from facepair.domain import clock
from sandbox.cloud import Sandbox
from tests.cli.conftest import CommandLine
from tests.cli.stored import Tables
from tests.support.deployed import Deployed

SPRING = datetime(2021, 3, 1, tzinfo=UTC)
"""A period without rows of other tests."""
OF_SPRING = ("--since", "2021-03-01", "--until", "2021-03-02T00:00Z")


@pytest.fixture(scope="module")
def _stored(sandbox: Sandbox) -> Iterator[None]:
    with Tables(sandbox) as tables:
        for number, similarity in enumerate(("95", "80.01", "80", "70.5", "70", "60", "59.99", "20")):
            tables.row(f"whatif/{number}", similarity, SPRING + timedelta(hours=number))
        tables.row("whatif/decided", "58", SPRING, decided="PASS")
        tables.row("whatif/retaken", "65", SPRING, decided="RETAKE")
        tables.row("whatif/no-face", None, SPRING)
        tables.row("whatif/later", "75", SPRING + timedelta(days=1))
        yield


@pytest.mark.usefixtures("_stored")
def test_the_flows_between_verdicts_are_those_of_the_rows_of_that_time(facepair: CommandLine) -> None:
    asked = facepair("whatif", "--pass-above", "80", "--reject-below", "60", *OF_SPRING, "--json")

    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    assert told["flows"] == {
        "PASS": {"PASS": 2, "MANUAL_CHECK": 2, "REJECT": 0},
        "MANUAL_CHECK": {"PASS": 0, "MANUAL_CHECK": 3, "REJECT": 2},
        "REJECT": {"PASS": 0, "MANUAL_CHECK": 0, "REJECT": 1},
    }
    assert (told["rows"], told["changed"]["count"], told["changed"]["too_few"]) == (10, 4, True)
    assert told["decided_by_persons"] == {"PASS": {}, "MANUAL_CHECK": {"RETAKE": 1}, "REJECT": {"PASS": 1}}


@pytest.mark.usefixtures("_stored")
def test_a_person_reads_counts_with_intervals_a_plot_and_that_they_are_few(facepair: CommandLine) -> None:
    asked = facepair("whatif", "--pass-above", "80", "--reject-below", "60", *OF_SPRING)

    assert asked.returncode == 0, asked.stderr
    text = " ".join(asked.stdout.split())
    assert "Rows with a similarity: 10. Then: PASS above 80, REJECT below 60; deployed: PASS above 70" in text
    assert "│ MANUAL_CHECK │ 0 │ 3 │ 2 │ 5 │" in text
    assert "Another verdict: 4 of 10, 40.0 % (16.8 to 68.7 %)." in text
    assert "Too few rows to choose thresholds by." in text
    assert "REJECT, and were decided PASS: 1" in text
    assert "Similarities. Deployed: 55, 70 (dotted). Then: 60, 80." in text
    assert "█" in asked.stdout
    assert asked.stdout.rstrip().splitlines()[-1].split() == ["rows", "similarity"]
    assert max(map(len, asked.stdout.splitlines())) <= 80
    assert "\x1b" not in asked.stdout


@pytest.mark.usefixtures("_stored")
def test_how_many_rows_are_read_is_said_first(facepair: CommandLine) -> None:
    asked = facepair("whatif", "--pass-above", "80", "--reject-below", "60", "--json")

    assert asked.stderr.startswith("Reading at most about ")


def test_a_pair_that_was_compared_flows_to_where_its_similarity_leads(
    facepair: CommandLine, deployed: Deployed
) -> None:
    before = clock.iso(clock.now())
    deployed.upload_pair("whatif/compared", answer={"patch": {"data": {"similarity": 69.5}}})
    deployed.row_with("whatif/compared", "MANUAL_CHECK")

    asked = facepair(
        "whatif", "--pass-above", "69", "--reject-below", "50", "--since", before, "--until", "2041-01-01", "--json"
    )

    assert json.loads(asked.stdout)["flows"]["MANUAL_CHECK"]["PASS"] == 1


def test_where_there_is_no_row_there_is_nothing_to_say(facepair: CommandLine) -> None:
    asked = facepair("whatif", "--pass-above", "80", "--reject-below", "60", "--since", "2041-01-01")

    assert asked.returncode == 0
    assert asked.stdout.startswith("No row has a similarity")
