"""`facepair doctor` on the template's resources: it passes, and each check fails at its fault."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from facepair_cli.cli import main
from facepair_cli.doctor import checks as doctor
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from sandbox.lambda_host.invoke_api import InvokeApi
from sandbox.lambda_host.runtime_api import InvocationResult
from sandbox.stack import EventSource, SandboxStack, StreamSource
from tests.support import ROOT


@dataclass
class Host:
    """Replaces the Lambda host: one answer to every invocation, and these event sources."""

    answer: InvocationResult = field(default_factory=lambda: InvocationResult(b'{"obtained": true}'))
    sources: list[EventSource | StreamSource] = field(default_factory=list)


@dataclass(frozen=True)
class Clinic:
    """AWS, and the command line in its account."""

    aws: LocalAws
    host: Host

    def deploy(self, name: str, **parameters: object) -> SandboxStack:
        stack = deploy(self.aws, ROOT / "template.yaml", name, parameters)
        self.host.sources += [*stack.event_sources, *stack.stream_sources]
        return stack

    def doctor(self, stack: SandboxStack, *arguments: str) -> Result:
        variables = self.aws.child_variables | {"NO_COLOR": "1"}
        return CliRunner().invoke(main, ["--stack", stack.name, "doctor", *arguments], env=variables)

    def checks(self, stack: SandboxStack) -> Mapping[str, tuple[str, str]]:
        """Return check -> (status, detail)."""
        found = json.loads(self.doctor(stack, "--json").stdout)["checks"]
        return {each["check"]: (each["status"], each["detail"]) for each in found}


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    host = Host()
    api = InvokeApi(lambda _: lambda _: host.answer, lambda: host.sources)
    with LocalAws(api.url, tmp_path_factory.mktemp("doctor") / "aws.log") as aws:
        yield Clinic(aws, host)
    api.close()


@pytest.fixture(scope="module")
def stack(clinic: Clinic) -> SandboxStack:
    """A stack with a filled secret."""
    stack = clinic.deploy(f"doctor-{uuid4().hex[:8]}", WebhookUrl="https://example.com/x")
    secret = stack.outputs["CredentialsSecret"]
    clinic.aws.client("secretsmanager").put_secret_value(SecretId=secret, SecretString="{}")
    return stack


def test_a_sound_stack_passes_with_one_line_per_check(clinic: Clinic, stack: SandboxStack) -> None:
    done = clinic.doctor(stack)

    assert done.exit_code == 0, done.output
    first, *lines = done.stdout.splitlines()
    assert stack.name in first
    assert [line.split(": ")[0].split(maxsplit=1) for line in lines] == [
        [status, name] for name, (status, _) in clinic.checks(stack).items()
    ]
    assert set(clinic.checks(stack)) == set(doctor.CHECKS)
    assert {name for name, (status, _) in clinic.checks(stack).items() if status == "skipped"} == {
        "alarm subscription",
        "key",
    }


# --- failing checks ---------------------------------------------------------------------------------------------------

type Fault = Callable[[Clinic, SandboxStack], Iterator[None]]


def no_notification(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    s3, bucket = clinic.aws.client("s3"), stack.outputs["ImagesBucket"]
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    queues = {"QueueConfigurations": before["QueueConfigurations"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=queues)


def a_filtered_notification(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    s3, bucket = clinic.aws.client("s3"), stack.outputs["ImagesBucket"]
    [before] = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    only_jpg = {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".jpg"}]}}
    filtered = {"QueueConfigurations": [before | {"Filter": only_jpg}]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=filtered)
    yield
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [before]})


def no_event_source(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    before, clinic.host.sources = clinic.host.sources, []
    yield
    clinic.host.sources = before


def a_disabled_schedule(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    events = clinic.aws.client("events")
    function = f"arn:aws:lambda:us-east-1:123456789012:function:{stack.outputs['FindMissedFunction']}"
    [rule] = events.list_rule_names_by_target(TargetArn=function)["RuleNames"]
    events.disable_rule(Name=rule)
    yield
    events.enable_rule(Name=rule)


def a_refused_token(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    refused = {"obtained": False, "code": "CREDENTIALS_INVALID", "message": "generate-token answered IAM_FAILED"}
    before, clinic.host.answer = clinic.host.answer, InvocationResult(json.dumps(refused).encode())
    yield
    clinic.host.answer = before


def a_crashed_function(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    before, clinic.host.answer = clinic.host.answer, InvocationResult.failure("ImportError", "no module named facepair")
    yield
    clinic.host.answer = before


def an_earlier_release(clinic: Clinic, stack: SandboxStack) -> Iterator[None]:
    before, clinic.host.answer = clinic.host.answer, InvocationResult(b'{"batchItemFailures": []}')
    yield
    clinic.host.answer = before


FAULTS: dict[str, tuple[Fault, str, str]] = {
    "no notification": (no_notification, "notification", "does not notify the queue of uploads"),
    "a filtered notification": (a_filtered_notification, "notification", "does not notify the queue of uploads"),
    "no event source": (no_event_source, "event sources", "CompareFunction has no event source mapping"),
    "a disabled schedule": (a_disabled_schedule, "schedule", "aws events enable-rule --name"),
    "a refused token": (a_refused_token, "token", "CREDENTIALS_INVALID: generate-token answered IAM_FAILED"),
    "a crashed function": (a_crashed_function, "token", "CompareFunction failed: no module named facepair"),
    "an earlier release": (an_earlier_release, "token", "deploy this release"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_check_and_no_other_and_names_the_remedy(
    clinic: Clinic, stack: SandboxStack, fault: str
) -> None:
    make, check, remedy = FAULTS[fault]

    with contextmanager(make)(clinic, stack):
        done = clinic.doctor(stack, "--json")

    assert done.exit_code == 1
    failed = {each["check"]: each["detail"] for each in json.loads(done.stdout)["checks"] if each["status"] == "failed"}
    assert failed.keys() == {check}
    assert remedy in failed[check]
    assert clinic.doctor(stack).exit_code == 0


def test_a_secret_that_was_never_filled_fails(clinic: Clinic) -> None:
    empty = clinic.deploy(f"empty-{uuid4().hex[:8]}")

    status, detail = clinic.checks(empty)["secret"]

    assert status == "failed"
    assert "put-secret-value" in detail


def test_a_key_that_is_disabled_fails_and_an_enabled_one_passes(clinic: Clinic) -> None:
    kms = clinic.aws.client("kms")
    new, old = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    stack = clinic.deploy(f"key-{uuid4().hex[:8]}", KmsKeyArn=new, PreviousKmsKeyArn=old)
    sound = clinic.checks(stack)["key"]

    kms.disable_key(KeyId=old.rpartition("/")[2])

    assert sound == ("ok", "KmsKeyArn and PreviousKmsKeyArn can be used")
    status, detail = clinic.checks(stack)["key"]
    assert (status, "PreviousKmsKeyArn is Disabled" in detail) == ("failed", True)


def test_missing_outputs_are_named(clinic: Clinic, stack: SandboxStack) -> None:
    outputs = {name: {"Value": value} for name, value in stack.outputs.items() if name != "BusDeadLetterQueue"}
    parameters = {name: {"Type": "String", "Default": value} for name, value in stack.parameters.items()}
    handle = {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    template = {"Parameters": parameters, "Resources": handle, "Outputs": outputs}
    clinic.aws.client("cloudformation").create_stack(StackName="earlier", TemplateBody=json.dumps(template))

    done = CliRunner().invoke(main, ["--stack", "earlier", "doctor"], env=clinic.aws.child_variables)

    assert done.exit_code == 1
    assert "outputs: no BusDeadLetterQueue: deploy this release of facepair" in done.stdout


def test_a_stack_that_does_not_exist_is_one_sentence(clinic: Clinic) -> None:
    done = CliRunner().invoke(main, ["--stack", "elsewhere", "doctor"], env=clinic.aws.child_variables)

    assert done.exit_code == 1
    assert "There is no stack elsewhere" in done.stderr


# --- answers of no emulator -------------------------------------------------------------------------------------------


class Aws:
    """A stack whose clients give scripted answers: operation -> answer, or an exception."""

    def __init__(self, parameters: Mapping[str, str] | None = None, **answers: Any) -> None:
        self.name = "facepair"
        self.outputs = {name: f"the-{name}" for name in (*doctor.OUTPUTS, *doctor.OUTPUTS_OF_THE_WEBHOOK)}
        self.parameters = parameters or {}
        self._answers = answers

    def client(self, *_: object) -> "Aws":
        return self

    def get_paginator(self, operation: str) -> "Aws":
        self._paginated = operation
        return self

    def paginate(self, **_: object) -> list[Any]:
        return [getattr(self, self._paginated)()]

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        answer = self._answers[operation]

        def answered(**_: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return answered


def checked(check: str, aws: Aws) -> tuple[str, str]:
    found = doctor.run(check, lambda: doctor.CHECKS[check](aws))  # type: ignore[arg-type]
    return found.status, found.detail


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("CREATE_COMPLETE", "ok"),
        ("UPDATE_COMPLETE", "ok"),
        ("UPDATE_IN_PROGRESS", "failed"),
        ("ROLLBACK_FAILED", "failed"),
        ("UPDATE_ROLLBACK_COMPLETE", "failed"),
    ],
)
def test_a_deployment_that_did_not_come_to_its_end_fails(status: str, expected: str) -> None:
    found, detail = checked("deployment", Aws(describe_stacks={"Stacks": [{"StackStatus": status}]}))

    assert (found, status in detail) == (expected, True)


def mapping(**said: str) -> dict[str, Any]:
    return {"EventSourceMappings": [{"UUID": "42", "State": "Enabled"} | said]}


def test_a_disabled_event_source_fails_with_how_to_enable_it() -> None:
    disabled = mapping(State="Disabled", StateTransitionReason="User action")

    status, detail = checked("event sources", Aws(list_event_source_mappings=disabled))

    assert status == "failed"
    assert "Disabled (User action): aws lambda update-event-source-mapping --enabled --uuid 42" in detail


def test_an_event_source_that_cannot_be_read_fails_with_lambdas_reason() -> None:
    problem = mapping(LastProcessingResult="PROBLEM: Function call failed")

    status, detail = checked("event sources", Aws(list_event_source_mappings=problem))

    assert (status, "PROBLEM: Function call failed" in detail) == ("failed", True)
    assert checked("event sources", Aws(list_event_source_mappings=mapping(LastProcessingResult="OK")))[0] == "ok"


PENDING = {"SubscriptionArn": "PendingConfirmation", "Endpoint": "oncall@example.com", "Protocol": "email"}
CONFIRMED = {"SubscriptionArn": "arn:aws:sns:1", "Endpoint": "https://pager.example.com", "Protocol": "https"}
EMAIL = {"AlarmEmail": "oncall@example.com"}


@pytest.mark.parametrize(
    ("parameters", "subscriptions", "expected"),
    [
        (EMAIL, [PENDING], "failed"),
        (EMAIL, [PENDING, CONFIRMED], "failed"),
        (EMAIL, [], "failed"),
        (EMAIL, [PENDING | {"SubscriptionArn": "arn:aws:sns:2"}], "ok"),
        ({}, [CONFIRMED], "ok"),
        ({}, [PENDING], "skipped"),
        ({}, [], "skipped"),
    ],
)
def test_an_alarm_address_that_has_not_confirmed_fails(
    parameters: dict[str, str], subscriptions: list[dict[str, str]], expected: str
) -> None:
    aws = Aws(parameters, list_subscriptions_by_topic={"Subscriptions": subscriptions})

    status, detail = checked("alarm subscription", aws)

    assert status == expected
    assert "oncall@example.com" not in detail, "what doctor prints goes into public bug reports"


def test_a_denied_check_says_who_may_run_it_and_the_others_go_on() -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:aws:iam::1:user/rita"}}, "DescribeSecret")

    status, detail = checked("secret", Aws(describe_secret=denied))

    assert status == "failed"
    assert detail.startswith("AWS denied access to DescribeSecret. Run the command as an administrator")
    assert "rita" not in detail


def test_every_output_that_doctor_looks_for_is_the_template_s() -> None:
    template = (ROOT / "template.yaml").read_text().partition("\nOutputs:\n")[2]

    for name in (*doctor.OUTPUTS, *doctor.OUTPUTS_OF_THE_WEBHOOK):
        assert f"\n  {name}:\n" in f"\n{template}", name
