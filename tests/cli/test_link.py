"""`facepair link`. tests/e2e/test_strict_rules.py uploads with its output in a browser."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
import urllib3

from tests.cli.conftest import CommandLine
from tests.support.deployed import ANNA, Deployed, picture


def test_a_pair_uploaded_by_its_two_forms_is_compared(facepair: CommandLine, deployed: Deployed) -> None:
    pair_id = "link/é +%"
    forms = json.loads(facepair("link", pair_id, "--json").stdout)

    for role in ("first", "second"):
        fields = forms[role]["fields"] | {"file": ("IMG_0001.HEIC", picture(ANNA, f"{pair_id}, {role}"))}
        assert urllib3.request("POST", forms[role]["url"], fields=fields).status == 204

    assert deployed.settled(pair_id)["verdict"] == "PASS"


def test_forms_have_a_key_a_size_limit_and_an_expiry(facepair: CommandLine) -> None:
    forms = json.loads(facepair("link", "customers/4711", "--minutes", "10").stdout)

    expires_at = datetime.fromisoformat(forms["expires_at"])
    assert forms.keys() == {"pair_id", "expires_at", "first", "second"}
    assert timedelta(minutes=9) < expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    for role in ("first", "second"):
        policy = json.loads(base64.b64decode(forms[role]["fields"]["policy"]))
        assert forms[role]["fields"]["key"] == f"customers/4711/{role}.jpg"
        assert ["content-length-range", 1, 25_000_000] in policy["conditions"]
        assert abs(datetime.fromisoformat(policy["expiration"]) - expires_at) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["a/${filename}"], "A form cannot name the pair"),
        (["x" * 1020], "1031 bytes, 1024 are the limit"),
        (["a", "--minutes", "0"], "--minutes"),
        (["a", "--minutes", "10081"], "--minutes"),
    ],
)
def test_what_cannot_be_signed_is_a_usage_error(facepair: CommandLine, arguments: list[str], why: str) -> None:
    run = facepair("link", *arguments)

    assert (run.returncode, run.stdout) == (2, "")
    assert why in run.stderr
