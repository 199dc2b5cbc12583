"""The two endpoints in use (API documentation: Token Authentication, Face Comparison)."""

import hashlib
import json
from typing import Literal, Protocol

import urllib3
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from facepair import http
from facepair.advance.errors import TokenRefused
from facepair.advance.token import Token
from facepair.advance.wire import ApiAnswer, read_answer
from facepair.domain.clock import now
from facepair.http import NoAnswer

TOKEN_PATH = "/openapi/auth/ticket/v1/generate-token"
COMPARISON_PATH = "/openapi/face-recognition/v4/check"
"""The default. ADVANCE's newer documentation has /intl/openapi/face-identity/v1/face-comparison, with a region."""


class Credentials(BaseModel):
    """The account's keys, as JSON `{"accessKey": "...", "secretKey": "..."}`."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, str_strip_whitespace=True, hide_input_in_errors=True
    )

    access_key: str = Field(min_length=1)
    secret_key: str = Field(min_length=1, repr=False)

    def signature(self, timestamp: int) -> str:
        """Return the SHA-256 of both keys and the 13-digit timestamp, concatenated (Token Authentication)."""
        return hashlib.sha256(f"{self.access_key}{self.secret_key}{timestamp}".encode()).hexdigest()


class SendablePicture(Protocol):
    """A JPEG or PNG within the API's limits: under 2 MB, sides of 256 to 4096 pixels."""

    @property
    def content(self) -> bytes: ...

    @property
    def content_type(self) -> Literal["image/jpeg", "image/png"]: ...


class Advance:
    """The API at one host. Each method makes exactly one HTTP request, within `deadline` seconds.

    `region` (ISO alpha-2, where the faces are from) is sent with comparisons unless empty.
    """

    def __init__(
        self,
        base_url: str,
        deadline: float,
        *,
        comparison_path: str = COMPARISON_PATH,
        region: str = "",
        proxy: http.Proxy | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self.deadline = deadline
        self._comparison_path = comparison_path
        self._region = region
        self._proxy = proxy

    def mint(self, credentials: Credentials, validity: int) -> Token:
        """Get a new token, valid for `validity` seconds (60 to 86400). Free.

        Raises TokenRefused, Unreached, or NoAnswer if the response is not the API's.
        """
        timestamp = int(now().timestamp() * 1000)
        request = {
            "accessKey": credentials.access_key,
            "timestamp": timestamp,
            "signature": credentials.signature(timestamp),
            "periodSecond": validity,
        }
        answer = self._post(TOKEN_PATH, json.dumps(request).encode(), {"Content-Type": "application/json"})
        if answer.code != "SUCCESS":
            raise TokenRefused(
                answer.code, answer.message, http_status=answer.http_status, retry_after=answer.retry_after
            )
        try:
            issued = answer.issued_token()
        except ValueError as error:
            raise NoAnswer(f"generate-token broke its contract: {error}", http_status=answer.http_status) from error
        return Token(token=issued.token, expires_ms=issued.expired_time)

    def compare(self, token: str, first: SendablePicture, second: SendablePicture) -> ApiAnswer:
        """Compare two faces; the answer's code decides the charge.

        Raises Unreached (not charged) or NoAnswer (perhaps charged).
        """
        # Fixed file names: those of the uploads may identify people or break the header.
        body, content_type = urllib3.encode_multipart_formdata(
            [
                *([("region", self._region)] if self._region else []),
                ("firstImage", (_file_name("first", first), first.content, first.content_type)),
                ("secondImage", (_file_name("second", second), second.content, second.content_type)),
            ]
        )
        return self._post(self._comparison_path, body, {"Content-Type": content_type, "X-ACCESS-TOKEN": token})

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> ApiAnswer:
        url, headers = self._base_url + path, headers | {"Accept": "application/json"}
        reply = http.post(url, body, headers, self.deadline, proxy=self._proxy)
        return read_answer(reply, now())


def _file_name(stem: str, picture: SendablePicture) -> str:
    return f"{stem}.{picture.content_type.removeprefix('image/')}"
