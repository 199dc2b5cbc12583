"""Check POST uploads against their signed policies, as S3 does and moto does not.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from moto.s3.models import s3_backends
from moto.s3.utils import cors_matches_origin
from werkzeug.formparser import parse_form_data
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from sandbox.aws import ACCOUNT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NEVER_IN_A_POLICY = {"file", "policy", "x-amz-signature"}


class FormRefused(Exception):
    """S3's refusal of a form: HTTP status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class UploadForms:
    """WSGI middleware that forwards only forms that S3 would accept.

    `secret_of(access key, session token)` returns the key's secret, or None if unknown.
    """

    def __init__(self, application: "WSGIApplication", secret_of: Callable[[str, str | None], str | None]) -> None:
        self._application = application
        self._secret_of = secret_of

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        kind = environ.get("CONTENT_TYPE", "")
        if environ["REQUEST_METHOD"] != "POST" or not kind.startswith("multipart/form-data"):
            return self._application(environ, start_response)
        body = get_input_stream(environ).read()
        request = environ | {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        bucket = environ["PATH_INFO"].strip("/")
        origin = environ.get("HTTP_ORIGIN", "")
        allowed = {"Access-Control-Allow-Origin": origin} if _is_allowed(bucket, origin) else {}
        try:
            _, fields, files = parse_form_data(dict(request))
            form = {name.lower(): value for name, value in fields.items()}
            size = len(files["file"].read()) if "file" in files else len(form.get("file", "").encode())
            check_form(form, bucket, size, datetime.now(UTC), self._secret_of)
        except FormRefused as refused:
            content = f"<Error><Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error>"
            return Response(content, refused.status, allowed, content_type="application/xml")(environ, start_response)
        answer = Response.from_app(self._application, request | {"wsgi.input": BytesIO(body)}, buffered=True)
        answer.headers.update(allowed)
        return answer(environ, start_response)


def check_form(
    form: Mapping[str, str],
    bucket: str,
    size: int,
    now: datetime,
    secret_of: Callable[[str, str | None], str | None],
) -> None:
    """Check a form's fields (names in lower case) and its file's size in bytes. Raises FormRefused."""
    if "policy" not in form or "x-amz-credential" not in form:
        raise FormRefused(403, "AccessDenied", "Access Denied")
    access_key, *scope = form["x-amz-credential"].split("/")
    secret = secret_of(access_key, form.get("x-amz-security-token"))
    if secret is None:
        raise FormRefused(403, "InvalidAccessKeyId", "The access key id does not exist in our records.")
    if not hmac.compare_digest(_signature(secret, scope, form["policy"]), form.get("x-amz-signature", "")):
        raise FormRefused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
    policy = json.loads(base64.b64decode(form["policy"]))
    if now >= datetime.fromisoformat(policy["expiration"]):
        raise FormRefused(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
    known = {name: value for name, value in form.items() if name not in NEVER_IN_A_POLICY} | {"bucket": bucket}
    for condition in policy["conditions"]:
        known.pop(_check_condition(condition, {**form, "bucket": bucket}, size), None)
    if extra := [name for name in known if name != "bucket" and not name.startswith("x-ignore-")]:
        raise FormRefused(403, "AccessDenied", f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")


def _check_condition(condition: Any, form: Mapping[str, str], size: int) -> str:
    """Check one condition of a policy. Return its field, in lower case."""
    if isinstance(condition, dict):
        [(name, value)] = condition.items()
        operator = "eq"
    else:
        operator, name, value = condition
    if operator == "content-length-range":
        if size < int(name):
            raise FormRefused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        if size > int(value):
            raise FormRefused(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        return ""
    field = name.removeprefix("$").lower()
    given = form.get(field, "")
    fits = given.startswith(value) if operator == "starts-with" else given == value
    if not fits:
        failed = json.dumps([operator, f"${field}", value])
        raise FormRefused(403, "AccessDenied", f"Invalid according to Policy: Policy Condition failed: {failed}")
    return str(field)


def _signature(secret: str, scope: list[str], policy: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, policy.encode(), hashlib.sha256).hex()


def _is_allowed(bucket: str, origin: str) -> bool:
    """Return whether the bucket's CORS rules allow the origin."""
    found = s3_backends[ACCOUNT]["aws"].buckets.get(bucket)
    rules = found.cors if found else []
    return any(cors_matches_origin(origin, rule.allowed_origins) for rule in rules)
