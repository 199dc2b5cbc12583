"""What is written into the verdicts table is told on the bus, by whomever it was written."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import batched
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, model_validator

from facepair.domain.change import Change, StoredRow, VerdictChanged, Write
from facepair.domain.metric import Metric
from facepair.use_cases.ports import Bus, DeadLetterSink, Metrics, WrittenRows

logger = logging.getLogger(__name__)

AT_ONCE = 10
"""Changes that are put together: EventBridge's limit of a request."""
MOST_BYTES = 200_000
"""Of an event's detail. EventBridge takes 256 KB in a request; a row of ours makes one or two."""
STOPPING_SECONDS = 30
"""Time that is kept for the last request and the answer."""


class Republish(BaseModel):
    """Which rows to publish again: all written since a time (ISO 8601 with its offset), or those of named pairs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: AwareDatetime | None = None
    pair_ids: tuple[str, ...] | None = None

    @classmethod
    def wanted(cls, said: object) -> Self:
        """What somebody asks for. Raises ValueError in one sentence, with the remedy."""
        try:
            return cls.model_validate(said)
        except ValidationError as error:
            remedy = 'say {"since": "2026-01-31T12:00:00Z"} or {"pair_ids": ["..."]}'
            raise ValueError(f"republish cannot be understood: {error.errors()[0]['msg']}; {remedy}") from None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.since is None) == (self.pair_ids is None):
            raise ValueError("one of since and pair_ids is needed")
        return self


@dataclass
class Republished:
    """What came of it. `missing` are pair ids without a row, `unreadable` those of rows that cannot be published.

    `since` is from where to go on, if the time did not last for all.
    """

    published: int
    missing: list[str]
    unreadable: list[str]
    since: str | None = None


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Puts changes on the bus: at least once, the same change under the same id."""

    bus: Bus
    rows: WrittenRows
    dead_letters: DeadLetterSink
    metrics: Metrics

    def publish(self, write: Write) -> None:
        """Tell what a write has changed, if anything. Raises Unavailable if that has to be tried again.

        A row that cannot be published is dead-lettered: repeating it would fail the same way, and the shard's later
        records wait behind it.
        """
        self.metrics.add(Metric.WRITES)
        try:
            changed = write.change()
            if changed:
                _check_size(changed)
        except Exception as error:  # whatever it is: it depends on the record alone, so it would happen again
            logger.error("The row of %r cannot be published: %s", write.pair_id, error)
            self.metrics.add(Metric.UNREADABLE_ROWS)
            told = {"pair_id": write.pair_id, "place": write.place, "reason": str(error)}
            self.dead_letters.dead_letter(json.dumps(told))
            return
        if changed:
            self._put([changed])

    def republish(self, wanted: Republish, time_left: Callable[[], float]) -> Republished:
        """Tell of rows as they are now, again: the changes that made them so. Deletions cannot be told again."""
        self.metrics.add(Metric.REPUBLISHED)
        asked = dict.fromkeys(wanted.pair_ids or ())
        images = self.rows.since(wanted.since) if wanted.since else self.rows.of(asked)
        done = Republished(published=0, missing=[], unreadable=[])
        seen: set[str] = set()
        for batch in batched(images, AT_ONCE, strict=False):
            if wanted.since and time_left() < STOPPING_SECONDS:
                done.since = str(batch[0]["updated_at"])
                break
            changes = list(self._readable(batch, done))
            self._put(changes)
            done.published += len(changes)
            seen |= {str(image["pair_id"]) for image in batch}
        done.missing = [pair_id for pair_id in asked if pair_id not in seen]
        return done

    def _readable(self, images: Iterable[StoredRow], done: Republished) -> Iterator[Change]:
        for image in images:
            try:
                changed = VerdictChanged.to(image)
                _check_size(changed)
                yield changed
            except ValueError as error:
                logger.error("The row of %r cannot be published: %s", image["pair_id"], error)
                self.metrics.add(Metric.UNREADABLE_ROWS)
                done.unreadable.append(str(image["pair_id"]))

    def _put(self, changes: list[Change]) -> None:
        self.bus.put(changes)
        self.metrics.add(Metric.CHANGES_PUBLISHED, len(changes))
        for each in changes:
            logger.info("Published: %s", each.detail_type, extra={"pair_id": each.pair_id, "change_id": each.id})


def _check_size(change: Change) -> None:
    """Raise ValueError for an event that the bus would refuse however often it is sent."""
    size = len(change.json().encode())
    if size > MOST_BYTES:
        raise ValueError(f"its event would have {size} bytes, and the bus takes {MOST_BYTES}")
