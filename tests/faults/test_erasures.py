"""A pair is erased just before a worker's write: nothing is written."""

import os
from dataclasses import dataclass

import pytest

from tests.support import commands
from tests.support.faulty_aws import Fault
from tests.support.faulty_cloud import FaultyCloud, Pair

LONGER_THAN_AN_ERASURE = 60.0  # seconds; the tombstone ends it
WRITES = {"the call": ("CallsTable", '"SENT"'), "the verdict": ("VerdictsTable", '"PASS"')}
"""The table, and what only the worker's write contains."""


@dataclass(frozen=True)
class Overtaken:
    """A pair that was erased while its worker was about to write."""

    pair: Pair
    fault: Fault
    erased_before_the_write: bool


@pytest.fixture(scope="module")
def overtaken(cloud: FaultyCloud) -> dict[str, Overtaken]:
    """One pair per kind of write, all at once."""
    cloud.idle()
    suspended = {}
    for name, (table, content) in WRITES.items():
        pair = cloud.pair(f"overtaken/{name}")
        cloud.upload(f"{pair.pair_id}/first.jpg", pair.first)
        cloud.row_with(pair.pair_id, "WAITING")
        written = (cloud.sandbox.outputs[table], pair.pair_id, content)
        # Every attempt: botocore repeats a write whose response does not come.
        fault = cloud.aws.fault("PutItem", "delay", *written, times=None, delay=LONGER_THAN_AN_ERASURE)
        suspended[name] = (pair, fault)
    for pair, fault in suspended.values():
        cloud.upload(f"{pair.pair_id}/second.jpg", pair.second)
        cloud.wait(lambda fault=fault: fault.met, lambda: "no worker stands before the write")  # type: ignore[misc]
    erasing = [
        commands.start("erase", pair.pair_id, "--yes", variables=os.environ | cloud.sandbox.variables)
        for pair, _ in suspended.values()
    ]
    found = {}
    for name, (pair, fault) in suspended.items():
        cloud.wait(lambda pair=pair: "erased_at" in (cloud.row(pair.pair_id) or {}), lambda: "there is no tombstone")  # type: ignore[misc]
        found[name] = Overtaken(pair, fault, cloud.messages("UploadsQueue") > 0)
    for _, fault in suspended.values():
        fault.over.set()
    for process in erasing:
        _, said = process.communicate(timeout=150)
        assert process.returncode == 0, said
    cloud.idle(within=90)
    return found


@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_an_erasure_overtakes_is_not_carried_out(
    cloud: FaultyCloud, overtaken: dict[str, Overtaken], write: str
) -> None:
    pair = overtaken[write].pair

    assert overtaken[write].erased_before_the_write
    row = cloud.row(pair.pair_id)
    assert row
    assert row.keys() == {"pair_id", "erased_at", "expires_at"}
    assert not [call for call in cloud.ledger(pair.pair_id) if call.keys() & {"similarity", "outcome", "fingerprint"}]


def test_there_is_no_call_for_a_pair_that_was_erased_before_it(
    cloud: FaultyCloud, overtaken: dict[str, Overtaken]
) -> None:
    pair = overtaken["the call"].pair

    assert (cloud.checks(pair), [row["state"] for row in cloud.ledger(pair.pair_id)]) == ([], ["ERASED"])


def test_what_was_charged_is_kept_of_a_pair_that_was_erased_before_its_verdict(
    cloud: FaultyCloud, overtaken: dict[str, Overtaken]
) -> None:
    pair = overtaken["the verdict"].pair

    call, _ = cloud.calls(pair.pair_id)
    assert [call["transaction_id"]] == cloud.charges(pair)
