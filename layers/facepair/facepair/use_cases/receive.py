"""Process messages about uploads. Each names new objects in the images bucket; a bad one does not affect the others."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from facepair.domain import clock
from facepair.domain.message import Message
from facepair.domain.metric import Metric
from facepair.domain.notification import CreatedObject, Malformed, created_objects, is_in_foreign_envelope
from facepair.domain.pair import Names, split
from facepair.domain.retry import Backoff, Closed, RetryReason, Unavailable, Unreadable
from facepair.domain.row import Row
from facepair.domain.verdict import API_NOT_ANSWERING, PICTURES_DELETED, WORKER_DIED, Verdict
from facepair.use_cases.compare import Attempt, Deferred
from facepair.use_cases.ports import Metrics, UploadsQueue

logger = logging.getLogger(__name__)


class ComesBack(Exception):
    """The message stays in the queue; the reason is already logged."""


class Compares(Protocol):
    """Brings a pair's row up to date."""

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None: ...


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Processes one message at a time. `add_log_keys` adds fields to all later log lines."""

    names: Names
    comparer: Compares
    queue: UploadsQueue
    backoff: Backoff
    metrics: Metrics
    add_log_keys: Callable[..., None]

    def receive(self, message: Message, time_left: Callable[[], float]) -> None:
        """Bring the pairs of a message up to date. Raises ComesBack if the message must stay in the queue."""
        self.metrics.add(Metric.MESSAGES)
        attempts = (Attempt(each, message.receive_count, time_left) for each in self._created(message.body))
        delays = [delay for attempt in attempts if (delay := self._upload(attempt))]
        if delays:
            self._defer(message, max(delays))
            raise ComesBack

    def _created(self, body: str) -> list[CreatedObject]:
        try:
            created = created_objects(body)
        except Malformed as malformed:
            self._dead_letter(body, malformed)
            return []
        if not created and is_in_foreign_envelope(body):
            logger.warning(
                "Message ignored: not sent by S3 itself; connect bucket and queue without SNS or EventBridge",
                extra={"beginning": body[:200]},
            )
            self.metrics.add(Metric.IGNORED_UPLOADS)
        elif not created:
            logger.info("Message ignored: no object was created")
        return created

    def _dead_letter(self, body: str, malformed: Malformed) -> None:
        """Dead-letter the message. Raises ComesBack if that fails, so that it is not lost."""
        self.metrics.add(Metric.MALFORMED_MESSAGES)
        try:
            self.queue.dead_letter(body)
        except Unavailable as error:
            logger.error("Message not dead-lettered", extra={"reason": str(malformed), "error": str(error)})
            self.metrics.add(Metric.UNEXPECTED_ERRORS)
            raise ComesBack from error
        logger.error("Message dead-lettered", extra={"reason": str(malformed)})

    def _defer(self, message: Message, seconds: int) -> None:
        """Defer the message. If that fails, it still comes back after the queue's visibility timeout."""
        self.metrics.add(Metric.OLDEST_DEFERRED, (clock.now() - message.sent_at).total_seconds())
        try:
            self.queue.defer(message.receipt_handle, seconds)
        except Unavailable as error:
            logger.error(
                "Message not deferred: it comes back after the queue's visibility timeout",
                extra={"seconds": seconds, "reason": str(error)},
            )
            self.metrics.add(Metric.UNEXPECTED_ERRORS)

    def _upload(self, attempt: Attempt) -> int | None:
        """Bring an object's pair up to date. Return the seconds until the next try, if one is needed."""
        key = attempt.created.key
        pair_id, _ = split(key)
        self.add_log_keys(pair_id=pair_id, key=key)
        if not self.names.is_picture(key):
            expected = [f"<pair id>/{name}.*" for name in (self.names.first, self.names.second)]
            logger.info("Upload ignored: not named as a picture of a pair", extra={"expected": expected})
            self.metrics.add(Metric.IGNORED_UPLOADS)
            return None
        try:
            row = self.comparer.compare(pair_id, attempt)
        except Deferred as deferred:
            logger.info("Deferred", extra={"seconds": deferred.seconds, "reason": str(deferred.reason)})
            self.metrics.add(_metric_of(deferred.reason))
            return deferred.seconds
        except Exception:
            delay = self.backoff.seconds(attempt.receive_count)
            logger.exception("Unexpected error: the message is retried", extra={"seconds": delay})
            self.metrics.add(Metric.UNEXPECTED_ERRORS)
            return delay
        if row:
            self._count(row)
        return None

    def _count(self, row: Row) -> None:
        if row.code == PICTURES_DELETED:  # no verdict, and no action needed
            return
        self.metrics.add(Metric.of(row.verdict))
        if row.code == WORKER_DIED:
            self.metrics.add(Metric.WORKER_DIED)
        if row.verdict is not Verdict.WAITING:
            seconds = (clock.now() - row.uploaded_at).total_seconds()
            self.metrics.add(Metric.SECONDS_TO_VERDICT, max(0.0, seconds))


def _metric_of(reason: RetryReason) -> Metric:
    if isinstance(reason, Closed):
        return Metric.API_NOT_ANSWERING if reason.code == API_NOT_ANSWERING else Metric.BLOCKED
    return Metric.UNREADABLE_PICTURES if isinstance(reason, Unreadable) else Metric.DEFERRED
