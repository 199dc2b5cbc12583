"""`facepair show`."""

import json

from tests.cli.conftest import CommandLine
from tests.support.deployed import Deployed


def test_a_pair_that_was_never_uploaded_is_an_error_with_the_remedy(facepair: CommandLine) -> None:
    shown = facepair("show", "never/there")

    assert shown.returncode == 1
    assert shown.stderr == "Error: There is no row of never/there; `facepair list` shows all rows.\n"


def test_a_stack_that_does_not_exist_is_an_error_with_the_remedy(facepair: CommandLine) -> None:
    shown = facepair("--stack", "elsewhere", "show", "a/b")

    assert shown.returncode == 1
    assert shown.stderr.startswith("Error: There is no stack elsewhere in this account in us-east-1. Check --stack")


def test_a_pairs_history_is_shown_in_order(facepair: CommandLine, deployed: Deployed) -> None:
    pair_id = "show/é +%"
    deployed.upload_pair(pair_id)
    deployed.settled(pair_id)

    shown = facepair("show", pair_id)

    assert shown.returncode == 0, shown.stderr
    story = shown.stdout[shown.stdout.index("History (UTC)") :]
    steps = ["first.jpg was uploaded", "ADVANCE was called (000001): SUCCESS, charged", "The row was written: PASS"]
    assert sorted(steps, key=story.index) == steps


def test_json_is_the_row_as_the_table_has_it_and_the_ledger_s_rows(facepair: CommandLine, deployed: Deployed) -> None:
    deployed.upload_pair("show/json")
    row = deployed.settled("show/json")

    document = json.loads(facepair("show", "show/json", "--json").stdout)

    [call] = deployed.ledger("show/json")
    assert document.keys() == row.keys() | {"calls", "uploads"}
    assert {name: document[name] for name in ("verdict", "fingerprint", "updated_at", "transaction_id")} == {
        name: row[name] for name in ("verdict", "fingerprint", "updated_at", "transaction_id")
    }
    assert document["similarity"] == float(row["similarity"])
    assert [each["call"] for each in document["calls"]] == [call["call"]]
    assert document["calls"][0].keys() == call.keys()
