"""deploy/policy.json is what a deployment needs, by AWS's list of calls of CloudFormation's handlers."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sandbox.parameters import parameter_values
from sandbox.template import expand, read_template

ROOT = Path(__file__).parents[2]
POLICY = json.loads((ROOT / "deploy" / "policy.json").read_text())
NOT_USED = {
    "AWS::DynamoDB::Table": r".*(Replica|Kinesis\w*Destination|Import\w*|ContributorInsights|ResourcePolicy)"
    r"|dynamodb:(BatchWriteItem|DeleteItem|GetItem|PutItem|Query|Scan|UpdateItem)"
    r"|(iam:CreateServiceLinkedRole|kms:ListAliases|(kinesis|logs|s3):.*)",
    "AWS::Events::EventBus": r"events:(Put|Remove)Permission|kms:ReEncrypt",
    "AWS::Events::Rule": r"iam:PassRole",
    "AWS::IAM::ManagedPolicy": r"iam:(Attach|Detach)\w+Policy",
    "AWS::Lambda::EventSourceMapping": r"",
    "AWS::Lambda::Function": r"(elasticfilesystem|s3files):.*"
    r"|lambda:(AssociateRuntimeAlias|\w+CodeSigningConfig|\w+ScalingConfig|\w+FunctionConcurrency"
    r"|PassCapacityProvider|PublishVersion|PutFunctionRecursionConfig|PutRuntimeManagementConfig)",
    "AWS::Logs::LogGroup": r"(firehose|s3):.*"
    r"|logs:(CreateLogDelivery|\w+ResourcePolicy|\w+DataProtectionPolicy|\w+IndexPolicy|PutBearerTokenAuthentication"
    r"|PutLogGroupDeletionProtection)",
    "AWS::S3::Bucket": r"(iam|s3tables):.*|s3:(ListBucket|DeleteObject|PutObjectAcl|ListTagsForResource|\w+agResource)"
    r"|s3:\w*(Abac|Acl|Analytics|BucketEncryption|BucketLifecycle|Cors|Intelligent|Inventory|Logging|Metadata"
    r"|Metrics|ObjectLock|Replication|Website|PutAccelerate)\w*",
    "AWS::SNS::Subscription": r"iam:.*",
    "AWS::SNS::Topic": r"iam:.*|sns:PutDataProtectionPolicy",
    "AWS::SecretsManager::Secret": r"secretsmanager:(GetSecretValue|\w*Replic\w+)",
}
"""Handlers' calls for properties that template.yaml does not use, by resource type."""
READ_ALL_THE_SAME = {"dynamodb:DescribeContributorInsights", "dynamodb:DescribeKinesisStreamingDestination"}
READ_ALL_THE_SAME |= {"dynamodb:GetResourcePolicy", "lambda:GetFunctionCodeSigningConfig", "logs:DescribeIndexPolicies"}
READ_ALL_THE_SAME |= {"logs:DescribeResourcePolicies", "logs:GetDataProtectionPolicy"}
"""Calls that read handlers always make."""
OF_SAM = {
    *("cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet", "cloudformation:DescribeChangeSet"),
    *("cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks", "cloudformation:ExecuteChangeSet"),
    *("cloudformation:GetTemplate", "cloudformation:GetTemplateSummary", "cloudformation:ListStackResources"),
    *("s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:PutBucketTagging"),
    *("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
}
"""SAM CLI's own calls, and attaching AWS's policies to the functions' roles."""
OF_DOCTOR = {
    *("lambda:InvokeFunction", "lambda:ListEventSourceMappings", "lambda:GetFunctionConfiguration"),
    "events:ListRuleNamesByTarget",
}
WITHOUT_RESOURCE = {
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    *("cloudformation:GetTemplateSummary", "events:ListRuleNamesByTarget", "secretsmanager:GetRandomPassword"),
    *("sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"),
    *("logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"),
    *("lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:GetEventSourceMapping"),
    *("lambda:ListEventSourceMappings", "lambda:UpdateEventSourceMapping"),
    *(
        "lambda:ListTags",
        "lambda:TagResource",
        "lambda:UntagResource",
    ),  # of event source mappings, whose names are random
}


def types() -> list[str]:
    """Return every resource type that the template can have."""
    written = read_template(ROOT / "template.yaml")
    everything = {"WebhookUrl": "https://example.com/x", "AlarmEmail": "a@example.com"}
    everything["HttpsProxy"] = "http://proxy.test:3128"
    expanded = expand(written, parameter_values(written["Parameters"], everything))
    return sorted({resource["Type"] for resource in expanded["Resources"].values()})


def called_by_cloudformation(kind: str) -> set[str]:
    """Return the calls of a type's handlers, by its schema in CloudFormation's registry."""
    schemas = Path(str(files("cfnlint"))) / "data" / "schemas"
    names = json.loads((schemas / "providers" / "us-east-1.json").read_text())
    schema = schemas / "resources" / f"{names[kind]}".removesuffix(".json")
    handlers = json.loads(schema.with_name(f"{schema.name}.json").read_text())["handlers"]
    called = {
        permission
        for operation in ("create", "read", "update", "delete")
        for permission in handlers.get(operation, {}).get("permissions", [])
    }
    return {each for each in called if not re.fullmatch(NOT_USED.get(kind) or "-", each) or each in READ_ALL_THE_SAME}


def allowed() -> set[str]:
    return {action for statement in POLICY["Statement"] for action in listed(statement["Action"])}


def listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("kind", types())
def test_cloudformation_may_do_what_a_resource_needs(kind: str) -> None:
    assert sorted(called_by_cloudformation(kind) - allowed()) == []


def test_nothing_is_allowed_that_no_deployment_needs() -> None:
    needed = {action for kind in types() for action in called_by_cloudformation(kind)}

    assert sorted(allowed() - needed - OF_SAM - OF_DOCTOR) == []


def resources() -> Iterator[tuple[str, str]]:
    for statement in POLICY["Statement"]:
        for resource in listed(statement["Resource"]):
            for action in listed(statement["Action"]):
                yield action, resource


def test_what_is_allowed_is_bound_to_stacks_of_the_project() -> None:
    for action, resource in resources():
        if resource == "*":
            assert action in WITHOUT_RESOURCE, action
        elif not action.startswith("kms:"):
            assert re.search(
                r":(::)?(stack/|table/|function:|layer:|role/|policy/|log-group:|event-bus/|alarm:|dashboard/)?facepair"
                r"|aws-sam-cli-managed-default|:aws:transform/|:secret:(facepair|(Credentials|Proxy|Webhook)Secret-)|:rule/\*",
                resource,
            ), f"{action} on {resource}"


def test_the_policy_fits_into_a_role() -> None:
    assert len(json.dumps(POLICY, separators=(",", ":"))) <= 10_240  # IAM's quota for a role's inline policies


def test_no_action_has_a_wildcard_and_each_statement_a_sid() -> None:
    assert not [action for action in allowed() if "*" in action]
    sids = [statement["Sid"] for statement in POLICY["Statement"]]
    assert len(set(sids)) == len(sids)


def test_pass_role_and_attachments_are_bound_by_conditions() -> None:
    by_action = {action: statement for statement in POLICY["Statement"] for action in listed(statement["Action"])}
    written = read_template(ROOT / "template.yaml")
    expanded = expand(written, parameter_values(written["Parameters"], {"WebhookUrl": "https://example.com/x"}))
    attached = {
        (arn["Fn::If"][1] if "Fn::If" in arn else arn)["Fn::Sub"].replace("${AWS::Partition}", "aws")
        for resource in expanded["Resources"].values()
        if resource["Type"] == "AWS::IAM::Role"
        for arn in resource["Properties"].get("ManagedPolicyArns", [])
    }

    condition = by_action["iam:AttachRolePolicy"]["Condition"]
    assert set(condition["ArnEquals"]["iam:PolicyARN"]) == attached
    assert by_action["iam:PassRole"]["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
