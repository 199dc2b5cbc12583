"""`make delete` finds obstacles before it deletes anything, and can be repeated."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from deploy.delete import CannotDelete, delete

REGION = "eu-central-1"
TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "DeletionProtectionEnabled": True,
    },
}
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}
TEMPLATE = {
    "Resources": {
        "ImagesBucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
        },
        "UploadsQueue": {"Type": "AWS::SQS::Queue"},
        "VerdictsTable": TABLE,
        "CallsTable": TABLE | {"DeletionPolicy": "Retain"},
        "ReaderPolicy": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": ANYTHING}},
        "VerdictsBus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "pairs-verdicts"}},
    },
}
"""Resources that can stop a deletion, named as in template.yaml."""


BUS = "pairs-verdicts"


class Account:
    """An AWS account with one stack, `pairs`, that has one picture in two versions."""

    def __init__(self) -> None:
        self.session = boto3.Session(region_name=REGION)
        self.protected = False
        self.session.events.register("after-call.cloudformation.DescribeStacks", self._as_protected)
        self.session.events.register("after-call.cloudformation.ListStackResources", self._named)
        self.client("cloudformation").create_stack(StackName="pairs", TemplateBody=json.dumps(TEMPLATE))
        resources = self.client("cloudformation").list_stack_resources(StackName="pairs")["StackResourceSummaries"]
        self.ids = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
        enabled = {"Status": "Enabled"}  # moto's CloudFormation does not enable it
        self.client("s3").put_bucket_versioning(Bucket=self.ids["ImagesBucket"], VersioningConfiguration=enabled)
        for content in (b"a", b"b"):
            self.client("s3").put_object(Bucket=self.ids["ImagesBucket"], Key="anna/first.jpg", Body=content)
        for name in ("advance-token", "find-missed-cursor"):
            self.client("ssm").put_parameter(Name=f"/pairs/{name}", Value="x", Type="String")

    def _as_protected(self, parsed: dict[str, Any], **_: Any) -> None:
        """Add termination protection, which moto lacks."""
        for stack in parsed.get("Stacks", []):
            stack["EnableTerminationProtection"] = self.protected

    def _named(self, parsed: dict[str, Any], **_: Any) -> None:
        """Add the bus's physical id, which moto leaves empty."""
        for each in parsed.get("StackResourceSummaries", []):
            if each["LogicalResourceId"] == "VerdictsBus":
                each["PhysicalResourceId"] = BUS

    def client(self, service: str) -> Any:
        return self.session.client(service)  # type: ignore[call-overload]

    @property
    def versions(self) -> int:
        return len(self.client("s3").list_object_versions(Bucket=self.ids["ImagesBucket"]).get("Versions", []))

    @property
    def tables(self) -> set[str]:
        return set(self.client("dynamodb").list_tables()["TableNames"])

    @property
    def stack(self) -> str:
        """The stack's status; empty if deleted."""
        try:
            return str(self.client("cloudformation").describe_stacks(StackName="pairs")["Stacks"][0]["StackStatus"])
        except ClientError:
            return ""

    @property
    def parameters(self) -> int:
        return len(self.client("ssm").describe_parameters()["Parameters"])

    def delete(self, typed: str = "pairs") -> None:
        delete("pairs", self.session, ask=lambda _: typed)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Account()


def test_a_stack_goes_with_its_pictures_and_parameters_and_the_ledger_stays(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = account.ids["CallsTable"]

    account.delete()

    assert account.stack in ("", "DELETE_COMPLETE")
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.tables == {ledger}
    assert account.parameters == 0
    described = account.client("dynamodb").describe_table(TableName=ledger)["Table"]
    assert described["DeletionProtectionEnabled"] is True
    shown = capsys.readouterr().out
    assert f"update-table --table-name {ledger} --no-deletion-protection-enabled" in shown
    assert f"delete-table --table-name {ledger}" in shown


def protect(account: Account) -> None:
    account.protected = True


def attach(account: Account) -> None:
    account.client("iam").create_user(UserName="rita")
    account.client("iam").attach_user_policy(UserName="rita", PolicyArn=account.ids["ReaderPolicy"])


def add_rule(account: Account) -> None:
    account.client("events").put_rule(Name="my-rule", EventBusName=BUS, EventPattern='{"source": ["x"]}')


OBSTACLES = {
    "termination protection": (protect, "update-termination-protection"),
    "an attached policy": (attach, "detach ReaderPolicy from the user rita: aws iam detach-user-policy"),
    "a rule of another owner": (add_rule, "remove the rule my-rule from the bus pairs-verdicts"),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_would_stop_a_deletion_is_named_before_anything_is_deleted(account: Account, obstacle: str) -> None:
    make, remedy = OBSTACLES[obstacle]
    make(account)

    with pytest.raises(CannotDelete) as refused:
        account.delete()

    assert str(refused.value).startswith("Nothing was deleted. First:\n- ")
    assert remedy in str(refused.value)
    assert (account.versions, account.stack, account.parameters) == (2, "CREATE_COMPLETE", 2)


def test_all_obstacles_are_named_at_once(account: Account) -> None:
    for make, _ in OBSTACLES.values():
        make(account)

    with pytest.raises(CannotDelete) as refused:
        account.delete()

    assert str(refused.value).count("\n- ") == len(OBSTACLES)


def test_another_name_deletes_nothing(account: Account) -> None:
    with pytest.raises(CannotDelete, match="not the stack's name"):
        account.delete("pears")

    described = account.client("dynamodb").describe_table(TableName=account.ids["VerdictsTable"])["Table"]
    assert (account.versions, described["DeletionProtectionEnabled"]) == (2, True)


def test_a_run_that_ended_half_way_is_taken_up_by_the_next_one(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = account.session.resource("s3").Bucket(account.ids["ImagesBucket"])
    bucket.object_versions.delete()
    bucket.delete()
    account.client("dynamodb").update_table(TableName=account.ids["VerdictsTable"], DeletionProtectionEnabled=False)
    account.client("dynamodb").delete_table(TableName=account.ids["VerdictsTable"])
    account.client("events").delete_event_bus(Name=BUS)
    asked = list[str]()
    # moto's DeleteStack stops at deleted resources; CloudFormation skips them.
    monkeypatch.setattr("deploy.delete._delete_stack", lambda stack, _: asked.append(stack.description["StackName"]))

    account.delete()

    assert asked == ["pairs"]
    assert account.parameters == 0


def test_a_run_that_died_before_its_end_leaves_nothing_to_the_next_one(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.delete()
    account.client("ssm").put_parameter(Name="/pairs/advance-token", Value="x", Type="String")

    account.delete()

    assert account.parameters == 0
    assert "was already deleted" in capsys.readouterr().out
    with pytest.raises(CannotDelete, match="There is no stack pairs"):
        account.delete()


def test_a_stack_of_another_template_is_left_alone(account: Account) -> None:
    other = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    account.client("cloudformation").create_stack(StackName="other", TemplateBody=json.dumps(other))

    with pytest.raises(CannotDelete, match="other is not a stack of facepair"):
        delete("other", account.session, ask=lambda _: "other")
