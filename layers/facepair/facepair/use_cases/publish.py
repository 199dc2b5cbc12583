"""Publish every change in the verdicts table on the bus."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from facepair.domain.change import Change, Write
from facepair.domain.metric import Metric
from facepair.use_cases.ports import Bus, DeadLetterSink, Metrics

logger = logging.getLogger(__name__)

AT_ONCE = 10
"""Changes per request: EventBridge's limit."""
MOST_BYTES = 200_000
"""Limit for an event's detail. EventBridge accepts 256 KB per request; our rows have one or two."""


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Publishes changes at least once; a repeated change keeps its id."""

    bus: Bus
    dead_letters: DeadLetterSink
    metrics: Metrics

    def publish(self, write: Write) -> None:
        """Publish what a write has changed, if anything. Raises Unavailable if the record must be retried.

        A row that cannot be published is dead-lettered: a retry would fail again and hold up the rest of the shard.
        """
        self.metrics.add(Metric.WRITES)
        try:
            changed = write.change()
            if changed:
                check_size(changed)
        except Exception as error:  # any error: it depends only on the record, so a retry would fail again
            logger.error("Row cannot be published", extra={"pair_id": write.pair_id, "reason": str(error)})
            self.metrics.add(Metric.UNREADABLE_ROWS)
            told = {"pair_id": write.pair_id, "place": write.place, "reason": str(error)}
            self.dead_letters.dead_letter(json.dumps(told))
            return
        if changed:
            put([changed], self.bus, self.metrics)


def put(changes: Sequence[Change], bus: Bus, metrics: Metrics) -> None:
    """Put changes on the bus, count and log them."""
    bus.put(changes)
    metrics.add(Metric.CHANGES_PUBLISHED, len(changes))
    for each in changes:
        about = {"detail_type": each.detail_type, "pair_id": each.pair_id, "change_id": each.id}
        logger.info("Published", extra=about)


def check_size(change: Change) -> None:
    """Raise ValueError for an event that the bus would always refuse."""
    size = len(change.json().encode())
    if size > MOST_BYTES:
        raise ValueError(f"its event would have {size} bytes, and the bus takes {MOST_BYTES}")
