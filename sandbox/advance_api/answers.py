"""The API's rules: its answer to a request, unless scripted."""

import contextlib
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

from werkzeug import Request
from werkzeug.datastructures import FileStorage
from werkzeug.http import HTTP_STATUS_CODES

from sandbox.advance_api.models import Part
from sandbox.advance_api.regions import REGIONS
from sandbox.advance_api.sight import Area, NotThePictureItClaims, Recogniser, dimensions
from sandbox.advance_api.state import Customer

TIMESTAMP_TOLERANCE = 300  # seconds
LEAST_PERIOD, DEFAULT_PERIOD, MOST_PERIOD = 60, 3600, 86400  # seconds
MOST_BYTES = 2 * 1024 * 1024  # exclusive: "below 2 MB"
LEAST_SIDE, MOST_SIDE = 256, 4096  # pixels, both inclusive


@dataclass(frozen=True)
class ScriptedAnswer:
    """A code with its content; `message` only if it differs from the usual one.

    Errors come with HTTP 200, except CLIENT_ERROR, whose message names its status.
    """

    code: str
    content: dict[str, Any] | None = None
    message: str | None = None
    status: int = 200


def client_error(status: int) -> ScriptedAnswer:
    return ScriptedAnswer("CLIENT_ERROR", message=f"HTTP {status} - {HTTP_STATUS_CODES[status].title()}", status=status)


def issue_token(request: Request, account: Customer) -> ScriptedAnswer:
    if request.mimetype != "application/json":
        return client_error(400)
    try:
        parameters = json.loads(request.get_data())
    except ValueError:
        return client_error(400)
    if not isinstance(parameters, dict):
        return client_error(400)

    access_key, timestamp, signature = (_text(parameters.get(name)) for name in ("accessKey", "timestamp", "signature"))
    period = _text(parameters.get("periodSecond")) or str(DEFAULT_PERIOD)
    if not (access_key and timestamp and signature):
        return ScriptedAnswer("PARAMETER_ERROR")
    if not _is_current(timestamp):
        return ScriptedAnswer("PARAMETER_ERROR", message="Timestamp error")
    combined = account.access_key + account.secret_key + timestamp
    expected = hashlib.sha256(combined.encode()).hexdigest()
    if access_key != account.access_key or not hmac.compare_digest(signature.encode(), expected.encode()):
        return ScriptedAnswer("PARAMETER_ERROR", message="Signature error")
    if not (_is_digits(period) and LEAST_PERIOD <= int(period) <= MOST_PERIOD):
        return ScriptedAnswer("PARAMETER_ERROR", message=f"periodSecond should be from {LEAST_PERIOD} to {MOST_PERIOD}")

    token, expired_time = account.tokens.issue(int(period), request.remote_addr or "")
    return ScriptedAnswer("SUCCESS", {"token": token, "expiredTime": expired_time})


def compare(request: Request, account: Customer, recogniser: Recogniser, *, needs_region: bool) -> ScriptedAnswer:
    if not account.tokens.accepts(request.headers.get("X-ACCESS-TOKEN")):
        return ScriptedAnswer("IAM_FAILED")
    if request.mimetype != "multipart/form-data" or "boundary" not in request.mimetype_params:
        return client_error(400)
    parts = [picture(request, name) for name in ("firstImage", "secondImage")]
    region = request.form.get("region", "")
    if not all(content for _, content in parts) or (needs_region and not region):
        return ScriptedAnswer("EMPTY_PARAMETER_ERROR")
    if region and region not in REGIONS:
        return ScriptedAnswer("PARAMETER_ERROR", message=f"region should be an ISO alpha-2 code: {region}")

    sights = []
    for part, content in parts:
        try:
            width, height = dimensions(content, part.mimetype)
            fits = all(LEAST_SIDE <= side <= MOST_SIDE for side in (width, height)) and len(content) < MOST_BYTES
            if not fits:
                return ScriptedAnswer("IMAGE_INVALID_SIZE")
            sights.append(recogniser.look(content, part.mimetype))
        except NotThePictureItClaims:
            return ScriptedAnswer("IMAGE_INVALID_FORMAT")

    first, second = sights
    for sight, ordinal in ((first, "FIRST"), (second, "SECOND")):
        if sight.face is None:
            return ScriptedAnswer(f"NO_FACE_DETECTED_FROM_{ordinal}_IMAGE")
    for sight, ordinal in ((first, "FIRST"), (second, "SECOND")):
        if not sight.usable:
            return ScriptedAnswer(f"{ordinal}_IMAGE_LOW_QUALITY_FACE")
    return ScriptedAnswer(
        "SUCCESS",
        {
            "similarity": recogniser.similarity(first, second),
            "firstFace": _face("1", first.face),
            "secondFace": _face("2", second.face),
        },
    )


def picture(request: Request, name: str) -> tuple[FileStorage, bytes]:
    """Return a form part and its bytes; an empty part if it is missing."""
    part = request.files.get(name) or FileStorage(content_type="")
    content = part.stream.read()
    part.stream.seek(0)
    return part, content


def describe(request: Request, name: str) -> Part | None:
    """Return what the journal keeps of a part."""
    if name not in request.files:
        return None
    part, content = picture(request, name)
    width: int | None = None
    height: int | None = None
    with contextlib.suppress(NotThePictureItClaims):
        width, height = dimensions(content, part.mimetype)
    return Part(
        file_name=part.filename,
        content_type=part.content_type or "",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=width,
        height=height,
    )


def _face(identifier: str, box: Area | None) -> dict[str, Any]:
    return {"id": identifier, **(box._asdict() if box else {})}


def _text(parameter: object) -> str:
    """Return a string or number as text; anything else as ""."""
    if isinstance(parameter, int) and not isinstance(parameter, bool):
        return str(parameter)
    return parameter if isinstance(parameter, str) else ""


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_current(timestamp: str) -> bool:
    if not (_is_digits(timestamp) and len(timestamp) == 13):
        return False
    return abs(int(timestamp) / 1000 - time.time()) <= TIMESTAMP_TOLERANCE
