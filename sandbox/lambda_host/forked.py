"""Function processes, forked from one with their imports loaded."""

import atexit
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path

from sandbox.aws import without_account
from sandbox.processes import clean_environment

PROGRAM = Path(__file__).with_name("fork_server.py")


class Forked:
    """A process in its own group, which ends with us. `ended` becomes its exit status."""

    def __init__(self, pid: int, owner: socket.socket) -> None:
        self.pid = pid
        self.ended: Future[int] = Future()
        self._owner = owner
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def running(self) -> bool:
        return not self.ended.done()

    def kill(self) -> None:
        """SIGKILL the process and everything it started; wait until it is gone."""
        with suppress(OSError):  # it has ended
            self._owner.shutdown(socket.SHUT_WR)
        self.ended.result()

    def _wait(self) -> None:
        with self._owner, suppress(OSError):
            status = self._owner.recv(16)
        self.ended.set_result(int(status) if status else -signal.SIGKILL)


class ForkServerProcess:
    """A program with a `ForkServer`. Starts processes, which end with it."""

    def __init__(self, python: Path, program: Path, *arguments: Path | str) -> None:
        self._orders, theirs = socket.socketpair()
        self._ordering = threading.Lock()
        with theirs:
            self._server = subprocess.Popen(
                [python, "-I", program, str(theirs.fileno()), *arguments],
                env=clean_environment() | without_account(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # Ctrl-C is for us
            )

    def fileno(self) -> int:
        """Return the number of its socket. Processes that inherit it can order, too."""
        return self._orders.fileno()

    def start(self, order: Mapping[str, object], files: Sequence[int]) -> Forked:
        """Run what the program's `become` makes of the order and the files. Raises OSError if the program has ended."""
        owner, theirs = socket.socketpair()
        with self._ordering:
            with theirs:  # closed before the answer: otherwise a program that ends would be waited for
                socket.send_fds(self._orders, [json.dumps(order).encode() + b"\n"], [*files, theirs.fileno()])
            pid = _line(owner)
        if not pid:
            owner.close()
            raise ConnectionResetError("the process that forks others has ended; its error says why")
        return Forked(int(pid), owner)

    def close(self) -> None:
        self._orders.close()
        self._server.wait()


def _line(owner: socket.socket) -> bytes:
    """Read one line and no more: the status of a short-lived process may already follow its id."""
    line = b""
    while (byte := owner.recv(1)) not in (b"", b"\n"):
        line += byte
    return line


@cache
def fork_server(python: Path, program: Path, *arguments: Path | str) -> ForkServerProcess:
    """Return the fork server of this Python. It starts on first use and ends with this process."""
    server = ForkServerProcess(python, program, *arguments)
    atexit.register(server.close)
    return server
