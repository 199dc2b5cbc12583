"""A MANUAL_CHECK is decided by a person: who shares the queue with others, looks at two pictures, and decides once."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, Protocol

from facepair.domain import clock
from facepair.domain.metric import Metric
from facepair.domain.pair import split
from facepair.domain.review import LEASE, AskForPairs, Decide, GiveBack, Waiting, same_decision
from facepair.domain.row import Decision, PictureRow, Row
from facepair.use_cases.ports import Decisions, Metrics, Verdicts

logger = logging.getLogger(__name__)


class ReviewQueue(Protocol):
    """The pairs that wait for a person, as an index knows them: some moments late."""

    def oldest_first(self) -> Iterator[str]:
        """Their pair ids."""

    def waiting(self) -> Waiting:
        """How many there are."""


class Leases(Protocol):
    """Which reviewer has which pair, and until when."""

    def take(self, pair_id: str, holder: str, until: datetime) -> bool:
        """Take a pair, or keep it; False if somebody else has it."""

    def give_back(self, pair_id: str, holder: str) -> None:
        """Let others have a pair; nothing happens if somebody else has it by now."""


class Links(Protocol):
    """Ways to pictures for whoever may not read the bucket."""

    def link(self, picture: PictureRow) -> str | None:
        """The URL of exactly this version, for a minute; None if the row does not name a version."""


@dataclass(frozen=True, kw_only=True)
class Reviewing:
    """Hands out pairs and takes decisions. `reviewer` is always who AWS says it is, never what a request says."""

    queue: ReviewQueue
    leases: Leases
    links: Links
    verdicts: Verdicts
    decisions: Decisions
    metrics: Metrics

    def pairs(self, reviewer: str, asked: AskForPairs) -> dict[str, Any]:
        """The pairs that the reviewer has now: those that he holds already, if they are still to be decided, and others
        that nobody has, oldest first; and how many wait in all."""
        holder = _holder(reviewer, asked.desk)
        others = (each for each in self.queue.oldest_first() if each not in asked.holding and each not in asked.skip)
        rows = list(islice(self._taken(chain(asked.holding, others), holder), asked.count))
        waiting = self.queue.waiting()
        return {
            "reviewer": reviewer,
            "waiting": waiting.count,
            "at_least": waiting.at_least,
            "pairs": [self._shown(row) for row in rows],
        }

    def decide(self, reviewer: str, asked: Decide) -> dict[str, Any]:
        """Whether the decision stands, and what stands for the pair. The first decision about these contents holds; one
        that is sent again, because its answer was lost, is still the first."""
        decision = asked.by(reviewer, clock.now())
        row = self.verdicts.row(asked.pair_id)
        to_be_decided = row is not None and row.is_to_be_reviewed and row.fingerprint == asked.fingerprint
        if row and to_be_decided and self.decisions.decide(row, decision):
            self._count(row, decision)
            row = row.as_decided(decision)
            decided = True
        else:
            row = self.verdicts.row(asked.pair_id)
            decided = row is not None and row.fingerprint == asked.fingerprint and _says(row, decision)
            self.metrics.add(Metric.DECISIONS_TOO_LATE, 0 if decided else 1)
        self.leases.give_back(asked.pair_id, _holder(reviewer, asked.desk))
        return {"decided": decided, "stands": _stands(row) if row else None}

    def give_back(self, reviewer: str, asked: GiveBack) -> dict[str, Any]:
        """Others may have these pairs now."""
        for pair_id in asked.pair_ids:
            self.leases.give_back(pair_id, _holder(reviewer, asked.desk))
        return {}

    def _taken(self, pair_ids: Iterable[str], holder: str) -> Iterator[Row]:
        """Rows of pairs that could be taken, each as it is at this moment."""
        for pair_id in pair_ids:
            if self.leases.take(pair_id, holder, clock.now() + LEASE):
                row = self._row(pair_id)
                if row and row.is_to_be_reviewed:
                    yield row
                else:
                    self.leases.give_back(pair_id, holder)

    def _row(self, pair_id: str) -> Row | None:
        """The pair's row; None for one that cannot be read, which must not keep the other pairs from the reviewers."""
        try:
            return self.verdicts.row(pair_id)
        except ValueError as error:
            logger.error("A row cannot be read", extra={"pair_id": pair_id, "reason": str(error)})
            self.metrics.add(Metric.UNREADABLE_ROWS)
            return None

    def _shown(self, row: Row) -> dict[str, Any]:
        """What a reviewer needs to know of a pair, as plain JSON."""
        said = row.model_dump(mode="json", include={"pair_id", "fingerprint", "policy", "uploaded_at", "updated_at"})
        pictures = {role: self._picture(picture) for role, picture in row.pictures.items()}
        numbers = {"similarity": _number(row.similarity), "policy": _numbers(row.policy.model_dump())}
        return said | numbers | pictures

    def _picture(self, picture: PictureRow) -> dict[str, Any]:
        face = _numbers(picture.face.model_dump(exclude={"id"})) if picture.face else None
        return {
            "file": split(picture.key)[1],
            "adjusted": list(picture.adjusted),
            "face": face,
            "url": self.links.link(picture),
        }

    def _count(self, row: Row, decision: Decision) -> None:
        logger.info("Decided", extra={"pair_id": row.pair_id, "verdict": decision.verdict, "by": decision.review.by})
        self.metrics.add(Metric.DECISIONS)
        if row.updated_at:
            self.metrics.add(Metric.SECONDS_TO_DECISION, (decision.review.at - row.updated_at).total_seconds())


def _holder(reviewer: str, desk: str) -> str:
    """Two pages of one reviewer are two desks; nobody can name a desk of somebody else."""
    return f"{reviewer} {desk}"


def _says(row: Row, decision: Decision) -> bool:
    return row.decision is not None and same_decision(row.decision, decision)


def _stands(row: Row) -> dict[str, Any]:
    return row.model_dump(
        mode="json",
        by_alias=True,
        exclude_none=True,
        include={"verdict", "code", "retake", "fingerprint", "updated_at", "review"},
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> float | None:
    """A JSON number, as near as a double comes."""
    return None if value is None else float(value)
