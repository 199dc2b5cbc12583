"""Messages of uploads in, the ones that failed out: those come back, and no record spoils another's."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair import clock
from facepair.aws.queue import UploadsQueue
from facepair.compare import Attempt, Comparer, Postponed
from facepair.events import Malformed, created_keys
from facepair.pair import Names, split
from facepair.retry import Backoff, Blocked
from facepair.row import Row
from facepair.verdict import Verdict


class ComesBack(Exception):
    """Tells the batch processor that a message failed; the reason is logged where it was known."""


class Messages:
    """A batch of SQS records, each naming objects of the images bucket that were created."""

    def __init__(
        self, names: Names, comparer: Comparer, queue: UploadsQueue, backoff: Backoff, logger: Logger, metrics: Metrics
    ) -> None:
        self._names = names
        self._comparer = comparer
        self._queue = queue
        self._backoff = backoff
        self._logger = logger
        self._metrics = metrics

    def handle(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """The records that failed, in the form of Lambda's ReportBatchItemFailures."""

        def record_handler(record: SQSRecord) -> None:
            self._message(record, lambda: context.get_remaining_time_in_millis() / 1000)

        # A batch of which everything failed is no crash: without this Lambda would count an error of the function.
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        return dict(process_partial_response(event, record_handler, processor, context))

    def _message(self, record: SQSRecord, time_left: Callable[[], float]) -> None:
        self._logger.append_keys(message_id=record.message_id)
        self._count("Messages")
        receive_count = int(record.raw_event.get("attributes", {}).get("ApproximateReceiveCount", 1))
        attempt = Attempt(receive_count, time_left)
        delays = [delay for key in self._keys(record.body) if (delay := self._upload(key, attempt))]
        if delays:
            self._queue.postpone(record.receipt_handle, max(delays))
            raise ComesBack

    def _keys(self, body: str) -> list[str]:
        try:
            keys = created_keys(body)
        except Malformed as malformed:
            self._logger.error("Message set aside in the dead-letter queue: %s", malformed)
            self._count("MalformedMessages")
            self._queue.set_aside(body)
            return []
        if not keys:
            self._logger.info("Message ignored: it tells of no created object")
        return keys

    def _upload(self, key: str, attempt: Attempt) -> int | None:
        """Bring the pair of an object up to date; the seconds until the next try, if there must be one."""
        pair_id, _ = split(key)
        self._logger.append_keys(pair_id=pair_id, key=key)
        if not self._names.is_picture(key):
            names = self._names
            self._logger.info("Upload ignored: not named <pair id>/%s.* or <pair id>/%s.*", names.first, names.second)
            self._count("IgnoredUploads")
            return None
        try:
            row = self._comparer.compare(pair_id, attempt)
        except Postponed as postponed:
            self._logger.info("Postponed %s", postponed)
            self._count("Blocked" if isinstance(postponed.reason, Blocked) else "Postponed")
            return postponed.seconds
        except Exception:
            delay = self._backoff.seconds(attempt.receive_count)
            self._logger.exception("Unexpected error; the message will be tried again in %s s", delay)
            self._count("UnexpectedErrors")
            return delay
        if row:
            self._written(row)
        return None

    def _written(self, row: Row) -> None:
        self._count(row.verdict.title().replace("_", ""))  # Pass, ManualCheck, …
        if row.verdict is not Verdict.WAITING:
            seconds = (clock.now() - row.pair.uploaded_at).total_seconds()
            self._metrics.add_metric("SecondsToVerdict", MetricUnit.Seconds, max(0.0, seconds))

    def _count(self, name: str) -> None:
        self._metrics.add_metric(name, MetricUnit.Count, 1)
