"""The emulator's HTTP server: the API, and the control endpoint under /control."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from flask import request as flask_request
from pydantic import ValidationError
from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox.advance_api import wire
from sandbox.advance_api.answers import ScriptedAnswer, client_error, compare, describe, issue_token
from sandbox.advance_api.codes import documented
from sandbox.advance_api.models import ApiRequest, Endpoint, Step
from sandbox.advance_api.sight import Recogniser
from sandbox.advance_api.state import Customer

NEWER_COMPARISON = "/intl/openapi/face-identity/v1/face-comparison"
"""The same comparison on ADVANCE's newer pages, with a mandatory form field `region`."""
ENDPOINTS: dict[str, Endpoint] = {
    "/openapi/face-recognition/v4/check": "check",
    NEWER_COMPARISON: "check",
    "/openapi/auth/ticket/v1/generate-token": "token",
}

type AnswerRules = Mapping[Endpoint, Callable[[Request, Customer], ScriptedAnswer]]


def serve(port: int, account: Customer, recogniser: Recogniser) -> BaseWSGIServer:
    """Return a server listening on loopback; on a free port if `port` is 0."""

    def check(request: Request, account: Customer) -> ScriptedAnswer:
        return compare(request, account, recogniser, needs_region=request.path == NEWER_COMPARISON)

    rules: AnswerRules = {"check": check, "token": issue_token}
    application = DispatcherMiddleware(_api(account, rules), {"/control": _control(account)})
    return make_server("127.0.0.1", port, application, threaded=True, request_handler=_Connection)


class _Connection(WSGIRequestHandler):
    disable_nagle_algorithm = True  # otherwise the body waits for the headers' acknowledgement

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        self.close_connection = True  # no further request on it


def _api(account: Customer, rules: AnswerRules) -> Callable[..., Any]:
    @Request.application
    def api(request: Request) -> Response:
        endpoint = ENDPOINTS.get(request.path)
        token = request.headers.get("X-ACCESS-TOKEN")
        first_sha256 = _first_sha256(request) if account.script.selects_by_picture else None
        step = account.script.take(endpoint, token, first_sha256) if endpoint else Step()
        if step.drop == "before_reading":
            call = _unread(request, token)
            call.code, call.charged = "dropped", bool(step.charged)
            account.journal.add(call)
            wire.drop(request, step.drop_by)

        request.get_data()  # raises if the caller disconnects half-way: then the call does not count
        call = _asked(request, token)
        account.journal.add(call)
        response = _answer(request, call, step, account, rules)
        time.sleep(step.delay)
        return _deliver(request, response, call, step)

    return api


def _first_sha256(request: Request) -> str | None:
    """Return the first picture's SHA-256, if any. Reads the whole request."""
    request.get_data()
    first = describe(request, "firstImage")
    return first.sha256 if first else None


def _unread(request: Request, token: str | None) -> ApiRequest:
    return ApiRequest(
        endpoint=ENDPOINTS.get(request.path, request.path),
        path=request.path,
        method=request.method,
        asked_at=time.time(),
        peer_port=int(request.environ["REMOTE_PORT"]),
        headers={name.lower(): value for name, value in request.headers.items()},
        token=token,
        transaction_id=uuid.uuid4().hex,
    )


def _asked(request: Request, token: str | None) -> ApiRequest:
    call = _unread(request, token)
    if request.mimetype == "multipart/form-data":
        call.first, call.second = describe(request, "firstImage"), describe(request, "secondImage")
        call.region = request.form.get("region")
    return call


def _answer(request: Request, call: ApiRequest, step: Step, account: Customer, rules: AnswerRules) -> Response:
    """Return the answer and record it in `call`."""
    answer = _judge(request, step, account, rules)
    usual = documented(call.endpoint, answer.code)
    call.pricing = step.pricing or usual.pricing
    if call.endpoint == "check":
        call.charged = (call.pricing == "PAY" and step.location is None) if step.charged is None else step.charged
    if call.endpoint == "token" and answer.content is not None:
        call.token = answer.content["token"]

    content: Any = {
        "code": answer.code,
        "message": step.message or answer.message or usual.message,
        "data": answer.content,
        "extra": None,
        "transactionId": call.transaction_id,
        "pricingStrategy": call.pricing,
    }
    content = _merge_patch(content, step.patch) if step.patch else content
    body = json.dumps(content) if step.body is None else step.body
    response = Response(
        body.encode("latin-1"),
        status=step.status or answer.status,
        content_type=step.content_type or "application/json",
    )
    for name, value in (("Retry-After", step.retry_after), ("Location", step.location)):
        if value is not None:
            response.headers[name] = value
    return response


def _judge(request: Request, step: Step, account: Customer, rules: AnswerRules) -> ScriptedAnswer:
    if step.code is not None:
        return ScriptedAnswer(step.code)
    endpoint = ENDPOINTS.get(request.path)
    if endpoint is None:
        return client_error(404)
    if request.method != "POST":
        return client_error(405)
    try:
        return rules[endpoint](request, account)
    except HTTPException as error:  # of a form that werkzeug cannot parse
        return client_error(error.code or 400)


def _merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_patch(merged.get(name), value)
    return merged


def _deliver(request: Request, response: Response, call: ApiRequest, step: Step) -> Response:
    call.status = response.status_code
    if step.drop is not None:
        call.code = "dropped"
    elif step.location is not None:
        call.code = "redirected"
    elif step.body is not None:
        call.code = "raw"
    else:
        call.code = str(json.loads(response.get_data()).get("code"))

    if step.drop == "after_reading":
        wire.drop(request, step.drop_by)
    if step.drop == "mid_answer":
        wire.drop_half_way(request, response, step.drop_by)
    if step.trickle is not None:
        wire.trickle(request, response, step.trickle, step.trickle_interval)
    return response


def _control(account: Customer) -> Flask:
    control = Flask(__name__)

    @control.post("/script")
    def script() -> tuple[dict[str, str], int] | tuple[str, int]:
        try:
            step = Step.model_validate_json(flask_request.get_data())
        except ValidationError as error:
            return {"error": str(error)}, 400
        account.script.add(step)
        return "", 204

    @control.post("/clear")
    def clear() -> tuple[str, int]:
        account.script.clear()
        return "", 204

    @control.post("/revoke-tokens")
    def revoke_tokens() -> tuple[str, int]:
        account.tokens.revoke()
        return "", 204

    @control.post("/reset")
    def reset() -> tuple[str, int]:
        account.script.clear()
        account.journal.clear()
        return "", 204

    @control.get("/calls")
    def calls() -> list[dict[str, Any]]:
        endpoint, first = (flask_request.args.get(name) for name in ("endpoint", "first_sha256"))
        return [
            call.model_dump()
            for call in account.journal.calls()
            if endpoint in (None, call.endpoint) and first in (None, call.first and call.first.sha256)
        ]

    @control.get("/charges")
    def charges() -> dict[str, Any]:
        charged = [call.transaction_id for call in account.journal.calls() if call.charged]
        return {"count": len(charged), "transaction_ids": charged}

    return control
