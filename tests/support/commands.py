"""`facepair` and `aws` as processes, mostly forked from ones that have imported them."""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from sandbox.lambda_host.forked import ForkServerProcess, fork_server
from tests.support import ROOT
from tests.support.command_fork_server import Order

FACEPAIR = ROOT / ".venv" / "bin" / "facepair"
AWS = ROOT / ".tools" / "aws" / "bin" / "aws"
CLIENT = Path(__file__).with_name("forked_command.py")
PROGRAM = Path(__file__).with_name("command_fork_server.py")
PATIENCE = 90.0
"""Seconds, on a machine that does much else."""
RUN_AS_INSTALLED = "RUN_AS_INSTALLED"
"""The variable with a folder where all test processes note which commands have been run so (tests/conftest.py)."""


def run(
    *arguments: str, variables: Mapping[str, str], typed: str = "", within: float = PATIENCE
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with exactly these environment variables; `typed` goes to its stdin.

    Each command is run as it is installed at its first use in a test run, and forked from then on.
    """
    if not _forks(name_of(arguments)):
        command = [str(FACEPAIR), *arguments]
        return subprocess.run(command, env=variables, input=typed, capture_output=True, text=True, timeout=within)
    forked = Command(*arguments, variables=variables, typed=typed)
    stdout, stderr = forked.communicate(within)
    assert forked.returncode is not None
    return subprocess.CompletedProcess(arguments, forked.returncode, stdout, stderr)


def start(*arguments: str, variables: Mapping[str, str]) -> "subprocess.Popen[str] | Command":
    """Start a command as `run` does."""
    if _forks(name_of(arguments)):
        return Command(*arguments, variables=variables)
    pipe = subprocess.PIPE
    return subprocess.Popen([FACEPAIR, *arguments], env=variables, stdout=pipe, stderr=pipe, text=True)


def in_a_shell(command: Path) -> tuple[str, list[int]]:
    """Return how a shell calls FACEPAIR or AWS, and the files that the shell has to inherit.

    The call is the command as it is installed at the first use, and forks it from then on.
    """
    call, files = called(command, command.name)
    return shlex.join(call), files


def called(command: Path, name: str) -> tuple[list[str], list[int]]:
    """Return how FACEPAIR or AWS is called, and the files to inherit; forked if `name` has been run as installed."""
    if not _forks(name):
        return [str(command)], []
    number = _fork_server(command).fileno()
    return [sys.executable, "-IS", str(CLIENT), str(number)], [number]


def _fork_server(command: Path) -> ForkServerProcess:
    return fork_server(command.with_name("python"), PROGRAM, command.name)


def name_of(arguments: Iterable[str]) -> str:
    """Return the name of facepair's command."""
    return next((each for each in arguments if not each.startswith("-")), "")


def _forks(name: str) -> bool:
    """Return whether a command can be forked: it has been run as installed, and system libraries survive a fork."""
    note = Path(os.environ[RUN_AS_INSTALLED], hashlib.sha256(os.fsencode(name)).hexdigest())
    try:
        note.touch(exist_ok=False)
    except FileExistsError:
        return sys.platform != "darwin"
    return False


class Command:
    """A running command that has been forked, as subprocess.Popen has it."""

    def __init__(self, *arguments: str | Path, variables: Mapping[str, str], typed: str = "") -> None:
        self.returncode: int | None = None
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115
        reader, writer = os.pipe()
        self.stdout = os.fdopen(reader)
        order = Order(arguments=[str(each) for each in arguments], folder=str(Path.cwd()), variables=dict(variables))
        with tempfile.TemporaryFile("w+") as stdin, os.fdopen(writer, "w") as stdout:
            stdin.write(typed)
            stdin.seek(0)
            files = [stdin.fileno(), stdout.fileno(), self._stderr.fileno()]
            self._process = _fork_server(FACEPAIR).start(order, files)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send_signal(self, number: int) -> None:
        if self._process.running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        """Wait for its end, and kill it if that takes too long. Return what else it writes to stdout, and stderr."""
        if self.stdout.closed:
            return "", ""
        too_long = threading.Timer(timeout, self.kill)
        too_long.start()
        with self.stdout, self._stderr:
            written = self.stdout.read()
            self.returncode = self._process.ended.result()
            self._stderr.seek(0)
            said = self._stderr.read()
        too_long.cancel()
        return written, said
