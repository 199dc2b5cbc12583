"""The account is refused for a while: few calls, nothing lost, and everything goes on by itself."""

import time

import pytest

from tests.support.faulty_cloud import PARAMETERS, FaultyCloud

PAUSE = int(str(PARAMETERS["BlockedRetrySeconds"]))


@pytest.mark.parametrize(
    ("code", "seconds"), [("INSUFFICIENT_BALANCE", 8), ("OVER_QUERY_LIMIT", 3), ("ACCOUNT_DISABLED", 3)]
)
def test_a_blocked_account_is_left_alone_until_it_works_again(cloud: FaultyCloud, code: str, seconds: float) -> None:
    since = time.time()
    cloud.control.script(code=code, times=None)
    pairs = [cloud.put(cloud.pair(f"{code}/the first"))]
    cloud.row_with(pairs[0].pair_id, "PENDING")

    pairs += [cloud.put(cloud.pair(f"{code}/{number}")) for number in range(8)]
    pending = [cloud.row_with(pair.pair_id, "PENDING") for pair in pairs]
    time.sleep(max(0, since + seconds - time.time()))
    cloud.control.clear()
    calls = [call for call in cloud.control.calls("check") if call.code == code]
    blocked_seconds = time.time() - since

    assert {row["code"] for row in pending} == {code}
    # Powertools' circuit breaker counts in whole seconds: a probe may come up to one early.
    assert len(calls) <= 1 + blocked_seconds / (PAUSE - 1)
    for pair in pairs:
        assert cloud.paid_once(pair)["verdict"] == "PASS"
