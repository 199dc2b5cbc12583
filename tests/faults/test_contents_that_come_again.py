"""The same pictures are uploaded again: paid answers stand, free refusals are retried."""

import pytest

from tests.support.deployed import ANNA, BEN, BLANK, Row
from tests.support.faulty_cloud import FaultyCloud, Pair, Worker
from tests.support.waiting import next_second

SWAPPED = {"FIRST_NAME": "second", "SECOND_NAME": "first"}


def put_again(cloud: FaultyCloud, pair: Pair) -> str:
    """Upload the same contents again, in a later second. Return the time of the previous upload."""
    uploaded_at = str(cloud.settled(pair.pair_id)["uploaded_at"])
    cloud.idle()
    next_second()
    cloud.put(pair)
    return uploaded_at


def row_after(cloud: FaultyCloud, pair: Pair, uploaded_at: str) -> Row:
    """Return the final row of a later upload."""
    return cloud.row_that(
        pair.pair_id, lambda row: row["uploaded_at"] > uploaded_at and row["verdict"] not in ("WAITING", "PENDING")
    )


def by_worker(cloud: FaultyCloud, pair: Pair, **variables: str) -> Row:
    """Upload the pair again, processed by a worker with other parameters; return the row."""
    cloud.idle()
    with cloud.worker(Worker, variables) as worker, cloud.held():
        uploaded_at = put_again(cloud, pair)
        events = cloud.received(pair)
        for event in events:
            assert not worker.start(event).result(20).failed
        cloud.delete(*events)
        return row_after(cloud, pair, uploaded_at)


def test_a_verdict_that_was_paid_for_stands_when_the_policy_goes_back_to_hold(cloud: FaultyCloud) -> None:
    pair = cloud.put(cloud.pair("again/hold, retry, hold"), {"drop": "after_reading"})
    held = cloud.settled(pair.pair_id)

    repeated = by_worker(cloud, pair, ON_UNKNOWN_OUTCOME="retry")
    uploaded_at = put_again(cloud, pair)
    held_again = row_after(cloud, pair, uploaded_at)

    assert (held["verdict"], held["code"]) == ("UNDETERMINED", "OUTCOME_UNKNOWN")
    assert repeated["verdict"] == held_again["verdict"] == "PASS"
    assert held_again["transaction_id"] == repeated["transaction_id"]
    assert cloud.states(pair) == ["UNKNOWN", "ANSWERED"]
    assert len(cloud.checks(pair)) == 2


@pytest.mark.parametrize("code", ["CLIENT_ERROR", "PARAMETER_ERROR", "EMPTY_PARAMETER_ERROR", "NEW_AND_FREE"])
def test_a_refusal_that_was_free_is_asked_again_with_the_next_upload(cloud: FaultyCloud, code: str) -> None:
    pair = cloud.put(cloud.pair(f"again/{code}"), {"code": code})
    refused = cloud.settled(pair.pair_id)
    cloud.idle()
    cloud.repeat(pair)  # an event is not an upload
    cloud.idle()
    asked_before = len(cloud.checks(pair))

    uploaded_at = put_again(cloud, pair)
    row = row_after(cloud, pair, uploaded_at)

    assert (refused["verdict"], refused["code"], asked_before) == ("UNDETERMINED", code, 1)
    assert row["verdict"] == "PASS"
    assert cloud.paid_once(pair) == row
    assert cloud.states(pair) == ["REFUSED", "ANSWERED"]


@pytest.mark.parametrize("second", [BEN, BLANK])
def test_swapped_names_of_the_pictures_charge_nothing_anew(cloud: FaultyCloud, second: str) -> None:
    pair = cloud.put(cloud.pair(f"again/swapped, {second}", ANNA, second))
    before = cloud.paid_once(pair)

    row = by_worker(cloud, pair, **SWAPPED)

    assert row["transaction_id"] == before["transaction_id"]
    assert (row["verdict"], row.get("similarity")) == (before["verdict"], before.get("similarity"))
    assert (row["first"].get("face"), row["second"].get("face")) == (
        before["second"].get("face"),
        before["first"].get("face"),
    )
    assert row["first"]["key"] == before["second"]["key"]
    assert (before.get("retake"), row.get("retake")) == ((["second"], ["first"]) if second == BLANK else (None, None))
    assert cloud.states(pair) == ["ANSWERED"]
    assert len(cloud.checks(pair)) == 1
