"""Reviewers' opinions, and the final decision that comes of them."""

from typing import Self

from pydantic import BaseModel, Field

from facepair.domain.moment import Moment
from facepair.domain.pair import Role
from facepair.domain.verdict import Verdict


class Opinion(BaseModel, frozen=True):
    """A reviewer's opinion while others have to agree. `by` is an ARN as AWS reports it."""

    by: str
    at: Moment
    verdict: Verdict
    retake: tuple[Role, ...] | None = None
    reason: str
    saw_similarity: bool = False

    def agrees(self, other: "Opinion") -> bool:
        """Return whether verdicts agree, for RETAKE with the same pictures."""
        return (self.verdict, set(self.retake or ())) == (other.verdict, set(other.retake or ()))


class Review(BaseModel, frozen=True, validate_by_name=True, validate_by_alias=True):
    """A final decision: the reviewer's ARN as AWS reports it, when and why; `from` is the verdict before.

    Rows of earlier releases lack `saw_similarity`. `also_by` and `opinions` are of earlier reviewers, if any.
    """

    by: str
    at: Moment
    reason: str
    from_: Verdict = Field(validation_alias="from", serialization_alias="from")
    saw_similarity: bool | None = None
    also_by: tuple[str, ...] | None = None
    opinions: tuple[Opinion, ...] | None = None


class Decision(BaseModel, frozen=True, hide_input_in_errors=True):
    """What reviewers decided about two contents; it holds whenever these two are uploaded."""

    verdict: Verdict
    retake: tuple[Role, ...] | None = None
    review: Review

    @classmethod
    def of(cls, opinion: Opinion, others: tuple[Opinion, ...] = ()) -> Self:
        """Return the final decision from an opinion and those before it."""
        review = Review(
            by=opinion.by,
            at=opinion.at,
            reason=opinion.reason,
            from_=Verdict.MANUAL_CHECK,
            saw_similarity=opinion.saw_similarity,
            also_by=tuple(each.by for each in others) or None,
            opinions=others or None,
        )
        return cls(verdict=opinion.verdict, retake=opinion.retake, review=review)

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        """Every reviewer's opinion, the final one first."""
        review = self.review
        final = Opinion(
            by=review.by,
            at=review.at,
            verdict=self.verdict,
            retake=self.retake,
            reason=review.reason,
            saw_similarity=bool(review.saw_similarity),
        )
        return (final, *(review.opinions or ()))


def has_decided(decision: Decision, opinion: Opinion) -> bool:
    """Return whether a decision includes the opinion already, as its request was repeated."""
    return any(is_repeated(each, opinion) for each in decision.opinions)


def is_repeated(one: Opinion, other: Opinion) -> bool:
    """Return whether two opinions are the same: person, verdict and reason."""
    return one.agrees(other) and (one.by, one.reason) == (other.by, other.reason)
