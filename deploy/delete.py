"""`make delete`: remove a stack after confirmation, and say what remains.

Removes pictures with all versions, verdicts, queues, functions, the token and the search's cursor. Keeps the ledger,
needed for ADVANCE's invoice, and the tables' backups, which AWS keeps for 35 days. Checks first for everything that
would stop CloudFormation, so that no picture is deleted in vain. An interrupted or failed run can be repeated.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
from botocore.exceptions import ClientError, WaiterError

from facepair.aws.clients import error_code
from facepair.aws.erasable import delete_versions
from facepair_cli.account import DEFAULT_NAME, Account
from facepair_cli.confirmation import answer, yes_option
from facepair_cli.errors import one_sentence
from facepair_cli.output import note

OF_FACEPAIR = {"ImagesBucket", "UploadsQueue", "VerdictsTable", "CallsTable"}
"""Resources that identify a stack of this template, even an incomplete one."""
LEDGER = "CallsTable"
PARAMETERS = ("advance-token", "find-missed-cursor")
"""Written by the functions; not resources of the stack."""
GONE = {"NoSuchBucket", "NoSuchEntity", "ResourceNotFoundException"}
WAIT = {"Delay": 5, "MaxAttempts": 720}


class CannotDelete(Exception):
    """The stack, or part of it, remains. The lines give reasons and remedies."""

    def __str__(self) -> str:
        return "\n".join(self.args)


@dataclass(frozen=True)
class FoundStack:
    """A stack as CloudFormation describes it, with existing resources by type: {logical id: physical id}."""

    description: Mapping[str, Any]
    resources: Mapping[str, Mapping[str, str]]

    def of_type(self, kind: str) -> Mapping[str, str]:
        return self.resources.get(kind, {})


@click.command()
@click.option("--stack", metavar="NAME", default=DEFAULT_NAME, show_default=True, help="The stack's name.")
@yes_option
def main(stack: str, yes: bool) -> None:
    """Delete a stack, except for its ledger: make delete STACK_NAME=facepair

    It asks for the stack's name. In a script, pass YES=1.
    """

    def ask(question: str) -> str:
        return stack if yes else answer(question, otherwise="Nothing was removed.")

    with one_sentence(lambda: None):
        try:
            delete(stack, Account(stack).session(), ask=ask)
        except CannotDelete as error:
            for line in error.args:
                note(line)
            raise SystemExit(1) from error


def delete(name: str, session: Any, *, ask: Callable[[str], str]) -> None:
    """Remove a stack. `ask` puts a question and returns the answer. Raises CannotDelete."""
    stack = _find(name, session.client("cloudformation"))
    if stack is None:
        if not _delete_parameters(name, session):
            raise CannotDelete(f"There is no stack {name} in this account and region; name it with STACK_NAME=.")
        print(f"The stack {name} was already deleted; its token and cursor are removed now.")
        return
    if obstacles := list(_obstacles(stack, session)):
        raise CannotDelete("Nothing was deleted. First:", *(f"- {each}" for each in obstacles))
    _ask(name, stack, ask)
    _unprotect(stack, session.client("dynamodb"))
    _delete_pictures(stack, session.resource("s3"))
    _delete_stack(stack, session.client("cloudformation"))
    _delete_parameters(name, session)
    print("Removed.")
    if ledger := stack.of_type("AWS::DynamoDB::Table").get(LEDGER):
        print(
            f"The ledger is still there; when your auditors agree:\n"
            f"  aws dynamodb update-table --table-name {ledger} --no-deletion-protection-enabled\n"
            f"  aws dynamodb delete-table --table-name {ledger}"
        )


def _find(name: str, cloudformation: Any) -> FoundStack | None:
    """Return the stack, or None. Raises CannotDelete for a stack of another template."""
    try:
        [description] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error_code(error) == "ValidationError":
            return None
        raise
    resources: dict[str, dict[str, str]] = {}
    known = set()
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=name):
        for each in page["StackResourceSummaries"]:
            known.add(each["LogicalResourceId"])
            if each["ResourceStatus"] != "DELETE_COMPLETE" and each.get("PhysicalResourceId"):
                of_type = resources.setdefault(each["ResourceType"], {})
                of_type[each["LogicalResourceId"]] = each["PhysicalResourceId"]
    if not known & OF_FACEPAIR:
        raise CannotDelete(f"{name} is not a stack of facepair: it has none of {', '.join(sorted(OF_FACEPAIR))}.")
    return FoundStack(description, resources)


# --- What would stop CloudFormation -----------------------------------------------------------------------------------


def _obstacles(stack: FoundStack, session: Any) -> Iterator[str]:
    """Yield what would end the deletion half-way, with the remedy."""
    yield from _protection(stack)
    yield from _attached_policies(stack, session.client("iam"))
    yield from _foreign_rules(stack, session.client("events"))


def _protection(stack: FoundStack) -> Iterator[str]:
    name, status = stack.description["StackName"], stack.description["StackStatus"]
    if stack.description.get("EnableTerminationProtection"):
        yield (
            "disable termination protection: aws cloudformation update-termination-protection "
            f"--no-enable-termination-protection --stack-name {name}"
        )
    if status.endswith("_IN_PROGRESS") and status != "DELETE_IN_PROGRESS":
        yield f"wait until the running change of {name} has ended ({status})"


def _attached_policies(stack: FoundStack, iam: Any) -> Iterator[str]:
    for logical_id, arn in stack.of_type("AWS::IAM::ManagedPolicy").items():
        for page in _pages(iam, "list_entities_for_policy", PolicyArn=arn):
            for kind in ("Role", "User", "Group"):
                for entity in page.get(f"Policy{kind}s", []):
                    name, option = entity[f"{kind}Name"], kind.lower()
                    yield (
                        f"detach {logical_id} from the {option} {name}: "
                        f"aws iam detach-{option}-policy --{option}-name {name} --policy-arn {arn}"
                    )


def _foreign_rules(stack: FoundStack, events: Any) -> Iterator[str]:
    """Yield rules of others on the bus: a bus with rules cannot be deleted."""
    own = {physical_id.rpartition("|")[2] for physical_id in stack.of_type("AWS::Events::Rule").values()}
    for bus in stack.of_type("AWS::Events::EventBus").values():
        for rule in (rule for page in _pages(events, "list_rules", EventBusName=bus) for rule in page["Rules"]):
            if rule["Name"] not in own and rule["Arn"] not in own:
                yield (
                    f"remove the rule {rule['Name']} from the bus {bus}: aws events remove-targets and "
                    f"aws events delete-rule, --event-bus-name {bus}"
                )


def _pages(client: Any, operation: str, **asked: Any) -> list[Mapping[str, Any]]:
    """Return all pages of a listing; none if its subject is gone."""
    with _unless_gone():
        return list(client.get_paginator(operation).paginate(**asked))
    return []


@contextmanager
def _unless_gone() -> Iterator[None]:
    """Ignore what was deleted before."""
    try:
        yield
    except ClientError as error:
        if error_code(error) not in GONE:
            raise


# --- The deletion -----------------------------------------------------------------------------------------------------


def _ask(name: str, stack: FoundStack, ask: Callable[[str], str]) -> None:
    """Raise CannotDelete unless the stack's name is typed."""
    bucket = stack.of_type("AWS::S3::Bucket").get("ImagesBucket", "its bucket")
    ledger = stack.of_type("AWS::DynamoDB::Table").get(LEDGER)
    print(
        f"This removes the stack {name}: every picture in {bucket} with all its versions, every verdict, the "
        f"queues with what is in them, and the functions."
    )
    if ledger:
        print(f"It leaves the ledger of calls, the table {ledger}.")
    if ask("Type the stack's name to continue: ") != name:
        raise CannotDelete("Nothing was removed: that was not the stack's name.")


def _unprotect(stack: FoundStack, dynamodb: Any) -> None:
    """Disable deletion protection, except for the ledger, which stays."""
    for logical_id, table in stack.of_type("AWS::DynamoDB::Table").items():
        if logical_id == LEDGER:
            continue
        with _unless_gone():
            if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
                dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig=WAIT)


def _delete_pictures(stack: FoundStack, s3: Any) -> None:
    for bucket in stack.of_type("AWS::S3::Bucket").values():
        refused: list[Mapping[str, Any]] = []
        with _unless_gone():
            there = s3.Bucket(bucket).object_versions.all()
            versions = ((each.object_key, each.id) for each in there)
            refused = list(delete_versions(s3.meta.client, bucket, versions))
        if refused:
            first = refused[0]
            raise CannotDelete(
                f"S3 did not delete {len(refused)} pictures ({first['Key']}: {first.get('Message')}). The stack stays; "
                "fix that and run the command again."
            )


def _delete_stack(stack: FoundStack, cloudformation: Any) -> None:
    """Raise CannotDelete with CloudFormation's reasons on failure."""
    name, stack_id = stack.description["StackName"], stack.description["StackId"]
    cloudformation.delete_stack(StackName=name)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig=WAIT)
    except WaiterError as error:
        reasons = list(_failures(stack_id, cloudformation)) or [str(error)]
        raise CannotDelete(
            f"CloudFormation could not remove all of {name}. Fix this and run the command again:", *reasons
        ) from error


def _failures(stack_id: str, cloudformation: Any) -> Iterator[str]:
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id):
        for each in page["StackResourceSummaries"]:
            if each["ResourceStatus"] == "DELETE_FAILED":
                yield f"- {each['LogicalResourceId']}: {each.get('ResourceStatusReason', 'no reason is given')}"


def _delete_parameters(name: str, session: Any) -> bool:
    """Return whether there were any."""
    names = [f"/{name}/{each}" for each in PARAMETERS]
    return bool(session.client("ssm").delete_parameters(Names=names)["DeletedParameters"])


if __name__ == "__main__":
    main(prog_name="make delete")
