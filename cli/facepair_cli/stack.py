"""The stack a command works with, found by name; the rest comes from its outputs and parameters.

Parts that few commands use are imported at first use, so `show` starts without pydantic (docs/performance.md).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facepair.aws.clients import PATIENT, error_code
from facepair.aws.gate import GateItem
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.ledger import CallsTable
from facepair.aws.tables import tables_of
from facepair.aws.uploads import ImagesBucket
from facepair.aws.written_rows import StoredRows
from facepair.domain.gate import Rules
from facepair.domain.pair import Names
from facepair_cli.account import Account

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table

    from facepair.aws.queue import DeadLetterQueue
    from facepair.aws.verdicts import VerdictsTable
    from facepair.domain.outcome import Policy
    from facepair_cli.function_url import FunctionUrl


class Stack:
    """A deployed stack, whose parts are looked up on first use.

    Raises ClickException with the remedy if there is no such stack.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        self.name = account.stack

    @cached_property
    def session(self) -> boto3.Session:
        return self.account.session()

    def client(self, service: str, config: Config = PATIENT) -> Any:
        with _endpoint_checked():
            return self.session.client(service, config=config)  # type: ignore[call-overload]

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs, by their names in template.yaml."""
        outputs = {each["OutputKey"]: each["OutputValue"] for each in self._described.get("Outputs", [])}
        if not {"ImagesBucket", "VerdictsTable", "CallsTable"} <= outputs.keys():
            raise click.ClickException(f"The stack {self.name} is not one of facepair. Check --stack.")
        return outputs

    @property
    def arn(self) -> str:
        """The stack's ARN. A stack that is deleted and created again gets a new one."""
        return str(self._described["StackId"])

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        return {each["ParameterKey"]: each["ParameterValue"] for each in self._described.get("Parameters", [])}

    @cached_property
    def operate(self) -> "FunctionUrl":
        return self.function_url("OperateUrl", policy="OperatorPolicy")

    def function_url(self, output: str, *, policy: str) -> "FunctionUrl":
        """Return the function whose URL is in `output`; `policy` is the managed policy that allows calling it.

        Raises ClickException if the stack is of an earlier release.
        """
        from facepair_cli.function_url import FunctionUrl

        if output not in self.outputs:
            raise click.ClickException(
                f"The stack {self.name} has no {output}: it was deployed by an earlier release. Update the stack "
                "(make deploy), or use the facepair command of its release."
            )
        return FunctionUrl(self.session, self.outputs[output], policy)

    @property
    def names(self) -> Names:
        """File name stems of the two pictures."""
        return Names(self.parameters["FirstName"], self.parameters["SecondName"])

    @property
    def policy(self) -> "Policy":
        """The deployed thresholds."""
        from facepair.domain.outcome import Policy

        return Policy(
            pass_above=Decimal(self.parameters["PassAbove"]), reject_below=Decimal(self.parameters["RejectBelow"])
        )

    @cached_property
    def tables(self) -> "DynamoDBServiceResource":
        with _endpoint_checked():
            return tables_of(self.session)

    def table(self, output: str) -> "Table":
        return self.tables.Table(self.outputs[output])

    @cached_property
    def caller(self) -> str:
        """The caller's ARN."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @cached_property
    def uploads(self) -> ImagesBucket:
        return ImagesBucket(self.client("s3"), self.outputs["ImagesBucket"], self.names)

    @cached_property
    def verdicts(self) -> "VerdictsTable":
        """Read-only."""
        from facepair.aws.verdicts import VerdictsTable

        return VerdictsTable(self.tables, self.outputs["VerdictsTable"])

    @cached_property
    def calls(self) -> CallsTable:
        """Read-only."""
        return CallsTable(self.table("CallsTable"))

    @cached_property
    def written(self) -> StoredRows:
        """Rows as stored, including those of earlier releases."""
        return StoredRows(self.tables.Table(self.outputs["VerdictsTable"]))

    @cached_property
    def gate_rules(self) -> Rules:
        parameters = self.parameters
        return Rules(
            per_second=float(parameters["MaxCallsPerSecond"]),
            stop_after_unknown=int(parameters["StopAfterUnknown"]),
            pause=float(parameters["BlockedRetrySeconds"]),
        )

    @cached_property
    def gate(self) -> GateItem:
        """Read-only."""
        return GateItem(self.tables.Table(self.outputs["IdempotencyTable"]), self.gate_rules)

    @cached_property
    def in_flight(self) -> InFlightMarkers:
        """Read-only."""
        return InFlightMarkers(self.tables.Table(self.outputs["IdempotencyTable"]))

    def queue(self, output: str) -> "DeadLetterQueue":
        """Return the queue in that output. Raises ClickException if the stack does not have it."""
        from facepair.aws.queue import DeadLetterQueue

        if output not in self.outputs:
            raise click.ClickException(f"The stack {self.name} has no {output}: it has one only with WebhookUrl.")
        return DeadLetterQueue(self._sqs, self.outputs[output])

    @cached_property
    def _sqs(self) -> Any:
        return self.client("sqs")

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        try:
            [described] = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            raise click.ClickException(
                f"There is no stack {self.name} in this account in {self.session.region_name}. Check --stack, --region "
                "and --profile."
            ) from error
        found: Mapping[str, Any] = described
        return found


@contextmanager
def _endpoint_checked() -> Iterator[None]:
    """Raise ClickException for an endpoint that botocore rejects with a plain ValueError."""
    try:
        yield
    except BotoCoreError:
        raise
    except ValueError as error:
        raise click.ClickException(
            f"{error} is not an address. Check AWS_ENDPOINT_URL, and endpoint_url in your AWS profile."
        ) from error


def stack_option[R](command: Callable[..., R]) -> Callable[..., R]:
    """Pass a command its Stack as `stack`, and accept the options that locate it before or after the command."""

    @click.option("--stack", "name", metavar="NAME", help="The stack's name, as before the command.")
    @click.option("--region", metavar="NAME", help="The AWS region, as before the command.")
    @click.option("--profile", metavar="NAME", help="The AWS profile, as before the command.")
    @wraps(command)
    def with_stack(*, name: str | None, region: str | None, profile: str | None, **options: Any) -> R:
        given = {"stack": name, "region": region, "profile": profile}
        before: Account = click.get_current_context().obj
        account = replace(before, **{option: value for option, value in given.items() if value})
        return command(stack=Stack(account), **options)

    return with_stack
