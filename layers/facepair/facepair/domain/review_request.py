"""Requests that ReviewFunction understands."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from facepair.domain.decision import Opinion
from facepair.domain.opinions import Note
from facepair.domain.pair import ROLES, Role
from facepair.domain.verdict import Verdict

LEASE = timedelta(minutes=5)
"""How long a pair is one reviewer's. Each request for pairs renews the leases of those held."""
MOST_AT_ONCE = 10
"""Pairs per page."""
COUNTED = 1000
"""Counting stops at this number of waiting pairs."""

type PairId = Annotated[str, Field(min_length=1, max_length=1024)]  # the longest S3 key
type Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class Queued(NamedTuple):
    """A waiting pair, as in the index."""

    pair_id: str
    fingerprint: str


class Misunderstood(ValueError):
    """A malformed request. The message gives the reason."""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AskForPairs(_Request):
    """Ask for the oldest waiting pairs, up to `count`: first those held by the desk, none of those skipped.

    A desk is one page of a reviewer. The page chooses its name, which cannot reach other reviewers' leases.
    """

    action: Literal["pairs"]
    desk: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=MOST_AT_ONCE)
    holding: tuple[PairId, ...] = Field(default=(), max_length=MOST_AT_ONCE)
    skip: tuple[PairId, ...] = Field(default=(), max_length=COUNTED)


class Decide(_Request):
    """An opinion about two contents that the reviewer has seen."""

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

    def by(self, reviewer: str, now: datetime, *, saw_similarity: bool) -> Opinion:
        return Opinion(
            by=reviewer,
            at=now,
            verdict=self.verdict,
            retake=self.retake or None,
            reason=self.reason,
            saw_similarity=saw_similarity,
        )


class CannotTell(_Request):
    """The reviewer cannot decide, and leaves the pair to another one with a note."""

    action: Literal["cannot_tell"]
    desk: str = Field(min_length=1, max_length=64)
    pair_id: PairId
    fingerprint: str
    note: Reason

    def by(self, reviewer: str, now: datetime) -> Note:
        return Note(by=reviewer, at=now, note=self.note)


class Reveal(_Request):
    """Ask for the similarity of two contents; recorded with the reviewer's opinion."""

    action: Literal["reveal"]
    desk: str = Field(min_length=1, max_length=64)
    pair_id: PairId
    fingerprint: str


class GiveBack(_Request):
    """Release pairs for other reviewers."""

    action: Literal["give_back"]
    desk: str = Field(min_length=1, max_length=64)
    pair_ids: tuple[PairId, ...] = Field(max_length=MOST_AT_ONCE)


type Asked = AskForPairs | Decide | CannotTell | Reveal | GiveBack

_ASKED: TypeAdapter[Asked] = TypeAdapter(Annotated[Asked, Field(discriminator="action")])


def asked(request: object) -> Asked:
    """Parse a request. Raises Misunderstood."""
    try:
        return _ASKED.validate_python(request)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        raise Misunderstood(f"{where} cannot be understood: {first['msg']}") from None
