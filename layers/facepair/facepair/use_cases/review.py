"""Let reviewers decide MANUAL_CHECK pairs from a shared queue, with one opinion each."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched, chain, islice
from typing import Any, Protocol

from facepair.domain import clock
from facepair.domain.backlog import Count
from facepair.domain.decision import Decision, has_decided, is_repeated
from facepair.domain.metric import Metric
from facepair.domain.opinions import Opinions, SecondReview, person
from facepair.domain.pair import split
from facepair.domain.retry import Unavailable
from facepair.domain.review_request import (
    LEASE,
    Asked,
    AskForPairs,
    CannotTell,
    Decide,
    GiveBack,
    Queued,
    Reveal,
)
from facepair.domain.row import PictureRow, Row
from facepair.use_cases.ports import Decisions, Metrics, Verdicts

logger = logging.getLogger(__name__)

LOOKED_UP_AT_ONCE = 25
"""Waiting pairs whose opinions are read in one request."""
MOST_TRIES = 7
"""Attempts. Each retry means that another reviewer's opinion was written in between."""


class ReviewQueue(Protocol):
    """The pairs waiting for a reviewer, from an eventually consistent index."""

    def oldest_first(self) -> Iterator[Queued]:
        """Return the pairs, ordered by the time of their row."""

    def waiting(self) -> Count:
        """Return how many there are."""


class Leases(Protocol):
    """Leases on pairs: which reviewer has which pair, and until when."""

    def take(self, pair_id: str, holder: str, until: datetime) -> bool:
        """Take or renew a lease. Return False if another reviewer has the pair."""

    def give_back(self, pair_id: str, holder: str) -> None:
        """Release a lease, unless another reviewer has the pair by now."""


class Links(Protocol):
    """Presigned URLs for reviewers, who cannot read the bucket."""

    def link(self, picture: PictureRow) -> str | None:
        """Return a URL of exactly this version, valid for a minute; None if the row names no version."""


class KnownOpinions(Protocol):
    """Opinions about contents whose decision is not final."""

    def of(self, fingerprint: str) -> Opinions:
        """Return the current opinions about two contents."""

    def of_many(self, fingerprints: Sequence[str]) -> Mapping[str, Opinions]:
        """Return the opinions about many contents, by fingerprint, omitting those with none or damaged ones."""

    def change(self, row: Row, opinions: Opinions) -> bool:
        """Write the next version of the opinions about a row's contents.

        Return False, without writing, if the row is no longer a MANUAL_CHECK of these contents or another version was
        written.
        """


@dataclass(frozen=True, kw_only=True)
class Reviewing:
    """Hands out pairs and records opinions. `reviewer` is always the caller that AWS reports, never a request field.

    No response contains another reviewer's opinion before the decision is final.
    """

    queue: ReviewQueue
    leases: Leases
    links: Links
    verdicts: Verdicts
    decisions: Decisions
    opinions: KnownOpinions
    metrics: Metrics
    second_review: SecondReview = SecondReview.NONE

    def answer(self, reviewer: str, asked: Asked) -> dict[str, Any]:
        """Return the response to any request, as plain JSON. Log who requested what."""
        about = asked.model_dump(mode="json", include={"action", "pair_id", "pair_ids", "verdict"})
        logger.info("Review requested", extra={"by": reviewer} | about)
        match asked:
            case AskForPairs():
                return self.pairs(reviewer, asked)
            case Decide():
                return self.decide(reviewer, asked)
            case CannotTell():
                return self.cannot_tell(reviewer, asked)
            case Reveal():
                return self.reveal(reviewer, asked)
            case GiveBack():
                return self.give_back(reviewer, asked)

    def pairs(self, reviewer: str, asked: AskForPairs) -> dict[str, Any]:
        """Return the reviewer's pairs, and how many wait in all.

        The pairs are the undecided ones that the page holds, then free ones, oldest first.
        """
        holder = _holder(reviewer, asked.desk)
        others = (each for each in self.queue.oldest_first() if each.pair_id not in {*asked.holding, *asked.skip})
        candidates = chain(asked.holding, self._for(reviewer, others))
        taken = islice(self._taken(candidates, reviewer, holder), asked.count)
        shown = [self._shown(row, known) for row, known in taken]
        waiting = self.queue.waiting()
        logger.info("Pairs shown", extra={"by": reviewer, "pair_ids": [each["pair_id"] for each in shown]})
        return {"reviewer": reviewer, "waiting": waiting.number, "at_least": waiting.lower_bound, "pairs": shown}

    def decide(self, reviewer: str, asked: Decide) -> dict[str, Any]:
        """Record an opinion. The decision is final unless another reviewer must agree.

        `decided`: whether it was recorded. `stands`: the verdict of the pair's row. A reviewer's first opinion about
        these contents counts; repeating it after a lost response changes nothing.
        """

        def record(row: Row, known: Opinions) -> bool | None:
            opinion = asked.by(reviewer, clock.now(), saw_similarity=known.was_seen_by(reviewer))
            if mine := known.opinion_of(reviewer):
                return is_repeated(mine, opinion)
            if not known.are_settled_by(opinion, self.second_review):
                return self.opinions.change(row, known.with_opinion(opinion)) or None
            decision = Decision.of(opinion, known.opinions)
            if not self.decisions.decide(row, decision, known.version):
                return None
            self._count(row, decision)
            return True

        recorded = self._recorded(asked, record)
        row = self.verdicts.row(asked.pair_id)
        if not recorded and row and row.decision and row.fingerprint == asked.fingerprint:
            recorded = has_decided(row.decision, asked.by(reviewer, clock.now(), saw_similarity=False))
        return self._answer(reviewer, asked, row, recorded=recorded)

    def cannot_tell(self, reviewer: str, asked: CannotTell) -> dict[str, Any]:
        """Leave a pair to another reviewer, with a note. The response is as for a decision."""

        def record(row: Row, known: Opinions) -> bool | None:
            note = asked.by(reviewer, clock.now())
            if known.opinion_of(reviewer):
                return False
            if mine := known.note_of(reviewer):
                return mine.note == note.note
            return self.opinions.change(row, known.with_note(note)) or None

        recorded = self._recorded(asked, record)
        return self._answer(reviewer, asked, self.verdicts.row(asked.pair_id), recorded=recorded)

    def reveal(self, reviewer: str, asked: Reveal) -> dict[str, Any]:
        """Return the similarity after recording that the reviewer sees it; None if there is nothing to decide."""
        seen: dict[str, Any] = {"similarity": None}

        def record(row: Row, known: Opinions) -> bool | None:
            seen["similarity"] = _number(row.similarity)
            return known.was_seen_by(reviewer) or self.opinions.change(row, known.seen_by(reviewer)) or None

        return seen if self._recorded(asked, record) else {"similarity": None}

    def give_back(self, reviewer: str, asked: GiveBack) -> dict[str, Any]:
        for pair_id in asked.pair_ids:
            self.leases.give_back(pair_id, _holder(reviewer, asked.desk))
        return {}

    def _recorded(self, asked: Decide | CannotTell | Reveal, record: Callable[[Row, Opinions], bool | None]) -> bool:
        """Record a reviewer's opinion about a MANUAL_CHECK of the contents that they saw; False for any other row.

        If the row or the opinions changed meanwhile, `record` returns None, and both are read again.
        """
        for _ in range(MOST_TRIES):
            row = self.verdicts.row(asked.pair_id)
            if row is None or not row.is_to_be_reviewed or row.fingerprint != asked.fingerprint:
                return False
            recorded = record(row, self.opinions.of(asked.fingerprint))
            if recorded is not None:
                return recorded
        raise Unavailable("other opinions about the pair were written again and again meanwhile")

    def _answer(self, reviewer: str, asked: Decide | CannotTell, row: Row | None, *, recorded: bool) -> dict[str, Any]:
        self.metrics.add(Metric.DECISIONS_TOO_LATE, 0 if recorded else 1)
        self.leases.give_back(asked.pair_id, _holder(reviewer, asked.desk))
        return {"decided": recorded, "stands": _stands(row) if row else None}

    def _for(self, reviewer: str, queued: Iterable[Queued]) -> Iterator[str]:
        """Return the pairs that this reviewer can still decide, without leasing the others."""
        for batch in batched(queued, LOOKED_UP_AT_ONCE, strict=False):
            known = self.opinions.of_many([each.fingerprint for each in batch])
            yield from (
                each.pair_id
                for each in batch
                if each.fingerprint not in known or not known[each.fingerprint].has_been_with(reviewer)
            )

    def _taken(self, pair_ids: Iterable[str], reviewer: str, holder: str) -> Iterator[tuple[Row, Opinions]]:
        """Return current rows of pairs that could be leased."""
        for pair_id in pair_ids:
            if self.leases.take(pair_id, holder, clock.now() + LEASE):
                found = self._undecided(pair_id)
                if found and not found[1].has_been_with(reviewer):
                    yield found
                    continue
                self.leases.give_back(pair_id, holder)

    def _undecided(self, pair_id: str) -> tuple[Row, Opinions] | None:
        """Return the row of a pair to be reviewed, and its opinions.

        None if either is unreadable, as a damaged item must not block the queue.
        """
        try:
            row = self.verdicts.row(pair_id)
            if row and row.is_to_be_reviewed and row.fingerprint:
                return row, self.opinions.of(row.fingerprint)
        except ValueError as error:
            logger.error("Pair cannot be read", extra={"pair_id": pair_id, "reason": str(error)})
            self.metrics.add(Metric.UNREADABLE_ROWS)
        return None

    def _shown(self, row: Row, known: Opinions) -> dict[str, Any]:
        """Return a pair for a reviewer, as plain JSON. The similarity takes a separate request."""
        said = row.model_dump(mode="json", include={"pair_id", "fingerprint", "uploaded_at", "updated_at"})
        pictures = {role: self._picture(picture) for role, picture in row.pictures.items()}
        notes = [{"by": person(each.by), "at": clock.iso(each.at), "note": each.note} for each in known.notes]
        return said | {"policy": _numbers(row.policy.model_dump()), "notes": notes} | pictures

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
    """Return the holder of a lease: each page of a reviewer is one, and reviewers cannot forge each other's pages."""
    return f"{reviewer} {desk}"


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
    """Return the nearest double."""
    return None if value is None else float(value)
