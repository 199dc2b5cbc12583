"""Forks environments from a process that has imported their packages, in milliseconds instead of half a second.

Run by the functions' Python, with the number of an inherited socket and the folders of layers as arguments. Each line
on that socket is the JSON of an `Order`, with two files: the environment's log and a socket for this environment. On
that socket `ForkServer` writes the process id and, later, the exit status. When the other side closes it, the
environment and everything it started is killed; closing the first socket kills all.

Imports nothing else of the sandbox, as the functions' Python has only their packages.
"""

import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, NoReturn, TypedDict

# Environments import anything else themselves. awslambdaric must not be preloaded: on import it reads its API's
# address.
PRELOADED = (
    "aws_lambda_powertools.logging.utils",
    "aws_lambda_powertools.utilities.batch",
    "aws_lambda_powertools.utilities.data_classes.sqs_event",
    "aws_lambda_powertools.utilities.idempotency.persistence.dynamodb",
    "aws_lambda_powertools.utilities.typing",
    "boto3.dynamodb.transform",
    "boto3.s3.inject",
    "pi_heif",
    "PIL.ImageCms",
    "PIL.JpegImagePlugin",
    "ajpegli",
    "pydantic.main",
    "pydantic.type_adapter",
    "simplejpeg",
    "urllib3",
    "zoneinfo",
)
SERVICES = ("dynamodb", "events", "s3", "secretsmanager", "sqs", "ssm")
"""Services that functions make clients of."""
MESSAGE_BYTES = 65_536
MOST_FILES = 4


class Order(TypedDict):
    """What to run: awslambdaric's handler, in a folder, with exactly these environment variables."""

    handler: str
    folder: str
    variables: dict[str, str]


class ForkServer:
    """Forks on order; reports and kills its children. A child goes on in `become`, with its order and its files."""

    def __init__(self, orders: socket.socket, become: Callable[[Any, list[int]], NoReturn]) -> None:
        self._orders = orders
        self._become = become
        self._running: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ, self._fork)
        wakes, self._woken_by = socket.socketpair()
        self._woken_by.setblocking(False)
        self._selector.register(wakes, selectors.EVENT_READ, lambda: self._reap(wakes))
        signal.set_wakeup_fd(self._woken_by.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> NoReturn:
        gc.freeze()  # children need not look at what is here, nor copy it
        while True:
            for key, _ in self._selector.select():
                key.data()

    def _fork(self) -> None:
        message, files, _, _ = socket.recv_fds(self._orders, MESSAGE_BYTES, MOST_FILES)
        while message and not message.endswith(b"\n"):
            message += self._orders.recv(MESSAGE_BYTES)
        if not message:
            self._end()
        owner = socket.socket(fileno=files.pop())
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (self._orders, owner, self._woken_by):
                each.close()
            self._become(json.loads(message), files)
        for file in files:
            os.close(file)
        with suppress(ProcessLookupError, PermissionError):  # the child does the same; either may be first
            os.setpgid(pid, pid)
        self._running[pid] = owner
        self._selector.register(owner, selectors.EVENT_READ, lambda: self._kill(pid))
        owner.sendall(f"{pid}\n".encode())

    def _kill(self, pid: int) -> None:
        if pid in self._running:  # otherwise the same round of events has just reaped it
            self._selector.unregister(self._running[pid])
            os.killpg(pid, signal.SIGKILL)

    def _reap(self, wakes: socket.socket) -> None:
        wakes.recv(MESSAGE_BYTES)
        # Kill the group before reaping: until then its id cannot be reused.
        while self._running and (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(ended.si_pid, signal.SIGKILL)
            _, status = os.waitpid(ended.si_pid, 0)
            owner = self._running.pop(ended.si_pid)
            with suppress(KeyError):
                self._selector.unregister(owner)
            with owner, suppress(OSError):
                owner.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())

    def _end(self) -> NoReturn:
        for pid in self._running:
            os.killpg(pid, signal.SIGKILL)
        os._exit(0)


def become_function(order: Order, files: list[int]) -> NoReturn:
    """Continue as `python -m awslambdaric HANDLER`, with the log for what it writes."""
    [log] = files
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order["folder"])
    if sys.platform == "darwin":  # its system libraries do not survive a fork
        os.execve(sys.executable, [sys.executable, "-m", "awslambdaric", order["handler"]], order["variables"])
    os.environ.clear()
    os.environ.update(order["variables"])
    time.tzset()
    sys.path[0:0] = [order["folder"], *order["variables"].get("PYTHONPATH", "").split(":")]
    sys.argv = ["awslambdaric", order["handler"]]
    try:
        importlib.import_module("awslambdaric.__main__").main(sys.argv)
    except SystemExit as error:
        leave(error.code if isinstance(error.code, int) else 1)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    leave(1)


def leave(status: int) -> NoReturn:
    """End this process without releasing what it has imported."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def read_models(*services: str) -> None:
    """Make a client of each service, so that children need not read its description: most of what a client costs.

    Every boto3 session would have a loader of its own, so they share one.
    """
    session: Any = importlib.import_module("botocore.session")
    session.create_loader = cache(session.create_loader)
    unsigned = importlib.import_module("boto3").Session("-", "-", region_name="us-east-1")
    unsigned.resource("dynamodb")
    for service in services:
        unsigned.client(service)


def import_all(folders: list[str]) -> None:
    """Import every module in these folders, which are put on the path. One that fails is left to the children."""
    sys.path += folders
    for module in pkgutil.walk_packages(folders, onerror=lambda _: None):
        with suppress(Exception):
            importlib.import_module(module.name)


def main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    for module in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(module)
    import_all(sys.argv[2:])
    with suppress(ImportError):
        read_models(*SERVICES)
    ForkServer(orders, become_function).serve()


if __name__ == "__main__":
    main()
