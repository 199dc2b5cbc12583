"""An execution environment: a process that runs a function under awslambdaric, one invocation at a time."""

import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from pathlib import Path
from typing import IO

from sandbox.lambda_host.fork_server import Order
from sandbox.lambda_host.forked import PROGRAM, fork_server
from sandbox.lambda_host.runtime_api import Invocation, InvocationResult, RuntimeApi, resolve
from sandbox.processes import clean_environment
from sandbox.stack import Function

# Lambda's limit is 10 seconds; a busy machine may take longer.
INIT_SECONDS = 30


class Environment:
    """Starts on construction; `wait_until_started` waits for the function's imports.

    It is unusable after a crash, timeout or failed start, as in Lambda. `message_ids` are those of the SQS messages
    being processed.
    """

    def __init__(self, function: Function, python: Path, aws_variables: Mapping[str, str], log: IO[bytes]) -> None:
        self.function = function
        self.message_ids: tuple[str, ...] = ()
        self.busy = False
        self._log = log
        self._api = RuntimeApi()
        self._invocation: Invocation | None = None
        variables = _variables(function, self._api.address, aws_variables)
        order = Order(handler=function.handler, folder=str(function.code), variables=variables)
        self._process = fork_server(python, PROGRAM, *function.layers).start(order, [log.fileno()])
        self._process.ended.add_done_callback(self._ended)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def usable(self) -> bool:
        return self._started_well and self._process.running

    @property
    def died_idle(self) -> bool:
        return self._started_well and not self._process.running

    @property
    def _started_well(self) -> bool:
        return self._api.started.done() and self._api.started.result() is None

    def wait_until_started(self) -> InvocationResult | None:
        """Return None once it is ready, or how its start failed."""
        try:
            return self._api.started.result(INIT_SECONDS)
        except NotInTime:
            self.kill()
            return InvocationResult.failure(
                "Sandbox.Timedout", f"{self.function.name} did not start in {INIT_SECONDS} seconds"
            )

    def invoke(self, payload: bytes, message_ids: tuple[str, ...] = ()) -> InvocationResult:
        """Return the function's answer; a crash or timeout gives a failed one and ends the process.

        The caller ensures one invocation at a time.
        """
        if failed_start := self.wait_until_started():
            return failed_start
        invocation = Invocation(
            request_id=str(uuid.uuid4()),
            payload=payload,
            deadline_ms=int((time.time() + self.function.timeout) * 1000),
            function_arn=self.function.arn,
        )
        self._invocation, self.message_ids, self.busy = invocation, message_ids, True
        try:
            self._api.hand_over(invocation)
            if not self._process.running:
                self._fail(invocation)
            return invocation.answer.result(self.function.timeout)
        except NotInTime:
            self.kill()
            message = f"{invocation.request_id} Task timed out after {self.function.timeout:.2f} seconds"
            return InvocationResult.failure("Sandbox.Timedout", message)
        finally:
            self._invocation, self.message_ids, self.busy = None, (), False

    def kill(self) -> None:
        """SIGKILL it and everything it started."""
        self._process.kill()

    def close(self) -> None:
        self.kill()
        self._api.close()
        self._log.close()

    def _ended(self, _: "Future[int]") -> None:
        resolve(
            self._api.started,
            InvocationResult.failure("Runtime.ExitError", f"{self.function.name} exited while starting"),
        )
        if invocation := self._invocation:
            self._fail(invocation)

    def _fail(self, invocation: Invocation) -> None:
        status = self._process.ended.result()
        message = f"RequestId: {invocation.request_id} Error: Runtime exited with status {status}"
        resolve(invocation.answer, InvocationResult.failure("Runtime.ExitError", message))


def _variables(function: Function, runtime_api: str, aws_variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that Lambda documents and the function's own, without access to this machine's account.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return (
        clean_environment()
        | {"TZ": ":UTC", "LANG": "en_US.UTF-8"}
        | dict(aws_variables)
        | dict(function.environment)
        | {
            "_HANDLER": function.handler,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{uuid.uuid4().hex}",
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "LAMBDA_TASK_ROOT": str(function.code),
            # A layer with only a requirements.txt is installed in the Python environment.
            "PYTHONPATH": ":".join(str(path) for path in (function.code, *function.layers)),
        }
    )
