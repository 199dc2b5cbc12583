"""Wiring shared by all functions: logs, metrics, AWS clients."""

from collections.abc import Callable
from functools import cache, cached_property, partial
from threading import Lock
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from facepair.aws.clients import PATIENT
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.tables import tables_of

type FunctionEvent = dict[str, Any]
type FunctionHandler = Callable[[FunctionEvent, LambdaContext], dict[str, Any]]


class Runtime:
    """Create one per execution environment, at its first event, so that importing has no effects."""

    def __init__(self) -> None:
        self.logger = Logger()
        # The package uses standard logging; give its lines Powertools' format, level and keys.
        copy_config_to_registered_loggers(source_logger=self.logger, include={"facepair"})
        self._session: Any = boto3.Session()
        self._building = Lock()
        self._metrics = Metrics()
        self.metrics = PowertoolsMetrics(self._metrics)

    def client(self, service: str, config: Config = PATIENT) -> Any:
        with self._building:  # boto3 sessions are not thread-safe; clients are
            return self._session.client(service, config=config)

    def lazy_client(self, service: str, config: Config = PATIENT) -> Any:
        """Return a client that is built at its first use: for requests that most events do without."""
        return _LazyClient(partial(self.client, service, config))

    @cached_property
    def tables(self) -> Any:
        return tables_of(self._session)

    def logged(self, handle: FunctionHandler) -> FunctionHandler:
        """Decorate a handler: add the invocation to log lines, and clear the keys of earlier invocations."""
        return self.logger.inject_lambda_context(handle, clear_state=True, log_event=False)

    def measured(self, handle: FunctionHandler) -> FunctionHandler:
        """Decorate a handler: write its metrics to the log at the end."""
        return self._metrics.log_metrics(handle)


class _LazyClient:
    """Thread-safe: threads that use it first at the same moment may build a client each."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._client = cache(build)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client(), name)
