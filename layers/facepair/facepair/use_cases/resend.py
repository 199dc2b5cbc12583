"""Publish change events again, with the current rows."""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched

from facepair.domain.change import Change, VerdictChanged
from facepair.domain.metric import Metric
from facepair.domain.stored_row import StoredRow
from facepair.use_cases.ports import Bus, Metrics, WrittenRows
from facepair.use_cases.publish import AT_ONCE, check_size, put

logger = logging.getLogger(__name__)


@dataclass
class Resent:
    """What was published. `missing`: pair ids without a row. `unreadable`: pair ids whose row cannot be published.

    `since`: where to continue if time ran out.
    """

    published: int = 0
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    since: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resender:
    """Publishes rows again under the same event ids. Deletions have no row, so they cannot be resent."""

    bus: Bus
    rows: WrittenRows
    metrics: Metrics

    def since(self, moment: datetime, may_go_on: Callable[[], bool]) -> Resent:
        """Publish all rows written at that time or later, oldest first, until `may_go_on` returns False."""
        self.metrics.add(Metric.REPUBLISHED)
        done = Resent()
        for batch in batched(self.rows.since(moment), AT_ONCE, strict=False):
            if not may_go_on():
                done.since = str(batch[0]["updated_at"])
                break
            self._publish(batch, done)
        return done

    def pairs(self, pair_ids: Iterable[str]) -> Resent:
        """Publish the rows of these pairs."""
        self.metrics.add(Metric.REPUBLISHED)
        asked, done, seen = dict.fromkeys(pair_ids), Resent(), set[str]()
        for batch in batched(self.rows.of(asked), AT_ONCE, strict=False):
            self._publish(batch, done)
            seen |= {str(image["pair_id"]) for image in batch}
        done.missing = [pair_id for pair_id in asked if pair_id not in seen]
        return done

    def _publish(self, images: Iterable[StoredRow], done: Resent) -> None:
        changes = list(self._readable(images, done))
        put(changes, self.bus, self.metrics)
        done.published += len(changes)

    def _readable(self, images: Iterable[StoredRow], done: Resent) -> Iterator[Change]:
        for image in images:
            try:
                changed = VerdictChanged.to(image)
                check_size(changed)
                yield changed
            except ValueError as error:
                logger.error("Row cannot be published", extra={"pair_id": str(image["pair_id"]), "reason": str(error)})
                self.metrics.add(Metric.UNREADABLE_ROWS)
                done.unreadable.append(str(image["pair_id"]))
