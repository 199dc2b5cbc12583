"""The time a warm worker takes per pair, over the unavoidable minimum: `python -m benchmarks.warm [--pairs 60]`.

The floor is measured in the same sandbox: two GETs, the POST of both pictures and the PutItem of a row, in sequence.
The project adds the listing, gate, ledger, idempotency, markers and fitting. The pictures have 900 x 1,200 pixels and
are sent as they are.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from facepair.advance import Advance
from facepair.advance.client import Credentials
from facepair.domain.notification import created_notification
from facepair.domain.picture import fit
from sandbox.cloud import CREDENTIALS, Sandbox
from sandbox.portraits import jpeg, portrait

ROOT = Path(__file__).parents[1]
NAMES = ("first.jpg", "second.jpg")
DEADLINE_SECONDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds of a pair in a warm worker, over the floor.")
    parser.add_argument("--pairs", type=int, default=60)
    pairs = [f"warm/{number}" for number in range(parser.parse_args().pairs)]
    content = jpeg(portrait(1))
    with Sandbox(ROOT, {"MaxCallsPerSecond": 1000}, warm=1) as sandbox:  # measures the worker, not the pace
        assert sandbox.host is not None
        sandbox.host.pause()  # messages are passed in directly
        etags = {pair_id: _upload(sandbox, pair_id, content) for pair_id in pairs}
        ask = _floor(sandbox, content)
        _compare(sandbox, *etags.popitem())  # the first event creates clients and the token
        floor = median(_seconds(partial(ask, pair_id)) for pair_id in etags)
        warm = median(_seconds(partial(_compare, sandbox, *each)) for each in etags.items())
    print(f"A warm pair takes {warm / floor:.1f} times the floor: {warm:.3f} s over {floor:.3f} s ({len(etags)} pairs)")


def _upload(sandbox: Sandbox, pair_id: str, content: bytes) -> str:
    """Upload both pictures; return the second one's ETag."""
    bucket = sandbox.outputs["ImagesBucket"]
    for name in NAMES:
        put = sandbox.aws("s3").put_object(Bucket=bucket, Key=f"{pair_id}/{name}", Body=content)
    return str(put["ETag"]).strip('"')


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _compare(sandbox: Sandbox, pair_id: str, etag: str) -> None:
    """Process one message in a warm worker. Raises SystemExit if that fails."""
    assert sandbox.host is not None
    record = {
        "messageId": pair_id,
        "receiptHandle": pair_id,
        "body": created_notification(f"{pair_id}/second.jpg", etag),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(time.time() * 1000))},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }
    answer = sandbox.host.invoke("CompareFunction", json.dumps({"Records": [record]}).encode())
    if answer.failed or json.loads(answer.payload)["batchItemFailures"]:
        raise SystemExit(f"{pair_id} was not compared: see {sandbox.logs}")


def _floor(sandbox: Sandbox, content: bytes) -> Callable[[str], None]:
    """Return a function that fetches two pictures, compares them and writes a row."""
    s3, dynamodb = sandbox.aws("s3"), sandbox.aws("dynamodb")
    bucket, table = sandbox.outputs["ImagesBucket"], sandbox.outputs["VerdictsTable"]
    advance, picture = Advance(sandbox.advance.url, DEADLINE_SECONDS), fit(content)
    token = advance.mint(Credentials.model_validate(CREDENTIALS), validity=3600).token

    def ask(pair_id: str) -> None:
        for name in NAMES:
            s3.get_object(Bucket=bucket, Key=f"{pair_id}/{name}")["Body"].read()
        answer = advance.compare(token, picture, picture)
        row = {"pair_id": f"floor of {pair_id}", "verdict": "PASS", "code": answer.code}
        dynamodb.put_item(TableName=table, Item={name: {"S": value} for name, value in row.items()})

    return ask


if __name__ == "__main__":
    main()
