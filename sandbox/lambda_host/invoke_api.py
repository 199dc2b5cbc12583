"""Lambda's Invoke API, to which the sandbox's AWS passes such requests on.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import unquote

from sandbox.lambda_host.runtime_api import Answer
from sandbox.lambda_host.server import Handler, Server

Invoke = Callable[[bytes], Answer]
PATH = re.compile(r"/2015-03-31/functions/(?:arn:[^/]*:function:)?([^/:]+)(?::[^/]+)?/invocations")


class FunctionNotFound(LookupError):
    """There is no function of that name."""


class InvokeApi:
    """The server. `find(name)` gives what invokes that function or raises FunctionNotFound."""

    def __init__(self, find: Callable[[str], Invoke]) -> None:
        self._server = Server(_handler_for(find))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.close()


def _handler_for(find: Callable[[str], Invoke]) -> type[Handler]:
    class InvokeHandler(Handler):
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
