"""`facepair doctor`, and its real comparison."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine
from tests.support.deployed import ANNA, BEN, Deployed, picture


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, str]:
    """Two pictures never compared before."""
    files = (tmp_path / "a.jpg", tmp_path / "b.JPEG")
    for file, who in zip(files, (ANNA, BEN), strict=True):
        file.write_bytes(picture(who, str(file)))
    return str(files[0]), str(files[1])


def test_the_sandbox_passes_every_check(facepair: CommandLine) -> None:
    done = facepair("doctor")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok       token: CompareFunction obtained one from ADVANCE" in done.stdout.splitlines()


def test_refused_credentials_fail_with_the_codes_remedy(facepair: CommandLine, deployed: Deployed) -> None:
    deployed.control.script(endpoint="token", code="IAM_FAILED", message="access key not found", times=1)

    done = facepair("doctor", "--json")

    assert done.returncode == 1
    [failed] = [each for each in json.loads(done.stdout)["checks"] if each["status"] == "failed"]
    assert failed["check"] == "token"
    assert failed["detail"].startswith("CREDENTIALS_INVALID: generate-token answered IAM_FAILED: access key not found")


def test_a_pair_is_compared_from_end_to_end_and_stays_for_auditors(
    facepair: CommandLine, deployed: Deployed, pictures: tuple[str, str]
) -> None:
    charged = len(deployed.control.charges())

    done = facepair("doctor", "--json", "--yes", "--pair", *pictures)

    assert done.returncode == 0, done.stdout + done.stderr
    comparison = json.loads(done.stdout)["checks"][-1]
    assert (comparison["check"], comparison["status"]) == ("comparison", "ok")
    assert comparison["detail"].startswith("REJECT, SUCCESS: ")
    assert len(deployed.control.charges()) == charged + 1
    [pair_id] = {word.rstrip("`") for word in comparison["detail"].split() if word.startswith("doctor/")}
    [call] = deployed.ledger(pair_id)
    assert call["transaction_id"] in comparison["detail"]
    assert deployed.settled(pair_id)["verdict"] == "REJECT"


def test_a_call_that_is_not_answered_fails_with_the_pairs_state(
    facepair: CommandLine, deployed: Deployed, pictures: tuple[str, str]
) -> None:
    deployed.control.script(drop="after_reading", times=1)

    done = facepair("doctor", "--yes", "--pair", *pictures)

    assert done.returncode == 1
    assert "FAILED   comparison: the API answered no call (UNDETERMINED, OUTCOME_UNKNOWN" in done.stdout


def test_without_a_confirmation_no_call_is_made(
    facepair: CommandLine, deployed: Deployed, pictures: tuple[str, str]
) -> None:
    charged = len(deployed.control.charges())

    done = facepair("doctor", "--pair", *pictures)

    assert (done.returncode, done.stdout) == (2, "")
    assert "pass --yes" in done.stderr
    with facepair.terminal("doctor", "--pair", *pictures) as terminal:
        terminal.shows("ADVANCE charges for the call")
        terminal.type("n\n")
        assert terminal.ended().returncode == 1
    assert len(deployed.control.charges()) == charged


def test_a_picture_that_cannot_be_compared_is_named_before_anything_is_asked(
    facepair: CommandLine, pictures: tuple[str, str], tmp_path: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("a letter to my landlord")

    done = facepair("doctor", "--pair", pictures[0], str(letter))

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {letter} would not be compared: ")


def test_no_call_is_made_if_a_check_fails(facepair: CommandLine, deployed: Deployed, pictures: tuple[str, str]) -> None:
    charged = len(deployed.control.charges())
    deployed.control.script(endpoint="token", code="IAM_FAILED", message="expired", times=1)

    done = facepair("doctor", "--yes", "--pair", *pictures)

    assert done.returncode == 1
    assert "skipped  comparison: a check failed, so no call was made" in done.stdout
    assert len(deployed.control.charges()) == charged
