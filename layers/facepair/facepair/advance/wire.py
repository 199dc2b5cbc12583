"""The API's JSON, read leniently and checked strictly."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault

from facepair.advance.codes import DOCUMENTED_CODES
from facepair.http import NoAnswer, Reply, retry_after_seconds

CODES_OF_GATEWAYS_TOO = frozenset({"SUCCESS", "ERROR"})
ENVELOPE = frozenset({"message", "data", "extra"})
"""Fields besides `code` in every answer of the API (API documentation, Glossary)."""
LONGEST_NUMBER = 38
"""Digits before or after the point."""


def _a_number(value: object) -> object:
    """Accept JSON numbers only (pydantic would take "70" and true), no longer than DynamoDB stores exactly."""
    if not isinstance(value, Decimal):
        raise ValueError(f"not a number but {type(value).__name__}")  # without the value, as messages are logged
    _, digits, exponent = value.as_tuple()
    if isinstance(exponent, int) and (len(digits) > LONGEST_NUMBER or abs(exponent) > LONGEST_NUMBER):
        raise ValueError(f"a number of more than {LONGEST_NUMBER} digits")
    return value


def _encodable(text: str) -> str:
    """Replace lone surrogates: JSON can escape them, but neither DynamoDB nor an event can have them."""
    return text.encode(errors="replace").decode()


def _text_or_default(value: object) -> object:
    """Use the field's default for what is no text: it must not cost an answer that was paid for."""
    if not isinstance(value, str | Decimal):
        raise PydanticUseDefault
    return value


Text = Annotated[str, AfterValidator(lambda text: _encodable(text)[:1000])]
"""The API's free text, cut to fit into a table row."""
OptionalText = Annotated[Text | None, BeforeValidator(_text_or_default)]
Edge = Annotated[Decimal, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
"""In pixels; faces may reach slightly beyond the picture."""


class _Wire(BaseModel):
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, coerce_numbers_to_str=True
    )


class FacePosition(_Wire):
    """A face in pixels of the sent picture."""

    id: Text
    left: Edge
    top: Edge
    right: Edge
    bottom: Edge


def _readable(value: object, read: ValidatorFunctionWrapHandler) -> FacePosition | None:
    """Drop an unreadable face: it must not cost a similarity that was paid for."""
    try:
        position: FacePosition | None = read(value)
    except ValidationError:
        return None
    return position


class ComparisonData(_Wire):
    """`data` of a comparison's SUCCESS. The documented similarity is from 0 to 100."""

    similarity: Annotated[Decimal, BeforeValidator(_a_number), Field(ge=0, le=100, allow_inf_nan=False)]
    first_face: Annotated[FacePosition | None, WrapValidator(_readable)] = None
    second_face: Annotated[FacePosition | None, WrapValidator(_readable)] = None


class IssuedToken(_Wire):
    """`data` of generate-token's SUCCESS."""

    token: Annotated[str, Field(pattern=r"^[\x20-\x7e]+$")]  # sent as a header
    expired_time: int  # epoch milliseconds


class ApiAnswer(_Wire):
    """The envelope of every answer, with the HTTP status.

    Parse `data` with `comparison()` or `issued_token()`. `retry_after` is in seconds.
    """

    code: Annotated[str, BeforeValidator(_encodable), Field(min_length=1, max_length=100)]
    message: Annotated[Text, BeforeValidator(_text_or_default)] = ""
    transaction_id: OptionalText = None
    pricing_strategy: OptionalText = None
    data: Any = None
    http_status: int = 200
    retry_after: float | None = None

    def comparison(self) -> ComparisonData:
        """Return a SUCCESS's similarity and faces. Raises ValueError if they break the contract."""
        return _checked(ComparisonData, self.data)

    def issued_token(self) -> IssuedToken:
        """Return a SUCCESS's token. Raises ValueError if it breaks the contract."""
        return _checked(IssuedToken, self.data)


def read_answer(reply: Reply, now: datetime) -> ApiAnswer:
    """Return the API's answer, with any HTTP status: errors come with 200 as well as 4xx and 5xx.

    Any other 429 is SERVICE_BUSY, which the documentation says will become HTTP 429. Raises NoAnswer for everything
    else, even a 503: a gateway also sends it when the connection broke after the API had read the request and charged
    for it.
    """
    retry_after = retry_after_seconds(reply.headers.get("Retry-After"), now)
    try:
        envelope = {name: value for name, value in _own_json(reply).items() if value is not None}
        return ApiAnswer.model_validate(envelope | {"httpStatus": reply.status, "retryAfter": retry_after})
    except (ValueError, RecursionError) as error:
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            return ApiAnswer(
                code="SERVICE_BUSY", message=f"HTTP {reply.status}", http_status=reply.status, retry_after=retry_after
            )
        raise NoAnswer(_describe(reply), http_status=reply.status) from error


def _own_json(reply: Reply) -> Mapping[str, Any]:
    """Return the JSON object if the API itself sent it. Raises ValueError otherwise.

    Gateways also answer JSON with a `code`. The API's codes are documented strings, or come with a transaction id.
    Gateways also use SUCCESS and ERROR, so these require the full envelope.
    """
    if 300 <= reply.status < 400:
        raise ValueError("a redirect")
    body = json.loads(reply.body, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
    if not isinstance(body, dict) or not isinstance(code := body.get("code"), str):
        raise ValueError("no code")
    transaction_id = body.get("transactionId")
    if isinstance(transaction_id, str) and transaction_id.strip():
        return body
    if code not in DOCUMENTED_CODES or (code in CODES_OF_GATEWAYS_TOO and not body.keys() >= ENVELOPE):
        raise ValueError("a code that is not the API's own")
    return body


def _describe(reply: Reply) -> str:
    where = f" to {reply.headers['Location']}" if "Location" in reply.headers else ""
    kind = reply.headers.get("Content-Type", "no content type")
    return f"HTTP {reply.status}{where} ({kind}, {len(reply.body)} bytes) is not an answer of the API"


def _checked[Model: BaseModel](model: type[Model], data: Mapping[str, object] | None) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("data", *first["loc"]))
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from error
