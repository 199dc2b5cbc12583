"""A command that a shell has forked: `python forked_command.py NUMBER ARGUMENTS`.

NUMBER is that of an inherited socket, to command_fork_server.py. The command has this process's files, folder and
environment. It gets the signals that end this process, whose exit status is the command's.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress


def pass_on(command: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        os.kill(command, number)


def main() -> int:
    orders = socket.socket(fileno=int(sys.argv[1]))
    owner, theirs = socket.socketpair()
    order = {"arguments": sys.argv[2:], "folder": os.getcwd(), "variables": dict(os.environ)}  # noqa: PTH109
    socket.send_fds(orders, [json.dumps(order).encode() + b"\n"], [0, 1, 2, theirs.fileno()])
    theirs.close()
    with owner.makefile() as said:
        command = int(said.readline())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: pass_on(command, number))
        status = int(said.readline())
    return status if status >= 0 else 128 - status  # as a shell says that a signal has ended it


if __name__ == "__main__":
    sys.exit(main())
