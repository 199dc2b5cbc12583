"""A missing permission: the log names it, and nothing is lost."""

import json
from dataclasses import dataclass

import pytest

from facepair.use_cases.compare import MOST_DEATHS
from tests.support.deployed import Row
from tests.support.faulty_aws import Fault
from tests.support.faulty_cloud import FaultyCloud, Pair

MALFORMED = "a postcard"


@dataclass(frozen=True)
class Trouble:
    """The denials, the log's errors and the metric's count, and the pairs afterwards."""

    denials: dict[str, Fault]
    pairs: dict[str, Pair]
    errors: list[str]
    counted: int
    dead_letters: list[str]


@pytest.fixture(scope="module")
def trouble(cloud: FaultyCloud) -> Trouble:
    """Three permissions are denied at once, for a while."""
    cloud.idle()
    lines_before, counted_before = len(cloud.log()), cloud.metrics()["UnexpectedErrors"]
    tables, pairs = cloud.sandbox.outputs, {name: cloud.pair(f"denied/{name}") for name in ("deferred", "written")}
    denials = {
        "ChangeMessageVisibility": cloud.aws.fault("ChangeMessageVisibility", "deny", times=2),
        "SendMessage": cloud.aws.fault("SendMessage", "deny", MALFORMED),
        "PutItem": cloud.aws.fault(
            "PutItem", "deny", tables["VerdictsTable"], json.dumps(pairs["written"].pair_id), times=2
        ),
    }
    cloud.send(MALFORMED)
    cloud.put(pairs["deferred"], {"code": "SERVICE_BUSY"})
    cloud.wait(lambda: denials["ChangeMessageVisibility"].met, lambda: "nothing was deferred")
    cloud.put(pairs["written"])
    cloud.idle(within=90)
    return Trouble(
        denials,
        pairs,
        [json.dumps(line) for line in cloud.log()[lines_before:] if is_error(line)],
        cloud.metrics()["UnexpectedErrors"] - counted_before,
        cloud.dead_letters(),
    )


def is_error(line: Row) -> bool:
    return bool(line.get("level") == "ERROR")


@pytest.mark.parametrize("operation", ["ChangeMessageVisibility", "SendMessage", "PutItem"])
def test_a_missing_permission_is_named_by_an_error(trouble: Trouble, operation: str) -> None:
    denial = trouble.denials[operation]

    said = [error for error in trouble.errors if "AccessDenied" in error and f"the {operation} operation" in error]

    assert denial.met == denial.times
    assert len(said) >= denial.met


def test_a_missing_permission_is_counted_for_the_alarm(trouble: Trouble) -> None:
    assert trouble.counted >= sum(denial.met for denial in trouble.denials.values())


def test_nothing_is_lost_while_a_permission_is_missing(cloud: FaultyCloud, trouble: Trouble) -> None:
    assert trouble.dead_letters == [MALFORMED]
    for pair in trouble.pairs.values():
        assert cloud.paid_once(pair)["verdict"] == "PASS"


def test_workers_that_may_not_write_records_are_not_taken_for_dead(cloud: FaultyCloud) -> None:
    cloud.idle()
    denial = cloud.aws.fault("PutItem", "deny", cloud.sandbox.outputs["IdempotencyTable"], times=None)
    pair = cloud.put(cloud.pair("denied/remembered"))

    cloud.wait(
        lambda: len(cloud.log_of_pair(pair, "Unexpected error")) > MOST_DEATHS + 1, lambda: "it was not tried again"
    )
    denial.times = denial.met

    assert cloud.paid_once(pair)["verdict"] == "PASS"
