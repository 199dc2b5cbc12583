"""Delivery time of a verdict: seconds from the row's writing to the webhook receiver.

`python -m benchmarks.publish [--burst 300]` measures a burst of rows that are written directly into the table;
`benchmarks.latency` measures one at rest. The sandbox runs on the same processors, so these are the sandbox's figures,
not those of AWS.
"""

import argparse
import time
from decimal import Decimal
from pathlib import Path
from statistics import median

from boto3.dynamodb.types import TypeSerializer

from facepair.domain import clock
from facepair.domain.outcome import Outcome, Policy
from facepair.domain.pair import Pair, Upload
from facepair.domain.row import Case, Row
from sandbox.cloud import Sandbox

ROOT = Path(__file__).parents[1]
POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
OUTCOME = Outcome(code="SUCCESS", message="OK", similarity=Decimal(99))
PATIENCE_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds from a row's writing to the receiver, in the sandbox.")
    parser.add_argument("--burst", type=int, default=300)
    arguments = parser.parse_args()
    with Sandbox(ROOT) as sandbox:
        _under_way(sandbox, ["the first one starts what is not started yet"])
        burst = _under_way(sandbox, [f"burst {number}" for number in range(arguments.burst)])
    print(f"From row to receiver in a burst of {len(burst)} rows: {_figures(burst)}")


def _figures(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    most = ordered[len(ordered) * 95 // 100]
    return f"median {median(ordered):.2f} s, 95 of 100 within {most:.2f} s, all within {ordered[-1]:.2f} s"


def _under_way(sandbox: Sandbox, pair_ids: list[str]) -> list[float]:
    """Write a verdict for each pair; return the seconds until the receiver has verified each."""
    written_at = {}
    for pair_id in pair_ids:
        written_at[pair_id] = time.time()
        sandbox.aws("dynamodb").put_item(TableName=sandbox.outputs["VerdictsTable"], Item=_item(pair_id))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        arrived = {each.message["data"]["pair_id"]: each.at for each in sandbox.receiver.taken.values()}
        if written_at.keys() <= arrived.keys():
            return [arrived[pair_id] - at for pair_id, at in written_at.items()]
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(written_at.keys() - arrived.keys())} verdicts have not arrived: see {sandbox.logs}")
        time.sleep(0.05)


def _item(pair_id: str) -> dict[str, object]:
    now, serialize = clock.now(), TypeSerializer().serialize
    first, second = (Upload(f"{pair_id}/{role}.jpg", "etag", 1, now) for role in ("first", "second"))
    case = Case(Pair(pair_id, first, second, listed_at=now), {}, POLICY, fingerprint=f"of {pair_id}")
    row = Row.judged(case, OUTCOME).model_copy(update={"updated_at": now})
    return {name: serialize(value) for name, value in row.item().items()}


if __name__ == "__main__":
    main()
