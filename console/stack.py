"""The stack that a command works with: found by its name, everything else by its outputs and parameters."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import ClientError

from console.function_url import FunctionUrl
from facepair.aws.clients import PATIENT, error_code
from facepair.aws.gate import GateItem
from facepair.aws.ledger import CallsTable
from facepair.aws.publish_function import UNHURRIED, PublishFunction
from facepair.aws.queue import DeadLetterQueue
from facepair.aws.underway import UnderwayMarks
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.aws.written_rows import WrittenRows
from facepair.domain.gate import Rules
from facepair.domain.pair import Names
from facepair.domain.verdict import Policy

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table

DEFAULT_NAME = "facepair"


class Stack:
    """What a command needs of a deployed stack; each part is looked for when it is first used.

    Raises click.ClickException, whose message says what to do, where there is no such stack.
    """

    def __init__(self, name: str, session: boto3.Session | None = None) -> None:
        self.name = name
        self.session = session or boto3.Session()

    def client(self, service: str, config: Config = PATIENT) -> Any:
        """A boto3 client."""
        return self.session.client(service, config=config)  # type: ignore[call-overload]

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs, by their names in template.yaml."""
        outputs = {each["OutputKey"]: each["OutputValue"] for each in self._described.get("Outputs", [])}
        if not {"ImagesBucket", "VerdictsTable", "CallsTable"} <= outputs.keys():
            raise click.ClickException(f"The stack {self.name} is none of facepair; name one with --stack.")
        return outputs

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters with which it was deployed."""
        return {each["ParameterKey"]: each["ParameterValue"] for each in self._described.get("Parameters", [])}

    def function_url(self, output: str, *, policy: str) -> FunctionUrl:
        """The function whose URL is that output; `policy` is the managed policy that allows to call it."""
        if output not in self.outputs:
            raise click.ClickException(f"The stack {self.name} has no {output} yet; deploy the present release.")
        return FunctionUrl(self.session, self.outputs[output], policy)

    @property
    def names(self) -> Names:
        """The stems of the two pictures' file names."""
        return Names(self.parameters["FirstName"], self.parameters["SecondName"])

    @property
    def policy(self) -> Policy:
        """The thresholds deployed."""
        return Policy(
            pass_above=Decimal(self.parameters["PassAbove"]), reject_below=Decimal(self.parameters["RejectBelow"])
        )

    @cached_property
    def tables(self) -> "DynamoDBServiceResource":
        return self.session.resource("dynamodb", config=PATIENT)

    def table(self, output: str) -> "Table":
        """The table of that output."""
        return self.tables.Table(self.outputs[output])

    @cached_property
    def caller(self) -> str:
        """The ARN under which AWS knows who runs the command."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @cached_property
    def uploads(self) -> ImagesBucket:
        return ImagesBucket(self.client("s3"), self.outputs["ImagesBucket"], self.names)

    @cached_property
    def verdicts(self) -> VerdictsTable:
        """To be read only."""
        return VerdictsTable(self.tables, self.outputs["VerdictsTable"])

    @cached_property
    def calls(self) -> CallsTable:
        """To be read only."""
        return CallsTable(self.table("CallsTable"))

    @cached_property
    def written(self) -> WrittenRows:
        """The rows as they are, by whomever they were written."""
        return WrittenRows(self.tables.Table(self.outputs["VerdictsTable"]))

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
        """To be read only."""
        return GateItem(self.tables.Table(self.outputs["IdempotencyTable"]), self.gate_rules)

    @cached_property
    def underway(self) -> UnderwayMarks:
        """To be read only."""
        return UnderwayMarks(self.tables.Table(self.outputs["IdempotencyTable"]))

    @cached_property
    def publish_function(self) -> PublishFunction:
        return PublishFunction(self.client("lambda", UNHURRIED), self.outputs["PublishFunction"])

    def queue(self, output: str) -> DeadLetterQueue:
        """The queue of that output.

        Raises click.ClickException where the stack has none of that name.
        """
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
                f"There is no stack {self.name} in this account and region; name another with --stack, or set "
                "AWS_PROFILE, AWS_REGION or AWS_ENDPOINT_URL."
            ) from error
        found: Mapping[str, Any] = described
        return found


def _stack_of(context: click.Context, _: click.Parameter, name: str | None) -> Stack:
    return Stack(name or context.obj or DEFAULT_NAME)


stack_option: Callable[..., Any] = click.option(
    "--stack", metavar="NAME", callback=_stack_of, help="The stack's name, as before the command."
)
"""Hands a command its Stack as `stack`."""
