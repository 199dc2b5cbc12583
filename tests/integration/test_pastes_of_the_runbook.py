"""What the runbook shows to paste under its alarms, pasted: into a shell, with the plain `aws`."""

import json
import re
import time

import pytest

from sandbox.aws import LocalAws
from tests.integration.test_pastes_of_what_goes_out import AWS, RUNBOOK, Shell, block

MALFORMED, NOTIFICATION = "not a notification", '{"Records": []}'


@pytest.fixture(scope="module")
def shell(local_aws: LocalAws) -> Shell:
    return Shell(local_aws)


@pytest.fixture(scope="module")
def names(shell: Shell) -> str:
    """The functions with which the runbook begins."""
    functions: list[str] = re.findall(r"```bash\n(output\(\).*?)```", RUNBOOK, re.DOTALL)
    return functions[0].replace("facepair", shell.stack_name)


def test_dead_letters_are_shown_and_the_malformed_ones_can_be_deleted(shell: Shell, names: str) -> None:
    sqs, url = shell.aws.client("sqs"), shell.outputs["DeadLetterQueue"]
    lying = [MALFORMED, NOTIFICATION, MALFORMED]
    for body in lying:
        sqs.send_message(QueueUrl=url, MessageBody=body)

    shown = shell.paste(names, block(RUNBOOK, "## DeadLettersAlarm", "--visibility-timeout 0"))
    shell.paste(names, block(RUNBOOK, "## DeadLettersAlarm", "forget"))

    assert sorted(each["Body"] for each in json.loads(shown)["Messages"]) == sorted(lying)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    left = [int(attributes[f"ApproximateNumberOfMessages{state}"]) for state in ("", "NotVisible")]
    assert sum(left) == 1


@pytest.mark.parametrize(
    ("heading", "containing", "shown"),
    [
        ("Which pairs are not done?", "by_verdict", "waiting"),
        ("SlowVerdictsAlarm", "ApproximateNumber", "0"),
        ("MissedPairsAlarm", "get-bucket-notification", "QueueArn"),
        ("Auditing: what was charged?", "scan", "UNKNOWN"),
    ],
)
def test_a_look_shows_what_is_there(shell: Shell, names: str, heading: str, containing: str, shown: str) -> None:
    dynamodb = shell.aws.client("dynamodb")
    row = {"pair_id": "waiting", "verdict": "PENDING", "code": "SERVICE_BUSY", "updated_at": "2026-01-31T12:00:00Z"}
    call = {"pair_id": "waiting", "call": "000001", "state": "UNKNOWN", "sent_at": "2026-01-31T12:00:00Z"}
    for table, item in (("VerdictsTable", row), ("CallsTable", call)):
        dynamodb.put_item(TableName=shell.outputs[table], Item={name: {"S": value} for name, value in item.items()})

    assert shown in shell.paste(names, block(RUNBOOK, f"## {heading}", containing))


@pytest.mark.parametrize(
    ("heading", "containing"),
    [
        ("CompareSilentAlarm", "list-event-source-mappings"),
        ("FindMissedSilentAlarm", "list-rule-names-by-target"),
        ("What does the log say?", "start-query"),
    ],
)
def test_a_look_at_what_the_sandbox_leaves_out_is_taken_and_finds_nothing(
    shell: Shell, names: str, heading: str, containing: str
) -> None:
    logs = shell.aws.client("logs")
    if "None" not in [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]:
        logs.create_log_group(logGroupName="None")  # what `aws` prints: moto does not know the function's

    assert shell.paste(names, block(RUNBOOK, f"## {heading}", containing)).strip() == ""


@pytest.mark.parametrize(
    ("heading", "containing"),
    [
        ("DeadLettersAlarm", "start-message-move-task"),
        ("ThrottlesAlarm", "get-account-settings"),
    ],
)
def test_a_command_that_moto_cannot_carry_out_is_one_that_aws_knows(
    shell: Shell, heading: str, containing: str
) -> None:
    """`aws` checks names and values of all arguments and answers with a sample, without a request."""
    sample = f'aws() {{ "{AWS}" "$@" --generate-cli-skeleton output; }}'
    made_up = "output() { echo my-$1; }; arn() { echo arn:aws:sqs:eu-central-1:111122223333:$1; }"

    shell.paste(sample, made_up, block(RUNBOOK, f"## {heading}", containing))


def test_the_topic_can_be_subscribed_to(shell: Shell, names: str) -> None:
    topic = shell.aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    [command] = re.findall(r"^aws sns subscribe.*", RUNBOOK, re.MULTILINE)

    shell.paste(names, f"output() {{ echo {topic}; }}", command)

    [subscription] = shell.aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert subscription["Protocol"] == "https"


def test_a_table_is_restored_and_what_is_missing_is_copied_back(shell: Shell, names: str) -> None:
    dynamodb, table = shell.aws.client("dynamodb"), shell.outputs["VerdictsTable"]
    heading = "## Restoring a table to a point in time"

    def put(pair_id: str, verdict: str) -> None:
        dynamodb.put_item(TableName=table, Item={"pair_id": {"S": pair_id}, "verdict": {"S": verdict}})

    put("lost", "PASS")
    put("newer", "WAITING")
    shell.paste(names, block(RUNBOOK, heading, "restore-table").replace("2026-10-01T12:00:00Z", _now()))
    dynamodb.delete_item(TableName=table, Key={"pair_id": {"S": "lost"}})
    put("newer", "REJECT")
    shell.paste(names, block(RUNBOOK, heading, "put-item"))

    rows = {item["pair_id"]["S"]: item["verdict"]["S"] for item in dynamodb.scan(TableName=table)["Items"]}
    assert (rows["lost"], rows["newer"]) == ("PASS", "REJECT")
    assert f"{table}-restored" not in dynamodb.list_tables()["TableNames"]


def test_advance_s_keys_are_put_into_the_secret(shell: Shell, names: str) -> None:
    shell.paste(names, block(RUNBOOK, "## Rotating ADVANCE's keys", "put-secret-value"))

    secret = shell.aws.client("secretsmanager").get_secret_value(SecretId=shell.outputs["CredentialsSecret"])
    assert set(json.loads(secret["SecretString"])) == {"accessKey", "secretKey"}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
