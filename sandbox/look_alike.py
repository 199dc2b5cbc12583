"""Upload a pair for manual review to the running sandbox: `python -m sandbox.look_alike`.

Needs the sandbox's variables; `--faces` if its emulator recognises faces.
"""

import argparse
import sys
import time
from datetime import UTC, datetime

from facepair.domain.verdict import Verdict
from facepair_cli.account import DEFAULT_NAME, Account
from facepair_cli.stack import Stack
from sandbox.demo import drawn, photographed
from sandbox.portraits import jpeg

PATIENCE = 60
"""Seconds until it must be compared."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.look_alike", description=__doc__)
    parser.add_argument("--faces", action="store_true", help="photographs instead of drawn portraits")
    parser.add_argument("--stack", default=DEFAULT_NAME, help="the stack's name (default: %(default)s)")
    arguments = parser.parse_args()
    stack = Stack(Account(arguments.stack))
    pictures = photographed() if arguments.faces else drawn()
    pair_id = f"look-alike/{datetime.now(UTC):%H%M%S}"
    for name, picture in ((stack.names.first, pictures.ada), (stack.names.second, pictures.alike)):
        key = f"{pair_id}/{name}.jpg"
        stack.client("s3").put_object(Bucket=stack.outputs["ImagesBucket"], Key=key, Body=jpeg(picture))
    deadline = time.monotonic() + PATIENCE
    while (row := stack.verdicts.row(pair_id)) is None or row.verdict is not Verdict.MANUAL_CHECK:
        if time.monotonic() > deadline:
            print(f"{pair_id} is {row.verdict if row else 'not there'}, not MANUAL_CHECK", file=sys.stderr)
            return 1
        time.sleep(0.2)
    print(f"{pair_id} waits for a reviewer (similarity {row.similarity})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
