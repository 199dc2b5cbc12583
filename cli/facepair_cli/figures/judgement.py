"""The part of a row that figures need: similarity, verdict and review."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, Field

from facepair.domain.moment import Moment
from facepair.domain.outcome import Policy
from facepair.domain.pair import Role
from facepair.domain.stored_row import StoredRow
from facepair.domain.verdict import Verdict
from facepair_cli.readable import readable


class OpinionSummary(BaseModel, frozen=True):
    """An earlier reviewer's opinion."""

    verdict: Verdict
    retake: tuple[Role, ...] = ()


class ReviewSummary(BaseModel, frozen=True):
    """A reviewer's decision; `before` is the verdict it replaced. Rows of earlier releases have no `saw_similarity`."""

    by: str
    at: Moment
    before: Verdict = Field(alias="from")
    saw_similarity: bool | None = None
    opinions: tuple[OpinionSummary, ...] = ()


class Judgement(BaseModel, frozen=True):
    """The attributes of a row that figures need; leaving out the rest saves memory."""

    pair_id: str
    verdict: Verdict
    code: str | None = None
    similarity: Decimal | None = None
    uploaded_at: Moment
    updated_at: Moment
    policy: Policy
    retake: tuple[Role, ...] = ()
    review: ReviewSummary | None = None

    @classmethod
    def of(cls, image: StoredRow) -> Self:
        """Parse a stored row. Raises ValueError if it cannot be read."""
        return cls.model_validate(image)

    @property
    def reviewers_agree(self) -> bool | None:
        """Whether the first two reviewers agreed; None with one reviewer."""
        if self.review is None or not self.review.opinions:
            return None
        final = OpinionSummary(verdict=self.verdict, retake=self.retake)
        one, other, *_ = (*self.review.opinions, final)
        return (one.verdict, set(one.retake)) == (other.verdict, set(other.retake))

    @property
    def by_similarity(self) -> Verdict:
        """The verdict before any review."""
        return self.review.before if self.review else self.verdict


def judgements(images: Iterable[StoredRow]) -> Iterator[Judgement]:
    """Return the rows for figures. An unreadable row is skipped, with a note on stderr."""
    return readable(images, Judgement.of)
