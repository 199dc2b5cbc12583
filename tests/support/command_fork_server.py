"""Forks commands from a process that has imported `facepair`: a start costs milliseconds instead of half a second.

Each order is the JSON of an `Order`; its files are stdin, stdout and stderr.
"""

import atexit
import importlib
import os
import pkgutil
import socket
import sys
import time
from functools import partial
from typing import NoReturn, TypedDict

import facepair_cli
from sandbox.lambda_host.fork_server import ForkServer, leave, read_models

SERVICES = ("cloudformation", "cloudwatch", "dynamodb", "lambda", "s3", "secretsmanager", "sqs", "sts")
"""Services that commands make clients of."""


class Order(TypedDict):
    """What to run: the arguments of `facepair`, in a folder, with exactly these environment variables."""

    arguments: list[str]
    folder: str
    variables: dict[str, str]


class Ending:
    """Ends the process after its threads and all other exit handlers: releasing all imports would take 60 ms."""

    def __init__(self) -> None:
        self.status = 1
        atexit.register(self.end)

    def end(self) -> NoReturn:
        leave(self.status)


def become_command(ending: Ending, order: Order, files: list[int]) -> NoReturn:
    """Continue as `facepair ARGUMENTS`."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["variables"])
    time.tzset()
    sys.argv = ["facepair", *order["arguments"]]
    try:
        importlib.import_module("facepair_cli.__main__").run()
        ending.status = 0
    except SystemExit as error:
        ending.status = error.code if isinstance(error.code, int) else error.code is not None
        raise
    sys.exit()


def main() -> None:
    ending = Ending()  # before the imports: handlers are called in reverse
    orders = socket.socket(fileno=int(sys.argv[1]))
    for module in pkgutil.walk_packages(facepair_cli.__path__, "facepair_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    read_models(*SERVICES)
    ForkServer(orders, partial(become_command, ending)).serve()


if __name__ == "__main__":
    main()
