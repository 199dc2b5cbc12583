"""The checks of `facepair doctor`. Each returns what it found, or raises Failed with the remedy, or Skipped.

They check what only the account can show. The output is meant for bug reports: no secrets, addresses or names of
people.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facepair.aws.clients import error_code
from facepair.domain.retry import Unavailable
from facepair_cli.errors import DENIED, sentence
from facepair_cli.stack import Stack

OUTPUTS = (
    *("ImagesBucket", "VerdictsTable", "CallsTable", "IdempotencyTable", "UploadsQueue", "DeadLetterQueue"),
    *("UnpublishedQueue", "BusDeadLetterQueue", "CredentialsSecret", "TokenParameter", "VerdictsBus", "AlarmTopic"),
    *("CompareFunction", "FindMissedFunction", "PublishFunction", "OperateUrl", "EraseUrl", "ReviewUrl"),
)
OUTPUTS_OF_THE_WEBHOOK = ("WebhookSecret", "WebhookQueue", "WebhookDeadLetterQueue", "DeliverFunction")
FED_FUNCTIONS = ("CompareFunction", "PublishFunction", "DeliverFunction")
"""Functions with an event source mapping; the last one only with a webhook."""
UNHURRIED = Config(connect_timeout=5, read_timeout=150, retries={"total_max_attempts": 1})
"""For invoking CompareFunction, which may take long."""
PROBLEM = "PROBLEM:"
"""Prefix of Lambda's LastProcessingResult if a mapping cannot read its source."""
UNCONFIRMED = ("PendingConfirmation", "Deleted")
"""SNS's placeholders for a subscription's ARN."""

type CheckStatus = Literal["ok", "failed", "skipped"]
type Check = Callable[[Stack], str]


class Failed(Exception):
    """What is wrong, and what to do."""


class Skipped(Exception):
    """Why there is nothing to check."""


@dataclass(frozen=True)
class Result:
    check: str
    status: CheckStatus
    detail: str


def results(stack: Stack) -> Iterator[Result]:
    """Run every check, even after a failure."""
    for name, check in CHECKS.items():
        yield run(name, lambda check=check: check(stack))  # type: ignore[misc]


def run(name: str, check: Callable[[], str]) -> Result:
    """Run one check; errors from AWS become its result."""
    try:
        return Result(name, "ok", check())
    except Skipped as skipped:
        return Result(name, "skipped", str(skipped))
    except Failed as failed:
        return Result(name, "failed", str(failed))
    except click.ClickException as error:
        return Result(name, "failed", error.message)
    except (Unavailable, BotoCoreError, ClientError) as error:
        return Result(name, "failed", _of_aws(error))


def _of_aws(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, Unavailable) and error.__cause__ else error
    if isinstance(cause, ClientError) and error_code(cause) in DENIED:
        return (
            f"AWS denied access to {cause.operation_name}. Run the command as an administrator, or with the role that "
            "deploys the stack."
        )
    return sentence(error, "")


# --- The checks -------------------------------------------------------------------------------------------------------


def deployment(stack: Stack) -> str:
    """The last deployment is complete."""
    [described] = stack.client("cloudformation").describe_stacks(StackName=stack.name)["Stacks"]
    status = str(described["StackStatus"])
    if status.endswith("_IN_PROGRESS"):
        raise Failed(f"the stack is {status}: wait until it has ended, then check again")
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        raise Failed(f"the stack is {status}: its events say why; fix that and deploy again")
    return status


def outputs(stack: Stack) -> str:
    """Every output that the commands need exists."""
    wanted = [*OUTPUTS, *(OUTPUTS_OF_THE_WEBHOOK if _has_webhook(stack) else ())]
    if missing := [name for name in wanted if name not in stack.outputs]:
        raise Failed(f"no {', '.join(missing)}: deploy this release of facepair")
    return f"all {len(wanted)} are there"


def secret(stack: Stack) -> str:
    """The secret has a value. (The token check shows whether it is right.)"""
    described = stack.client("secretsmanager").describe_secret(SecretId=stack.outputs["CredentialsSecret"])
    stages = [stage for stages in described.get("VersionIdsToStages", {}).values() for stage in stages]
    if "AWSCURRENT" not in stages:
        raise Failed(
            'the secret CredentialsSecret has no value: put {"accessKey": "...", "secretKey": "..."} into it, with '
            "aws secretsmanager put-secret-value"
        )
    return "CredentialsSecret has a value"


def token(stack: Stack) -> str:
    """CompareFunction can get a token: its role, the secret, the key and the network work."""
    answer = stack.client("lambda", UNHURRIED).invoke(
        FunctionName=stack.outputs["CompareFunction"], Payload=json.dumps({"check": "token"}).encode()
    )
    said: Mapping[str, Any] = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise Failed(f"CompareFunction failed: {said.get('errorMessage')}. Its log says more.")
    if "obtained" not in said:
        raise Failed("CompareFunction does not know this check: deploy this release of facepair")
    if not said["obtained"]:
        raise Failed(f"{said['code']}: {said['message']}")
    return "CompareFunction obtained one from ADVANCE"


def notification(stack: Stack) -> str:
    found = stack.client("s3").get_bucket_notification_configuration(Bucket=stack.outputs["ImagesBucket"])
    queue = stack.outputs["UploadsQueue"].rpartition("/")[2]
    events = [
        event
        for each in found.get("QueueConfigurations", [])
        if each["QueueArn"].rpartition(":")[2] == queue and "Filter" not in each
        for event in each["Events"]
    ]
    if "s3:ObjectCreated:*" not in events:
        raise Failed(
            "the bucket does not notify the queue of uploads: deploy again, and remove what else sets its notifications"
        )
    return "every upload is sent to UploadsQueue"


def event_sources(stack: Stack) -> str:
    """Lambda polls the queues and the stream."""
    functions = [name for name in FED_FUNCTIONS if name in stack.outputs]
    for name in functions:
        listed = stack.client("lambda").list_event_source_mappings(FunctionName=stack.outputs[name])
        mappings = listed["EventSourceMappings"]
        if not mappings:
            raise Failed(f"{name} has no event source mapping: deploy again")
        for each in mappings:
            if each["State"] != "Enabled":
                raise Failed(
                    f"the event source of {name} is {each['State']} ({each.get('StateTransitionReason')}): "
                    f"aws lambda update-event-source-mapping --enabled --uuid {each['UUID']}"
                )
            if (result := str(each.get("LastProcessingResult", ""))).startswith(PROBLEM):
                raise Failed(f"Lambda cannot read the event source of {name}: {result}")
    return f"enabled for {', '.join(functions)}"


def schedule(stack: Stack) -> str:
    """The hourly search is scheduled."""
    function = stack.client("lambda").get_function_configuration(FunctionName=stack.outputs["FindMissedFunction"])
    events = stack.client("events")
    rules = events.list_rule_names_by_target(TargetArn=function["FunctionArn"])["RuleNames"]
    if not rules:
        raise Failed("no rule starts FindMissedFunction: deploy again")
    for rule in rules:
        if (state := events.describe_rule(Name=rule)["State"]) == "DISABLED":
            raise Failed(f"the rule {rule} is {state}: aws events enable-rule --name {rule}")
    return "FindMissedFunction is started by its rule"


def alarms(stack: Stack) -> str:
    """The alarm topic has a confirmed subscription."""
    listed = stack.client("sns").get_paginator("list_subscriptions_by_topic")
    pages = listed.paginate(TopicArn=stack.outputs["AlarmTopic"])
    subscriptions = [each for page in pages for each in page["Subscriptions"]]
    address = stack.parameters.get("AlarmEmail")
    unconfirmed = [each for each in subscriptions if each["SubscriptionArn"] in UNCONFIRMED]
    if any(each["Endpoint"] == address for each in unconfirmed):
        raise Failed("the address in AlarmEmail has not confirmed its subscription: open the link in the mail from AWS")
    if len(subscriptions) > len(unconfirmed):
        return f"{len(subscriptions) - len(unconfirmed)} confirmed"
    if address:
        raise Failed("the address in AlarmEmail is not subscribed any more: subscribe it again to the topic AlarmTopic")
    raise Skipped("no alarm is sent to anyone: set AlarmEmail, or subscribe to the topic AlarmTopic")


def key(stack: Stack) -> str:
    """The keys are usable."""
    keys = {name: arn for name in ("KmsKeyArn", "PreviousKmsKeyArn") if (arn := stack.parameters.get(name))}
    if not keys:
        raise Skipped("KmsKeyArn is empty: AWS's keys are used")
    kms = stack.client("kms")
    for name, arn in keys.items():
        described = kms.describe_key(KeyId=arn)["KeyMetadata"]
        if described["KeyState"] != "Enabled":
            raise Failed(f"the key in {name} is {described['KeyState']}: enable it, or nothing under it can be read")
        if described.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
            raise Failed(f"the key in {name} is {described['KeySpec']}: it must be a symmetric encryption key")
    return f"{' and '.join(keys)} can be used"


CHECKS: dict[str, Check] = {
    "deployment": deployment,
    "outputs": outputs,
    "secret": secret,
    "token": token,
    "notification": notification,
    "event sources": event_sources,
    "schedule": schedule,
    "alarm subscription": alarms,
    "key": key,
}


def _has_webhook(stack: Stack) -> bool:
    return bool(stack.parameters.get("WebhookUrl"))
