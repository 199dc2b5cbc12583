"""Forks commands from a process that has imported them: a start costs milliseconds instead of half a second.

Run by the command's own Python, with the number of an inherited socket and the command's name, `facepair` or `aws`.
Each order on that socket is the JSON of an `Order`; its files are stdin, stdout and stderr.
"""

import atexit
import importlib
import os
import pkgutil
import socket
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn, TypedDict

# Without the package around it, whose imports are not installed where `aws` is.
sys.path.append(str(Path(__file__).parents[2] / "sandbox" / "lambda_host"))
fork_server: Any = importlib.import_module("fork_server")

FACEPAIR_SERVICES = ("cloudformation", "cloudwatch", "dynamodb", "lambda", "s3", "secretsmanager", "sqs", "sts")
AWS_SERVICES = ("cloudformation", "dynamodb", "events", "lambda", "logs", "s3", "secretsmanager", "sns", "sqs")
"""Services that commands make clients of."""


class Order(TypedDict):
    """What to run: the command's arguments, in a folder, with exactly these environment variables."""

    arguments: list[str]
    folder: str
    variables: dict[str, str]


class Ending:
    """Ends the process after its threads and all other exit handlers: releasing all imports would take 60 ms."""

    def __init__(self) -> None:
        self.status = 1
        atexit.register(self.end)

    def end(self) -> None:
        fork_server.leave(self.status)


def become_command(ending: Ending, name: str, run: Callable[[], Any], order: Order, files: list[int]) -> NoReturn:
    """Continue as `NAME ARGUMENTS`."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["variables"])
    time.tzset()
    sys.argv = [name, *order["arguments"]]
    try:
        ending.status = run() or 0
    except SystemExit as error:
        ending.status = error.code if isinstance(error.code, int) else error.code is not None
        raise
    sys.exit()


def facepair() -> Callable[[], Any]:
    """Import `facepair`; return what runs it."""
    for module in pkgutil.walk_packages(importlib.import_module("facepair_cli").__path__, "facepair_cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    fork_server.read_models(*FACEPAIR_SERVICES)
    return lambda: importlib.import_module("facepair_cli.__main__").run()


def aws() -> Callable[[], Any]:
    """Import `aws`, which has a botocore of its own; return what runs it."""
    driver: Any = importlib.import_module("awscli.clidriver")
    session: Any = importlib.import_module("botocore.session")
    session.create_loader = cache(session.create_loader)
    for service in AWS_SERVICES:
        driver.create_clidriver().session.create_client(service, region_name="us-east-1")
    own_data = os.environ["AWS_DATA_PATH"]  # set by the import

    def run() -> Any:
        os.environ["AWS_DATA_PATH"] = own_data
        return driver.main()

    return run


COMMANDS = {"facepair": facepair, "aws": aws}


def main() -> None:
    ending = Ending()  # before the imports: handlers are called in reverse
    orders, name = socket.socket(fileno=int(sys.argv[1])), sys.argv[2]
    become = partial(become_command, ending, name, COMMANDS[name]())
    fork_server.ForkServer(orders, become).serve()


if __name__ == "__main__":
    main()
