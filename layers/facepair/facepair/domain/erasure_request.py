"""Requests that EraseFunction understands."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from facepair.domain.review_request import PairId


class _ErasureRequest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class List(_ErasureRequest):
    """List the pairs with a prefix, continuing from an earlier answer's cursor."""

    action: Literal["list"]
    prefix: PairId
    cursor: dict[str, Any] = Field(default_factory=dict)


class Erase(_ErasureRequest):
    action: Literal["erase"]
    pair_id: PairId


class Confirm(_ErasureRequest):
    """Check an erased pair again, and confirm the erasure."""

    action: Literal["confirm"]
    pair_id: PairId


type EraseRequest = List | Erase | Confirm
_REQUEST: TypeAdapter[EraseRequest] = TypeAdapter(Annotated[List | Erase | Confirm, Field(discriminator="action")])


def asked(body: str) -> EraseRequest:
    """Parse a request. Raises ValueError with the remedy."""
    try:
        return _REQUEST.validate_json(body)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        remedy = 'say {"action": "erase", "pair_id": "..."}; or update facepair, if it is older than the stack'
        raise ValueError(f"The request cannot be understood: {said}; {remedy}.") from None
