"""The result of a deployment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Resource:
    """A created resource: `physical_id` for `Ref`, `attributes` for `GetAtt`; properties are resolved."""

    type: str
    physical_id: str
    attributes: Mapping[str, str]
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Function:
    """How to run a function: `code` is its folder, `timeout` in seconds, `memory` in MB."""

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
    """A queue that feeds a function."""

    queue_url: str
    queue_arn: str
    function_arn: str
    batch_size: int
    maximum_concurrency: int
    reports_batch_item_failures: bool


@dataclass(frozen=True)
class StreamSource:
    """A table's stream that feeds a function, in order.

    A failed batch is retried `maximum_retries` times within `maximum_age_seconds` (-1: no limit), in halves if
    `bisects`; then its place in the stream is sent to `on_failure_queue_url`.
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
    """A rule that invokes a function at intervals, first one interval after its creation."""

    rule_arn: str
    function_arn: str
    every: timedelta


@dataclass(frozen=True)
class SandboxStack:
    """A deployed stack; mappings are by logical id.

    `left_out`: parts of the template missing from the sandbox, with reasons.
    """

    name: str
    parameters: Mapping[str, str]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, str]
    functions: Mapping[str, Function]
    event_sources: tuple[EventSource, ...]
    schedules: tuple[Schedule, ...]
    left_out: Mapping[str, str]
    stream_sources: tuple[StreamSource, ...] = ()
