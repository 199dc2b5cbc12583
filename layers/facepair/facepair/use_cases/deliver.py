"""Deliver webhooks: each is POSTed until its receiver accepts it, for up to three days."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from facepair.domain import clock
from facepair.domain.message import Message
from facepair.domain.metric import Metric
from facepair.domain.notification import Malformed
from facepair.domain.retry import WEBHOOK_PATIENCE, Backoff
from facepair.domain.webhook import Undelivered, Webhook
from facepair.use_cases.ports import Metrics, WebhookQueue, WebhookReceiver
from facepair.use_cases.receive import ComesBack

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Deliverer:
    """Delivers one webhook at a time. `add_log_keys` adds fields to all later log lines."""

    receiver: WebhookReceiver
    queue: WebhookQueue
    backoff: Backoff
    metrics: Metrics
    add_log_keys: Callable[..., None]
    patience: timedelta = WEBHOOK_PATIENCE

    def deliver(self, message: Message) -> None:
        """Make one attempt. Raises ComesBack if another one is needed."""
        try:
            webhook = Webhook.from_event(message.body)
        except Malformed as malformed:
            logger.error("Message dead-lettered", extra={"reason": str(malformed)})
            self.metrics.add(Metric.MALFORMED_MESSAGES)
            self.queue.dead_letter(message.body)
            return
        self.add_log_keys(change_id=webhook.id, pair_id=webhook.data.get("pair_id"))
        try:
            self.receiver.take(webhook)
        except Undelivered as undelivered:
            self._again(message, undelivered)
        else:
            self.metrics.add(Metric.WEBHOOKS_DELIVERED)
            self.metrics.add(Metric.SECONDS_TO_RECEIVER, _seconds_since(message.sent_at))
            logger.info("Delivered", extra={"type": webhook.type})

    def _again(self, message: Message, undelivered: Undelivered) -> None:
        waited = _seconds_since(message.sent_at)
        self.metrics.add(Metric.SECONDS_UNDELIVERED, waited)
        if waited > self.patience.total_seconds():
            logger.error("Webhook given up and dead-lettered", extra={"reason": str(undelivered)})
            self.queue.dead_letter(message.body)
            return
        seconds = self.backoff.seconds(message.receive_count, undelivered.retry_after or 0)
        logger.warning("Not delivered", extra={"seconds": seconds, "reason": str(undelivered)})
        self.metrics.add(Metric.WEBHOOKS_DEFERRED)
        self.queue.defer(message.receipt_handle, seconds)
        raise ComesBack


def _seconds_since(moment: datetime) -> float:
    return max(0.0, (clock.now() - moment).total_seconds())
