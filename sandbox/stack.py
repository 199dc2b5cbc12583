"""What a deployment leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Resource:
    """One resource as created: `Ref` gives `physical_id`, `GetAtt` the attributes; properties are resolved."""

    type: str
    physical_id: str
    attributes: Mapping[str, str]
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Function:
    """What it takes to run a function: `code` is its folder, `timeout` in seconds, `memory` in MB."""

    logical_id: str
    name: str
    arn: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    environment: Mapping[str, str]
    timeout: int
    memory: int
    log_group: str


@dataclass(frozen=True)
class EventSource:
    """A queue whose messages a function gets."""

    queue_url: str
    queue_arn: str
    function_arn: str
    batch_size: int
    maximum_concurrency: int
    reports_batch_item_failures: bool


@dataclass(frozen=True)
class StreamSource:
    """A table's stream whose records a function gets in their order.

    A batch that fails is retried `maximum_retries` times, for `maximum_age_seconds` (-1: for ever), in halves if it
    `bisects`; then its place in the stream is sent to the queue `on_failure_queue_url`.
    """

    stream_arn: str
    function_arn: str
    starting_position: str
    batch_size: int
    reports_batch_item_failures: bool
    bisects: bool
    maximum_retries: int
    maximum_age_seconds: int
    on_failure_queue_url: str | None


@dataclass(frozen=True)
class Schedule:
    """A rule that invokes a function at intervals, the first time one interval after its creation."""

    rule_arn: str
    function_arn: str
    every: timedelta


@dataclass(frozen=True)
class SandboxStack:
    """Everything by logical id. `left_out` says, for what is in the template but not in the sandbox, why."""

    name: str
    parameters: Mapping[str, str]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, str]
    functions: Mapping[str, Function]
    event_sources: tuple[EventSource, ...]
    schedules: tuple[Schedule, ...]
    left_out: Mapping[str, str]
    stream_sources: tuple[StreamSource, ...] = ()
