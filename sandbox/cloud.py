"""The sandbox: AWS, the ADVANCE emulator and the Lambda host around the deployed template."""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from sandbox.advance_api import environment as faces_environment
from sandbox.advance_api.control import Control
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from sandbox.lambda_host import LambdaHost
from sandbox.lambda_host.invoke_api import FunctionNotFound, InvokeApi, Sources
from sandbox.lambda_host.log_group import LogGroup
from sandbox.processes import ServerProcess
from sandbox.receiver import EmulatedReceiver
from sandbox.stack import SandboxStack

FUNCTIONS_PYTHON = Path(__file__).parents[1] / ".lambda" / "bin" / "python"
BASE_URL = "AdvanceBaseUrl"
WEBHOOK_URL = "WebhookUrl"
CREDENTIALS = {"accessKey": "sampleaccesskey", "secretKey": "samplesecretkey"}  # the emulator's account


class EmulatedAdvance:
    """The emulator as a process. `url` is the API's base URL; `control` scripts it and reads its calls and charges.

    With `faces` it recognises faces. Raises faces_environment.NotInstalled.
    """

    def __init__(self, log_file: Path, *, faces: bool = False) -> None:
        options = ["--access-key", CREDENTIALS["accessKey"], "--secret-key", CREDENTIALS["secretKey"]]
        if faces:
            faces_environment.install()  # shown in the terminal, not only in the log
            options.append("--faces")
        self._server = ServerProcess("sandbox.advance_api", "--port", "0", *options, log_file=log_file)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def control(self) -> Control:
        return Control(self.url)

    def close(self) -> None:
        self._server.close()


class Sandbox:
    """`root/template.yaml`, deployed and running on this machine, on loopback only; a context manager.

    Without AdvanceBaseUrl it starts the emulator and stores its credentials in CredentialsSecret; with `faces` the
    emulator recognises faces. Without WebhookUrl it starts a receiver that checks signatures. `overrides` replaces
    properties of resources, by logical id; `environment` adds variables to every function. `warm` environments are
    started in advance for each function fed by a queue. Logs go to `logs`; `report` gets a line per step.

    Raises ParameterError, TemplateError or faces_environment.NotInstalled. No process outlives it, however this one
    ends.
    """

    stack: SandboxStack
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
        faces: bool = False,
        report: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._report = report
        self._root = root.resolve()
        # The emulator looks at one face at a time, and every call has a deadline.
        self._parameters = ({"MaxConcurrency": 2} if faces else {}) | dict(parameters)
        self._overrides = overrides
        self._environment = environment
        self._stack_name = stack_name
        self._warm = warm
        self._faces = faces
        self.logs = logs or self._root / ".sandbox" / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
        self._advance: EmulatedAdvance | None = None
        self._receiver: EmulatedReceiver | None = None
        self._checkpoints: dict[str, str] = {}
        self._log_groups: dict[str, LogGroup] = {}
        self._open = ExitStack()

    @property
    def outputs(self) -> Mapping[str, str]:
        return self.stack.outputs

    @property
    def advance(self) -> EmulatedAdvance:
        """The emulator. Raises RuntimeError if AdvanceBaseUrl is set."""
        if self._advance is None:
            raise RuntimeError(f"this sandbox has no emulator: its {BASE_URL} is {self._parameters[BASE_URL]}")
        return self._advance

    @property
    def receiver(self) -> EmulatedReceiver:
        """The receiver of webhooks. Raises RuntimeError if WebhookUrl is set."""
        if self._receiver is None:
            raise RuntimeError(f"this sandbox has no receiver: its {WEBHOOK_URL} is {self._parameters[WEBHOOK_URL]!r}")
        return self._receiver

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variables for the AWS CLI and SDKs."""
        return self._aws.variables

    def aws(self, service: str) -> Any:
        """Return a boto3 client."""
        return self._aws.client(service)

    def log(self, function: str) -> list[str]:
        """Return the lines that a function, by logical id, has logged; later calls append to earlier results."""
        return self._log_groups.setdefault(function, LogGroup(self.logs / function)).lines()

    def redeploy(self, **parameters: object) -> None:
        """Change parameters of the running stack that functions, event sources or schedules depend on.

        Running invocations end first; messages wait in the queue. Raises like the constructor, and TemplateError if
        another resource would change.
        """
        if self.host is not None:
            self.host.drain()
        self._parameters |= parameters
        self._deploy(previous=self.stack)
        self.stop_host()
        self.start_host()

    def update(self, root: Path) -> LambdaHost:
        """Deploy another folder's template and functions into the running stack: new invocations run the new code.

        Returns the host of the old code, paused: its running invocations continue, and after `resume` it receives
        messages too. It ends with its `close` or with the sandbox. Raises TemplateError if the update changes a
        resource that the sandbox cannot change.
        """
        assert self.host is not None
        old, self._root = self.host, root.resolve()
        self._open.callback(old.close)
        old.pause()
        old.leave_streams()
        self._deploy(previous=self.stack)
        self.start_host()
        return old

    def start_host(self) -> None:
        self.host = LambdaHost(
            self.stack, self._aws, python=FUNCTIONS_PYTHON, logs=self.logs, checkpoints=self._checkpoints
        )
        self.host.warm(self._warm)

    def stop_host(self) -> None:
        """Kill every environment; messages in flight come back after their visibility timeout."""
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
        self._report("Starting AWS and ADVANCE on this machine …")
        invoke_api = InvokeApi(lambda function: self._running_host().find(function), self._sources)
        self._open.callback(invoke_api.close)
        self._aws = self._open.enter_context(LocalAws(invoke_api.url, self.logs / "aws.log"))
        if BASE_URL not in self._parameters:
            self._advance = EmulatedAdvance(self.logs / "advance.log", faces=self._faces)
            self._open.callback(self._advance.close)
            self._parameters[BASE_URL] = self._advance.url
        if WEBHOOK_URL not in self._parameters:
            self._receiver = EmulatedReceiver(log_file=self.logs / "webhooks.log")
            self._open.callback(self._receiver.close)
            self._parameters[WEBHOOK_URL] = self._receiver.url
        self._report("Deploying template.yaml …")
        self._deploy(previous=None)
        if self._receiver is not None:
            secret = self.aws("secretsmanager").get_secret_value(SecretId=self.outputs["WebhookSecret"])
            self._receiver.secrets.append(f"whsec_{secret['SecretString']}")
        if self._advance is not None:
            secret = self.outputs["CredentialsSecret"]
            self.aws("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(CREDENTIALS))
        self._open.callback(self.stop_host)
        self._report("Starting the functions …")
        self.start_host()

    def _deploy(self, previous: SandboxStack | None) -> None:
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

    def _sources(self) -> Sources:
        """Return the current event sources: none while the host is stopped."""
        return (*self.stack.event_sources, *self.stack.stream_sources) if self.host else ()

    def _running_host(self) -> LambdaHost:
        if self.host is None:
            raise FunctionNotFound("the Lambda host is stopped")
        return self.host
