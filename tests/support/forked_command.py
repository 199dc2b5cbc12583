"""A command that a shell has forked: `python forked_command.py NUMBER ARGUMENTS`.

NUMBER is that of an inherited socket, to command_fork_server.py. The command has this process's files, folder and
environment, and its exit status becomes this process's.
"""

import json
import os
import socket
import sys


def main() -> int:
    orders = socket.socket(fileno=int(sys.argv[1]))
    owner, theirs = socket.socketpair()
    order = {"arguments": sys.argv[2:], "folder": os.getcwd(), "variables": dict(os.environ)}  # noqa: PTH109
    socket.send_fds(orders, [json.dumps(order).encode() + b"\n"], [0, 1, 2, theirs.fileno()])
    theirs.close()
    with owner.makefile() as said:
        _, status = map(int, said)  # the process id, and later the status
    return status if status >= 0 else 128 - status  # as a shell says that a signal has ended it


if __name__ == "__main__":
    sys.exit(main())
