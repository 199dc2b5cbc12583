"""Everything that runs for one deployed stack: environments, pollers, schedules."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from sandbox.aws import LocalAws
from sandbox.lambda_host.environment import Environment
from sandbox.lambda_host.event_source import QueuePoller
from sandbox.lambda_host.fleet import Fleet
from sandbox.lambda_host.invoke_api import FunctionNotFound
from sandbox.lambda_host.log_group import LogGroup
from sandbox.lambda_host.runtime_api import InvocationResult
from sandbox.lambda_host.scheduler import Scheduler
from sandbox.lambda_host.stream_source import Checkpoints, StreamPoller
from sandbox.stack import Function, SandboxStack


class LambdaHost:
    """Runs a stack's functions until closed; functions are named by logical id or by name.

    `python` is the interpreter of the functions' environment: awslambdaric and the packages of the layer that holds
    only a requirements.txt. What a function writes goes to a file for each environment in `<logs>/<logical id>/`.
    Streams go on behind their `checkpoints`, which are kept up to date.
    """

    def __init__(
        self, stack: SandboxStack, aws: LocalAws, *, python: Path, logs: Path, checkpoints: Checkpoints | None = None
    ) -> None:
        if not python.exists():
            raise FileNotFoundError(f"{python}: the functions' Python is not installed; make installs it")
        self._fleets: dict[str, Fleet] = {}
        for function in stack.functions.values():
            log_group = LogGroup(logs / function.logical_id)
            fleet = Fleet(partial(_start, function, python, aws.child_variables, log_group))
            self._fleets |= dict.fromkeys((function.logical_id, function.name, function.arn), fleet)
        self._event_sources = stack.event_sources
        self._stream_sources = stack.stream_sources
        checkpoints = {} if checkpoints is None else checkpoints
        sqs = aws.client("sqs")
        self._pollers: list[QueuePoller | StreamPoller] = [
            QueuePoller(source, sqs, self._fleet(source.function_arn).invoke) for source in stack.event_sources
        ]
        self._pollers += [
            StreamPoller(
                source, aws.client("dynamodbstreams"), sqs, self._fleet(source.function_arn).invoke, checkpoints
            )
            for source in stack.stream_sources
        ]
        self._schedulers = [
            Scheduler(schedule, self._fleet(schedule.function_arn).invoke) for schedule in stack.schedules
        ]

    def warm(self, count: int) -> None:
        """Have so many environments ready of each function that a queue feeds, and one of each that a stream feeds: it
        gets one batch at a time. So nothing waits for a start."""
        for source in self._event_sources:
            self._fleet(source.function_arn).warm(min(count, source.maximum_concurrency))
        for stream_source in self._stream_sources:
            self._fleet(stream_source.function_arn).warm(min(count, 1))

    def invoke(self, function: str, payload: bytes) -> InvocationResult:
        """One synchronous invocation. Raises FunctionNotFound."""
        return self.find(function)(payload)

    def find(self, function: str) -> Callable[[bytes], InvocationResult]:
        """What invokes that function. Raises FunctionNotFound."""
        return self._fleet(function).invoke

    def environments(self) -> list[Environment]:
        """Those that are there now: `function`, `pid`, `busy`, `message_ids`, `kill()`."""
        return [environment for fleet in set(self._fleets.values()) for environment in fleet.environments()]

    def lost(self) -> int:
        """How many environments have crashed, were killed or ran out of time so far."""
        return sum(fleet.lost for fleet in set(self._fleets.values()))

    def pause(self) -> None:
        """Take no more from queues and streams, until `resume`; running invocations go on."""
        for poller in self._pollers:
            poller.pause()

    def drain(self) -> None:
        """`pause`, then wait until every message that was taken has been dealt with; the timeouts bound that."""
        for poller in self._pollers:
            poller.drain()

    def resume(self) -> None:
        for poller in self._pollers:
            poller.resume()

    def close(self) -> None:
        """Stop polling and kill every environment; messages in flight come back after their visibility timeout."""
        for poller in self._pollers:
            poller.close()
        for scheduler in self._schedulers:
            scheduler.close()
        for fleet in set(self._fleets.values()):
            fleet.close()

    def _fleet(self, function: str) -> Fleet:
        if function not in self._fleets:
            raise FunctionNotFound(function)
        return self._fleets[function]


def _start(function: Function, python: Path, aws_variables: Mapping[str, str], log_group: LogGroup) -> Environment:
    return Environment(function, python, aws_variables, log_group.new_stream())
