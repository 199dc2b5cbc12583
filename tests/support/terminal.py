"""`facepair` as a process: at a terminal (pty) or in a script."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT, commands

ENVIRONMENT = {"PYTHONPATH": f"{ROOT / 'layers' / 'facepair'}:{ROOT / 'cli'}:{ROOT}", "COLUMNS": "100", "NO_COLOR": "1"}
PATIENCE = 90.0
"""Seconds, on a busy machine."""


@dataclass(frozen=True)
class Ended:
    """A process's output and exit status; at a terminal stdout includes stderr."""

    returncode: int
    stdout: str
    stderr: str = ""


def in_a_script(
    *arguments: str | bytes | Path,
    variables: Mapping[str, str],
    typed: str = "",
    limit: Callable[[], None] | None = None,
    module: str = "facepair_cli",
) -> Ended:
    """Run a command without a terminal. `limit` is called in the process before it starts."""
    if module == "facepair_cli" and limit is None:
        ran = commands.run(
            *map(os.fsdecode, arguments), variables=os.environ | ENVIRONMENT | dict(variables), typed=typed
        )
        return Ended(ran.returncode, ran.stdout, ran.stderr)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | ENVIRONMENT | dict(variables),
        input=typed.encode(),
        capture_output=True,
        timeout=PATIENCE,
        preexec_fn=limit,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """A command at a terminal; a context manager that kills it at the end."""

    def __init__(self, *arguments: str | Path, variables: Mapping[str, str], module: str = "facepair_cli") -> None:
        self.shown = ""
        command, files = [sys.executable, "-m", module], list[int]()
        if module == "facepair_cli":
            command, files = commands.called(commands.FACEPAIR, commands.name_of(map(str, arguments)))
        process, self._terminal = pty.fork()
        if process == 0:
            for number in files:
                os.set_inheritable(number, True)
            os.execve(command[0], [*command, *map(str, arguments)], os.environ | ENVIRONMENT | dict(variables))
        self._process: int | None = process

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        os.close(self._terminal)

    def shows(self, text: str) -> None:
        """Wait until the terminal shows a text."""
        self._read(lambda: text in self.shown)
        assert text in self.shown, self.shown

    def type(self, text: str) -> None:
        """Type a text; `\\x03` is Ctrl-C, `\\x04` Ctrl-D."""
        os.write(self._terminal, text.encode())

    def ended(self) -> Ended:
        """Wait for the end."""
        self._read(lambda: False)
        assert self._process is not None
        _, status = os.waitpid(self._process, 0)
        self._process = None
        return Ended(os.waitstatus_to_exitcode(status), self.shown.replace("\r\n", "\n"))

    def _read(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not enough():
            ready, _, _ = select.select([self._terminal], [], [], deadline - time.monotonic())
            assert ready, f"not within {PATIENCE} s; shown so far: {self.shown}"
            try:
                read = os.read(self._terminal, 65536)
            except OSError:  # Linux: the process at the terminal ended
                return
            if not read:
                return
            self.shown += read.decode(errors="replace")
