"""The command line as a process, with one sandbox for all tests."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.cloud import Sandbox
from tests.support import ROOT, commands
from tests.support.deployed import Deployed
from tests.support.terminal import Terminal

PARAMETERS: dict[str, object] = {"ApiDeadlineSeconds": 12, "BlockedRetrySeconds": 1, "FindMissedAfterMinutes": 0}
TIMEOUT, VISIBILITY_TIMEOUT = 30, 31
"""Seconds for CompareFunction and its messages, instead of minutes: an erasure waits for a worker's end."""
HURRIED = {
    "BACKOFF_FIRST_SECONDS": "1",
    "BACKOFF_SOON_SECONDS": "2",
    "VISIBILITY_TIMEOUT_SECONDS": str(VISIBILITY_TIMEOUT),
}


@dataclass(frozen=True)
class CommandLine:
    """Runs `facepair` in the sandbox's account."""

    sandbox: Sandbox

    def terminal(self, *arguments: str | Path) -> Terminal:
        return Terminal(*arguments, variables=dict(self.sandbox.variables))

    def __call__(self, *arguments: str, typed: str = "", within: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `typed` goes to stdin."""
        variables = os.environ | self.sandbox.variables | {"COLUMNS": "80", "NO_COLOR": "1"}
        return commands.run(*arguments, variables=variables, typed=typed, within=within)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(
        ROOT,
        PARAMETERS,
        overrides={"CompareFunction": {"Timeout": TIMEOUT}, "UploadsQueue": {"VisibilityTimeout": VISIBILITY_TIMEOUT}},
        environment=HURRIED,
        logs=tmp_path_factory.mktemp("cli"),
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def deployed(sandbox: Sandbox) -> Deployed:
    return Deployed(sandbox)


@pytest.fixture(scope="session")
def facepair(sandbox: Sandbox) -> CommandLine:
    return CommandLine(sandbox)
