"""Lambda's Runtime API for one execution environment.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.lambda_host.server import Handler, Server

VERSION = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Invocation:
    """An event on its way to the function: `payload` is JSON, `deadline_ms` epoch milliseconds."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    answer: Future["InvocationResult"] = field(default_factory=Future)


@dataclass(frozen=True)
class InvocationResult:
    """An invocation's result: the function's JSON, or if `failed` an object with errorType and errorMessage."""

    payload: bytes
    failed: bool = False

    @classmethod
    def failure(cls, error_type: str, message: str) -> "InvocationResult":
        return cls(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), failed=True)


class RuntimeApi:
    """The server. `started` becomes None when the function is ready, or its error."""

    def __init__(self) -> None:
        self.started: Future[InvocationResult | None] = Future()
        self._next: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._current: Invocation | None = None
        self._server = Server(_handler_for(self))

    @property
    def address(self) -> str:
        """host:port, for AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self._server.server_port}"

    def hand_over(self, invocation: Invocation) -> None:
        self._next.put(invocation)

    def close(self) -> None:
        self._next.put(None)
        self._server.close()

    def wait_for_invocation(self) -> Invocation | None:
        resolve(self.started, None)
        self._current = self._next.get()
        return self._current

    def accept_answer(self, request_id: str, answer: InvocationResult) -> bool:
        """Accept the answer; return False if it is not the current invocation's."""
        if self._current is None or self._current.request_id != request_id:
            return False
        return resolve(self._current.answer, answer)

    def accept_init_error(self, answer: InvocationResult) -> None:
        resolve(self.started, answer)


def resolve[T](future: Future[T], result: T) -> bool:
    """Set the future's result, unless it has one: the first of answer, crash and timeout counts."""
    try:
        future.set_result(result)
    except InvalidStateError:
        return False
    return True


def _handler_for(api: RuntimeApi) -> type[Handler]:
    class RuntimeHandler(Handler):
        def do_GET(self) -> None:
            if self.path != f"{VERSION}/invocation/next":
                return self.answer(HTTPStatus.NOT_FOUND)
            invocation = api.wait_for_invocation()
            if invocation is None:
                return self.answer(HTTPStatus.GONE)
            return self.answer(
                HTTPStatus.OK,
                invocation.payload,
                {
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                },
            )

        def do_POST(self) -> None:
            body = self.body()
            match self.path.removeprefix(f"{VERSION}/").split("/"):
                case ["init", "error"]:
                    api.accept_init_error(InvocationResult(body, failed=True))
                    accepted = True
                case ["invocation", request_id, "response" | "error" as outcome]:
                    accepted = api.accept_answer(request_id, InvocationResult(body, failed=outcome == "error"))
                case _:
                    return self.answer(HTTPStatus.NOT_FOUND)
            return self.answer(HTTPStatus.ACCEPTED if accepted else HTTPStatus.BAD_REQUEST, b'{"status":"OK"}')

    return RuntimeHandler
