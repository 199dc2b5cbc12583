"""Forks commands from a process that has imported `facepair`: a start costs milliseconds instead of half a second.

Each order is the JSON of an `Order`; its files are stdin, stdout and stderr.
"""

import atexit
import importlib
import os
import pkgutil
import socket
import sys
import threading
import time
from typing import NoReturn, TypedDict

import facepair_cli
from sandbox.lambda_host.fork_server import ForkServer, read_models

SERVICES = ("cloudformation", "cloudwatch", "dynamodb", "lambda", "s3", "secretsmanager", "sqs", "sts")
"""Services that commands make clients of."""


class Order(TypedDict):
    """What to run: the arguments of `facepair`, in a folder, with exactly these environment variables."""

    arguments: list[str]
    folder: str
    variables: dict[str, str]


def become_command(order: Order, files: list[int]) -> NoReturn:
    """Continue as `facepair ARGUMENTS`."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["variables"])
    time.tzset()
    sys.argv = ["facepair", *order["arguments"]]
    status = 0
    try:
        importlib.import_module("facepair_cli.__main__").run()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else error.code is not None
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    # The end of a Python process, but for the release of all that was imported.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    for module in pkgutil.walk_packages(facepair_cli.__path__, "facepair_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    read_models(*SERVICES)
    ForkServer(orders, become_command).serve()


if __name__ == "__main__":
    main()
