"""AWS fails around the call: throttled, denied, dropped, or done without a response."""

import json
from dataclasses import dataclass

import pytest

from tests.support.faulty_aws import Fault, Kind
from tests.support.faulty_cloud import FaultyCloud, Pair, Worker


@dataclass(frozen=True)
class Weather:
    """An operation on a table that fails for one pair."""

    operation: str
    table: str
    kind: Kind
    times: int = 1
    delay: float = 0


KINDS: tuple[tuple[Kind, int], ...] = (("throttle", 2), ("deny", 2), ("drop", 2), ("lose_response", 1))
WEATHER = {
    f"{kind} {operation} of {table}": Weather(operation, table, kind, times)
    for operation, table in (
        ("PutItem", "CallsTable"),  # before the call
        ("UpdateItem", "CallsTable"),  # its answer
        ("PutItem", "IdempotencyTable"),  # before
        ("UpdateItem", "IdempotencyTable"),  # its outcome
        ("PutItem", "VerdictsTable"),
    )
    for kind, times in KINDS
}


def brew(cloud: FaultyCloud, pair: Pair, weather: Weather) -> Fault:
    """Make the operation fail for the pair."""
    names_it = pair.idempotency_key if weather.table == "IdempotencyTable" else json.dumps(pair.pair_id)
    table = json.dumps(cloud.sandbox.outputs[weather.table])
    return cloud.aws.fault(weather.operation, weather.kind, table, names_it, times=weather.times, delay=weather.delay)


@pytest.fixture(scope="module")
def storm(cloud: FaultyCloud) -> dict[str, tuple[Pair, Fault]]:
    """One pair per kind of failure, all at once; then each event once more."""
    storm = {}
    for name, weather in WEATHER.items():
        pair = cloud.pair(f"storm/{name}")
        storm[name] = (pair, brew(cloud, pair, weather))
    for pair, _ in storm.values():
        cloud.put(pair)
    for pair, _ in storm.values():
        cloud.settled(pair.pair_id, within=90)
    for pair, _ in storm.values():
        cloud.repeat(pair)
    cloud.idle(within=90)
    return storm


@pytest.mark.parametrize("name", WEATHER)
def test_a_write_that_fails_costs_no_second_call(
    cloud: FaultyCloud, storm: dict[str, tuple[Pair, Fault]], name: str
) -> None:
    pair, fault = storm[name]

    row = cloud.paid_once(pair)

    assert row["verdict"] == "PASS"
    assert [call.code for call in cloud.checks(pair) if call.code != "IAM_FAILED"] == ["SUCCESS"]
    assert cloud.states(pair)[-1] == "ANSWERED"
    assert set(cloud.states(pair)) <= {"REFUSED", "ANSWERED"}
    assert fault.met == fault.times


@pytest.mark.parametrize("code", ["SERVICE_BUSY", "ERROR"])
def test_a_free_refusal_that_the_ledger_cannot_take_is_tried_again(cloud: FaultyCloud, code: str) -> None:
    pair = cloud.pair(f"storm/refused by {code}")
    fault = brew(cloud, pair, Weather("UpdateItem", "CallsTable", "deny"))

    cloud.put(pair, {"code": code, "retry_after": "1s"})

    assert cloud.paid_once(pair)["verdict"] == "PASS"
    assert cloud.states(pair) == ["REFUSED", "ANSWERED"]
    assert fault.met == 1


@pytest.mark.parametrize(
    ("operation", "containing"),
    [("ListObjectsV2", "prefix"), ("GetObject", "first.jpg"), ("Query", "CallsTable")],
)
@pytest.mark.parametrize("kind", ["throttle", "deny", "lose_response"])
def test_a_read_that_fails_is_done_again(cloud: FaultyCloud, operation: str, containing: str, kind: Kind) -> None:
    pair = cloud.pair(f"reads/{operation}-{containing}-{kind}".replace("=", "-"))
    containing = cloud.sandbox.outputs.get(containing, containing)
    fault = cloud.aws.fault(operation, kind, containing, pair.pair_id)

    cloud.put(pair)

    assert cloud.paid_once(pair)["verdict"] == "PASS"
    assert fault.met == 1


@pytest.mark.parametrize(("operation", "containing"), [("GetObject", "first.jpg"), ("PutItem", "CallsTable")])
def test_no_call_is_made_when_too_little_time_is_left_for_it(
    cloud: FaultyCloud, operation: str, containing: str
) -> None:
    pair = cloud.pair(f"late/{operation}")
    containing = cloud.sandbox.outputs.get(containing, containing)
    with cloud.worker(Worker) as worker, cloud.held():
        cloud.put(pair)
        event, _ = cloud.received(pair)
        fault = cloud.aws.fault(operation, "delay", containing, pair.pair_id, delay=4.5)
        worker.start(event).result(20)
        asked = cloud.checks(pair)

    assert fault.met == 1
    assert asked == []
    assert cloud.paid_once(pair)["verdict"] == "PASS"
