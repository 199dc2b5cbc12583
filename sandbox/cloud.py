"""The sandbox: AWS, the ADVANCE emulator and the Lambda host around the deployed template."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from sandbox.advance_api.control import Control
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from sandbox.lambda_host import LambdaHost
from sandbox.lambda_host.invoke_api import FunctionNotFound, InvokeApi
from sandbox.lambda_host.log_group import LogGroup
from sandbox.processes import Server
from sandbox.stack import Stack

BASE_URL = "AdvanceBaseUrl"
CREDENTIALS = {"accessKey": "sampleaccesskey", "secretKey": "samplesecretkey"}  # the emulator's account


class Advance:
    """The emulator as a process of its own: `url` is the API's base URL; `control` scripts it and reads what it was
    asked and charged."""

    def __init__(self, log_file: Path) -> None:
        keys = ("--access-key", CREDENTIALS["accessKey"], "--secret-key", CREDENTIALS["secretKey"])
        self._server = Server("sandbox.advance_api", "--port", "0", *keys, log_file=log_file)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def control(self) -> Control:
        return Control(self.url)

    def close(self) -> None:
        self._server.close()


class Sandbox:
    """A context manager: `root/template.yaml`, deployed and running on this machine, all on loopback.

    Without the parameter AdvanceBaseUrl it starts the emulator and puts its credentials into CredentialsSecret.
    `overrides` are properties that resources, by logical id, have instead of the template's; `environment` are
    variables that every function has besides. `warm` environments of each function that a queue feeds are started in
    advance. Logs go to `logs`.

    Raises ParameterError or TemplateError. No process outlives it, however this one ends.
    """

    stack: Stack
    host: LambdaHost | None = None

    def __init__(
        self,
        root: Path,
        parameters: Mapping[str, object] = MappingProxyType({}),
        *,
        overrides: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        environment: Mapping[str, str] = MappingProxyType({}),
        stack_name: str = "facepair",
        warm: int = 2,
        logs: Path | None = None,
    ) -> None:
        self._root = root.resolve()
        self._parameters = dict(parameters)
        self._overrides = overrides
        self._environment = environment
        self._stack_name = stack_name
        self._warm = warm
        self.logs = logs or self._root / ".sandbox" / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        self._advance: Advance | None = None
        self._open = ExitStack()

    @property
    def outputs(self) -> Mapping[str, str]:
        return self.stack.outputs

    @property
    def advance(self) -> Advance:
        """The emulator. Raises RuntimeError if AdvanceBaseUrl points somewhere else."""
        if self._advance is None:
            raise RuntimeError(f"this sandbox has no emulator: its {BASE_URL} is {self._parameters[BASE_URL]}")
        return self._advance

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables with which the AWS CLI and SDKs work on this sandbox."""
        return self._aws.variables

    def aws(self, service: str) -> Any:
        """A boto3 client."""
        return self._aws.client(service)

    def log(self, function: str) -> list[str]:
        """What a function, by its logical id, has written so far, one environment after the other."""
        return LogGroup(self.logs / function).lines()

    def redeploy(self, **parameters: object) -> None:
        """Change parameters of the running stack, as far as functions, event sources and schedules depend on them.

        Invocations under way end first; messages wait in the queue meanwhile. Raises as the constructor does, and
        TemplateError if another resource would change.
        """
        if self.host is not None:
            self.host.drain()
        self._parameters |= parameters
        self._deploy(previous=self.stack)
        self.stop_host()
        self.start_host()

    def start_host(self) -> None:
        self.host = LambdaHost(self.stack, self._aws, python=self._root / ".lambda" / "bin" / "python", logs=self.logs)
        self.host.warm(self._warm)

    def stop_host(self) -> None:
        """Kill every environment as it is; messages under way come back after their visibility timeout."""
        if self.host is not None:
            self.host.close()
        self.host = None

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        invoke_api = InvokeApi(lambda function: self._running_host().find(function))
        self._open.callback(invoke_api.close)
        self._aws = self._open.enter_context(LocalAws(invoke_api.url, self.logs / "aws.log"))
        if BASE_URL not in self._parameters:
            self._advance = Advance(self.logs / "advance.log")
            self._open.callback(self._advance.close)
            self._parameters[BASE_URL] = self._advance.url
        self._deploy(previous=None)
        if self._advance is not None:
            secret = self.outputs["CredentialsSecret"]
            self.aws("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(CREDENTIALS))
        self._open.callback(self.stop_host)
        self.start_host()

    def _deploy(self, previous: Stack | None) -> None:
        template = self._root / "template.yaml"
        self.stack = deploy(
            self._aws,
            template,
            self._stack_name,
            self._parameters,
            previous,
            overrides=self._overrides,
            environment=self._environment,
        )

    def _running_host(self) -> LambdaHost:
        if self.host is None:
            raise FunctionNotFound("the Lambda host is stopped")
        return self.host
