"""Everything that runs for a deployed stack: environments, pollers, schedules."""

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
    """Runs a stack's functions until closed; they are named by logical id or name.

    `python` is the interpreter of the functions' environment, with awslambdaric and the packages of the
    requirements-only layer. Each environment logs to a file in `<logs>/<logical id>/`. Streams continue after their
    `checkpoints`, which are updated.
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
        self._stream_pollers = [
            StreamPoller(
                source,
                aws.client("dynamodbstreams"),
                sqs,
                self._fleet(source.function_arn).invoke,
                checkpoints,
                aws.end_polls,
            )
            for source in stack.stream_sources
        ]
        self._pollers: list[QueuePoller | StreamPoller] = [
            *(
                QueuePoller(source, sqs, self._fleet(source.function_arn).invoke, aws.end_polls)
                for source in stack.event_sources
            ),
            *self._stream_pollers,
        ]
        self._schedulers = [
            Scheduler(schedule, self._fleet(schedule.function_arn).invoke) for schedule in stack.schedules
        ]

    def warm(self, count: int) -> None:
        """Start `count` environments of each function fed by a queue, and one of each fed by a stream."""
        for source in self._event_sources:
            self._fleet(source.function_arn).warm(min(count, source.maximum_concurrency))
        for stream_source in self._stream_sources:
            self._fleet(stream_source.function_arn).warm(min(count, 1))

    def invoke(self, function: str, payload: bytes) -> InvocationResult:
        """Invoke a function synchronously. Raises FunctionNotFound."""
        return self.find(function)(payload)

    def find(self, function: str) -> Callable[[bytes], InvocationResult]:
        """Return a function's invoker. Raises FunctionNotFound."""
        return self._fleet(function).invoke

    def environments(self) -> list[Environment]:
        """Return the current environments."""
        return [environment for fleet in set(self._fleets.values()) for environment in fleet.environments()]

    def lost(self) -> int:
        """Return how many environments crashed, were killed or timed out."""
        return sum(fleet.lost for fleet in set(self._fleets.values()))

    def pause(self) -> None:
        """Stop taking messages and records until `resume`; running invocations continue."""
        for poller in self._pollers:
            poller.pause()

    def drain(self) -> None:
        """Pause, then wait until all messages taken are processed (bounded by timeouts)."""
        for poller in self._pollers:
            poller.drain()

    def resume(self) -> None:
        for poller in self._pollers:
            poller.resume()

    def leave_streams(self) -> None:
        """Leave streams and schedules to another host, for good: they have one at a time."""
        for poller in self._stream_pollers:
            poller.close()
        for scheduler in self._schedulers:
            scheduler.close()

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
