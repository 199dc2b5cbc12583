"""The event source mapping of a table's stream: passes records to a function in order, each until it is done.

https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.lambda_host.event_source import failed_ids, wait_for_poll
from sandbox.lambda_host.fleet import HostClosed
from sandbox.lambda_host.runtime_api import InvocationResult
from sandbox.stack import StreamSource

Record = Mapping[str, Any]
Invoke = Callable[[bytes], InvocationResult]
Checkpoints = MutableMapping[str, str]
"""Stream ARN -> sequence number of the last record done. Outlives the host, as on AWS."""

# Lambda polls a shard four times a second. The sandbox's AWS answers once there is a record, or after this time.
POLL_SECONDS = 20
WAIT = {"X-Sandbox-Wait-Seconds": str(POLL_SECONDS)}
FIRST_PAUSE_SECONDS = 0.5
PAUSED_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5
FOR_EVER = -1


class StreamPoller:
    """Polls until closed.

    A failed batch is retried before any later one, within the source's limits; then its place in the stream goes to the
    source's queue, and the stream continues.
    """

    def __init__(
        self,
        source: StreamSource,
        streams: Any,
        sqs: Any,
        invoke: Invoke,
        checkpoints: Checkpoints,
        end_polls: Callable[[], None],
    ) -> None:
        self._source = source
        self._streams = streams
        streams.meta.events.register_first("before-call.dynamodb-streams.GetRecords", _wait_for_records)
        self._sqs = sqs
        self._invoke = invoke
        self._checkpoints = checkpoints
        self._end_polls = end_polls
        self._iterator: str | None = None
        self._working = threading.Lock()
        self._closed = threading.Event()
        self._paused = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def pause(self) -> None:
        """Stop taking records; the current batch is finished, or left for a retry."""
        self._paused.set()
        wait_for_poll(self._working, self._end_polls)

    drain = pause

    def resume(self) -> None:
        self._paused.clear()

    def close(self) -> None:
        """Stop taking records, without waiting: the environments may be killed next."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            if self._paused.is_set():
                self._closed.wait(PAUSED_SECONDS)
                continue
            try:
                with self._working:
                    records = self._next()
                    self._deal_with(records)
            except (HostClosed, BotoCoreError, ClientError):
                self._closed.wait(FIRST_PAUSE_SECONDS)
                continue
            if records and not self._is_done(records[-1]):
                self._iterator = None

    def _next(self) -> Sequence[Record]:
        """Return the records after the last ones, or after the checkpoint."""
        iterator = self._iterator or self._behind_the_checkpoint()
        got = self._streams.get_records(ShardIterator=iterator, Limit=self._source.batch_size)
        self._iterator = got["NextShardIterator"]
        return [_record(record, self._source.stream_arn) for record in got["Records"]]

    def _behind_the_checkpoint(self) -> str:
        stream, checkpoint = self._source.stream_arn, self._checkpoints.get(self._source.stream_arn)
        [shard] = self._streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        where = {"ShardIteratorType": self._source.starting_position}
        if checkpoint:
            where = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": checkpoint}
        iterator: str = self._streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], **where)[
            "ShardIterator"
        ]
        return iterator

    def _deal_with(self, records: Sequence[Record]) -> None:
        """Process the records until all are done or given up, or the poller stops; the rest stays in the stream."""
        attempts = 0
        while records and not self._closed.is_set() and not self._paused.is_set():
            left = self._attempt(records)
            attempts = attempts + 1 if len(left) == len(records) else 1
            self._done(records[: len(records) - len(left)])
            records = left
            if not records:
                return
            if self._source.bisects and len(records) > 1:
                middle = len(records) // 2
                self._deal_with(records[:middle])
                records, attempts = records[middle:] if self._is_done(records[middle - 1]) else [], 0
            elif condition := self._given_up(records, attempts):
                self._tell(records, condition, attempts)
                self._done(records)
                return
            else:
                self._closed.wait(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempts, 10)))

    def _attempt(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records to retry: all after a crash, otherwise from the first one reported."""
        numbers = [_number(record) for record in records]
        answer = self._invoke(json.dumps({"Records": records}).encode())
        failed = failed_ids(answer, numbers, reports=self._source.reports_batch_item_failures)
        first = next((place for place, number in enumerate(numbers) if number in failed), len(records))
        return records[first:]

    def _given_up(self, records: Sequence[Record], attempts: int) -> str | None:
        age = time.time() - records[0]["dynamodb"]["ApproximateCreationDateTime"]
        if self._source.maximum_age_seconds != FOR_EVER and age > self._source.maximum_age_seconds:
            return "RecordAgeExceeded"
        if self._source.maximum_retries != FOR_EVER and attempts > self._source.maximum_retries:
            return "RetryAttemptsExhausted"
        return None

    def _done(self, records: Sequence[Record]) -> None:
        if records:
            self._checkpoints[self._source.stream_arn] = _number(records[-1])

    def _is_done(self, record: Record) -> bool:
        return int(self._checkpoints.get(self._source.stream_arn, "0")) >= int(_number(record))

    def _tell(self, records: Sequence[Record], condition: str, attempts: int) -> None:
        """Send the records' place in the stream, not the records, to the on-failure destination."""
        if self._source.on_failure_queue_url is None:
            return
        arrivals = [_iso(record["dynamodb"]["ApproximateCreationDateTime"]) for record in records]
        message = {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self._source.function_arn,
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "version": "1.0",
            "timestamp": _iso(time.time()),
            "DDBStreamBatchInfo": {
                "startSequenceNumber": _number(records[0]),
                "endSequenceNumber": _number(records[-1]),
                "approximateArrivalOfFirstRecord": arrivals[0],
                "approximateArrivalOfLastRecord": arrivals[-1],
                "batchSize": len(records),
                "streamArn": self._source.stream_arn,
            },
        }
        self._sqs.send_message(QueueUrl=self._source.on_failure_queue_url, MessageBody=json.dumps(message))


def _wait_for_records(params: dict[str, Any], **_: object) -> None:
    params["headers"].update(WAIT)


def _record(record: Mapping[str, Any], stream_arn: str) -> dict[str, Any]:
    """Return a record as a function gets it, with its time in epoch seconds."""
    told = dict(record["dynamodb"])
    told["ApproximateCreationDateTime"] = told["ApproximateCreationDateTime"].timestamp()
    return {**record, "dynamodb": told, "eventSourceARN": stream_arn}


def _number(record: Record) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
