"""The resource types and properties that the sandbox creates, and those that it leaves out, with the reason.

moto's CloudFormation silently drops half of these. Here an unlisted property is an error, so that no template seems to
work because part of it was ignored.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.resources import (
    Clients,
    DesiredResource,
    create_bucket,
    create_bus,
    create_event_source_mapping,
    create_function,
    create_function_url,
    create_layer,
    create_log_group,
    create_queue,
    create_queue_policy,
    create_role,
    create_rule,
    create_secret,
    create_subscription,
    create_table,
    create_topic,
    update_bus,
    update_function,
    update_role,
    update_table,
)
from sandbox.stack import Resource


@dataclass(frozen=True)
class Kind:
    """How to create a resource type and, unless None, how to update it."""

    properties: frozenset[str]
    create: Callable[[Clients, DesiredResource], Resource]
    update: Callable[[Clients, DesiredResource, Resource], Resource] | None = None


KINDS = {
    "AWS::DynamoDB::Table": Kind(
        frozenset(
            {
                "AttributeDefinitions",
                "BillingMode",
                "DeletionProtectionEnabled",
                "GlobalSecondaryIndexes",
                "KeySchema",
                "PointInTimeRecoverySpecification",
                "SSESpecification",
                "StreamSpecification",
                "TimeToLiveSpecification",
            }
        ),
        create_table,
        update_table,
    ),
    "AWS::Events::EventBus": Kind(frozenset({"DeadLetterConfig", "KmsKeyIdentifier", "Name"}), create_bus, update_bus),
    "AWS::Events::Rule": Kind(
        frozenset({"Description", "EventBusName", "EventPattern", "ScheduleExpression", "Targets"}),
        create_rule,
        lambda aws, wanted, _: create_rule(aws, wanted),
    ),
    "AWS::IAM::Role": Kind(frozenset({"AssumeRolePolicyDocument"}), create_role, update_role),
    "AWS::Lambda::EventSourceMapping": Kind(
        frozenset(
            {
                "BatchSize",
                "BisectBatchOnFunctionError",
                "DestinationConfig",
                "EventSourceArn",
                "FunctionName",
                "FunctionResponseTypes",
                "MaximumRecordAgeInSeconds",
                "MaximumRetryAttempts",
                "ScalingConfig",
                "StartingPosition",
            }
        ),
        create_event_source_mapping,
        lambda aws, wanted, existing: replace(
            create_event_source_mapping(aws, wanted), physical_id=existing.physical_id
        ),
    ),
    "AWS::Lambda::Function": Kind(
        frozenset(
            {
                "Architectures",
                "Code",
                "Description",
                "Environment",
                "Handler",
                "Layers",
                "LoggingConfig",
                "MemorySize",
                "Role",
                "Runtime",
                "Tags",
                "Timeout",
                "TracingConfig",
                "VpcConfig",
            }
        ),
        create_function,
        update_function,
    ),
    "AWS::Lambda::LayerVersion": Kind(
        frozenset({"CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName"}),
        create_layer,
    ),
    "AWS::Lambda::Url": Kind(frozenset({"AuthType", "TargetFunctionArn"}), create_function_url),
    "AWS::Logs::LogGroup": Kind(frozenset({"KmsKeyId", "RetentionInDays"}), create_log_group),
    "AWS::S3::Bucket": Kind(
        frozenset(
            {
                "BucketEncryption",
                "CorsConfiguration",
                "LifecycleConfiguration",
                "NotificationConfiguration",
                "OwnershipControls",
                "PublicAccessBlockConfiguration",
                "VersioningConfiguration",
            }
        ),
        create_bucket,
    ),
    "AWS::SNS::Subscription": Kind(frozenset({"Endpoint", "Protocol", "TopicArn"}), create_subscription),
    "AWS::SNS::Topic": Kind(frozenset({"KmsMasterKeyId"}), create_topic),
    "AWS::SQS::Queue": Kind(
        frozenset(
            {"MessageRetentionPeriod", "RedrivePolicy", "SqsManagedSseEnabled", "VisibilityTimeout", "KmsMasterKeyId"}
        ),
        create_queue,
    ),
    "AWS::SQS::QueuePolicy": Kind(frozenset({"PolicyDocument", "Queues"}), create_queue_policy),
    "AWS::SecretsManager::Secret": Kind(frozenset({"Description", "GenerateSecretString", "KmsKeyId"}), create_secret),
}

# Known but left out: whole types, and properties of types that are created.
LEFT_OUT = {
    "AWS::CloudWatch::Alarm": "nothing is measured here",
    "AWS::CloudWatch::Dashboard": "nothing is measured here",
    "AWS::IAM::ManagedPolicy": "moto checks no permissions",
    "AWS::IAM::Role.ManagedPolicyArns": "moto checks no permissions",
    "AWS::IAM::Role.PermissionsBoundary": "moto checks no permissions",
    "AWS::IAM::Role.Policies": "moto checks no permissions",
    "AWS::IAM::Role.Tags": "nothing reads them",
    "AWS::Lambda::Permission": "moto checks no permissions",
    "AWS::S3::BucketPolicy": "moto would enforce it without its conditions",
}
# Created, but without all of its effect.
WITHOUT_EFFECT = {
    "AWS::Lambda::Function.Architectures": "functions run on this machine's processor",
    "AWS::Lambda::Function.LoggingConfig": "functions' logs go to files",
    "AWS::Lambda::Function.TracingConfig": "nothing collects traces here",
    "AWS::Lambda::Function.VpcConfig": "functions run in this machine's network",
    "AWS::Lambda::Function.MemorySize": "functions know their memory, but are not limited to it",
    "AWS::S3::Bucket.LifecycleConfiguration": "nothing expires here",
    "AWS::DynamoDB::Table.TimeToLiveSpecification": "nothing expires here",
    "AWS::Events::EventBus.DeadLetterConfig": "the bus encrypts nothing here, and loses nothing",
    "AWS::SNS::Topic": "only alarms publish to it, and none sounds here",
    "AWS::SQS::QueuePolicy": "moto checks no permissions",
}
