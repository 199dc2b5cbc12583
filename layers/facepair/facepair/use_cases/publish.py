"""Every write to the verdicts table that changes something is published on the bus."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from facepair.domain.change import Change, Write
from facepair.domain.metric import Metric
from facepair.use_cases.ports import Bus, DeadLetterSink, Metrics

logger = logging.getLogger(__name__)

AT_ONCE = 10
"""Changes that are put together: EventBridge's limit of a request."""
MOST_BYTES = 200_000
"""Of an event's detail. EventBridge takes 256 KB in a request; a row of ours makes one or two."""


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Puts changes on the bus: at least once, the same change under the same id."""

    bus: Bus
    dead_letters: DeadLetterSink
    metrics: Metrics

    def publish(self, write: Write) -> None:
        """Publish what a write has changed, if anything. Raises Unavailable if that has to be tried again.

        A row that cannot be published is dead-lettered: repeating it would fail the same way, and the shard's later
        records wait behind it.
        """
        self.metrics.add(Metric.WRITES)
        try:
            changed = write.change()
            if changed:
                check_size(changed)
        except Exception as error:  # whatever it is: it depends on the record alone, so it would happen again
            logger.error("The row of %r cannot be published: %s", write.pair_id, error)
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
        logger.info("Published: %s", each.detail_type, extra={"pair_id": each.pair_id, "change_id": each.id})


def check_size(change: Change) -> None:
    """Raise ValueError for an event that the bus would refuse however often it is sent."""
    size = len(change.json().encode())
    if size > MOST_BYTES:
        raise ValueError(f"its event would have {size} bytes, and the bus takes {MOST_BYTES}")
