"""Removes a stack after a clear question, and says what it leaves: `make delete`.

What goes: pictures with all their versions, verdicts, queues, functions, the token and the search's cursor. What stays:
the ledger of calls, which is held against ADVANCE's invoice, and the backups of the tables that AWS keeps for 35 days.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError


class CannotDelete(Exception):
    """The stack stays, or part of it; the message says why and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make delete", description="Removes a stack, but for its ledger.")
    parser.add_argument("--stack", default="facepair", help="the stack's name (default: %(default)s)")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    arguments = parser.parse_args()
    try:
        delete(arguments.stack, boto3.Session(), ask=(lambda _: arguments.stack) if arguments.yes else input)
    except CannotDelete as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def delete(stack: str, session: Any, *, ask: Callable[[str], str]) -> None:
    """Remove a stack. `ask` puts a question and gives what was typed. Raises CannotDelete."""
    cloudformation = session.client("cloudformation")
    outputs = _outputs(cloudformation, stack)
    bucket = session.resource("s3").Bucket(outputs["ImagesBucket"])
    print(
        f"This removes the stack {stack}: every picture in {bucket.name} with all its versions, every verdict, the "
        f"queues with what is in them, and the functions.\n"
        f"It leaves the ledger of calls, the table {outputs['CallsTable']}."
    )
    if ask("Type the stack's name to go on: ").strip() != stack:
        raise CannotDelete("Nothing was removed: that was not the stack's name.")
    bucket.object_versions.delete()
    cloudformation.delete_stack(StackName=stack)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 5})
    except WaiterError as error:
        raise CannotDelete(f"CloudFormation could not remove all of {stack}: {error}. Run it again.") from error
    token = outputs["TokenParameter"]
    session.client("ssm").delete_parameters(Names=[token, f"{token.rpartition('/')[0]}/find-missed-cursor"])
    print(
        f"Removed. The ledger is still there; when your auditors agree:\n"
        f"  aws dynamodb delete-table --table-name {outputs['CallsTable']}"
    )


def _outputs(cloudformation: Any, stack: str) -> dict[str, str]:
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        raise CannotDelete(
            f"There is no stack {stack} in this account and region; name it with STACK_NAME=."
        ) from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    if missing := {"ImagesBucket", "CallsTable", "TokenParameter"} - outputs.keys():
        raise CannotDelete(f"{stack} is no stack of facepair: it has no output {', '.join(sorted(missing))}.")
    return outputs


if __name__ == "__main__":
    sys.exit(main())
