"""Child processes that cannot outlive this one, however it ends."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import IO

# Leads the child's process group and reads a pipe that only we hold open. When we end, even by SIGKILL, the pipe closes
# and the guard kills the group. Unlike Linux's PR_SET_PDEATHSIG this works on every POSIX system, includes
# grandchildren and does not fire when only the starting thread ends.
GUARD = ("/bin/sh", "-c", "read _; kill -KILL 0")


class Tethered:
    """A process in its own group, which ends with us."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int | None = None,
    ) -> None:
        self._ending = threading.Lock()
        self._guard = subprocess.Popen(GUARD, stdin=subprocess.PIPE, process_group=0)
        try:
            self.process = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                process_group=self._guard.pid,
            )
        except BaseException:
            self._end_guard()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL the process and everything it started; wait until it is gone."""
        with self._ending:
            self._end_guard()
        self.process.wait()

    def _end_guard(self) -> None:
        if self._guard.poll() is None:
            os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()


class ServerProcess:
    """One of our modules as a server process on loopback. It prints its URL on a line when it listens.

    Its standard error goes to `log_file`.
    """

    def __init__(
        self, module: str, *arguments: str, log_file: Path, env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._module = module
        self._log_file = log_file
        with log_file.open("ab") as log:
            self._tethered = Tethered(
                [sys.executable, "-m", module, *arguments],
                env=clean_environment() | dict(env),
                cwd=Path(__file__).parents[1],
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._url: str | None = None

    @property
    def url(self) -> str:
        """Wait until it listens and return its URL. Raises RuntimeError if it does not start."""
        if self._url is None:
            assert self._tethered.process.stdout is not None
            line = self._tethered.process.stdout.readline().decode().strip()
            if not line:
                raise RuntimeError(f"{self._module} did not start: see {self._log_file}")
            self._url = line
        return self._url

    @property
    def pid(self) -> int:
        return self._tethered.pid

    def close(self) -> None:
        self._tethered.kill()
        if self._tethered.process.stdout is not None:
            self._tethered.process.stdout.close()


def clean_environment() -> dict[str, str]:
    """Return the environment for children, without access to AWS accounts or other Python modules."""
    return {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
