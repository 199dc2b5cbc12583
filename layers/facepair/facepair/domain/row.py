"""A row of VerdictsTable: what readers see of a pair."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, Field

from facepair.domain import clock
from facepair.domain.decision import Decision, Review
from facepair.domain.fitted import Unusable
from facepair.domain.moment import Moment
from facepair.domain.notification import CreatedObject
from facepair.domain.outcome import Face, Outcome, Policy, Seen, verdict
from facepair.domain.pair import ROLES, Pair, Role, Upload
from facepair.domain.stored_row import is_tombstone
from facepair.domain.verdict import FINAL, PICTURES_DELETED, WORKER_DIED, Verdict, is_charged


class PictureRow(BaseModel, frozen=True):
    """One picture of a row: the object, and what was seen in it."""

    key: str
    version_id: str | None = None
    etag: str
    size: int
    face: Face | None = None
    adjusted: tuple[str, ...] = ()

    @classmethod
    def of(cls, upload: Upload, version_id: str | None, seen: Seen | None = None) -> Self:
        seen = seen or Seen()
        return cls(
            key=upload.key,
            version_id=version_id,
            etag=upload.etag,
            size=upload.size,
            face=seen.face,
            adjusted=seen.adjusted,
        )

    def shows(self, upload: Upload) -> bool:
        """Return whether it is about exactly this object."""
        return self.identity == {"key": upload.key, "etag": upload.etag}

    @property
    def identity(self) -> dict[str, str]:
        """Attributes that tell this object from others of the same second."""
        return {"key": self.key, "etag": self.etag}


type Versions = Mapping[Role, str | None]
"""Version ids of a pair's objects, as far as known."""


@dataclass(frozen=True)
class Case:
    """A complete pair: its objects, their versions, the policy in force and the fingerprint (None until read)."""

    pair: Pair
    versions: Versions
    policy: Policy
    fingerprint: str | None = None


class Row(BaseModel, frozen=True, hide_input_in_errors=True):
    """A pair's row; field names are the table's attributes, described in docs/reference/attributes.md.

    None is not written. Writing sets `updated_at` and `expires_at`. `listed_at`: when the bucket was listed.
    `erased_before`: the second up to which the pair was erased; a worker that does not know that erasure writes no row.
    Validation errors are logged, so they do not quote their input.
    """

    pair_id: str
    verdict: Verdict
    code: str | None = None
    message: str | None = None
    similarity: Decimal | None = None
    transaction_id: str | None = None
    pricing_strategy: str | None = None
    call: str | None = None
    first: PictureRow | None = None
    second: PictureRow | None = None
    retake: tuple[Role, ...] | None = Field(default=None, min_length=1)
    waiting_for: Role | None = None
    retry_at: Moment | None = None
    fingerprint: str | None = None
    uploaded_at: Moment
    updated_at: Moment | None = None
    listed_at: Moment
    policy: Policy
    review: Review | None = None
    erased_before: Moment | None = None
    expires_at: int | None = None

    @classmethod
    def waiting(cls, pair: Pair, versions: Versions, policy: Policy) -> Self:
        """One picture is missing."""
        return cls._of(pair, versions, policy, {}, verdict=Verdict.WAITING, waiting_for=pair.missing[0])

    @classmethod
    def unusable(cls, case: Case, problems: Mapping[Role, Unusable]) -> Self:
        """RETAKE without a call: our check found problems. Uses the API's code for the first."""
        role, first_problem = next(iter(problems.items()))
        return cls._of_case(
            case,
            verdict=Verdict.RETAKE,
            retake=tuple(problems),
            code=first_problem.api_code(role),
            message="; ".join(f"{role} picture: {why.message}" for role, why in problems.items()),
        )

    @classmethod
    def pending(cls, case: Case, code: str, message: str, retry_at: datetime) -> Self:
        """Deferred; `code` says why."""
        return cls._of_case(case, verdict=Verdict.PENDING, code=code, message=message, retry_at=retry_at)

    @classmethod
    def worker_died(cls, case: Case) -> Self:
        """UNDETERMINED: every worker that took the pair died."""
        message = "Every worker that took this pair ended before it was done; upload other pictures, or see the log"
        return cls._of_case(case, verdict=Verdict.UNDETERMINED, code=WORKER_DIED, message=message)

    @classmethod
    def judged(cls, case: Case, outcome: Outcome) -> Self:
        """An outcome, judged by the policy in force."""
        decided, retake = verdict(outcome, case.policy)
        return cls._of_case(
            case,
            {"first": outcome.first, "second": outcome.second},
            verdict=decided,
            retake=retake or None,
            code=outcome.code,
            message=outcome.message,
            similarity=outcome.similarity,
            transaction_id=outcome.transaction_id,
            pricing_strategy=outcome.pricing_strategy,
            call=outcome.call,
        )

    @classmethod
    def _of_case(cls, case: Case, seen: Mapping[Role, Seen] | None = None, **said: Any) -> Self:
        return cls._of(case.pair, case.versions, case.policy, seen or {}, fingerprint=case.fingerprint, **said)

    @classmethod
    def _of(cls, pair: Pair, versions: Versions, policy: Policy, seen: Mapping[Role, Seen], **said: Any) -> Self:
        pictures: dict[str, Any] = {
            role: PictureRow.of(upload, versions.get(role), seen.get(role)) for role, upload in pair.uploads.items()
        }
        return cls(
            pair_id=pair.pair_id,
            uploaded_at=pair.uploaded_at,
            listed_at=pair.listed_at,
            policy=policy,
            **pictures,
            **said,
        )

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Parse a stored row, of this release or an earlier one."""
        return cls.model_validate(item)

    def item(self) -> dict[str, Any]:
        """Return the item to store: plain values and Decimals, times as ISO 8601."""
        return self.model_dump(exclude_none=True, by_alias=True)

    @property
    def pictures(self) -> dict[Role, PictureRow]:
        """The pictures in the row."""
        return {role: picture for role in ROLES if (picture := getattr(self, role))}

    @property
    def is_complete(self) -> bool:
        """Whether both pictures are in the row."""
        return len(self.pictures) == len(ROLES)

    def settles(self, pair: Pair) -> bool:
        """Return whether there is nothing to do for a pair: the row is about newer objects, or about these with a
        verdict that only another upload can change (final, or a free refusal).
        """
        refused = self.verdict is Verdict.UNDETERMINED and not is_charged(self.code, self.pricing_strategy)
        refused = refused and self.code != PICTURES_DELETED  # the pictures are back
        return self.is_newer_than(pair) or ((self.verdict in FINAL or refused) and self.covers(pair))

    @property
    def is_to_be_reviewed(self) -> bool:
        """Whether it needs a reviewer's decision."""
        return self.verdict is Verdict.MANUAL_CHECK and self.review is None and self.fingerprint is not None

    @property
    def decision(self) -> Decision | None:
        """The reviewers' decision, if any."""
        return Decision(verdict=self.verdict, retake=self.retake, review=self.review) if self.review else None

    def as_decided(self, decision: Decision) -> Self:
        return self.model_copy(update=dict(decision))

    def waiting_on(self, code: str, message: str, retry_at: datetime) -> Self:
        """Return the row, still PENDING, with a new reason and time."""
        return self.model_copy(update={"code": code, "message": message, "retry_at": retry_at})

    def waits_in_vain(self, pair: Pair) -> bool:
        """Return whether it is PENDING for pictures that are gone, without a later upload in their place."""
        if self.verdict is not Verdict.PENDING:
            return False
        if not pair.uploads or self.is_newer_than(pair):
            return True
        return bool(pair.missing) and self.uploaded_at == clock.milliseconds(pair.uploaded_at)

    def pictures_deleted(self) -> Self:
        """Return the row as UNDETERMINED because a picture is gone. It keeps its age."""
        message = "A picture was deleted or expired before the pair was compared; upload both pictures again"
        said = {"verdict": Verdict.UNDETERMINED, "code": PICTURES_DELETED, "message": message, "retry_at": None}
        return self.model_copy(update=said)

    def speaks_of(self, created: CreatedObject) -> bool:
        """Return whether one of its pictures is that object."""
        return any((each.key, each.etag) == (created.key, created.etag) for each in self.pictures.values())

    def is_newer_than(self, pair: Pair) -> bool:
        """Return whether it is about a later upload, since deleted."""
        return self.uploaded_at > clock.milliseconds(pair.uploaded_at)

    def covers(self, pair: Pair) -> bool:
        """Return whether it is about exactly these objects."""
        pictures = self.pictures
        return self.uploaded_at == clock.milliseconds(pair.uploaded_at) and all(
            role in pictures and pictures[role].shows(upload) for role, upload in pair.uploads.items()
        )


@dataclass(frozen=True)
class PairItem:
    """A pair's item as read: its row, and the second of its erasure, if known. A tombstone has no row."""

    row: Row | None = None
    erased_at: datetime | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any] | None) -> Self:
        """Parse an item. Raises ValueError for an unreadable row."""
        if not item:
            return cls()
        if is_tombstone(item):
            return cls(erased_at=clock.parse(item["erased_at"]))
        row = Row.from_item(item)
        return cls(row, row.erased_before)
