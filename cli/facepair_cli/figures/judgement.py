"""What figures need of a row: the similarity, the verdict that it has made, and what a person has made of that."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, Field

from facepair.domain.change import StoredRow
from facepair.domain.pair import Role
from facepair.domain.row import Moment
from facepair.domain.verdict import Policy, Verdict
from facepair_cli.output import note


class OpinionSummary(BaseModel, frozen=True):
    """What another reviewer decided before."""

    verdict: Verdict
    retake: tuple[Role, ...] = ()


class ReviewSummary(BaseModel, frozen=True):
    """A person's, over the verdict `before`. `saw_similarity` is None in rows of earlier releases."""

    by: str
    at: Moment
    before: Verdict = Field(alias="from")
    saw_similarity: bool | None = None
    opinions: tuple[OpinionSummary, ...] = ()


class Judgement(BaseModel, frozen=True):
    """A row, as far as figures go. Everything else of it is left out, so that little has to be read and kept."""

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
        """Raises ValueError for a row that cannot be read."""
        return cls.model_validate(image)

    @property
    def reviewers_agree(self) -> bool | None:
        """Whether the first two reviewers agreed; None if there was one."""
        if self.review is None or not self.review.opinions:
            return None
        final = OpinionSummary(verdict=self.verdict, retake=self.retake)
        one, other, *_ = (*self.review.opinions, final)
        return (one.verdict, set(one.retake)) == (other.verdict, set(other.retake))

    @property
    def by_similarity(self) -> Verdict:
        """The verdict before a person decided, or as it stands."""
        return self.review.before if self.review else self.verdict


def judgements(images: Iterable[StoredRow]) -> Iterator[Judgement]:
    """Yield the rows as figures need them. A row that cannot be read is named on stderr and left out."""
    for image in images:
        try:
            yield Judgement.of(image)
        except ValueError:
            note(f"The row of {image.get('pair_id')} cannot be read and is left out.")
