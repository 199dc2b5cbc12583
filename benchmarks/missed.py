"""Speed of FindMissedFunction on a bucket of finished pairs, in objects per second.

`python -m benchmarks.missed [--pairs 1000]`. The sandbox runs on the same processors, so this is the sandbox's speed,
not that of AWS.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from boto3.dynamodb.types import TypeSerializer

from facepair.aws.uploads import ImagesBucket
from facepair.domain import clock
from facepair.domain.outcome import Outcome, Policy
from facepair.domain.pair import Names, Pair, folders
from facepair.domain.row import Case, Row
from sandbox.cloud import Sandbox

ROOT = Path(__file__).parents[1]
NAMES = Names("first", "second")
POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
TEN_MILLION = 10_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Objects per second of FindMissedFunction, against the sandbox.")
    parser.add_argument("--pairs", type=int, default=1000)
    pairs = parser.parse_args().pairs
    with Sandbox(ROOT, {"FindMissedAfterMinutes": 0}) as sandbox:
        bucket, s3 = sandbox.outputs["ImagesBucket"], sandbox.aws("s3")
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        keys = [f"pair-{number:06d}/{role}.jpg" for number in range(pairs) for role in ("first", "second")]
        with ThreadPoolExecutor(4) as uploaders:
            list(uploaders.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b""), keys))
        _judge_all(sandbox, bucket)
        function = sandbox.outputs["FindMissedFunction"]
        seconds, found = min(_search(sandbox, function) for _ in range(3))
    rate = found / seconds
    print(
        f"FindMissedFunction: {found} objects in {seconds:.1f} s, {rate:.0f} objects/s; 10 million in "
        f"{TEN_MILLION / rate / 60:.0f} min, which are {TEN_MILLION / rate / 870:.1f} runs of 15 min"
    )


def _judge_all(sandbox: Sandbox, bucket: str) -> None:
    """Write a verdict for every pair, like CompareFunction."""
    uploads = ImagesBucket(sandbox.aws("s3"), bucket, NAMES)
    serialize = TypeSerializer().serialize
    for pair_id, pictures in folders(uploads.all(after=""), NAMES):
        pair = Pair.among(pair_id, pictures, NAMES, clock.now())
        outcome = Outcome(code="SUCCESS", message="OK", similarity=Decimal(99))
        row = Row.judged(Case(pair, {}, POLICY, fingerprint="benchmark"), outcome)
        item = {name: serialize(value) for name, value in row.item().items()}
        sandbox.aws("dynamodb").put_item(TableName=sandbox.outputs["VerdictsTable"], Item=item)


def _search(sandbox: Sandbox, function: str) -> tuple[float, int]:
    started = time.monotonic()
    answer = sandbox.aws("lambda").invoke(FunctionName=function)
    return time.monotonic() - started, json.load(answer["Payload"])["objects"]


if __name__ == "__main__":
    main()
