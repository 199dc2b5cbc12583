"""A webhook's message: an event of the bus, as a receiver outside of AWS gets it (https://www.standardwebhooks.com)."""

import json
from datetime import timedelta
from typing import Any, Self

from pydantic import BaseModel, Field

from facepair.domain.change import PairErased, VerdictChanged
from facepair.domain.notification import Malformed
from facepair.domain.retry import Backoff

TYPES = {VerdictChanged.detail_type: "verdict.changed", PairErased.detail_type: "pair.erased"}
"""The webhook's type for the bus's detail-type."""
BACKOFF = Backoff(first=10, longest=3600)
"""Between the attempts, in seconds."""
PATIENCE = timedelta(days=3)
"""How long a webhook is tried: a receiver may be down over a weekend."""


class Undelivered(Exception):
    """The receiver did not take it: try again. `retry_after` in seconds, where the receiver said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class _Event(BaseModel):
    detail_type: str = Field(alias="detail-type")
    time: str
    detail: dict[str, Any]


class Webhook(BaseModel, frozen=True):
    """What is POSTed. `id` is the change's, by which a receiver knows what it has already had.

    `timestamp` is when it happened, whenever it is delivered; `data` is the event's detail.
    """

    id: str = Field(pattern=r"^[\x21-\x7e]+$", exclude=True)  # goes into a header, not into the body
    type: str
    timestamp: str
    data: dict[str, Any]

    @classmethod
    def from_event(cls, body: str) -> Self:
        """The message for an event as EventBridge puts it into a queue. Raises Malformed for anything else."""
        try:
            event = _Event.model_validate_json(body)
            happened = event.detail.get("updated_at") or event.detail.get("erased_at") or event.time
            return cls(id=event.detail["id"], type=TYPES[event.detail_type], timestamp=happened, data=event.detail)
        except (ValueError, KeyError) as error:
            kinds = " or ".join(repr(kind) for kind in TYPES)
            raise Malformed(f"not an event {kinds}, but {len(body)} characters of something else") from error

    def content(self) -> bytes:
        """The body, the same at every attempt."""
        return json.dumps(self.model_dump(), ensure_ascii=False, separators=(",", ":")).encode()
