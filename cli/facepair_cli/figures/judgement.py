"""What figures need of a row: the similarity, the verdict that it has made, and what a person has made of that."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Self

from pydantic import BaseModel, Field

from facepair.domain.change import StoredRow
from facepair.domain.row import Moment
from facepair.domain.verdict import Policy, Verdict
from facepair_cli.output import note


class ReviewSummary(BaseModel, frozen=True):
    """A person's, over the verdict `before`."""

    by: str
    at: Moment
    before: Verdict = Field(alias="from")


class Judgement(BaseModel, frozen=True):
    """A row, as far as figures go. Everything else of it is left out, so that little has to be read and kept."""

    pair_id: str
    verdict: Verdict
    code: str | None = None
    similarity: Decimal | None = None
    uploaded_at: Moment
    updated_at: Moment
    policy: Policy
    review: ReviewSummary | None = None

    @classmethod
    def of(cls, image: StoredRow) -> Self:
        """Raises ValueError for a row that cannot be read."""
        return cls.model_validate(image)

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
