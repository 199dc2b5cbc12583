"""template.yaml, expanded as by CloudFormation, meets the design."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facepair.domain.gate import LONGEST_WAIT_SECONDS
from facepair.domain.verdict import Verdict
from facepair.settings import CompareSettings
from facepair.use_cases.ask import SAVING_SECONDS
from facepair.webhook.sender import DEADLINE_SECONDS
from sandbox.alarms import AlarmState, Datapoint, states
from sandbox.intrinsics import text
from sandbox.parameters import ParameterError
from tests.support.expanded_stack import WRITTEN, ExpandedStack

ROOT = Path(__file__).parents[2]
TWO_LARGEST_PICTURES_SECONDS = 30
"""Measured with other load: docs/adr/0009-pictures-complete-or-not-sent.md."""
FUNCTIONS = (
    "CompareFunction",
    "FindMissedFunction",
    "OperateFunction",
    "EraseFunction",
    "ReviewFunction",
    "PublishFunction",
    "DeliverFunction",
)
PAIRS_FUNCTIONS = ("CompareFunction", "FindMissedFunction")
WEBHOOK = {"WebhookUrl": "https://example.com/verdicts"}


@pytest.fixture(scope="module")
def stack() -> ExpandedStack:
    return ExpandedStack({"AlarmEmail": "someone@example.com", "HttpsProxy": "http://proxy.test:3128"} | WEBHOOK)


# --- contract ---------------------------------------------------------------------------------------------------------


def test_the_parameters_of_the_contract_are_there_with_their_defaults_and_ranges() -> None:
    parameters = WRITTEN["Parameters"]

    assert {"FirstName", "SecondName", "AlarmEmail", "MaxConcurrency", "MaxUploadMegabytes"} <= parameters.keys()
    assert {"ImageRetentionDays", "VerdictRetentionDays"} <= parameters.keys()
    assert parameters["AdvanceBaseUrl"]["Default"] == "https://api.advance.ai"
    assert (parameters["FirstName"]["Default"], parameters["SecondName"]["Default"]) == ("first", "second")
    assert (parameters["PassAbove"]["Default"], parameters["RejectBelow"]["Default"]) == (70, 55)
    assert parameters["OnUnknownOutcome"]["AllowedValues"] == ["hold", "retry"]
    validity = parameters["TokenValiditySeconds"]
    assert (validity["MinValue"], validity["MaxValue"]) == (60, 86400)
    assert parameters["ApiDeadlineSeconds"]["MinValue"] == 1
    assert parameters["BlockedRetrySeconds"]["MinValue"] == 1
    assert parameters["FindMissedAfterMinutes"]["MinValue"] == 0


def test_every_parameter_has_a_description_a_default_and_a_place_in_the_console() -> None:
    groups = WRITTEN["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert all({"Default", "Description"} <= attributes.keys() for attributes in WRITTEN["Parameters"].values())
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(WRITTEN["Parameters"])


def test_the_outputs_of_the_contract_name_the_resources(stack: ExpandedStack) -> None:
    assert stack.outputs == {
        "ImagesBucket": "<ImagesBucket>",
        "VerdictsTable": "<VerdictsTable>",
        "CallsTable": "<CallsTable>",
        "IdempotencyTable": "<IdempotencyTable>",
        "UploadsQueue": "<UploadsQueue>",
        "DeadLetterQueue": "<DeadLetterQueue>",
        "CredentialsSecret": "<CredentialsSecret>",
        "ProxySecret": "<ProxySecret>",
        "TokenParameter": "/pairs/advance-token",
        "CompareFunction": "<CompareFunction>",
        "FindMissedFunction": "<FindMissedFunction>",
        "OperateFunction": "<OperateFunction>",
        "OperateUrl": "<OperateFunctionUrl.FunctionUrl>",
        "PermitUrl": "<OperateFunctionUrl.FunctionUrl>",
        "EraseFunction": "<EraseFunction>",
        "EraseUrl": "<EraseFunctionUrl.FunctionUrl>",
        "PublishFunction": "<PublishFunction>",
        "ReviewFunction": "<ReviewFunction>",
        "ReviewUrl": "<ReviewFunctionUrl.FunctionUrl>",
        **{name: f"<{name}>" for name in DESCRIPTIONS},
        "VerdictsBus": "<VerdictsBus>",
        "UnpublishedQueue": "<UnpublishedQueue>",
        "BusDeadLetterQueue": "<BusDeadLetterQueue>",
        "WebhookSecret": "<WebhookSecret>",
        "WebhookQueue": "<WebhookQueue>",
        "WebhookDeadLetterQueue": "<WebhookDeadLetterQueue>",
        "DeliverFunction": "<DeliverFunction>",
        "AlarmTopic": "<AlarmTopic>",
    }


def test_the_tables_have_the_keys_and_the_index_of_the_contract(stack: ExpandedStack) -> None:
    def keys(holder: dict[str, Any]) -> dict[str, str]:
        return {key["KeyType"]: key["AttributeName"] for key in holder["KeySchema"]}

    verdicts = stack.properties("VerdictsTable")
    [index] = verdicts["GlobalSecondaryIndexes"]

    assert keys(verdicts) == {"HASH": "pair_id"}
    assert (index["IndexName"], keys(index)) == ("by_verdict", {"HASH": "verdict", "RANGE": "updated_at"})
    assert index["Projection"] == {"ProjectionType": "ALL"}
    assert verdicts["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert keys(stack.properties("CallsTable")) == {"HASH": "pair_id", "RANGE": "call"}


def test_the_ledger_is_kept_for_ever_by_default_and_outlives_the_stack(stack: ExpandedStack) -> None:
    assert stack.parameters["LedgerRetentionDays"] == "0"
    assert stack.resources["CallsTable"]["DeletionPolicy"] == "Retain"
    assert stack.resources["CallsTable"]["UpdateReplacePolicy"] == "Retain"


# --- from bucket to function ------------------------------------------------------------------------------------------


def test_every_upload_goes_to_the_queue_and_the_queue_lets_it_in_first(stack: ExpandedStack) -> None:
    notification = stack.properties("ImagesBucket")["NotificationConfiguration"]
    [statement] = stack.properties("UploadsQueuePolicy")["PolicyDocument"]["Statement"]

    assert notification == {"QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": "<UploadsQueue.Arn>"}]}
    assert stack.resources["ImagesBucket"]["DependsOn"] == "UploadsQueuePolicy"
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", "<UploadsQueue.Arn>")
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "1"}}


def test_the_visibility_timeout_is_at_least_six_times_the_functions(stack: ExpandedStack) -> None:
    timeout = stack.properties("CompareFunction")["Timeout"]

    assert stack.properties("UploadsQueue")["VisibilityTimeout"] >= 6 * timeout


def test_the_function_has_time_for_the_slowest_pair_that_it_must_compare(stack: ExpandedStack) -> None:
    longest_call = WRITTEN["Parameters"]["ApiDeadlineSeconds"]["MaxValue"]
    a_new_token = longest_call

    needed = TWO_LARGEST_PICTURES_SECONDS + a_new_token + LONGEST_WAIT_SECONDS + longest_call + SAVING_SECONDS

    assert needed <= stack.properties("CompareFunction")["Timeout"]


def test_the_code_knows_the_queue_s_visibility_timeout(stack: ExpandedStack) -> None:
    known = CompareSettings.model_fields["visibility_timeout_seconds"].default

    assert known == stack.properties("UploadsQueue")["VisibilityTimeout"]


def test_the_function_takes_one_message_at_a_time_and_reports_failures_by_message(stack: ExpandedStack) -> None:
    mapping = mapping_of(stack, "<CompareFunction>")

    assert mapping["EventSourceArn"] == "<UploadsQueue.Arn>"
    assert mapping["BatchSize"] == 1
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": "10"}


def test_what_cannot_be_processed_ends_in_the_dead_letter_queue_and_is_kept_there(stack: ExpandedStack) -> None:
    redrive = stack.properties("UploadsQueue")["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == "<DeadLetterQueue.Arn>"
    assert redrive["maxReceiveCount"] >= 5  # AWS's advice for Lambda
    assert stack.properties("DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_search_for_missed_pairs_runs_hourly(stack: ExpandedStack) -> None:
    [rule] = [one for one in stack.of_type("AWS::Events::Rule").values() if "ScheduleExpression" in one]

    assert rule["ScheduleExpression"] == "rate(1 hour)"
    assert [target["Arn"] for target in rule["Targets"]] == ["<FindMissedFunction.Arn>"]


def mapping_of(stack: ExpandedStack, function: str) -> dict[str, Any]:
    """Return a function's only event source mapping."""
    [mapping] = [
        one for one in stack.of_type("AWS::Lambda::EventSourceMapping").values() if one["FunctionName"] == function
    ]
    return mapping


# --- change events ----------------------------------------------------------------------------------------------------


def test_every_write_of_the_verdicts_table_is_published_from_its_first_on(stack: ExpandedStack) -> None:
    mapping = mapping_of(stack, "<PublishFunction>")

    assert stack.properties("VerdictsTable")["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert mapping["EventSourceArn"] == "<VerdictsTable.StreamArn>"
    assert mapping["StartingPosition"] == "TRIM_HORIZON"


def test_what_cannot_be_published_is_retried_alone_until_it_is_too_old(stack: ExpandedStack) -> None:
    mapping = mapping_of(stack, "<PublishFunction>")

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert 3600 < mapping["MaximumRecordAgeInSeconds"] < 24 * 3600  # the stream's own limit
    assert mapping["MaximumRetryAttempts"] == -1, "fast failures use up any number of attempts within minutes"
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": "<UnpublishedQueue.Arn>"}}


def test_events_that_the_bus_cannot_encrypt_are_kept_where_its_key_is_not_needed(stack_with_key: ExpandedStack) -> None:
    bus, queue = stack_with_key.properties("VerdictsBus"), stack_with_key.properties("BusDeadLetterQueue")
    [statement] = stack_with_key.properties("BusDeadLetterQueuePolicy")["PolicyDocument"]["Statement"]

    assert bus["DeadLetterConfig"] == {"Arn": "<BusDeadLetterQueue.Arn>"}
    assert (queue["SqsManagedSseEnabled"], "KmsMasterKeyId" in queue) == (True, False)
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", "<BusDeadLetterQueue.Arn>")
    of_the_bus = f"arn:aws:events:eu-west-1:1:event-bus/{bus['Name']}"
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": of_the_bus}}


def test_final_verdicts_and_erasures_go_to_the_webhook_and_failed_events_are_kept(
    stack: ExpandedStack,
) -> None:
    rules = [one for one in stack.of_type("AWS::Events::Rule").values() if "EventPattern" in one]
    patterns = {pattern["detail-type"][0]: pattern for pattern in (rule["EventPattern"] for rule in rules)}

    assert patterns.keys() == {"Verdict changed", "Pair erased"}
    assert set(patterns["Verdict changed"]["detail"]["verdict"]) == set(Verdict) - {Verdict.WAITING, Verdict.PENDING}
    for rule in rules:
        assert rule["EventBusName"] == "<VerdictsBus>"
        [target] = rule["Targets"]
        assert (target["Arn"], target["DeadLetterConfig"]) == (
            "<WebhookQueue.Arn>",
            {"Arn": "<WebhookDeadLetterQueue.Arn>"},
        )
    for queue in ("WebhookQueue", "WebhookDeadLetterQueue"):
        [statement] = stack.properties(f"{queue}Policy")["PolicyDocument"]["Statement"]
        assert statement["Resource"] == f"<{queue}.Arn>"
        assert set(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == {
            "<FinalVerdictsRule.Arn>",
            "<ErasuresRule.Arn>",
        }


def test_a_webhook_attempt_ends_before_its_function_and_that_before_the_message(
    stack: ExpandedStack,
) -> None:
    timeout = stack.properties("DeliverFunction")["Timeout"]

    assert timeout >= DEADLINE_SECONDS + 20  # what PATIENT clients may take before and after it
    assert stack.properties("WebhookQueue")["VisibilityTimeout"] >= 6 * timeout
    assert mapping_of(stack, "<DeliverFunction>")["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_undelivered_webhooks_lie_in_a_queue_that_keeps_them(stack: ExpandedStack) -> None:
    redrive = stack.properties("WebhookQueue")["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == "<WebhookDeadLetterQueue.Arn>"
    for queue in ("WebhookQueue", "WebhookDeadLetterQueue", "UnpublishedQueue"):
        assert stack.properties(queue)["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_stack_makes_the_webhook_s_secret_of_letters_and_digits(stack: ExpandedStack) -> None:
    generated = stack.properties("WebhookSecret")["GenerateSecretString"]

    assert generated == {"PasswordLength": 32, "ExcludePunctuation": True}


def test_without_a_webhook_there_is_nothing_of_it() -> None:
    stack = ExpandedStack({"AlarmEmail": "someone@example.com"})

    assert not [name for name in stack.resources.keys() | stack.outputs.keys() if re.search("Webhook|Deliver", name)]
    assert {"VerdictsBus", "PublishFunction"} <= stack.resources.keys()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://example.com",
        "https://example.com:8443/verdicts?tenant=7",
        "http://127.0.0.1:8080/verdicts",
        "http://receiver.test/verdicts",
    ],
)
def test_a_webhook_s_url_may_be_https_or_stay_on_the_machine(url: str) -> None:
    assert ExpandedStack({"WebhookUrl": url}).parameters["WebhookUrl"] == url


@pytest.mark.parametrize(
    "url",
    ["http://example.com/verdicts", "ftp://example.com", "example.com", "https://user:pass@example.com", "https://"],
)
def test_no_other_url_is_accepted(url: str) -> None:
    with pytest.raises(ParameterError, match="WebhookUrl must be https://host/path"):
        ExpandedStack({"WebhookUrl": url})


@pytest.mark.parametrize("path", ["", "check", "/check?region=VN", "//api.example.com/check", "/a check", "https://x"])
def test_the_comparison_s_path_is_nothing_but_a_path(path: str) -> None:
    with pytest.raises(ParameterError, match="AdvanceComparisonPath must be a path without a host or query"):
        ExpandedStack({"AdvanceComparisonPath": path})


@pytest.mark.parametrize("region", ["vn", "VNM", "V", "VN "])
def test_a_region_is_two_capital_letters(region: str) -> None:
    with pytest.raises(ParameterError, match="AdvanceRegion must be two capital letters"):
        ExpandedStack({"AdvanceRegion": region})


# --- protection of pictures, verdicts and secrets ---------------------------------------------------------------------


def test_the_bucket_is_private_encrypted_versioned_and_forgets(stack: ExpandedStack) -> None:
    bucket = stack.properties("ImagesBucket")
    expirations = [rule for rule in bucket["LifecycleConfiguration"]["Rules"] if "ExpirationInDays" in rule]

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert [rule["ExpirationInDays"] for rule in expirations] == ["30"]
    assert expirations[0]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def test_no_table_can_be_deleted_by_mistake_or_lose_its_last_weeks(stack: ExpandedStack) -> None:
    """Including IdempotencyTable, which has reviewers' decisions and marks of erased pairs."""
    for name, table in stack.of_type("AWS::DynamoDB::Table").items():
        assert table["DeletionProtectionEnabled"] is True, name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name


def test_tables_and_queues_are_encrypted(stack: ExpandedStack) -> None:
    tables, queues = stack.of_type("AWS::DynamoDB::Table"), stack.of_type("AWS::SQS::Queue")

    assert all(table["SSESpecification"] == {"SSEEnabled": True} for table in tables.values())
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())


def test_no_secret_is_in_the_template(stack: ExpandedStack) -> None:
    assert stack.properties("CredentialsSecret").keys() == {"Description"}


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_environment_variables_are_texts(function: str) -> None:
    """CloudFormation takes numbers for texts; not all tools that read the template do."""
    variables = WRITTEN["Resources"][function]["Properties"]["Environment"]["Variables"]

    assert [name for name, value in variables.items() if not isinstance(value, str | dict)] == []


@pytest.mark.parametrize("function", PAIRS_FUNCTIONS)
def test_a_functions_variables_are_texts_and_name_what_exists(stack: ExpandedStack, function: str) -> None:
    variables = stack.properties(function)["Environment"]["Variables"]

    assert variables["IMAGES_BUCKET"] == "<ImagesBucket>"
    assert variables["VERDICTS_TABLE"] == "<VerdictsTable>"
    assert variables["UPLOADS_QUEUE_URL"] == "<UploadsQueue>"
    assert {name for name, value in variables.items() if not text(value)} <= {
        "ADVANCE_REGION",
        "PROXY_URL",
        "PROXY_SECRET",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_functions_logs_expire(stack: ExpandedStack, function: str) -> None:
    group = stack.properties(function)["LoggingConfig"]["LogGroup"].strip("<>")

    assert stack.properties(group) == {"RetentionInDays": "90"}


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_and_layers_are_all_built_for_the_architecture_that_was_chosen(architecture: str) -> None:
    stack = ExpandedStack({"Architecture": architecture} | WEBHOOK)
    written_layers = [one for one in WRITTEN["Resources"].values() if one["Type"] == "AWS::Serverless::LayerVersion"]

    functions, layers = stack.of_type("AWS::Lambda::Function"), stack.of_type("AWS::Lambda::LayerVersion")
    assert functions.keys() == set(FUNCTIONS)
    assert all(function["Architectures"] == [architecture] for function in functions.values())
    assert all(layer["CompatibleArchitectures"] == [architecture] for layer in layers.values())
    assert [layer["Metadata"]["BuildArchitecture"] for layer in written_layers] == [{"Ref": "Architecture"}] * 2


def test_parameters_are_set_where_building_and_deploying_both_read_them() -> None:
    """`sam build` ignores the parameters of deploy: its layers would be for another processor than the functions."""
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    environments = {name: commands for name, commands in config.items() if isinstance(commands, dict)}

    assert environments
    for environment, commands in environments.items():
        where = {name for name, command in commands.items() if "parameter_overrides" in command["parameters"]}
        assert where == {"global"}, environment


# --- permissions ------------------------------------------------------------------------------------------------------


def statements(stack: ExpandedStack) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in stack.of_type("AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield f"{name}.{statement['Sid']}", statement


def test_a_function_may_only_do_named_things_to_named_resources(stack: ExpandedStack) -> None:
    found = dict(statements(stack))

    assert found
    for name, statement in found.items():
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+", action), f"{name} allows {action}"
        for resource in listed(statement["Resource"]):
            # In the bucket any object, as users upload them.
            assert "*" not in resource.removesuffix("/*"), f"{name} allows it on {resource}"
            assert resource.endswith("/*") == (resource == "<ImagesBucket.Arn>/*"), f"{name} allows it on {resource}"


def test_beside_them_a_role_has_only_what_lambda_itself_needs(stack: ExpandedStack) -> None:
    managed = {
        arn.rpartition("/")[2] for role in stack.of_type("AWS::IAM::Role").values() for arn in role["ManagedPolicyArns"]
    }

    assert managed == {
        "AWSLambdaBasicExecutionRole",
        "AWSLambdaDynamoDBExecutionRole",
        "AWSLambdaSQSQueueExecutionRole",
        "AWSXrayWriteOnlyAccess",
    }


def test_only_compare_function_reads_credentials_and_no_person_writes_verdicts(stack: ExpandedStack) -> None:
    allowed = {name.partition(".")[0]: set[str]() for name, _ in statements(stack)}
    for name, statement in statements(stack):
        allowed[name.partition(".")[0]] |= set(listed(statement["Action"]))

    assert "secretsmanager:GetSecretValue" in allowed["CompareFunctionRole"]
    assert not {"secretsmanager:GetSecretValue", "s3:GetObject"} & allowed["FindMissedFunctionRole"]
    writers = {
        name.partition(".")[0]
        for name, statement in statements(stack)
        if {"dynamodb:PutItem", "dynamodb:UpdateItem"} & set(listed(statement["Action"]))
        and "<VerdictsTable.Arn>" in listed(statement["Resource"])
    }
    assert writers == {"CompareFunctionRole", "FindMissedFunctionRole", "ReviewFunctionRole", "EraseFunctionRole"}
    changing = {name for name, found in allowed.items() if any(re.match("s3:(Put|Delete)", each) for each in found)}
    assert changing == {"EraseFunctionRole"}


def test_a_function_may_only_read_the_secret_that_it_needs(stack: ExpandedStack) -> None:
    secrets: dict[str, set[str]] = {}
    for name, statement in statements(stack):
        if "secretsmanager:GetSecretValue" in listed(statement["Action"]):
            secrets.setdefault(name.partition(".")[0], set()).add(statement["Resource"])

    assert secrets == {
        "CompareFunctionRole": {"<CredentialsSecret>", "<ProxySecret>"},
        "DeliverFunctionRole": {"<WebhookSecret>", "<ProxySecret>"},
    }


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_the_ledger_is_written_by_three_functions(
    stack: ExpandedStack,
) -> None:
    writing = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    writers = {
        name.partition(".")[0]: writing & set(listed(statement["Action"]))
        for name, statement in statements(stack)
        if "<CallsTable.Arn>" in listed(statement["Resource"]) and writing & set(listed(statement["Action"]))
    }

    assert writers == {
        "CompareFunctionRole": {"dynamodb:PutItem", "dynamodb:UpdateItem"},
        "OperateFunctionRole": {"dynamodb:UpdateItem"},
        "EraseFunctionRole": {"dynamodb:PutItem", "dynamodb:UpdateItem"},
    }


def test_functions_with_a_url_are_called_under_iam_alone(stack: ExpandedStack) -> None:
    urls = stack.of_type("AWS::Lambda::Url")

    assert urls
    assert {url["AuthType"] for url in urls.values()} == {"AWS_IAM"}


# --- persons ----------------------------------------------------------------------------------------------------------


def policies(stack: ExpandedStack) -> dict[str, list[dict[str, Any]]]:
    """Return managed policy -> statements."""
    found = stack.of_type("AWS::IAM::ManagedPolicy")
    return {name: policy["PolicyDocument"]["Statement"] for name, policy in found.items()}


DESCRIPTIONS = {
    "AuditorPolicy": "Lets a person read all verdicts and the whole ledger, and nothing else",
    "EraserPolicy": "Lets a person erase pairs; of the ledger only what describes faces",
    "OperatorPolicy": "Lets a person permit calls, have verdicts published again, and send dead letters back",
    "ReaderPolicy": "Lets a person read verdicts, calls and how the stack is; no picture",
    "ReviewerPolicy": "Lets a person decide pairs by the page of facepair review, and nothing else",
    "UploadSignerPolicy": "Lets a back end sign uploads of the first and second picture of a pair, and nothing else",
    "SubmitterPolicy": "Lets a person upload pairs and read their verdicts",
}


def test_the_descriptions_of_managed_policies_never_change(stack: ExpandedStack) -> None:
    """CloudFormation replaces a policy whose description changes, and cannot delete the old one while attached."""
    found = stack.of_type("AWS::IAM::ManagedPolicy")

    assert {name: found[name]["Description"] for name in DESCRIPTIONS} == DESCRIPTIONS
    assert found.keys() == DESCRIPTIONS.keys(), "add the new policy's description here"


def actions(statements: list[dict[str, Any]]) -> set[str]:
    """Return the allowed actions."""
    allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
    return {action for statement in allowed for action in listed(statement["Action"])}


def test_persons_may_only_do_named_things_to_named_resources(stack_with_key: ExpandedStack) -> None:
    for name, statements in policies(stack_with_key).items():
        if name == "UploadSignerPolicy":  # evaluated in test_strict_rules.py
            continue
        for statement in statements:
            assert not [action for action in listed(statement["Action"]) if "*" in action], name
            for resource in listed(statement["Resource"]):
                of_this_stack = resource.startswith("arn:aws:cloudformation:") and "stack/pairs/" in resource
                assert of_this_stack or "*" not in resource.replace("<ImagesBucket.Arn>/*", ""), f"{name}: {resource}"


READING = {
    "cloudformation:DescribeStacks",
    "dynamodb:BatchGetItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "kms:Decrypt",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "sqs:GetQueueAttributes",
}
UPLOADING = {"s3:PutObject", "kms:GenerateDataKey"}
UPLOADERS = ("SubmitterPolicy", "UploadSignerPolicy")
BY_URL = {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
CALLED = {"OperatorPolicy": "OperateFunction", "EraserPolicy": "EraseFunction", "ReviewerPolicy": "ReviewFunction"}
"""Policy -> the function that it allows calling."""


def test_people_read_upload_and_call_their_function_and_nothing_else(stack_with_key: ExpandedStack) -> None:
    for name, statements in policies(stack_with_key).items():
        more = BY_URL if name in CALLED else UPLOADING if name in UPLOADERS else set()
        assert actions(statements) <= READING | more, name


@pytest.mark.parametrize("policy", UPLOADERS)
def test_uploads_go_to_the_bucket_alone(stack: ExpandedStack, policy: str) -> None:
    uploads = [each for each in policies(stack)[policy] if "s3:PutObject" in actions([each])]

    assert uploads
    assert all(to.startswith("<ImagesBucket.Arn>/") for upload in uploads for to in listed(upload["Resource"]))


@pytest.mark.parametrize(("policy", "function"), CALLED.items())
def test_a_function_is_called_by_its_url_alone(stack: ExpandedStack, policy: str, function: str) -> None:
    called = [each for each in policies(stack)[policy] if str(each["Action"]).startswith("lambda:")]

    assert [(each["Action"], each["Resource"], each["Condition"]) for each in called] == [
        (
            "lambda:InvokeFunctionUrl",
            f"<{function}.Arn>",
            {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}},
        ),
        # Without it, the caller could invoke the function with an event that names another person.
        ("lambda:InvokeFunction", f"<{function}.Arn>", {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}),
    ]


def test_pictures_are_read_by_the_submitter_alone(stack: ExpandedStack) -> None:
    assert {name for name, statements in policies(stack).items() if "s3:GetObject" in actions(statements)} <= {
        "SubmitterPolicy"
    }


def test_with_a_key_every_person_may_use_it_who_reads_or_writes_what_it_encrypts(
    stack: ExpandedStack, stack_with_key: ExpandedStack
) -> None:
    def users(of: ExpandedStack) -> set[str]:
        return {
            name for name, statements in policies(of).items() if any("kms:" in each for each in actions(statements))
        }

    assert users(stack) == set()
    calls_a_function_alone = {"EraserPolicy", "ReviewerPolicy"}
    assert users(stack_with_key) == policies(stack).keys() - calls_a_function_alone


def test_who_reviews_sees_pictures_by_links_to_versions_alone(stack: ExpandedStack) -> None:
    actions = {
        action
        for name, statement in statements(stack)
        if name.startswith("ReviewFunctionRole.")
        for action in listed(statement["Action"])
        if action.startswith("s3:")
    }

    assert actions == {"s3:GetObjectVersion"}


# --- alarms -----------------------------------------------------------------------------------------------------------


def test_every_alarm_says_what_to_do_and_reaches_the_topic(stack: ExpandedStack) -> None:
    alarms = stack.of_type("AWS::CloudWatch::Alarm")

    assert alarms
    for name, alarm in alarms.items():
        assert alarm["AlarmDescription"].endswith(f" (docs/runbook.md, {name})"), name
        assert len(alarm["AlarmDescription"]) <= 1024, name
        assert alarm["AlarmActions"] == ["<AlarmTopic>"], name


def test_an_address_subscribes_to_the_topic() -> None:
    with_address, without = ExpandedStack({"AlarmEmail": "someone@example.com"}), ExpandedStack({"AlarmEmail": ""})

    [subscription] = with_address.of_type("AWS::SNS::Subscription").values()

    assert subscription == {"TopicArn": "<AlarmTopic>", "Protocol": "email", "Endpoint": "someone@example.com"}
    assert not without.of_type("AWS::SNS::Subscription")


def test_alarms_sound_for_those_who_gave_no_address_too(stack: ExpandedStack) -> None:
    without = ExpandedStack(WEBHOOK | {"AlarmEmail": ""})

    assert without.of_type("AWS::CloudWatch::Alarm") == stack.of_type("AWS::CloudWatch::Alarm")
    assert without.outputs["AlarmTopic"] == "<AlarmTopic>"


def watched(stack: ExpandedStack) -> Iterator[dict[str, Any]]:
    """Yield the namespace, name and dimensions of every watched metric."""
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        for each in alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}]):
            if "MetricStat" in each:
                yield each["MetricStat"]["Metric"]


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_s_errors_and_throttles_are_heard(stack: ExpandedStack, metric: str) -> None:
    heard = {
        each["Dimensions"][0]["Value"]
        for each in watched(stack)
        if (each["Namespace"], each["MetricName"]) == ("AWS/Lambda", metric)
    }

    assert heard == {f"<{name}>" for name in stack.of_type("AWS::Lambda::Function")}


def test_every_queue_of_dead_letters_is_watched(stack: ExpandedStack) -> None:
    targets = {
        queue["RedrivePolicy"]["deadLetterTargetArn"].removesuffix(".Arn>") + ".QueueName>"
        for queue in stack.of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue
    }

    heard = {each["Dimensions"][0]["Value"] for each in watched(stack) if each["Namespace"] == "AWS/SQS"}

    assert targets
    assert targets <= heard


HOUR = 3600


def hourly(stack: ExpandedStack, starts: Iterable[int], metric: str) -> list[Datapoint]:
    """Return datapoints of a metric of FindMissedSilentAlarm, one for each of these hours after the deployment."""
    [watched] = [
        each["MetricStat"]["Metric"]
        for each in stack.properties("FindMissedSilentAlarm")["Metrics"]
        if each.get("MetricStat", {}).get("Metric", {}).get("MetricName") == metric
    ]
    dimensions = {each["Name"]: each["Value"] for each in watched["Dimensions"]}
    return [Datapoint(watched["Namespace"], metric, dimensions, "Count", 1, start * HOUR) for start in starts]


def silence(stack: ExpandedStack, runs: Iterable[int], moments: Iterable[int]) -> list[AlarmState]:
    """Return the alarm's states, in hours after the deployment, if the search ran in these hours."""
    long_before = hourly(
        stack, [-1000], "Invocations"
    )  # of an earlier stack with this name, so that the metric is known
    queue = hourly(stack, range(100), "ApproximateNumberOfMessagesVisible")
    points = [*long_before, *queue, *hourly(stack, runs, "Invocations")]
    return states(stack.properties("FindMissedSilentAlarm"), points, [moment * HOUR for moment in moments])


def test_a_search_that_stops_running_is_heard_after_three_hours(stack: ExpandedStack) -> None:
    assert silence(stack, range(1, 10), [10, 12, 13, 20]) == ["OK", "OK", "ALARM", "ALARM"]


def test_a_search_that_never_runs_is_heard_after_three_hours(stack: ExpandedStack) -> None:
    assert silence(stack, [], [1, 2, 3]) == ["OK", "OK", "ALARM"]


def test_a_first_deployment_is_no_silence(stack: ExpandedStack) -> None:
    assert set(silence(stack, range(1, 100), range(50))) == {"OK"}


# --- security ---------------------------------------------------------------------------------------------------------

KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def stack_with_key() -> ExpandedStack:
    return ExpandedStack({"AlarmEmail": "someone@example.com", "KmsKeyArn": KEY})


def test_the_bucket_refuses_requests_without_tls(stack: ExpandedStack) -> None:
    [statement] = stack.properties("ImagesBucketPolicy")["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["<ImagesBucket.Arn>", "<ImagesBucket.Arn>/*"]


# Type -> path of the property that names the key.
ENCRYPTED_BY = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
}


@pytest.mark.parametrize("kind", ENCRYPTED_BY)
def test_a_key_of_one_s_own_encrypts_everything_that_is_stored(stack_with_key: ExpandedStack, kind: str) -> None:
    for logical_id, properties in stack_with_key.of_type(kind).items():
        if logical_id == "BusDeadLetterQueue":  # holds what the key could not encrypt
            continue
        *path, last = ENCRYPTED_BY[kind]
        for name in path:
            properties = properties.get(name, {})
        assert properties.get(last) == KEY, logical_id


def test_without_a_key_of_one_s_own_the_topic_has_none_that_cloudwatch_could_not_use(stack: ExpandedStack) -> None:
    assert "KmsMasterKeyId" not in stack.properties("AlarmTopic")


def test_a_key_of_one_s_own_encrypts_pictures_and_token(stack_with_key: ExpandedStack) -> None:
    [rule] = stack_with_key.properties("ImagesBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]

    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    variables = stack_with_key.properties("CompareFunction")["Environment"]["Variables"]
    assert variables["TOKEN_KEY"] == KEY


def test_with_a_key_every_function_may_use_that_key_and_without_one_none(
    stack: ExpandedStack, stack_with_key: ExpandedStack
) -> None:
    def users(of: ExpandedStack) -> dict[str, object]:
        return {
            name.partition(".")[0]: statement["Resource"]
            for name, statement in statements(of)
            if any(action.startswith("kms:") for action in listed(statement["Action"]))
        }

    assert users(stack) == {}
    assert users(stack_with_key) == {f"{name}Role": KEY for name in stack_with_key.of_type("AWS::Lambda::Function")}


OLD_KEY = "arn:aws:kms:eu-west-1:123456789012:key/99999999-2222-3333-4444-555555555555"


@pytest.mark.parametrize("new_key", [KEY, ""], ids=["changed", "removed"])
def test_what_the_previous_key_encrypted_can_be_read_and_nothing_more(new_key: str) -> None:
    stack = ExpandedStack({"KmsKeyArn": new_key, "PreviousKmsKeyArn": OLD_KEY})
    of_roles = {name.partition(".")[0]: one for name, one in statements(stack) if one["Resource"] == OLD_KEY}
    of_people = {name: one for name, listed in policies(stack).items() for one in listed if one["Resource"] == OLD_KEY}

    assert of_roles.keys() == {f"{name}Role" for name in stack.of_type("AWS::Lambda::Function")}
    assert of_people.keys() == policies(stack).keys() - {"EraserPolicy", "ReviewerPolicy", "UploadSignerPolicy"}
    assert {one["Action"] for one in [*of_roles.values(), *of_people.values()]} == {"kms:Decrypt"}


def test_no_statement_allows_more_than_named_actions(stack_with_key: ExpandedStack) -> None:
    for name, statement in statements(stack_with_key):
        assert not [action for action in listed(statement["Action"]) if "*" in action], name


def test_every_function_is_traced(stack: ExpandedStack) -> None:
    for name, properties in stack.of_type("AWS::Lambda::Function").items():
        assert properties["TracingConfig"] == {"Mode": "Active"}, name
