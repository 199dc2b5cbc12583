"""Workarounds for ministack bugs that this stack meets, with AWS's behaviour and its source.

Each first checks that its bug still exists. If not, it raises FixedUpstream, and ministack does not start until the
workaround is removed.
"""

import inspect
import json
import os
import re
import string
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.router import extract_access_key_id
from ministack.services import lambda_svc, secretsmanager
from ministack.services.cloudformation import provisioners
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as HANDLERS


class FixedUpstream(Exception):
    """This version of ministack has no such bug."""


def expect_slip(happens: object, workaround: str) -> None:
    if not happens:
        raise FixedUpstream(f"ministack does right what {workaround} works around: remove it from {__file__}")


def batches_are_authorized_as_their_single_action() -> None:
    """An SQS batch needs the permission of its single action: the Service Authorization Reference has sqs:SendMessage,
    sqs:DeleteMessage and sqs:ChangeMessageVisibility, and none ending in Batch.

    ministack checks a permission named after the operation.
    """
    extract = iam_actions.extract_iam_action
    batch = extract("sqs", "POST", "/", {"x-amz-target": "AmazonSQS.SendMessageBatch"}, b"{}", {})
    expect_slip(batch == "sqs:SendMessageBatch", "batches_are_authorized_as_their_single_action")

    def single(service: str, *request: Any) -> str | None:
        action: str | None = extract(service, *request)
        return action.removesuffix("Batch") if action and service == "sqs" else action

    iam_actions.extract_iam_action = single


def maximum_concurrency_is_a_number() -> None:
    """CloudFormation converts a parameter's text to the type in the resource's schema, here an integer; templates
    commonly refer to Number parameters there (also in SAM's documentation).

    ministack keeps the text, and its poller fails comparing it with a number.
    """
    limit = lambda_svc._sqs_esm_concurrency
    expect_slip(limit({"ScalingConfig": {"MaximumConcurrency": "2"}}, {}, {}) == "2", "maximum_concurrency_is_a_number")
    lambda_svc._sqs_esm_concurrency = lambda *arguments: int(limit(*arguments))


def ref_of_a_secret_is_its_arn() -> None:
    """`Ref` of an AWS::SecretsManager::Secret is its ARN (CloudFormation reference, return values).

    In ministack it is the name.
    """
    create, update, delete = (HANDLERS["AWS::SecretsManager::Secret"][verb] for verb in ("create", "update", "delete"))
    name, attributes = create("Probe", {"Name": "probe"}, "probe")
    delete(name, {})
    expect_slip(name == "probe" and attributes["Id"].startswith("arn:"), "ref_of_a_secret_is_its_arn")

    def name_of(physical_id: str) -> str:
        return str(secretsmanager._resolve(physical_id)[0] or physical_id)

    def create_by_arn(*arguments: Any) -> Any:
        _, attributes = create(*arguments)
        return attributes["Id"], attributes

    def update_by_arn(physical_id: str, *arguments: Any) -> Any:
        _, attributes = update(name_of(physical_id), *arguments)
        return attributes["Id"], attributes

    HANDLERS["AWS::SecretsManager::Secret"] |= {
        "create": create_by_arn,
        "update": update_by_arn,
        "delete": lambda physical_id, props: delete(name_of(physical_id), props),
    }


def generated_secrets_leave_out_what_they_should() -> None:
    """GenerateSecretString has ExcludePunctuation besides ExcludeCharacters, like GetRandomPassword (its reference).

    ministack's CloudFormation reads only ExcludeCharacters.
    """
    generate = provisioners._sm_secret_string
    plain = {"PasswordLength": 1000, "ExcludePunctuation": True}
    sample = generate({"GenerateSecretString": plain})
    expect_slip(set(sample) & set(string.punctuation), "generated_secrets_leave_out_what_they_should")

    def generate_as_asked(props: dict[str, Any]) -> Any:
        asked = dict(props.get("GenerateSecretString") or {})
        if str(asked.get("ExcludePunctuation")).lower() == "true":
            asked["ExcludeCharacters"] = asked.get("ExcludeCharacters", "") + string.punctuation
        return generate(props | {"GenerateSecretString": asked} if asked else props)

    provisioners._sm_secret_string = generate_as_asked


def alarms_may_compute() -> None:
    """An AWS::CloudWatch::Alarm may have Metrics with an expression (its schema, copied in cfn-lint).

    ministack rejects such an alarm and rolls the stack back. Here it is created for its first metric: it exists, with
    description and actions, but does not compute.
    """
    record = provisioners._cw_metric_alarm_record
    metric = {"Metric": {"Namespace": "probe", "MetricName": "probe"}, "Period": 60, "Stat": "Sum"}
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0}
    try:
        record("probe", alarm | {"Metrics": [{"Id": "probe", "MetricStat": metric}]})
        refused = False
    except ValueError:
        refused = True
    expect_slip(refused, "alarms_may_compute")

    def record_of_the_first(name: str, props: dict[str, Any]) -> Any:
        metrics = [metric["MetricStat"]["Metric"] for metric in props.get("Metrics", []) if "MetricStat" in metric]
        if metrics:
            first = {key: metrics[0][key] for key in ("Namespace", "MetricName")}
            props = {key: value for key, value in props.items() if key != "Metrics"} | first
        return record(name, props)

    provisioners._cw_metric_alarm_record = record_of_the_first


def archives_and_saved_queries_are_resources() -> None:
    """AWS::Events::Archive and AWS::Logs::QueryDefinition are CloudFormation types (its reference).

    ministack rolls the stack back. Here they are accepted and do nothing; nothing in the stack depends on them.
    """
    types = ("AWS::Events::Archive", "AWS::Logs::QueryDefinition")
    expect_slip(not any(name in HANDLERS for name in types), "archives_and_saved_queries_are_resources")

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, str]]:
        name = f"{stack_name}-{logical_id}"
        return name, {"Arn": f"arn:aws:accepted:::{name}", "QueryDefinitionId": name}

    for name in types:
        HANDLERS[name] = {"create": create, "delete": lambda physical_id, props: None}


def function_urls_are_addresses() -> None:
    """A function URL in the stack's outputs can be called.

    ministack outputs AWS's host name, and serves the function under a path of its own.
    """
    attributes = provisioners._lambda_url_attributes
    on_aws = "https://probe.lambda-url.us-east-1.on.aws/"
    probe = attributes({"FunctionArn": "arn", "FunctionUrl": on_aws})
    expect_slip(probe["FunctionUrl"] == on_aws, "function_urls_are_addresses")

    def here(config: dict[str, Any]) -> dict[str, Any]:
        url_id = config["FunctionUrl"].removeprefix("https://").split(".")[0]
        url = f"https://127.0.0.1:{os.environ['GATEWAY_PORT']}/_aws/lambda-url/{url_id}/"
        return {**attributes(config), "FunctionUrl": url}

    provisioners._lambda_url_attributes = here


def function_urls_name_their_caller() -> None:
    """With AuthType AWS_IAM the event's requestContext.authorizer.iam identifies the caller (Lambda's guide, payload of
    URLs).

    ministack's event lacks it.
    """
    build = lambda_svc._build_function_url_event
    by_root = {"authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request"}
    probe = build("probe", "0" * 12, "us-east-1", "GET", "/", by_root, b"", {})
    expect_slip("authorizer" not in probe["requestContext"], "function_urls_name_their_caller")

    def build_with_caller(
        url_id: str, account: str, region: str, method: str, path: str, headers: Any, body: Any, query: Any, **more: Any
    ) -> Any:
        event = build(url_id, account, region, method, path, headers, body, query, **more)
        caller = iam_evaluator.resolve_caller_identity(extract_access_key_id(headers, query))
        if caller and not more.get("anonymous"):
            named = {name: caller[name] for name in ("accessKey", "accountId", "userArn", "userId")}
            event["requestContext"]["authorizer"] = {"iam": named | {"callerId": caller["userId"]}}
        return event

    lambda_svc._build_function_url_event = build_with_caller


def function_urls_need_two_permissions() -> None:
    """Since October 2025 a caller needs lambda:InvokeFunctionUrl and lambda:InvokeFunction (Lambda's guide on access to
    URLs); for the second, lambda:InvokedViaFunctionUrl is true.

    ministack checks only the first.
    """
    handle = app._handle_lambda_url_request
    expect_slip('"lambda:InvokeFunction"' not in inspect.getsource(handle), "function_urls_need_two_permissions")

    async def handle_if_both(
        host: str, path: str, method: str, headers: Any, body: Any, query: Any, source_ip: str | None = None
    ) -> Any:
        if parsed := app._parse_lambda_url(host, path):
            arn, keys, _ = app._function_url_auth_target(parsed[0])
            keys = keys | {"lambda:InvokedViaFunctionUrl": "true"}
            request = ("lambda", "lambda:InvokeFunction", headers, query, "")
            if keys.get("lambda:FunctionUrlAuthType") == "AWS_IAM" and (
                denied := app._enforce_data_plane(*request, resource_arn=arn, service_context=keys)
            ):
                return denied
        return await handle(host, path, method, headers, body, query, source_ip)

    app._handle_lambda_url_request = handle_if_both


def versions_are_deleted_together_as_one_by_one() -> None:
    """Deleting versions needs s3:DeleteObjectVersion, by DeleteObjects as well (its reference, Permissions).

    ministack only sees the first object of such a request, and checks s3:DeleteObject.
    """
    extract = iam_actions.extract_iam_action
    version = b"<Delete><Object><Key>k</Key><VersionId>v</VersionId></Object></Delete>"
    action = extract("s3", "POST", "/bucket", {}, version, {"delete": [""]})
    expect_slip(action == "s3:DeleteObject", "versions_are_deleted_together_as_one_by_one")

    def of_the_first(service: str, method: str, path: str, headers: Any, body: Any, *more: Any) -> str | None:
        action: str | None = extract(service, method, path, headers, body, *more)
        if (action, method) == ("s3:DeleteObject", "POST"):
            targets = iam_actions._s3_batch_delete_targets("", body)
            return "s3:DeleteObjectVersion" if targets and targets[0][1] else action
        return action

    iam_actions.extract_iam_action = of_the_first


NAME = re.compile(r"(?<![:\w#.])(#?[A-Za-z_]\w*)(?!\w*\s*\()")
NO_NAMES = {"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN"}


def writes_tell_their_items_and_attributes() -> None:
    """dynamodb:LeadingKeys are the partition keys of a request's items, dynamodb:Attributes all attributes it names,
    including those of key, update and condition (DynamoDB's guide, fine-grained access).

    ministack ignores leading keys, and evaluates only attributes that are read. Worked around for writes of one item;
    leading keys for tables without a sort key.
    """
    context_of = iam_actions.dynamodb_service_context
    write = {
        "Key": {"id": {"S": "probe"}},
        "UpdateExpression": "SET #a = :b",
        "ExpressionAttributeNames": {"#a": "probe"},
    }
    probe = context_of(json.dumps(write).encode())
    slips = not probe.keys() & {"dynamodb:LeadingKeys", "dynamodb:Attributes"}
    expect_slip(slips, "writes_tell_their_items_and_attributes")

    def context_with_items(body: bytes) -> dict[str, Any]:
        context: dict[str, Any] = context_of(body)
        request = json.loads(body or b"{}")
        key = request.get("Key", {})
        if len(key) == 1:
            context["dynamodb:LeadingKeys"] = [str(value) for kind in key.values() for value in kind.values()]
        if "UpdateExpression" in request:
            said = f"{request['UpdateExpression']} {request.get('ConditionExpression', '')}"
            names = {name for name in NAME.findall(said) if name.upper() not in NO_NAMES}
            known = request.get("ExpressionAttributeNames", {})
            context["dynamodb:Attributes"] = [*key, *(known.get(name, name) for name in names)]
        return context

    iam_actions.dynamodb_service_context = context_with_items


def streams_bring_failed_records_again() -> None:
    """A function that reports failed stream records gets them again (Lambda's guide, batch failures of DynamoDB).

    ministack treats the report as a success and loses the records. The workaround delivers the batch again.
    """
    execute = lambda_svc._execute_function
    reads_reports = "batchItemFailures" in inspect.getsource(lambda_svc._poll_dynamodb_streams)
    expect_slip(
        not reads_reports and execute.__name__ != "execute_and_read_report", "streams_bring_failed_records_again"
    )

    def execute_and_read_report(function: Any, event: Any, *more: Any, **named: Any) -> Any:
        result = execute(function, event, *more, **named)
        records = event.get("Records", []) if isinstance(event, dict) else []
        if records and records[0].get("eventSource") == "aws:dynamodb" and not result.get("error"):
            body = result.get("body") or {}
            report = json.loads(body) if isinstance(body, str) else body
            if isinstance(report, dict) and report.get("batchItemFailures"):
                return result | {"error": True, "body": {"errorType": "BatchItemFailures", "errorMessage": str(report)}}
        return result

    lambda_svc._execute_function = execute_and_read_report


WORKAROUNDS = (
    batches_are_authorized_as_their_single_action,
    maximum_concurrency_is_a_number,
    ref_of_a_secret_is_its_arn,
    generated_secrets_leave_out_what_they_should,
    alarms_may_compute,
    archives_and_saved_queries_are_resources,
    function_urls_are_addresses,
    function_urls_name_their_caller,
    function_urls_need_two_permissions,
    versions_are_deleted_together_as_one_by_one,
    writes_tell_their_items_and_attributes,
    streams_bring_failed_records_again,
)


def apply_all() -> None:
    """Raises FixedUpstream."""
    for workaround in WORKAROUNDS:
        workaround()
