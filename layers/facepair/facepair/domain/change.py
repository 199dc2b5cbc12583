"""Change events: a verdict changed, or a pair was erased. They never contain pictures, faces or file names."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, TypeAdapter, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from facepair.domain.moment import Moment
from facepair.domain.pair import Role
from facepair.domain.stored_row import StoredRow, is_tombstone
from facepair.domain.verdict import FINAL, Verdict

SOURCE = "facepair"

Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
"""A JSON number; the double nearest to the stored Decimal."""
Time = Annotated[Moment, WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")]
"""ISO 8601 UTC, in milliseconds."""
Nothing = SkipJsonSchema[None]
"""Optional fields are absent rather than null."""


def _maybe(description: str) -> Any:
    return Field(None, description=description, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class _Detail(BaseModel):
    # Errors may be logged, so they must not quote personal data.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    id: str = Field(description="Identifies this change; the same when it is delivered or published again.")
    pair_id: str

    def json(self) -> str:  # type: ignore[override]
        return self.model_dump_json(exclude_none=True)


class AppliedPolicy(BaseModel, frozen=True):
    """The thresholds that were in force."""

    pass_above: Number
    reject_below: Number


class VerdictChanged(_Detail):
    """A pair's verdict, code or fingerprint has changed. Order the events of a pair by `updated_at`.

    Fields and codes may be added; none changes its meaning or disappears. Ignore what you do not know.
    """

    detail_type: ClassVar = "Verdict changed"

    verdict: Verdict
    previous_verdict: str | Nothing = _maybe("Absent for a pair's first verdict, and when it is published again.")
    code: str | Nothing = _maybe("The API's status code, or one of our own.")
    message: str | Nothing = _maybe("What the code says, for people.")
    similarity: Number | Nothing = _maybe("0 to 100; only with the code SUCCESS.")
    transaction_id: str | Nothing = _maybe("As the API answered.")
    pricing_strategy: str | Nothing = _maybe("As the API answered: PAY or FREE.")
    retake: tuple[Role, ...] | Nothing = _maybe("Which pictures have to be taken again; with RETAKE.")
    waiting_for: Role | Nothing = _maybe("Which picture is missing; with WAITING.")
    retry_at: Time | Nothing = _maybe("When the next attempt was due; with PENDING.")
    fingerprint: str | Nothing = _maybe("Identifies these two contents under this pair id.")
    uploaded_at: Time | Nothing = _maybe("The later upload of the two.")
    updated_at: Time | Nothing = _maybe("When the row that this event describes was written.")
    policy: AppliedPolicy | Nothing = _maybe("The thresholds that were in force.")

    @classmethod
    def to(cls, image: StoredRow, previous_verdict: str | None = None) -> Self:
        """Describe the change that led to this row. Raises ValueError for an unreadable row."""
        told = {"id": _id(*_state(image), _moment(image)), "previous_verdict": previous_verdict}
        return cls.model_validate({**image, **told})


class PairErased(_Detail):
    """A pair was erased, or its row was deleted by anything but its expiry."""

    detail_type: ClassVar = "Pair erased"

    erased_at: Time

    @classmethod
    def of(cls, image: StoredRow, erased_at: datetime | str) -> Self:
        """Describe the end of a row. Raises ValueError for an unreadable row."""
        pair_id = image.get("pair_id")
        return cls.model_validate(
            {"id": _id("erased", pair_id, image.get("updated_at")), "pair_id": pair_id, "erased_at": erased_at}
        )


type Change = VerdictChanged | PairErased


@dataclass(frozen=True)
class Write:
    """One write to the table, from its stream.

    `expired`: DynamoDB's TTL deleted the row. `place` identifies the stream record.
    """

    old: StoredRow | None
    new: StoredRow | None
    at: datetime
    expired: bool
    place: str

    @property
    def pair_id(self) -> str:
        return str((self.new or self.old or {}).get("pair_id"))

    def change(self) -> Change | None:
        """Return the change that readers should learn of, or None. Raises ValueError for an unreadable row.

        There is none if verdict, code and fingerprint stay the same (say, a PENDING with a new `retry_at`) or if the
        row expired. Items without a verdict are not rows.
        """
        before, after = _row(self.old), _row(self.new)
        if after is None:
            return None if before is None or self.expired else PairErased.of(before, self._erased_at)
        if before is None:
            return VerdictChanged.to(after)
        return None if _state(before) == _state(after) else VerdictChanged.to(after, str(before["verdict"]))

    @property
    def _erased_at(self) -> datetime | str:
        """The tombstone's time, or else that of the deletion."""
        return str(self.new["erased_at"]) if self.new and is_tombstone(self.new) else self.at


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the events' details, kept in docs/reference/events.schema.json."""
    details = TypeAdapter(VerdictChanged | PairErased).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Detail of facepair's events"} | details


def _row(image: StoredRow | None) -> StoredRow | None:
    return image if image and "verdict" in image else None


def _state(image: StoredRow) -> tuple[object, ...]:
    """Return the pair, and the fields whose change is an event."""
    return tuple(image.get(name) for name in ("pair_id", "verdict", "code", "fingerprint"))


def _moment(image: StoredRow) -> object:
    """Return what tells apart two changes to the same state, as contents can return later.

    A final row is written once. Other rows are rewritten by every attempt and message without a change, so they go by
    their upload.
    """
    return image.get("updated_at" if str(image.get("verdict")) in FINAL else "uploaded_at")


def _id(*parts: object) -> str:
    """Return 32 hex digits determined by the parts."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]
