"""What a reviewer may ask for, and what he is given: a MANUAL_CHECK is decided by a person, once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from facepair.domain.pair import ROLES, Role
from facepair.domain.row import Decision, Review
from facepair.domain.verdict import Verdict

LEASE = timedelta(minutes=5)
"""For so long a pair is one reviewer's; who is still at it asks again, and has it for so long from then on."""
MOST_AT_ONCE = 10
"""Pairs that one reviewer can have."""
COUNTED = 1000
"""More pairs that wait are not counted."""

type PairId = Annotated[str, Field(min_length=1, max_length=1024)]  # an S3 key is no longer
type Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


@dataclass(frozen=True)
class Waiting:
    """How many pairs wait for a person; `at_least`: there are more, which were not counted."""

    count: int
    at_least: bool


class Misunderstood(ValueError):
    """A request that cannot be understood; the message is one sentence with the remedy."""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AskForPairs(_Request):
    """The oldest pairs that wait, up to `count`: first those that the desk holds, none of those that it skips.

    A desk is one page of a reviewer: he names it himself, and others' leases are out of his reach.
    """

    action: Literal["pairs"]
    desk: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=MOST_AT_ONCE)
    holding: tuple[PairId, ...] = Field(default=(), max_length=MOST_AT_ONCE)
    skip: tuple[PairId, ...] = Field(default=(), max_length=COUNTED)


class Decide(_Request):
    """A decision about two contents, which the reviewer has looked at."""

    action: Literal["decide"]
    desk: str = Field(min_length=1, max_length=64)
    pair_id: PairId
    fingerprint: str
    verdict: Literal[Verdict.PASS, Verdict.REJECT, Verdict.RETAKE]
    retake: tuple[Role, ...] = Field(default=(), max_length=len(ROLES))
    reason: Reason

    @model_validator(mode="after")
    def _names_pictures_to_retake(self) -> Self:
        if bool(self.retake) != (self.verdict is Verdict.RETAKE) or len(set(self.retake)) < len(self.retake):
            raise ValueError("retake names first, second or both with RETAKE, and nothing with another verdict")
        return self

    def by(self, reviewer: str, now: datetime) -> Decision:
        """The decision as it will stand in the row of a MANUAL_CHECK."""
        review = Review(by=reviewer, at=now, reason=self.reason, from_=Verdict.MANUAL_CHECK)
        return Decision(verdict=self.verdict, retake=self.retake or None, review=review)


class GiveBack(_Request):
    """Pairs that others may have now."""

    action: Literal["give_back"]
    desk: str = Field(min_length=1, max_length=64)
    pair_ids: tuple[PairId, ...] = Field(max_length=MOST_AT_ONCE)


type Asked = AskForPairs | Decide | GiveBack

_ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="action")])


def asked(request: object) -> Asked:
    """What a reviewer asks for. Raises Misunderstood."""
    try:
        return _ASKED.validate_python(request)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        raise Misunderstood(f"{where} cannot be understood: {first['msg']}") from None


def same_decision(one: Decision, other: Decision) -> bool:
    """Whether somebody has decided the same for the same reason: a request that was repeated."""
    return _without_time(one) == _without_time(other)


def _without_time(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(exclude={"review": {"at"}})
