"""Messages of uploads: each names objects of the images bucket that were created, and no upload spoils another's."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from facepair.domain import clock
from facepair.domain.metric import Metric
from facepair.domain.notification import Malformed, created_keys
from facepair.domain.pair import Names, split
from facepair.domain.retry import Backoff, Blocked
from facepair.domain.row import Row
from facepair.domain.verdict import Verdict
from facepair.stories.compare import Attempt, Postponed
from facepair.stories.ports import Metrics, UploadsQueue

logger = logging.getLogger(__name__)


class ComesBack(Exception):
    """The message has to stay in the queue; the reason was logged where it was known."""


@dataclass(frozen=True)
class Message:
    """A received message; `receive_count` from 1."""

    body: str
    receipt_handle: str
    receive_count: int


class Compares(Protocol):
    """Brings a pair's row up to date."""

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None: ...


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Deals with one message after the other. `add_log_keys` puts fields on every line of the log that follows."""

    names: Names
    comparer: Compares
    queue: UploadsQueue
    backoff: Backoff
    metrics: Metrics
    add_log_keys: Callable[..., None]

    def receive(self, message: Message, time_left: Callable[[], float]) -> None:
        """Bring the pairs of a message up to date. Raises ComesBack if it has to stay in the queue."""
        self.metrics.add(Metric.MESSAGES)
        attempt = Attempt(message.receive_count, time_left)
        delays = [delay for key in self._keys(message.body) if (delay := self._upload(key, attempt))]
        if delays:
            self.queue.postpone(message.receipt_handle, max(delays))
            raise ComesBack

    def _keys(self, body: str) -> list[str]:
        try:
            keys = created_keys(body)
        except Malformed as malformed:
            logger.error("Message set aside in the dead-letter queue: %s", malformed)
            self.metrics.add(Metric.MALFORMED_MESSAGES)
            self.queue.set_aside(body)
            return []
        if not keys:
            logger.info("Message ignored: it tells of no created object")
        return keys

    def _upload(self, key: str, attempt: Attempt) -> int | None:
        """Bring the pair of an object up to date; the seconds until the next try, if there must be one."""
        pair_id, _ = split(key)
        self.add_log_keys(pair_id=pair_id, key=key)
        if not self.names.is_picture(key):
            names = self.names
            logger.info("Upload ignored: not named <pair id>/%s.* or <pair id>/%s.*", names.first, names.second)
            self.metrics.add(Metric.IGNORED_UPLOADS)
            return None
        try:
            row = self.comparer.compare(pair_id, attempt)
        except Postponed as postponed:
            logger.info("Postponed %s", postponed)
            self.metrics.add(Metric.BLOCKED if isinstance(postponed.reason, Blocked) else Metric.POSTPONED)
            return postponed.seconds
        except Exception:
            delay = self.backoff.seconds(attempt.receive_count)
            logger.exception("Unexpected error; the message will be tried again in %s s", delay)
            self.metrics.add(Metric.UNEXPECTED_ERRORS)
            return delay
        if row:
            self._count(row)
        return None

    def _count(self, row: Row) -> None:
        self.metrics.add(Metric.of(row.verdict))
        if row.verdict is not Verdict.WAITING:
            seconds = (clock.now() - row.uploaded_at).total_seconds()
            self.metrics.add(Metric.SECONDS_TO_VERDICT, max(0.0, seconds))
