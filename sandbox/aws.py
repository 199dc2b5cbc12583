"""AWS on this machine: moto's server as a process, and clients that cannot reach the real AWS."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import boto3
import urllib3
from botocore.config import Config
from botocore.session import Session as BotocoreSession

from sandbox.processes import ServerProcess

REGION = "us-east-1"
KEY = "sandbox"  # moto accepts any
ACCOUNT = "123456789012"  # moto's

# Replaces AWS_PROFILE, ~/.aws/config and ~/.aws/credentials: (key in the file, variable, default, conversion).
NO_ACCOUNT = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
# No proxy. An Invoke takes at most a function's longest timeout, 15 minutes. Long polls each hold a connection.
CLIENT = Config(
    proxies={}, retries={"total_max_attempts": 1}, read_timeout=900, max_pool_connections=50, user_agent="sandbox"
)


OWN_ORIGINS = {"MOTO_DISABLE_GLOBAL_CORS": "true"}
"""Lets the buckets' own CORS rules apply."""


class LocalAws:
    """Starts the server, hands out clients and ends the server; a context manager.

    `variables` direct AWS SDKs and the AWS CLI to it, and away from any account configured on this machine.
    """

    def __init__(self, lambda_url: str, log_file: Path) -> None:
        self._server = ServerProcess(
            "sandbox.aws_server",
            "--lambda-url",
            lambda_url,
            log_file=log_file,
            env=without_account() | OWN_ORIGINS,
        )
        self._session = offline_session()  # shared: each session reads the descriptions of AWS's services
        self._clients: dict[str, Any] = {}
        self._creating = Lock()

    @property
    def url(self) -> str:
        """The URL; waits until the server listens."""
        return self._server.url

    @property
    def variables(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    @property
    def child_variables(self) -> dict[str, str]:
        """`variables` for our own processes, which also ignore ~/.aws."""
        return self.variables | without_account()

    def client(self, service: str) -> Any:
        """Return the client of a service. Any thread may call it."""
        with self._creating:  # threads may share a client, but not the session that makes it
            if service not in self._clients:
                create_client: Callable[..., Any] = self._session.client
                self._clients[service] = create_client(service, endpoint_url=self.url, config=CLIENT)
            return self._clients[service]

    def end_polls(self) -> None:
        """Have all long polls of queues and streams answered at once, with nothing if nothing is there."""
        with suppress(urllib3.exceptions.HTTPError):  # a server that has ended holds none
            urllib3.request("POST", self.url, headers={"X-Sandbox-End-Polls": "1"}, retries=False)

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def offline_session() -> boto3.Session:
    """Return a session that ignores any AWS account configured on this machine."""
    return boto3.Session(
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        region_name=REGION,
        botocore_session=BotocoreSession(session_vars=NO_ACCOUNT),
    )


def without_account() -> dict[str, str]:
    """Environment variables that keep an AWS SDK away from the account that this machine may be configured for."""
    return {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
