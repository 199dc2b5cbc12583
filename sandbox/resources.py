"""How the sandbox creates each resource type: by its own API call. kinds.py lists the types."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws import ACCOUNT, REGION
from sandbox.intrinsics import TemplateError, text
from sandbox.stack import Resource

Properties = Mapping[str, Any]
Clients = Callable[[str], Any]


@dataclass(frozen=True)
class DesiredResource:
    """A resource of the template with resolved properties. `name` is what CloudFormation would generate."""

    logical_id: str
    type: str
    name: str
    properties: Properties

    def created(self, physical_id: str, **attributes: str) -> Resource:
        return Resource(self.type, physical_id, attributes, self.properties)

    def only(self, value: Properties, *known: str) -> Properties:
        """Return the value. Raises TemplateError for other properties than the known ones."""
        if unknown := sorted(value.keys() - set(known)):
            raise TemplateError(f"{self.logical_id} ({self.type}): the sandbox does not know {', '.join(unknown)}")
        return value


# --- S3 ---------------------------------------------------------------------------------------------------------------


def create_bucket(aws: Clients, wanted: DesiredResource) -> Resource:
    s3, name, properties = aws("s3"), wanted.name.lower(), wanted.properties
    s3.create_bucket(Bucket=name)
    if encryption := properties.get("BucketEncryption"):
        rules = wanted.only(encryption, "ServerSideEncryptionConfiguration")["ServerSideEncryptionConfiguration"]
        rules = [wanted.only(rule, "BucketKeyEnabled", "ServerSideEncryptionByDefault") for rule in rules]
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"],
                "BucketKeyEnabled": flag(rule.get("BucketKeyEnabled", "false")),
            }
            for rule in rules
        ]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if block := properties.get("PublicAccessBlockConfiguration"):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    if ownership := properties.get("OwnershipControls"):
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=ownership)
    if cors := properties.get("CorsConfiguration"):
        s3.put_bucket_cors(
            Bucket=name, CORSConfiguration={"CORSRules": [_cors_rule(wanted, rule) for rule in cors["CorsRules"]]}
        )
    if versioning := properties.get("VersioningConfiguration"):
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=versioning)
    if lifecycle := properties.get("LifecycleConfiguration"):
        rules = [_lifecycle_rule(wanted, rule) for rule in wanted.only(lifecycle, "Rules")["Rules"]]
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})
    if notification := properties.get("NotificationConfiguration"):
        queues = wanted.only(notification, "QueueConfigurations")["QueueConfigurations"]
        queues = [wanted.only(queue, "Event", "Queue") for queue in queues]
        queues = [{"QueueArn": queue["Queue"], "Events": [queue["Event"]]} for queue in queues]
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"QueueConfigurations": queues})
    return wanted.created(name, Arn=f"arn:aws:s3:::{name}")


def _cors_rule(wanted: DesiredResource, rule: Properties) -> dict[str, Any]:
    wanted.only(rule, "AllowedHeaders", "AllowedMethods", "AllowedOrigins", "ExposedHeaders", "MaxAge")
    api = {name: rule[name] for name in ("AllowedHeaders", "AllowedMethods", "AllowedOrigins") if name in rule}
    if "ExposedHeaders" in rule:
        api["ExposeHeaders"] = rule["ExposedHeaders"]
    if "MaxAge" in rule:
        api["MaxAgeSeconds"] = whole(rule["MaxAge"])
    return api


def _lifecycle_rule(wanted: DesiredResource, rule: Properties) -> dict[str, Any]:
    expiration, expired_marker = "ExpirationInDays", "ExpiredObjectDeleteMarker"
    noncurrent, multipart = "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"
    wanted.only(rule, "Id", "Status", expiration, expired_marker, noncurrent, multipart)
    api: dict[str, Any] = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": ""}}
    if expiration in rule:
        api["Expiration"] = {"Days": whole(rule[expiration])}
    if expired_marker in rule:
        api["Expiration"] = {expired_marker: flag(rule[expired_marker])}
    for nested in (noncurrent, multipart):
        if nested in rule:
            api[nested] = {name: whole(value) for name, value in rule[nested].items()}
    return api


# --- SQS --------------------------------------------------------------------------------------------------------------


def create_queue(aws: Clients, wanted: DesiredResource) -> Resource:
    attributes = {
        name: json.dumps(value) if isinstance(value, dict) else text(value) for name, value in wanted.properties.items()
    }
    url = aws("sqs").create_queue(QueueName=wanted.name, Attributes=attributes)["QueueUrl"]
    return wanted.created(url, Arn=_arn("sqs", wanted.name), QueueName=wanted.name, QueueUrl=url)


def create_queue_policy(aws: Clients, wanted: DesiredResource) -> Resource:
    policy = json.dumps(wanted.properties["PolicyDocument"])
    for queue_url in wanted.properties["Queues"]:
        aws("sqs").set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
    return wanted.created(wanted.name)


# --- DynamoDB ---------------------------------------------------------------------------------------------------------


def create_table(aws: Clients, wanted: DesiredResource) -> Resource:
    dynamodb, name, properties = aws("dynamodb"), wanted.name, wanted.properties
    same_in_the_api = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    settings: dict[str, Any] = {key: properties[key] for key in same_in_the_api if key in properties}
    if stream := properties.get("StreamSpecification"):
        settings["StreamSpecification"] = {**wanted.only(stream, "StreamViewType"), "StreamEnabled": True}
    if encryption := properties.get("SSESpecification"):
        known = dict(wanted.only(encryption, "KMSMasterKeyId", "SSEEnabled", "SSEType"))
        settings["SSESpecification"] = known | {"Enabled": flag(known.pop("SSEEnabled"))}
    if protection := properties.get("DeletionProtectionEnabled"):
        settings["DeletionProtectionEnabled"] = flag(protection)
    table = dynamodb.create_table(TableName=name, **settings)["TableDescription"]
    if time_to_live := properties.get("TimeToLiveSpecification"):
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
    _set_recovery(aws, name, properties)
    attributes = {"StreamArn": table["LatestStreamArn"]} if stream else {}
    return wanted.created(name, Arn=_arn("dynamodb", f"table/{name}"), **attributes)


def update_table(aws: Clients, wanted: DesiredResource, existing: Resource) -> Resource:
    """Change what can be changed without touching the data: protection and recovery."""
    changed = {
        name
        for name in wanted.properties.keys() | existing.properties.keys()
        if wanted.properties.get(name) != existing.properties.get(name)
    }
    if refused := sorted(changed - {"DeletionProtectionEnabled", "PointInTimeRecoverySpecification"}):
        raise TemplateError(f"{wanted.logical_id}: the sandbox cannot change {', '.join(refused)} of a table")
    name, protection = existing.physical_id, flag(wanted.properties.get("DeletionProtectionEnabled", False))
    aws("dynamodb").update_table(TableName=name, DeletionProtectionEnabled=protection)
    _set_recovery(aws, name, wanted.properties)
    return wanted.created(name, **existing.attributes)


def _set_recovery(aws: Clients, name: str, properties: Properties) -> None:
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        aws("dynamodb").update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)


# --- SNS --------------------------------------------------------------------------------------------------------------


def create_topic(aws: Clients, wanted: DesiredResource) -> Resource:
    arn = aws("sns").create_topic(Name=wanted.name)["TopicArn"]
    return wanted.created(arn, TopicArn=arn)


def create_subscription(aws: Clients, wanted: DesiredResource) -> Resource:
    arn = aws("sns").subscribe(**wanted.properties, ReturnSubscriptionArn=True)["SubscriptionArn"]
    return wanted.created(arn)


# --- Secrets Manager, CloudWatch Logs, IAM ----------------------------------------------------------------------------


def create_secret(aws: Clients, wanted: DesiredResource) -> Resource:
    secrets, settings = aws("secretsmanager"), dict(wanted.properties)
    if generate := settings.pop("GenerateSecretString", None):
        wanted.only(generate, "PasswordLength", "ExcludePunctuation")
        length, plain = whole(generate["PasswordLength"]), flag(generate.get("ExcludePunctuation", False))
        password = secrets.get_random_password(PasswordLength=length, ExcludePunctuation=plain)["RandomPassword"]
        settings["SecretString"] = password
    created = secrets.create_secret(Name=wanted.name, **settings)
    return wanted.created(created["ARN"], Id=created["ARN"])


def create_log_group(aws: Clients, wanted: DesiredResource) -> Resource:
    logs = aws("logs")
    logs.create_log_group(logGroupName=wanted.name)
    if "RetentionInDays" in wanted.properties:
        days = whole(wanted.properties["RetentionInDays"])
        logs.put_retention_policy(logGroupName=wanted.name, retentionInDays=days)
    return wanted.created(wanted.name, Arn=_arn("logs", f"log-group:{wanted.name}:*"))


def create_role(aws: Clients, wanted: DesiredResource) -> Resource:
    trust = json.dumps(wanted.properties["AssumeRolePolicyDocument"])
    arn = aws("iam").create_role(RoleName=wanted.name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    return wanted.created(wanted.name, Arn=arn)


def update_role(aws: Clients, wanted: DesiredResource, existing: Resource) -> Resource:
    trust = json.dumps(wanted.properties["AssumeRolePolicyDocument"])
    aws("iam").update_assume_role_policy(RoleName=existing.physical_id, PolicyDocument=trust)
    return wanted.created(existing.physical_id, **existing.attributes)


# --- Lambda: registered with moto, so that its API describes them; run by the Lambda host -----------------------------


def create_layer(aws: Clients, wanted: DesiredResource) -> Resource:
    created = aws("lambda").publish_layer_version(
        LayerName=wanted.properties["LayerName"],
        Description=wanted.properties.get("Description", ""),
        CompatibleRuntimes=wanted.properties.get("CompatibleRuntimes", []),
        CompatibleArchitectures=wanted.properties.get("CompatibleArchitectures", []),
        Content={"ZipFile": _code_stays_in_its_folder()},
    )
    return wanted.created(created["LayerVersionArn"])


def create_function(aws: Clients, wanted: DesiredResource) -> Resource:
    created = aws("lambda").create_function(
        FunctionName=wanted.name,
        Code={"ZipFile": _code_stays_in_its_folder()},
        Architectures=wanted.properties.get("Architectures", ["x86_64"]),
        **_function_configuration(wanted),
    )
    return wanted.created(wanted.name, Arn=created["FunctionArn"])


def update_function(aws: Clients, wanted: DesiredResource, existing: Resource) -> Resource:
    aws("lambda").update_function_configuration(FunctionName=existing.physical_id, **_function_configuration(wanted))
    return wanted.created(existing.physical_id, **existing.attributes)


def _function_configuration(wanted: DesiredResource) -> dict[str, Any]:
    properties = wanted.properties
    variables = wanted.only(properties.get("Environment", {}), "Variables").get("Variables", {})
    return {
        "Runtime": properties["Runtime"],
        "Handler": properties["Handler"],
        "Role": properties["Role"],
        "Description": properties.get("Description", ""),
        "Timeout": whole(properties.get("Timeout", 3)),
        "MemorySize": whole(properties.get("MemorySize", 128)),
        "Environment": {"Variables": {name: text(value) for name, value in variables.items()}},
        "Layers": properties.get("Layers", []),
    }


def create_function_url(aws: Clients, wanted: DesiredResource) -> Resource:
    """The sandbox's AWS serves it: function_urls.py."""
    name = wanted.properties["TargetFunctionArn"].split(":")[-1]
    if wanted.properties["AuthType"] != "AWS_IAM":
        raise TemplateError(f"{wanted.logical_id}: the sandbox knows function URLs with AuthType AWS_IAM alone")
    url = f"{aws('lambda').meta.endpoint_url}/_function-url/{name}/"
    return wanted.created(name, FunctionUrl=url)


def create_event_source_mapping(_: Clients, wanted: DesiredResource) -> Resource:
    wanted.only(wanted.properties.get("ScalingConfig", {}), "MaximumConcurrency")
    wanted.only(wanted.properties.get("DestinationConfig", {}), "OnFailure")
    unknown = set(wanted.properties.get("FunctionResponseTypes", [])) - {"ReportBatchItemFailures"}
    if unknown:
        raise TemplateError(f"{wanted.logical_id}: the sandbox does not know {', '.join(sorted(unknown))}")
    return wanted.created(wanted.name)


def create_bus(aws: Clients, wanted: DesiredResource) -> Resource:
    settings = {"DeadLetterConfig": wanted.properties.get("DeadLetterConfig", {})}
    created = aws("events").create_event_bus(Name=wanted.properties["Name"], **settings)
    return wanted.created(wanted.properties["Name"], Arn=created["EventBusArn"], Name=wanted.properties["Name"])


def update_bus(_: Clients, wanted: DesiredResource, existing: Resource) -> Resource:
    """Keep the bus: moto cannot change one, and what may change, the dead-letter queue, has no effect here."""
    if existing.physical_id != wanted.properties["Name"]:
        raise TemplateError(f"{wanted.logical_id}: the sandbox cannot rename a bus")
    return wanted.created(existing.physical_id, **existing.attributes)


def create_rule(aws: Clients, wanted: DesiredResource) -> Resource:
    """Create a schedule, which the Lambda host runs, or a bus rule that forwards events to queues."""
    properties = wanted.properties
    for target in properties["Targets"]:
        wanted.only(target, "Arn", "Id", "DeadLetterConfig")
    events = aws("events")
    if "ScheduleExpression" in properties:
        rule = events.put_rule(Name=wanted.name, ScheduleExpression=properties["ScheduleExpression"])
        events.put_targets(Rule=wanted.name, Targets=properties["Targets"])
        return wanted.created(wanted.name, Arn=rule["RuleArn"])
    bus = properties["EventBusName"]
    pattern, description = json.dumps(properties["EventPattern"]), properties.get("Description", "")
    rule = events.put_rule(Name=wanted.name, EventBusName=bus, EventPattern=pattern, Description=description)
    events.put_targets(Rule=wanted.name, EventBusName=bus, Targets=properties["Targets"])
    return wanted.created(wanted.name, Arn=rule["RuleArn"])


def _code_stays_in_its_folder() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as empty:
        empty.writestr("README", "The sandbox runs the code from its folder.")
    return archive.getvalue()


# --- Values -----------------------------------------------------------------------------------------------------------


def whole(value: object) -> int:
    """Return a number given as CloudFormation accepts it, including as text."""
    try:
        return int(str(value))
    except ValueError:
        raise TemplateError(f"{value!r} must be a whole number") from None


def flag(value: object) -> bool:
    return text(value) == "true"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
