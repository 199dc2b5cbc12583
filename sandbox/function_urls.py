"""Function URLs with IAM: the request's signature identifies the caller, as on AWS.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from sandbox.aws import ACCOUNT, KEY, REGION

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = re.compile(r"/_function-url/(?P<function>[^/]+)(?P<path>/.*)")
"""AWS gives each URL a host; here it is a path prefix."""
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]+)"
)
TEXT = re.compile(r"text/.*|application/(json|javascript|xml|x-www-form-urlencoded)\b.*")
"""Content types passed on as text; other bodies are base64."""


@dataclass(frozen=True)
class Caller:
    """The principal that signed a request, as known to moto's IAM and STS."""

    access_key: str
    user_id: str
    arn: str


class FunctionUrls:
    """WSGI middleware that invokes functions by URL.

    `invoke(function, payload)` returns their JSON, or None if they failed. Requests without a valid signature for
    Lambda are refused.
    """

    def __init__(self, application: "WSGIApplication", invoke: Callable[[str, bytes], bytes | None]) -> None:
        self._application = application
        self._invoke = invoke

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        called = PATH.fullmatch(environ["PATH_INFO"])
        answer = self._answer(environ, called["function"], called["path"]) if called else self._application
        return answer(environ, start_response)

    def _answer(self, environ: "WSGIEnvironment", function: str, path: str) -> Response:
        body = get_input_stream(environ).read()
        headers = _headers(environ)
        caller = _caller(environ, headers, body)
        if caller is None:
            return _said(HTTPStatus.FORBIDDEN, "Forbidden. For troubleshooting Function URL authorization issues, see: "
                         "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html")  # fmt: skip
        event = _event(environ, function, path, headers, body, caller)
        answer = self._invoke(function, json.dumps(event).encode())
        return _said(HTTPStatus.BAD_GATEWAY, "Internal Server Error") if answer is None else _response(answer)


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    names = {name.removeprefix("HTTP_").replace("_", "-").lower(): value for name, value in environ.items()
             if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")}  # fmt: skip
    return {name: value for name, value in names.items() if value}


def _caller(environ: "WSGIEnvironment", headers: Mapping[str, str], body: bytes) -> Caller | None:
    signed = AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if signed is None or signed["service"] != "lambda":
        return None
    key = signed["key"]
    secret = secret_of(key, headers.get("x-amz-security-token"))
    if secret is None:
        return None
    url = f"{environ['wsgi.url_scheme']}://{headers['host']}{environ['REQUEST_URI']}"
    request = AWSRequest(environ["REQUEST_METHOD"], url, data=body)
    for name in signed["headers"].split(";"):
        request.headers[name] = headers.get(name, "")
    request.context["timestamp"] = headers.get("x-amz-date", "")
    signer = SigV4Auth(Credentials(key, secret), signed["service"], signed["region"])
    to_sign = signer.string_to_sign(request, signer.canonical_request(request))
    if signer.signature(to_sign, request) != signed["signature"]:
        return None
    user_id, arn, _ = sts_backends[ACCOUNT]["aws"].get_caller_identity(key, REGION)
    return Caller(key, user_id, arn)


def secret_of(access_key: str, token: str | None) -> str | None:
    """Return the secret of an access key: the sandbox's own, an IAM user's or a session's; None if unknown.

    moto's STS calls the sandbox's own user `user/moto`.
    """
    if access_key == KEY:
        return KEY
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(access_key)
    if session:
        return str(session.secret_access_key) if token == session.session_token else None
    iam = iam_backends[ACCOUNT]["aws"]
    keys = (key for user in iam.users.values() for key in user.access_keys if key.status == "Active")
    return next((str(key.secret_access_key) for key in keys if key.access_key_id == access_key), None)


def _event(
    environ: "WSGIEnvironment", function: str, path: str, headers: Mapping[str, str], body: bytes, caller: Caller
) -> dict[str, Any]:
    """Return the payload in format 2.0."""
    is_text = TEXT.fullmatch(headers.get("content-type", ""))
    now = time.time()
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": unquote(path),
        "rawQueryString": environ.get("QUERY_STRING", ""),
        "headers": dict(headers),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": function,
            "authentication": None,
            "authorizer": {
                "iam": {
                    "accessKey": caller.access_key,
                    "accountId": ACCOUNT,
                    "callerId": caller.user_id,
                    "cognitoIdentity": None,
                    "principalOrgId": None,
                    "userArn": caller.arn,
                    "userId": caller.user_id,
                }
            },
            "domainName": headers["host"],
            "domainPrefix": function,
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": unquote(path),
                "protocol": environ["SERVER_PROTOCOL"],
                "sourceIp": environ.get("REMOTE_ADDR", ""),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "body": body.decode() if is_text else base64.b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }


def _response(answer: bytes) -> Response:
    """Return the function's response: in format 2.0, or any other JSON as the body."""
    said = json.loads(answer)
    if not isinstance(said, dict) or "statusCode" not in said:
        return Response(answer, HTTPStatus.OK, content_type="application/json")
    body = said.get("body", "")
    content = base64.b64decode(body) if said.get("isBase64Encoded") else body
    return Response(content, said["statusCode"], {"Content-Type": "application/json"} | said.get("headers", {}))


def _said(status: HTTPStatus, message: str) -> Response:
    return Response(json.dumps({"Message": message}), status, content_type="application/json")
