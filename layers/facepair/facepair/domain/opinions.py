"""Reviewers' opinions about two contents before a decision is final."""

from enum import StrEnum

from pydantic import BaseModel

from facepair.domain.decision import Opinion
from facepair.domain.moment import Moment
from facepair.domain.verdict import Verdict


class SecondReview(StrEnum):
    """Which decisions need a second reviewer: the parameter SecondReview."""

    NONE = "none"
    PASS = "pass"
    ALL = "all"


class Note(BaseModel, frozen=True):
    """A reviewer cannot tell, and leaves this note for the next one."""

    by: str
    at: Moment
    note: str


class Opinions(BaseModel, frozen=True, hide_input_in_errors=True):
    """What is known about a MANUAL_CHECK's contents. `version` counts changes, from 0."""

    version: int = 0
    opinions: tuple[Opinion, ...] = ()
    notes: tuple[Note, ...] = ()
    saw: tuple[str, ...] = ()
    """Reviewers who got the similarity from ReviewFunction."""

    def opinion_of(self, reviewer: str) -> Opinion | None:
        return next((each for each in self.opinions if is_same_person(each.by, reviewer)), None)

    def note_of(self, reviewer: str) -> Note | None:
        return next((each for each in self.notes if is_same_person(each.by, reviewer)), None)

    def has_been_with(self, reviewer: str) -> bool:
        """Return whether the reviewer gave an opinion or a note, so that another person is needed."""
        return bool(self.opinion_of(reviewer) or self.note_of(reviewer))

    def was_seen_by(self, reviewer: str) -> bool:
        return any(is_same_person(each, reviewer) for each in self.saw)

    def are_settled_by(self, opinion: Opinion, second_review: SecondReview) -> bool:
        """Return whether an opinion makes the decision final: the only one needed, the second of two that agree, or the
        third.
        """
        if second_review is SecondReview.NONE or len(self.opinions) > 1:
            return True
        if self.opinions:
            return self.opinions[0].agrees(opinion)
        return second_review is SecondReview.PASS and opinion.verdict is not Verdict.PASS

    def with_opinion(self, opinion: Opinion) -> "Opinions":
        return self._next(opinions=(*self.opinions, opinion))

    def with_note(self, note: Note) -> "Opinions":
        return self._next(notes=(*self.notes, note))

    def seen_by(self, reviewer: str) -> "Opinions":
        return self._next(saw=(*self.saw, reviewer))

    def _next(self, **changed: object) -> "Opinions":
        return self.model_copy(update={"version": self.version + 1, **changed})


def person(arn: str) -> str:
    """Return the last part of an ARN: the name of a user, or of a role's session."""
    return arn.rpartition("/")[2]


def is_same_person(one: str, other: str) -> bool:
    """Return whether two ARNs are the same person's: a user may also call in a role's session of the same name."""
    return person(one) == person(other)
