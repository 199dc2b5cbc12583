"""A row of the verdicts table: what a pair's readers see."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from facepair import clock
from facepair.pair import Pair, Role, Upload
from facepair.verdict import Policy, Seen, Verdict


@dataclass(frozen=True)
class PictureRow:
    """One picture of a row: the object that was looked at, and what was seen in it."""

    upload: Upload
    version_id: str | None
    seen: Seen = field(default_factory=Seen)


@dataclass(frozen=True)
class Row:
    """What a pair's row says. README lists the attributes; None is not written."""

    pair: Pair
    verdict: Verdict
    policy: Policy
    pictures: dict[Role, PictureRow]
    fingerprint: str | None = None
    code: str | None = None
    message: str | None = None
    similarity: Decimal | None = None
    transaction_id: str | None = None
    pricing_strategy: str | None = None
    retake: tuple[Role, ...] = ()
    waiting_for: Role | None = None
    retry_at: datetime | None = None

    def attributes(self, updated_at: datetime, expires_at: datetime) -> dict[str, Any]:
        """The row as it is stored: plain values and Decimals, times as ISO 8601."""
        values: dict[str, Any] = {
            "pair_id": self.pair.pair_id,
            "verdict": self.verdict,
            "code": self.code,
            "message": self.message,
            "similarity": self.similarity,
            "transaction_id": self.transaction_id,
            "pricing_strategy": self.pricing_strategy,
            **{role: _picture(picture) for role, picture in self.pictures.items()},
            "retake": list(self.retake) or None,
            "waiting_for": self.waiting_for,
            "retry_at": clock.iso(self.retry_at) if self.retry_at else None,
            "fingerprint": self.fingerprint,
            "uploaded_at": clock.iso(self.pair.uploaded_at),
            "updated_at": clock.iso(updated_at),
            "listed_at": clock.iso(self.pair.listed_at),
            "policy": self.policy.model_dump(),
            "expires_at": int(expires_at.timestamp()),
        }
        return _known(values)


def _picture(picture: PictureRow) -> dict[str, Any]:
    upload, seen = picture.upload, picture.seen
    return _known(
        {
            "key": upload.key,
            "version_id": picture.version_id,
            "etag": upload.etag,
            "size": upload.size,
            "face": seen.face and seen.face.model_dump(),
            "adjusted": list(seen.adjusted),
        }
    )


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
