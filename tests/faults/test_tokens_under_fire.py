"""Tokens expire, are revoked or tied to an environment; store and secret fail."""

import time
from collections.abc import Iterator

import pytest

from tests.support.faulty_aws import Kind
from tests.support.faulty_cloud import FaultyCloud, Pair


@pytest.fixture(scope="module", autouse=True)
def later_modules_meet_good_tokens(cloud: FaultyCloud) -> Iterator[None]:
    """Restart the workers: a revoked token would add a call to later tests."""
    yield
    cloud.control.clear()
    cloud.idle()
    cloud.sandbox.stop_host()
    cloud.sandbox.start_host()
    cloud.settled(cloud.put(cloud.pair("tokens/afterwards")).pair_id)


@pytest.fixture(autouse=True)
def undisturbed(cloud: FaultyCloud) -> Iterator[None]:
    """End all faults after each test."""
    yield
    cloud.aws.clear()
    cloud.control.clear()


def minted(cloud: FaultyCloud, since: float) -> int:
    return sum(call.asked_at >= since for call in cloud.control.calls("token"))


def eight(cloud: FaultyCloud, name: str, *steps: dict[str, object]) -> list[Pair]:
    """Upload eight pairs at once."""
    with cloud.held():
        return [cloud.put(cloud.pair(f"tokens/{name} {number}"), *steps) for number in range(8)]


def restart(cloud: FaultyCloud) -> None:
    """Restart the environments without a token in memory or in the store."""
    cloud.host.drain()
    cloud.sandbox.stop_host()
    ssm = cloud.sandbox.aws("ssm")
    ssm.put_parameter(Name=cloud.sandbox.outputs["TokenParameter"], Value="{}", Type="SecureString", Overwrite=True)
    cloud.sandbox.start_host()


def test_a_revoked_token_is_replaced_by_few_new_ones(cloud: FaultyCloud) -> None:
    cloud.paid_once(cloud.put(cloud.pair("tokens/before")))
    cloud.control.revoke_tokens()
    since = time.time()

    pairs = eight(cloud, "revoked")

    for pair in pairs:
        assert cloud.paid_once(pair)["verdict"] == "PASS"
        assert set(cloud.states(pair)) <= {"REFUSED", "ANSWERED"}
    assert 1 <= minted(cloud, since) <= 8


def test_a_token_that_expired_in_memory_is_taken_from_the_store(cloud: FaultyCloud) -> None:
    cloud.paid_once(cloud.put(cloud.pair("tokens/renewing")))
    since = time.time()
    pair = cloud.put(cloud.pair("tokens/renewed"))

    cloud.paid_once(pair)

    assert minted(cloud, since) == 0
    assert cloud.states(pair) == ["ANSWERED"]


def test_eight_cold_workers_at_once_need_no_more_than_a_token_each(cloud: FaultyCloud) -> None:
    restart(cloud)
    since = time.time()

    pairs = eight(cloud, "cold")

    for pair in pairs:
        assert cloud.paid_once(pair)["verdict"] == "PASS"
        assert [call.code for call in cloud.checks(pair)] == ["SUCCESS"]
    assert 1 <= minted(cloud, since) <= 8


def test_a_token_refused_to_one_environment_alone_is_replaced_there(cloud: FaultyCloud) -> None:
    pair = cloud.put(cloud.pair("tokens/refused here"), {"code": "IAM_FAILED"})

    assert cloud.paid_once(pair)["verdict"] == "PASS"
    assert cloud.states(pair) == ["REFUSED", "ANSWERED"]
    refused, accepted = cloud.checks(pair)
    assert refused.token != accepted.token


def test_a_fresh_token_that_is_refused_too_blocks_the_account(cloud: FaultyCloud) -> None:
    # The one in memory, one shared by another environment, and a new one.
    pair = cloud.put(cloud.pair("tokens/refused"), {"code": "IAM_FAILED", "times": 3})

    pending = cloud.refused(pair)

    assert pending["code"] == "IAM_FAILED"
    assert cloud.paid_once(pair)["verdict"] == "PASS"


@pytest.mark.parametrize("kind", ["throttle", "deny"])
def test_a_store_that_cannot_be_read_or_written_costs_a_token_and_no_comparison(cloud: FaultyCloud, kind: Kind) -> None:
    cloud.control.revoke_tokens()
    times = 2 if kind == "throttle" else None
    reading = cloud.aws.fault("GetParameter", kind, times=times)
    writing = cloud.aws.fault("PutParameter", kind, times=times)

    pair = cloud.put(cloud.pair(f"tokens/store {kind}"))

    assert cloud.paid_once(pair)["verdict"] == "PASS"
    assert reading.met
    assert writing.met


@pytest.mark.parametrize("kind", ["throttle", "deny", "drop"])
def test_a_secret_that_cannot_be_read_is_read_later(cloud: FaultyCloud, kind: Kind) -> None:
    cloud.control.revoke_tokens()
    reading = cloud.aws.fault("GetSecretValue", kind, times=1)

    pair = cloud.put(cloud.pair(f"tokens/secret {kind}"))

    assert cloud.paid_once(pair)["verdict"] == "PASS"
    assert reading.met == 1


@pytest.mark.parametrize(
    "step",
    [
        {"drop": "after_reading"},
        {"body": "<html>", "status": 502},
        {"body": '{"code":401,"message":"Unauthorized"}', "status": 401},
        {"code": "RETRY_LATER"},
    ],
)
def test_a_token_that_does_not_come_is_asked_for_again(cloud: FaultyCloud, step: dict[str, object]) -> None:
    cloud.control.revoke_tokens()
    cloud.control.script(endpoint="token", **step)

    pair = cloud.put(cloud.pair(f"tokens/{'-'.join(map(str, step.values()))}"))

    assert cloud.paid_once(pair)["verdict"] == "PASS"
