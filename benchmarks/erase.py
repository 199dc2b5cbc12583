"""Seconds to erase pairs one at a time and several at once, without the wait between deletion and confirmation:
`python -m benchmarks.erase [--pairs 200]`. Latencies are stated as in `benchmarks.latency`."""

import argparse
import time

import boto3

from benchmarks.latency import LATENCIES, ROOT, SlowAws, wait_for
from facepair.domain.erasure import Erasure
from facepair_cli.erase.remote_eraser import AT_ONCE, RemoteEraser
from facepair_cli.function_url import FunctionUrl
from sandbox.cloud import Sandbox
from sandbox.portraits import jpeg, portrait


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    pairs = parser.parse_args().pairs
    with SlowAws(LATENCIES) as aws, Sandbox(ROOT, environment={"AWS_ENDPOINT_URL": aws.url}) as sandbox:
        aws.upstream = sandbox.variables["AWS_ENDPOINT_URL"]
        one, several = (_seconds(sandbox, pairs, at_once) for at_once in (1, AT_ONCE))
    stated = ", ".join(f"{name} {seconds * 1000:g} ms" for name, seconds in LATENCIES.items())
    print(
        f"{stated}: {pairs} pairs erased in {one:.1f} s one at a time, {several:.1f} s {AT_ONCE} at once, without the "
        f"wait: {one / several:.1f} times as fast"
    )


def _seconds(sandbox: Sandbox, pairs: int, at_once: int) -> float:
    """Upload pairs, erase them and return how long their deletion and their confirmation took together."""
    ids = [f"{at_once} at once/{number}" for number in range(pairs)]
    content, bucket = jpeg(portrait(1)), sandbox.outputs["ImagesBucket"]
    for pair_id in ids:
        for picture in ("first", "second"):
            sandbox.aws("s3").put_object(Bucket=bucket, Key=f"{pair_id}/{picture}.jpg", Body=content)
    for pair_id in ids:
        wait_for(lambda pair_id=pair_id: _is_decided(sandbox, pair_id))
    session = boto3.Session(
        sandbox.variables["AWS_ACCESS_KEY_ID"],
        sandbox.variables["AWS_SECRET_ACCESS_KEY"],
        region_name=sandbox.variables["AWS_DEFAULT_REGION"],
    )
    eraser = RemoteEraser(FunctionUrl(session, sandbox.outputs["EraseUrl"], "EraserPolicy"), at_once)
    answers: dict[str, Erasure] = {}

    def answered(erasure: Erasure) -> None:
        answers[erasure.pair_id] = erasure

    begun = time.monotonic()
    eraser.erase(ids, pairs, answered)
    took = time.monotonic() - begun
    time.sleep(max(erasure.ask_again_in or 0.0 for erasure in answers.values()))
    begun = time.monotonic()
    eraser.confirm(lambda: [pair_id for pair_id in ids if not answers[pair_id].complete], answered)
    return took + time.monotonic() - begun


def _is_decided(sandbox: Sandbox, pair_id: str) -> bool:
    table = sandbox.outputs["VerdictsTable"]
    row = sandbox.aws("dynamodb").get_item(TableName=table, Key={"pair_id": {"S": pair_id}}).get("Item", {})
    return bool(row.get("verdict") == {"S": "PASS"})


if __name__ == "__main__":
    main()
