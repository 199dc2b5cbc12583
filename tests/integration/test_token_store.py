"""The shared token in SSM: shared while SSM works, never an obstacle when it does not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from facepair.advance.token import Token
from facepair.aws.token_store import SharedToken
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import HASTY, Resources

TOKEN = Token(token="eyJ", expires_ms=1642580192430)


@pytest.fixture
def parameter() -> str:
    return f"/{uuid4().hex}/advance-token"


@pytest.fixture
def store(deployed: Resources, parameter: str) -> SharedToken:
    return SharedToken(deployed.client("ssm"), parameter, key="alias/aws/ssm")


def test_before_the_first_minting_there_is_no_token_and_no_complaint(
    store: SharedToken, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.load() is None
    assert caplog.records == []


def test_a_saved_token_is_everybody_s(store: SharedToken, deployed: Resources, parameter: str) -> None:
    store.save(Token(token="older", expires_ms=1))
    store.save(TOKEN)

    assert SharedToken(deployed.client("ssm"), parameter, key="alias/aws/ssm").load() == TOKEN


def test_a_token_is_stored_encrypted(store: SharedToken, deployed: Resources, parameter: str) -> None:
    store.save(TOKEN)

    stored = deployed.client("ssm").get_parameter(Name=parameter)["Parameter"]
    assert stored["Type"] == "SecureString"
    assert stored["Value"] != TOKEN.model_dump_json()


@pytest.mark.parametrize("value", ["x", "{}", "null", '{"token": "eyJ"}', '{"token": 1, "expires_ms": "soon"}'])
def test_a_parameter_that_holds_something_else_is_no_token_and_is_replaced(
    store: SharedToken, deployed: Resources, parameter: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    deployed.client("ssm").put_parameter(Name=parameter, Value=value, Type="SecureString")

    assert store.load() is None
    assert [vars(line)["parameter"] for line in caplog.records] == [parameter]

    store.save(TOKEN)
    assert store.load() == TOKEN


def test_a_parameter_that_cannot_be_read_is_not_quoted_in_the_log(
    store: SharedToken, deployed: Resources, parameter: str, caplog: pytest.LogCaptureFixture
) -> None:
    deployed.client("ssm").put_parameter(Name=parameter, Value='{"token": "eyJsecret"}', Type="SecureString")

    store.load()

    assert "eyJsecret" not in caplog.text + str([vars(line) for line in caplog.records])


@pytest.mark.parametrize(
    ("operation", "use"),
    [("GetParameter", lambda store: store.load()), ("PutParameter", lambda store: store.save(TOKEN))],
)
def test_a_throttled_store_costs_no_comparison(
    deployed: Resources, faults: FaultyAws, parameter: str, operation: str, use: Callable[[SharedToken], Any]
) -> None:
    faults.fault(operation, "throttle", times=None)
    throttled = replace(deployed, url=faults.url, config=HASTY)

    assert use(SharedToken(throttled.client("ssm"), parameter, key="alias/aws/ssm")) is None


def test_a_store_that_is_not_there_at_all_costs_no_comparison(deployed: Resources, parameter: str) -> None:
    nowhere = replace(deployed, url="http://127.0.0.1:9", config=HASTY)
    store = SharedToken(nowhere.client("ssm"), parameter, key="alias/aws/ssm")

    store.save(TOKEN)

    assert store.load() is None
