"""Problems of the whole fleet: credentials, account, network. All pairs stay PENDING."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sandbox.cloud import CREDENTIALS
from tests.support.deployed import Deployed, Row
from tests.support.waiting import next_second

SECRETS = {
    "not JSON": "sampleaccesskey",
    "without a key": '{"accessKey": "sampleaccesskey"}',
    "with an empty key": '{"accessKey": "", "secretKey": "samplesecretkey"}',
    "of another account": json.dumps(CREDENTIALS | {"secretKey": "wrong"}),
}
# IAM_FAILED keeps a pair only after three refused tokens: in memory, shared, and new.
REFUSALS = {"INSUFFICIENT_BALANCE": 1, "OVER_QUERY_LIMIT": 1, "ACCOUNT_DISABLED": 1, "IAM_FAILED": 3}


@pytest.fixture(scope="module")
def pending(deployed: Deployed) -> dict[str, Row]:
    """The row of a pair for each problem, one after the other, each fixed at once."""
    rows = {}
    for name, secret in SECRETS.items():
        deployed.control.revoke_tokens()
        put_secret(deployed, secret)
        says = "Signature error" if name == "of another account" else "into the secret"
        rows[name] = next_in_trouble(deployed, name, "CREDENTIALS_INVALID", says=says)
        put_secret(deployed, json.dumps(CREDENTIALS))
        deployed.settled(name)  # otherwise it would retry during the next problem
    for code, times in REFUSALS.items():
        if times > 1:  # without a pair of an earlier problem in between
            for earlier in rows:
                deployed.settled(earlier)
        rows[code] = next_in_trouble(deployed, code, code, {"code": code, "times": times})
        deployed.settled(code)
    return rows


def next_in_trouble(
    deployed: Deployed, pair_id: str, code: str, answer: dict[str, Any] | None = None, *, says: str = ""
) -> Row:
    next_second()  # BlockedRetrySeconds: the previous problem must not block this call
    deployed.upload_in_turn(pair_id, answer=answer)
    return deployed.row_that(
        pair_id, lambda row: (row["verdict"], row.get("code")) == ("PENDING", code) and says in row["message"]
    )


def put_secret(deployed: Deployed, value: str) -> None:
    secret = deployed.sandbox.outputs["CredentialsSecret"]
    deployed.sandbox.aws("secretsmanager").put_secret_value(SecretId=secret, SecretString=value)


@pytest.mark.parametrize("name", SECRETS)
def test_a_pair_waits_for_good_credentials_and_says_what_to_do(
    deployed: Deployed, pending: dict[str, Row], name: str
) -> None:
    message = pending[name]["message"]

    if name == "of another account":
        assert message == "generate-token answered PARAMETER_ERROR: Signature error"
    else:
        assert 'put {"accessKey": "...", "secretKey": "..."} into the secret' in message
        assert deployed.sandbox.outputs["CredentialsSecret"] in message
    assert "samplesecretkey" not in message


@pytest.mark.parametrize("name", [*SECRETS, *REFUSALS])
def test_a_pair_that_waited_for_the_account_is_compared_once_it_works(
    deployed: Deployed, pending: dict[str, Row], name: str
) -> None:
    row = deployed.settled(name)

    assert pending[name]["retry_at"] > pending[name]["updated_at"]
    assert row["verdict"] == "PASS"
    *refused, answered = deployed.ledger(name)
    assert answered["state"] == "ANSWERED"
    assert all(call["state"] == "REFUSED" for call in refused)
    assert name in SECRETS or name in {call["code"] for call in refused}


def test_a_blocked_account_is_asked_once_per_pause_by_the_whole_fleet(deployed: Deployed) -> None:
    pair_ids = [f"fleet {number}" for number in range(6)]
    before = len(deployed.control.calls("check"))
    deployed.control.script(code="INSUFFICIENT_BALANCE", times=None)

    for pair_id in pair_ids:
        deployed.upload_pair(pair_id)
    pending = [deployed.row_with(pair_id, "PENDING") for pair_id in pair_ids]
    asked = [call.asked_at for call in deployed.control.calls("check")[before:]]
    deployed.control.clear()

    assert {row["code"] for row in pending} == {"INSUFFICIENT_BALANCE"}
    # Environments about to call at the first refusal may add one each.
    assert len(asked) <= (asked[-1] - asked[0]) + 1 + 3
    assert [deployed.settled(pair_id)["verdict"] for pair_id in pair_ids] == ["PASS"] * len(pair_ids)


@pytest.fixture
def closed_port() -> str:
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def nobody_listens(deployed: Deployed, closed_port: str) -> Iterator[Deployed]:
    """A stack with a wrong base URL and no token."""
    right_url = deployed.sandbox.advance.url
    deployed.sandbox.aws("ssm").delete_parameter(Name=deployed.sandbox.outputs["TokenParameter"])
    deployed.sandbox.redeploy(AdvanceBaseUrl=f"http://{closed_port}")
    yield deployed
    if deployed.sandbox.stack.parameters["AdvanceBaseUrl"] != right_url:
        deployed.sandbox.redeploy(AdvanceBaseUrl=right_url)


def test_pairs_wait_for_a_right_base_url_and_are_compared_when_it_is_deployed(
    nobody_listens: Deployed, closed_port: str
) -> None:
    without = "unreachable, no token"
    deployed, token = nobody_listens, nobody_listens.sandbox.outputs["TokenParameter"]
    deployed.upload_in_turn(without)
    row_without_token = deployed.row_with(without, "PENDING")
    made_up = json.dumps({"token": "made up", "expires_ms": int((time.time() + 3600) * 1000)})
    deployed.sandbox.aws("ssm").put_parameter(Name=token, Value=made_up, Type="SecureString")
    deployed.upload_in_turn("unreachable")
    row_with_token = deployed.row_with("unreachable", "PENDING")
    calls = deployed.ledger("unreachable")

    deployed.sandbox.redeploy(AdvanceBaseUrl=deployed.sandbox.advance.url)

    for row in (row_without_token, row_with_token):
        assert row["code"] == "NETWORK_ERROR"
        assert "cannot reach" in row["message"]
        assert closed_port in row["message"]
        assert row["retry_at"] > row["updated_at"]
    assert row_without_token["message"].endswith("is AdvanceBaseUrl right?")
    assert {(call["state"], call["code"]) for call in calls} == {("REFUSED", "NETWORK_ERROR")}
    for pair_id in ("unreachable", without):
        assert deployed.settled(pair_id)["verdict"] == "PASS"
        assert deployed.ledger(pair_id)[-1]["state"] == "ANSWERED"
