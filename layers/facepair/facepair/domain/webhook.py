"""A webhook message: a bus event as receivers outside AWS get it (https://www.standardwebhooks.com)."""

import json
from typing import Any, Self

from pydantic import BaseModel, Field

from facepair.domain.change import PairErased, VerdictChanged
from facepair.domain.notification import Malformed

TYPES = {VerdictChanged.detail_type: "verdict.changed", PairErased.detail_type: "pair.erased"}
"""The bus's detail-type -> the webhook's type."""


class Undelivered(Exception):
    """The receiver did not accept it; retry. `retry_after` in seconds, if given."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Event(BaseModel):
    detail_type: str = Field(alias="detail-type")
    time: str
    detail: dict[str, Any]


class Webhook(BaseModel, frozen=True):
    """The message to POST.

    `id` is the change's, by which receivers detect duplicates. `timestamp` is when it happened, not when it is
    delivered. `data` is the event's detail.
    """

    id: str = Field(pattern=r"^[\x21-\x7e]+$", exclude=True)  # sent as a header
    type: str
    timestamp: str
    data: dict[str, Any]

    @classmethod
    def from_event(cls, body: str) -> Self:
        """Parse an event as EventBridge puts it into a queue. Raises Malformed."""
        try:
            event = _Event.model_validate_json(body)
            happened = event.detail.get("updated_at") or event.detail.get("erased_at") or event.time
            return cls(id=event.detail["id"], type=TYPES[event.detail_type], timestamp=happened, data=event.detail)
        except (ValueError, KeyError) as error:
            kinds = " or ".join(repr(kind) for kind in TYPES)
            raise Malformed(f"not an event {kinds}, but {len(body)} characters of something else") from error

    def content(self) -> bytes:
        """Return the body, the same for every attempt."""
        return json.dumps(self.model_dump(), ensure_ascii=False, separators=(",", ":")).encode()
