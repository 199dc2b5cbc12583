"""Requests that OperateFunction understands."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

MOST_PAIRS = 100
"""Pairs per request, so that it ends well before the caller's timeout."""

type PairIds = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...], Field(min_length=1, max_length=MOST_PAIRS)
]  # the longest S3 key


class RequestRefused(Exception):
    """The request cannot be carried out. The message gives the reason and the remedy."""


class _OperatorRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Retry(_OperatorRequest):
    """Approve one more call for these pairs."""

    action: Literal["retry"] = "retry"
    pair_ids: PairIds


class Resend(_OperatorRequest):
    """Publish the events of rows again: of all written since a time, or of these pairs."""

    action: Literal["resend"] = "resend"
    since: AwareDatetime | None = None
    pair_ids: PairIds | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.since is None) == (self.pair_ids is None):
            raise ValueError("name either since or pair_ids")
        return self


class DeadLettersOf(StrEnum):
    """The queue to redrive to."""

    UPLOADS = "uploads"
    WEBHOOKS = "webhooks"


class Redrive(_OperatorRequest):
    """Move dead letters back to their queue."""

    action: Literal["redrive"] = "redrive"
    queue: DeadLettersOf


type OperatorRequest = Retry | Resend | Redrive

_REQUEST: TypeAdapter[OperatorRequest] = TypeAdapter(Annotated[OperatorRequest, Field(discriminator="action")])


def requested(body: str) -> OperatorRequest:
    """Parse a request. Raises RequestRefused."""
    try:
        return _REQUEST.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        raise RequestRefused(
            f"This stack does not understand the request ({where}: {first['msg']}): your facepair command is of "
            "another release. Update facepair to the release of the stack."
        ) from None
