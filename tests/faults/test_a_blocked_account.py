"""A refused account: few calls, nothing lost, and automatic recovery."""

import time

import pytest

from facepair.aws.gate import ITEM
from tests.support.faulty_cloud import PARAMETERS, FaultyCloud, Pair, Worker

PAUSE = int(str(PARAMETERS["BlockedRetrySeconds"]))


@pytest.mark.parametrize(
    ("code", "seconds"), [("INSUFFICIENT_BALANCE", 8), ("OVER_QUERY_LIMIT", 3), ("ACCOUNT_DISABLED", 3)]
)
def test_a_blocked_account_is_left_alone_until_it_works_again(cloud: FaultyCloud, code: str, seconds: float) -> None:
    since = time.time()
    cloud.control.script(code=code, times=None)
    pairs = [cloud.put(cloud.pair(f"{code}/the first"))]
    cloud.refused(pairs[0])

    pairs += [cloud.put(cloud.pair(f"{code}/{number}")) for number in range(8)]
    pending = [cloud.refused(pair) for pair in pairs]
    time.sleep(max(0, since + seconds - time.time()))
    cloud.control.clear()
    calls = [call for call in cloud.control.calls("check") if call.code == code and call.asked_at > since]
    blocked_seconds = time.time() - since

    assert {row["code"] for row in pending} == {code}
    assert len(calls) <= 1 + blocked_seconds / PAUSE
    for pair in pairs:
        assert cloud.paid_once(pair)["verdict"] == "PASS"


def test_a_refused_token_is_tried_with_new_ones_by_one_worker_alone(cloud: FaultyCloud) -> None:
    cloud.idle()
    cloud.control.script(code="IAM_FAILED", times=None)
    pairs = [cloud.put(cloud.pair("IAM_FAILED/the first"))]
    refused(cloud, pairs[0])
    with cloud.held():
        pairs += [cloud.put(cloud.pair(f"IAM_FAILED/{number}")) for number in range(8)]
        time.sleep(PAUSE)
        before = len(cloud.control.calls("check"))
    since = time.time()  # eight workers at once, after the pause

    for pair in pairs:
        refused(cloud, pair)
    seconds = time.time() - since
    calls = cloud.control.calls("check")[before:]
    cloud.control.clear()

    # The token in memory, another one in the store, and a new one.
    assert 0 < len(calls) <= 3 * (1 + seconds / PAUSE)
    for pair in pairs:
        assert cloud.paid_once(pair)["verdict"] == "PASS"


def refused(cloud: FaultyCloud, pair: Pair) -> None:
    """Wait until the pair's row reports the refused token."""
    cloud.row_that(pair.pair_id, lambda row: row.get("code") == "IAM_FAILED")


def test_a_receive_of_a_pair_that_waits_costs_one_read_and_no_listing_or_download(
    cloud: FaultyCloud,
) -> None:
    cloud.idle()
    blocking, waiting = cloud.pair("reads/blocking"), cloud.pair("reads/waiting")
    with cloud.worker(Worker, {"BLOCKED_RETRY_SECONDS": "600"}) as worker, cloud.held():
        events = {}
        for pair, *steps in ((blocking, {"code": "INSUFFICIENT_BALANCE"}), (waiting,)):
            cloud.put(pair, *steps)
            events[pair], other = cloud.received(pair)
            cloud.delete(other)
            worker.start(events[pair]).result(20)
        row_before = cloud.row(waiting.pair_id)

        reads_before = reads(cloud)
        for _ in range(20):
            worker.start(events[waiting]).result(20)
        listed, downloaded, read = (after - before for before, after in zip(reads_before, reads(cloud), strict=True))
        row_after, downloads_at_all = cloud.row(waiting.pair_id), cloud.aws.requests("GetObject", waiting.pair_id)
        cloud.delete(*events.values())
    cloud.forget("IdempotencyTable", id=ITEM)  # instead of waiting ten minutes
    for pair in events:
        cloud.repeat(pair)
        assert cloud.paid_once(pair)["verdict"] == "PASS"

    assert (listed, downloaded, read) == (0, 0, 20)
    assert downloads_at_all == 0
    for row in (row_before, row_after):
        assert row is not None
        assert (row["verdict"], row["code"]) == ("PENDING", "INSUFFICIENT_BALANCE")


def reads(cloud: FaultyCloud) -> tuple[int, int, int]:
    """Return the listings, downloads and item reads so far."""
    requests = cloud.aws.requests
    return requests("ListObjectsV2"), requests("GetObject"), requests("GetItem") + requests("BatchGetItem")
