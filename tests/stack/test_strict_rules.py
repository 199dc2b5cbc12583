"""Strict company rules: network, proxy, permissions boundary, signed upload forms, tags."""

import json
import re
import tomllib
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sandbox.parameters import ParameterError, check_rules
from tests.support import ROOT
from tests.support.expanded_stack import WRITTEN, ExpandedStack

WEBHOOK = {"WebhookUrl": "https://example.com/verdicts"}
NETWORK = {"SubnetIds": "subnet-0a1, subnet-0b2", "SecurityGroupIds": "sg-0c3"}
BOUNDARY = "arn:aws:iam::123456789012:policy/team/boundary"
PROXY = "http://proxy.example.com:3128"
NEW_PARAMETERS = ("SubnetIds", "SecurityGroupIds", "HttpsProxy", "PermissionsBoundaryArn", "UploadOrigins")
VPC_POLICY = "AWSLambdaVPCAccessExecutionRole"


@pytest.fixture(scope="module")
def plain() -> ExpandedStack:
    return ExpandedStack(WEBHOOK)


def roles(stack: ExpandedStack) -> dict[str, dict[str, Any]]:
    found = stack.of_type("AWS::IAM::Role")
    assert found.keys() == {f"{function}Role" for function in stack.of_type("AWS::Lambda::Function")}
    return found


def test_all_of_it_is_absent_by_default(plain: ExpandedStack) -> None:
    assert {plain.parameters[name] for name in NEW_PARAMETERS} == {""}
    assert not [name for name in plain.resources.keys() | plain.outputs.keys() if "Proxy" in name]
    assert "CorsConfiguration" not in plain.properties("ImagesBucket")
    for name, function in plain.of_type("AWS::Lambda::Function").items():
        assert "VpcConfig" not in function, name
    for name, role in roles(plain).items():
        assert "PermissionsBoundary" not in role, name


# --- network ----------------------------------------------------------------------------------------------------------


def test_without_a_vpc_no_role_may_touch_network_interfaces(plain: ExpandedStack) -> None:
    for name, role in roles(plain).items():
        assert not [arn for arn in role["ManagedPolicyArns"] if arn.endswith(VPC_POLICY)], name
        assert "ec2:" not in str(role), name


def test_with_a_vpc_every_function_is_in_it_and_its_role_may_join_it() -> None:
    stack = ExpandedStack(WEBHOOK | NETWORK)

    for function in stack.of_type("AWS::Lambda::Function").values():
        assert function["VpcConfig"] == {"SubnetIds": ["subnet-0a1", "subnet-0b2"], "SecurityGroupIds": ["sg-0c3"]}
    for name, role in roles(stack).items():
        assert [arn for arn in role["ManagedPolicyArns"] if arn.endswith(VPC_POLICY)], name


@pytest.mark.parametrize("missing", NETWORK)
def test_subnets_and_security_groups_are_given_together(missing: str) -> None:
    stack = ExpandedStack(NETWORK | {missing: ""})

    with pytest.raises(ParameterError, match="SubnetIds and SecurityGroupIds must be given together"):
        check_rules(WRITTEN["Rules"], stack.scope)
    check_rules(WRITTEN["Rules"], ExpandedStack(NETWORK).scope)
    check_rules(WRITTEN["Rules"], ExpandedStack({}).scope)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("SubnetIds", "subnet-0a1,sg-0c3"),
        ("SecurityGroupIds", "default"),
        ("HttpsProxy", "proxy.example.com:3128"),
        ("HttpsProxy", "http://proxy.example.com"),
        ("HttpsProxy", "http://user:password@proxy.example.com:3128"),
        ("HttpsProxy", "https://proxy.example.com:3128"),
        ("PermissionsBoundaryArn", "boundary"),
        ("UploadOrigins", "https://app.example.com/"),
        ("UploadOrigins", "https://app.example.com,*"),
        ("UploadOrigins", "app.example.com"),
    ],
)
def test_a_value_that_cannot_be_right_is_named(parameter: str, value: str) -> None:
    with pytest.raises(ParameterError, match=f"{parameter} must be .*{re.escape(value)}"):
        ExpandedStack({parameter: value})


ENDPOINTS = {"DynamoDB": "dynamodb", "S3": "s3", "SQS": "sqs", "Secrets Manager": "secretsmanager"} | {
    "Systems Manager": "ssm",
    "EventBridge": "events",
}
"""Services as in the guide -> as in permissions."""


def test_the_guide_names_the_endpoints_that_each_function_needs() -> None:
    stack = ExpandedStack(WEBHOOK | {"HttpsProxy": PROXY})
    guide = (ROOT / "docs" / "guide" / "network.md").read_text()
    used: dict[str, set[str]] = {}
    for name, role in roles(stack).items():
        for service in re.findall(r"'([a-z0-9]+):[A-Z]", str(role["Policies"])):
            used.setdefault(service, set()).add(name.removesuffix("Role"))

    assert used.keys() == set(ENDPOINTS.values())
    for title, service in ENDPOINTS.items():
        row = re.search(rf"^\| {title} \| [^|]+ \| (.+) \|$", guide, re.MULTILINE)
        assert row, title
        named = set(re.findall(r"\w+Function", row[1]))
        functions = set(stack.of_type("AWS::Lambda::Function"))
        assert used[service] == (functions - named if row[1].startswith("all but") else named), title


# --- proxy ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxied() -> ExpandedStack:
    return ExpandedStack(WEBHOOK | {"HttpsProxy": PROXY})


def test_the_proxy_is_used_by_the_functions_that_call_out_and_by_no_aws_client(proxied: ExpandedStack) -> None:
    variables = {
        name: function["Environment"]["Variables"]
        for name, function in proxied.of_type("AWS::Lambda::Function").items()
    }

    assert {name for name, each in variables.items() if each.get("PROXY_URL")} == {"CompareFunction", "DeliverFunction"}
    for each in variables.values():  # boto3 would use them itself
        assert not {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"} & {name.upper() for name in each}


def test_the_proxy_s_credentials_are_only_in_a_secret_that_its_users_read(proxied: ExpandedStack) -> None:
    readers = {
        name
        for name, role in roles(proxied).items()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == "<ProxySecret>"
    }

    assert proxied.properties("ProxySecret").keys() == {"Description"}
    assert proxied.outputs["ProxySecret"] == "<ProxySecret>"
    assert readers == {"CompareFunctionRole", "DeliverFunctionRole"}


# --- permissions ------------------------------------------------------------------------------------------------------


def test_the_boundary_is_on_every_role() -> None:
    stack = ExpandedStack(WEBHOOK | {"PermissionsBoundaryArn": BOUNDARY})

    assert {role["PermissionsBoundary"] for role in roles(stack).values()} == {BOUNDARY}


# --- signed upload forms ----------------------------------------------------------------------------------------------


def test_pages_of_the_origins_may_post_to_the_bucket() -> None:
    origins = "https://app.example.com, https://*.example.org, http://localhost:3000"
    stack = ExpandedStack({"UploadOrigins": origins})

    [rule] = stack.properties("ImagesBucket")["CorsConfiguration"]["CorsRules"]
    assert rule["AllowedOrigins"] == ["https://app.example.com", "https://*.example.org", "http://localhost:3000"]
    assert rule["AllowedMethods"] == ["POST"]


@pytest.mark.parametrize(
    ("action", "key", "allowed"),
    [
        ("s3:PutObject", "pair/first.jpg", True),
        ("s3:PutObject", "customers/47 11/second.heic", True),
        ("s3:PutObject", "pair/third.jpg", False),
        ("s3:PutObject", "pair/firsts.jpg", False),
        ("s3:PutObject", "first.jpg", False),
        ("s3:PutObject", "pair/first", False),
        ("s3:PutObject", "pair/first.jpg/anything", False),
        ("s3:PutObject", "pair/first.x/other.jpg", False),
        ("s3:GetObject", "pair/first.jpg", False),
        ("s3:DeleteObject", "pair/first.jpg", False),
        ("s3:PutObjectAcl", "pair/first.jpg", False),
    ],
)
def test_a_signer_may_put_the_two_pictures_and_nothing_else(
    plain: ExpandedStack, action: str, key: str, allowed: bool
) -> None:
    statements = plain.properties("UploadSignerPolicy")["PolicyDocument"]["Statement"]
    effects = {
        statement["Effect"]
        for statement in statements
        for resource in statement["Resource"]
        if action == statement["Action"] and fnmatchcase(f"<ImagesBucket.Arn>/{key}", resource.replace("[", "[[]"))
    }

    assert (effects == {"Allow"}) == allowed
    assert plain.outputs["UploadSignerPolicy"] == "<UploadSignerPolicy>"


# --- tags -------------------------------------------------------------------------------------------------------------


def test_every_environment_tags_its_stack_for_cost_allocation() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())

    tags = {name: commands["deploy"]["parameters"]["tags"] for name, commands in config.items() if name != "version"}
    assert tags == {name: ["application=facepair", f"environment={name}"] for name in ("default", "staging", "prod")}


UNTAGGABLE = {
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SQS::QueuePolicy",
}
"""Types without tags, by docs/guide/network.md; all others get the stack's tags."""


def test_only_what_the_guide_names_cannot_be_tagged() -> None:
    stack = ExpandedStack(WEBHOOK | {"HttpsProxy": PROXY, "AlarmEmail": "someone@example.com"})
    schemas = Path(str(files("cfnlint"))) / "data" / "schemas"
    names = json.loads((schemas / "providers" / "us-east-1.json").read_text())

    kinds = {resource["Type"] for resource in stack.resources.values()}
    tagging = {
        kind: json.loads((schemas / "resources" / f"{names[kind].removesuffix('.json')}.json").read_text())["tagging"]
        for kind in kinds
    }

    assert {kind for kind, each in tagging.items() if not each["taggable"]} == UNTAGGABLE
