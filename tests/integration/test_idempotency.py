"""Powertools' idempotency around asking."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.idempotency import PowertoolsIdempotency
from facepair.aws.record_id import record_id
from facepair.domain import clock
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Closed, Later, Unavailable
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import HASTY, Resources

SUCCESS = Outcome(
    code="SUCCESS",
    message="OK",
    similarity=Decimal("69.000000000000000000000000000000001"),
    call="000001",
    unsaved=True,
)


class Context:
    """A Lambda context with this many seconds left."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - time.monotonic()) * 1000)


class Asking:
    """Counts its calls; raises its errors first, then returns its outcome."""

    def __init__(self, *errors: Exception, outcome: Outcome = SUCCESS, seconds: float = 0) -> None:
        self._errors = list(errors)
        self._outcome = outcome
        self._seconds = seconds
        self.asked = 0

    def __call__(self) -> Outcome:
        self.asked += 1
        time.sleep(self._seconds)
        if self._errors:
            raise self._errors.pop(0)
        return self._outcome


@dataclass
class Worker:
    """A worker that asks behind the idempotency."""

    idempotency: PowertoolsIdempotency
    asking: Callable[[], Outcome]

    def ask(self, fingerprint: str) -> Outcome:
        return self.idempotency.once(fingerprint, self.asking)


def worker(
    deployed: Resources,
    asking: Callable[[], Outcome],
    seconds_left: float = 60,
) -> Worker:
    client = replace(deployed, config=HASTY).client("dynamodb")
    idempotency = PowertoolsIdempotency(client, deployed.outputs["IdempotencyTable"], expires_after_seconds=3600)
    idempotency.register_lambda_context(cast(LambdaContext, Context(seconds_left)))
    return Worker(idempotency, asking)


def test_an_outcome_is_stored_and_comes_again_to_the_last_digit(deployed: Resources, pair_id: str) -> None:
    asking = Asking()

    outcomes = [worker(deployed, asking).ask(pair_id) for _ in range(3)]

    assert outcomes == [SUCCESS] * 3
    assert asking.asked == 1


def test_a_stored_outcome_is_kept_as_if_stored_now_and_never_shorter(
    deployed: Resources, pair_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expiration() -> int:
        item = deployed.table("IdempotencyTable").get_item(Key={"id": record_id(pair_id)}, ConsistentRead=True)["Item"]
        return int(item["expiration"])

    asking = Asking()
    first = worker(deployed, asking)
    first.ask(pair_id)
    began, now = expiration(), clock.now()

    first.idempotency.keep(f"{pair_id} without a record")
    ends = []
    for days in (20, 10):
        monkeypatch.setattr(clock, "now", lambda days=days: now + timedelta(days=days))
        first.idempotency.keep(pair_id)
        ends.append(expiration())

    assert 0 <= ends[0] - began - 20 * 86_400 < 60
    assert ends[1] == ends[0]
    assert first.ask(pair_id) == SUCCESS
    assert asking.asked == 1


def test_other_contents_are_another_question(deployed: Resources, pair_id: str) -> None:
    asking = Asking()

    for contents in "ABA":
        worker(deployed, asking).ask(pair_id + contents)

    assert asking.asked == 2


@pytest.mark.parametrize("error", [Later("busy"), Closed("INSUFFICIENT_BALANCE", "", seconds=1), ValueError("a bug")])
def test_what_is_raised_is_not_stored(deployed: Resources, pair_id: str, error: Exception) -> None:
    asking = Asking(error)

    with pytest.raises(type(error)):
        worker(deployed, asking).ask(pair_id)

    assert worker(deployed, asking).ask(pair_id) == SUCCESS


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(code="OUTCOME_UNKNOWN", message=""),
        Outcome(code="CLIENT_ERROR", message="", pricing_strategy="FREE"),
        Outcome(code="A_CODE_OF_TOMORROW", message="", pricing_strategy="FREE"),
    ],
    ids=lambda outcome: outcome.code,
)
def test_what_is_not_settled_is_given_and_not_remembered(deployed: Resources, pair_id: str, outcome: Outcome) -> None:
    asking = Asking(outcome=outcome)

    outcomes = [worker(deployed, asking).ask(pair_id) for _ in range(2)]

    assert outcomes == [outcome] * 2
    assert asking.asked == 2


def test_of_eight_workers_at_once_one_asks_and_the_others_wait(deployed: Resources, pair_id: str) -> None:
    asking = Asking(seconds=0.5)
    start = threading.Barrier(8)

    def ask(_: int) -> Any:
        once = worker(deployed, asking)
        start.wait()
        try:
            return once.ask(pair_id)
        except Later:
            return "later"

    with ThreadPoolExecutor(8) as workers:
        answers = list(workers.map(ask, range(8)))

    assert asking.asked == 1
    assert answers.count("later") == 7


def test_a_worker_that_died_is_waited_for_until_its_time_is_up_and_no_longer(deployed: Resources, pair_id: str) -> None:
    class Killed(BaseException):
        """Not caught by anything: like SIGKILL it leaves the record in progress."""

    def dying() -> Outcome:
        raise Killed

    asking = Asking()
    with pytest.raises(Killed):
        worker(deployed, dying, seconds_left=1).ask(pair_id)

    with pytest.raises(Later):
        worker(deployed, asking).ask(pair_id)
    time.sleep(1.1)

    assert worker(deployed, asking).ask(pair_id) == SUCCESS


def test_without_its_record_there_is_no_call(deployed: Resources, faults: FaultyAws, pair_id: str) -> None:
    asking = Asking()
    faults.fault("PutItem", "throttle", times=None)

    with pytest.raises(Unavailable):
        worker(replace(deployed, url=faults.url), asking).ask(pair_id)

    assert asking.asked == 0


def test_a_record_that_cannot_be_written_afterwards_is_an_error_to_try_again(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    asking = Asking()
    faults.fault("UpdateItem", "throttle", times=None)

    with pytest.raises(Unavailable):
        worker(replace(deployed, url=faults.url), asking, seconds_left=1).ask(pair_id)
    faults.clear()
    time.sleep(1.1)

    assert worker(deployed, asking).ask(pair_id) == SUCCESS  # the ledger answers the second time
