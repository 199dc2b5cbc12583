"""The part of Lambda's API that moto lacks: Invoke, and the list of event source mappings.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
"""

import json
import re
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from sandbox.lambda_host.runtime_api import InvocationResult
from sandbox.lambda_host.server import Handler, Server
from sandbox.stack import EventSource, StreamSource

Invoke = Callable[[bytes], InvocationResult]
PATH = re.compile(r"/2015-03-31/functions/(?:arn:[^/]*:function:)?([^/:]+)(?::[^/]+)?/invocations")


class FunctionNotFound(LookupError): ...


type Sources = Iterable[EventSource | StreamSource]


class InvokeApi:
    """The server.

    `find(name)` returns a function's invoker or raises FunctionNotFound; `sources()` returns the event sources.
    """

    def __init__(self, find: Callable[[str], Invoke], sources: Callable[[], Sources] = tuple) -> None:
        self._server = Server(_handler_for(find, sources))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.close()


def _handler_for(find: Callable[[str], Invoke], sources: Callable[[], Sources]) -> type[Handler]:
    class InvokeHandler(Handler):
        def do_GET(self) -> None:
            wanted = parse_qs(urlsplit(self.path).query).get("FunctionName", [""])[0]
            mappings = [_mapping(each) for each in sources() if each.function_arn.endswith(wanted.rpartition(":")[2])]
            self.answer(HTTPStatus.OK, json.dumps({"EventSourceMappings": mappings}).encode())

        def do_POST(self) -> None:
            payload = self.body() or b"{}"
            match = PATH.fullmatch(unquote(self.path))
            name = match[1] if match else self.path
            try:
                self._invoke(find(name), payload)
            except FunctionNotFound:
                message = {"Type": "User", "Message": f"Function not found: {name}"}
                error = {"x-amzn-ErrorType": "ResourceNotFoundException"}
                self.answer(HTTPStatus.NOT_FOUND, json.dumps(message).encode(), error)

        def _invoke(self, invoke: Invoke, payload: bytes) -> None:
            match self.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
                case "Event":
                    threading.Thread(target=invoke, args=(payload,), daemon=True).start()
                    self.answer(HTTPStatus.ACCEPTED)
                case "DryRun":
                    self.answer(HTTPStatus.NO_CONTENT)
                case _:
                    answer = invoke(payload)
                    headers = {"X-Amz-Executed-Version": "$LATEST"}
                    if answer.failed:
                        headers["X-Amz-Function-Error"] = "Unhandled"
                    self.answer(HTTPStatus.OK, answer.payload, headers)

    return InvokeHandler


def _mapping(source: EventSource | StreamSource) -> dict[str, object]:
    """Return an event source mapping as Lambda describes it; always enabled."""
    arn = source.queue_arn if isinstance(source, EventSource) else source.stream_arn
    return {
        "UUID": str(uuid5(NAMESPACE_URL, f"{arn} {source.function_arn}")),
        "EventSourceArn": arn,
        "FunctionArn": source.function_arn,
        "BatchSize": source.batch_size,
        "State": "Enabled",
        "StateTransitionReason": "USER_INITIATED",
    }
