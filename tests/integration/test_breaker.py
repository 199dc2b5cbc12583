"""The fleet's breaker: every thread here is an execution environment, as Powertools tells them apart."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from facepair.aws import breaker as facepair_breaker
from facepair.aws.breaker import REASON, AccountBreaker
from facepair.domain.retry import Blocked, Later
from facepair.domain.verdict import Outcome
from tests.integration.conftest import HASTY, Deployed

PAUSE = 2
SUCCESS = Outcome(code="SUCCESS", message="OK")


@pytest.fixture(autouse=True)
def _a_new_circuit(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Under a name of its own: Powertools counts in the process too, by the circuit's name."""
    monkeypatch.setattr(facepair_breaker, "CIRCUIT", f"circuit-{uuid4().hex}")
    yield
    deployed.table("IdempotencyTable").delete_item(Key={"id": REASON})


class Account:
    """What a call meets: `blocked` or not; counts the calls."""

    def __init__(self) -> None:
        self.blocked = True
        self.calls = 0

    def __call__(self) -> Outcome:
        self.calls += 1
        if self.blocked:
            raise Blocked("INSUFFICIENT_BALANCE", "top up", pause=PAUSE)
        return SUCCESS


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def breaker(deployed: Deployed) -> AccountBreaker:
    return AccountBreaker(deployed.client("dynamodb"), deployed.outputs["IdempotencyTable"], PAUSE)


def blocked_by(breaker: AccountBreaker, account: Callable[[], Outcome]) -> Blocked:
    with pytest.raises(Blocked) as blocked:
        breaker.run(account)
    return blocked.value


def elsewhere(run: Callable[[], Any]) -> Any:
    """In an environment of its own."""
    with ThreadPoolExecutor(1) as environment:
        return environment.submit(run).result()


def wait_out_the_pause() -> None:
    time.sleep(PAUSE + 0.1)


def test_a_call_that_brings_an_outcome_brings_it(breaker: AccountBreaker, account: Account) -> None:
    account.blocked = False

    assert [breaker.run(account) for _ in range(3)] == [SUCCESS] * 3
    assert account.calls == 3


def test_one_blocked_call_stops_the_whole_fleet_which_knows_why(
    breaker: AccountBreaker, deployed: Deployed, account: Account
) -> None:
    blocked_by(breaker, account)
    other = AccountBreaker(deployed.client("dynamodb"), deployed.outputs["IdempotencyTable"], PAUSE)

    told = [elsewhere(lambda: blocked_by(other, account)) for _ in range(3)]

    assert account.calls == 1
    assert {(each.code, each.message) for each in told} == {("INSUFFICIENT_BALANCE", "top up")}
    assert all(0 <= each.pause <= PAUSE for each in told)


@pytest.mark.parametrize("error", [Later("busy"), ValueError("a bug")])
def test_nothing_but_a_blocked_account_opens_it(breaker: AccountBreaker, account: Account, error: Exception) -> None:
    def failing() -> Outcome:
        raise error

    with pytest.raises(type(error)):
        breaker.run(failing)
    account.blocked = False

    assert breaker.run(account) == SUCCESS


def test_after_the_pause_one_environment_of_eight_tries_and_the_account_stays_blocked(
    breaker: AccountBreaker, account: Account
) -> None:
    blocked_by(breaker, account)
    wait_out_the_pause()
    start = threading.Barrier(8)

    def environment(_: int) -> None:
        start.wait()
        blocked_by(breaker, account)

    with ThreadPoolExecutor(8) as environments:
        list(environments.map(environment, range(8)))

    assert account.calls == 2


def test_after_the_pause_one_call_that_succeeds_lets_everybody_go_on(breaker: AccountBreaker, account: Account) -> None:
    blocked_by(breaker, account)
    account.blocked = False
    wait_out_the_pause()

    assert breaker.run(account) == SUCCESS
    assert [elsewhere(lambda: breaker.run(account)) for _ in range(3)] == [SUCCESS] * 3


def test_a_try_that_ends_neither_way_is_followed_by_another_environment_s(
    breaker: AccountBreaker, account: Account
) -> None:
    def busy() -> Outcome:
        raise Later("busy")

    blocked_by(breaker, account)
    account.blocked = False
    wait_out_the_pause()

    def die_trying() -> None:
        with pytest.raises(Later):
            breaker.run(busy)

    elsewhere(die_trying)
    wait_out_the_pause()

    assert elsewhere(lambda: breaker.run(account)) == SUCCESS


def test_without_a_reason_at_hand_the_message_waits_all_the_same(
    breaker: AccountBreaker, deployed: Deployed, account: Account
) -> None:
    blocked_by(breaker, account)
    deployed.table("IdempotencyTable").delete_item(Key={"id": REASON})

    told = blocked_by(breaker, account)

    assert told.code is None
    assert 0 < told.pause <= PAUSE
    assert account.calls == 1


def test_a_state_that_cannot_be_kept_stops_no_call_and_hides_no_answer(deployed: Deployed, account: Account) -> None:
    nowhere = replace(deployed, url="http://127.0.0.1:9", config=HASTY)
    breaker = AccountBreaker(nowhere.client("dynamodb"), "no-table", PAUSE)

    blocked_by(breaker, account)
    account.blocked = False

    assert breaker.run(account) == SUCCESS
