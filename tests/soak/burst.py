"""A burst of uploads at an API that allows ten calls a second: nothing is lost and few calls are refused."""

import time
from collections import Counter
from dataclasses import dataclass, field

from facepair.advance.codes import BUSY_CODES
from tests.support.faulty_cloud import FaultyCloud

CALLS_A_SECOND = 10
SETTLING_SECONDS = 600


@dataclass
class Burst:
    """The result; `problems` is empty if every pair was compared once."""

    pairs: int
    seconds: float = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ratio, refusals = self.seconds * CALLS_A_SECOND / self.pairs, self.refused / self.pairs
        return (
            f"burst of {self.pairs} pairs: {self.seconds:.0f} s, {ratio:.2f} times the ideal, {refusals:.3f} refusals "
            f"a pair: {'ok' if not self.problems else f'{len(self.problems)} PROBLEMS'}"
        )


def burst(cloud: FaultyCloud, count: int) -> Burst:
    """Release `count` complete pairs at once to a fleet that must discover its pace."""
    with cloud.held():
        pairs = [cloud.put(cloud.pair(f"burst of {count}/{number:04d}")) for number in range(count)]
    cloud.control.limit_rate(CALLS_A_SECOND)
    seen, started = Burst(count), time.monotonic()
    cloud.idle(within=count / CALLS_A_SECOND + SETTLING_SECONDS)
    seen.seconds = time.monotonic() - started

    rows = {row["pair_id"]: row["verdict"] for row in cloud.rows("pair_id", "verdict")}
    calls = cloud.control.calls("check")
    seen.refused = sum(call.code in BUSY_CODES for call in calls)
    charged = Counter(call.first.sha256 for call in calls if call.charged and call.first)
    for pair in pairs:
        if rows.get(pair.pair_id) != "PASS":
            seen.problems.append(f"{pair.pair_id}: {rows.get(pair.pair_id, 'no row')}")
        if charged[pair.first_sha256] != 1:
            seen.problems.append(f"{pair.pair_id} was charged {charged[pair.first_sha256]} times")
    if dead := cloud.dead_letters():
        seen.problems.append(f"dead letters: {dead}")
    return seen
