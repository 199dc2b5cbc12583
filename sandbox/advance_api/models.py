"""The control endpoint's data: steps of a script, and recorded calls."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sandbox.advance_api.codes import Pricing

type Endpoint = Literal["check", "token"]


class Step(BaseModel):
    """What happens to the next call of an endpoint instead of, or on top of, the emulator's answer.

    An endpoint's steps wait in a queue; a call takes the first whose conditions it meets. Times are in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")

    endpoint: Endpoint = "check"
    times: int | None = Field(default=1, ge=1)  # None: until cleared

    # Conditions: which calls take this step.
    token: str | None = None  # only calls with this X-ACCESS-TOKEN
    first_sha256: str | None = None  # only calls with this first picture, which is read before the step applies
    above_per_second: int | None = Field(default=None, ge=0)  # only calls above this rate

    # The answer; fields not given are as usual.
    code: str | None = None
    message: str | None = None
    pricing: Pricing | None = None
    patch: dict[str, Any] = {}  # RFC 7396 merge patch of the JSON answer: None removes a member; NaN is allowed
    body: str | None = None  # replaces the JSON answer, one character per byte (latin-1)
    content_type: str | None = None
    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: str | None = None  # the header's value, verbatim
    location: str | None = None  # the header's value of a redirect, verbatim

    # The delivery.
    delay: float = Field(default=0, ge=0)  # after reading the request
    drop: Literal["before_reading", "after_reading", "mid_answer"] | None = None
    drop_by: Literal["reset", "close"] = "reset"
    trickle: Literal["headers", "body"] | None = None  # from there on, one byte per `trickle_interval`
    trickle_interval: float = Field(default=0.1, ge=0)

    charged: bool | None = None  # None: by the price of the answer's code, sent or not

    @field_validator("body")
    @classmethod
    def _one_character_per_byte(cls, body: str | None) -> str | None:
        if body is not None and any(ord(character) > 255 for character in body):
            raise ValueError("has characters above U+00FF: give one character per byte, e.g. content.decode('latin-1')")
        return body

    @model_validator(mode="after")
    def _nothing_to_charge_for(self) -> Self:
        if self.charged and self.endpoint == "token":
            raise ValueError("tokens are free: charged=True belongs to a check")
        return self


class Part(BaseModel):
    """A picture as sent."""

    file_name: str | None
    content_type: str
    size: int  # bytes
    sha256: str
    width: int | None  # pixels; None if the bytes are not a picture of that content type
    height: int | None


class ApiRequest(BaseModel):
    """One request to the API."""

    endpoint: str  # check, token, or the path if unknown
    path: str
    method: str
    asked_at: float  # epoch seconds, when its body had been read
    peer_port: int
    headers: dict[str, str]  # names in lower case
    token: str | None  # sent with a check, or issued
    transaction_id: str
    first: Part | None = None
    second: Part | None = None
    region: str | None = None  # the form field of that name
    code: str | None = None  # as answered; "dropped", "redirected" or "raw" (a scripted body); None: not answered yet
    status: int | None = None
    pricing: Pricing | None = None
    charged: bool = False
