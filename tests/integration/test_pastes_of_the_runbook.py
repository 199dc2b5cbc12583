"""The runbook's commands under its alarms, pasted into a shell with plain `aws`."""

import json
import re
import time
from pathlib import Path

import pytest

from facepair.domain.webhook import Webhook
from sandbox.aws import LocalAws
from tests.integration.test_pastes_about_events import RUNBOOK, Shell, block
from tests.support import commands

MALFORMED, NOTIFICATION = "not a notification", '{"Records": []}'


@pytest.fixture(scope="module")
def shell(local_aws: LocalAws) -> Shell:
    return Shell(local_aws)


@pytest.fixture(scope="module")
def names(shell: Shell) -> str:
    """The shell functions at the top of the runbook."""
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
        ("Waiting pairs", "by_verdict", "waiting"),
        ("SlowVerdictsAlarm", "ApproximateNumber", "0"),
        ("MissedPairsAlarm", "get-bucket-notification", "QueueArn"),
        ("Audit what was charged", "scan", "UNKNOWN"),
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
        ("Search the logs", "start-query"),
    ],
)
def test_a_look_at_what_the_sandbox_leaves_out_is_taken_and_finds_nothing(
    shell: Shell, names: str, heading: str, containing: str
) -> None:
    logs = shell.aws.client("logs")
    if "None" not in [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]:
        logs.create_log_group(logGroupName="None")  # what `aws` prints: moto does not know the function's

    assert shell.paste(names, block(RUNBOOK, f"## {heading}", containing)).strip() == ""


def test_the_search_s_schedule_is_shown(shell: Shell, names: str) -> None:
    shown = shell.paste(names, block(RUNBOOK, "## FindMissedSilentAlarm", "list-rule-names-by-target"))

    assert shown.split()[1:] == ["ENABLED", "rate(1", "hour)"]


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
    """`aws` validates the arguments and prints a sample, without a request."""
    sample = f'aws() {{ "{commands.AWS}" "$@" --generate-cli-skeleton output; }}'
    made_up = "output() { echo my-$1; }; arn() { echo arn:aws:sqs:eu-central-1:111122223333:$1; }"

    shell.paste(sample, made_up, block(RUNBOOK, f"## {heading}", containing))


def test_the_topic_can_be_subscribed_to(shell: Shell, names: str) -> None:
    topic = shell.aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    [command] = re.findall(r"^aws sns subscribe.*", RUNBOOK, re.MULTILINE)

    shell.paste(names, f"output() {{ echo {topic}; }}", command)

    [subscription] = shell.aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert subscription["Protocol"] == "https"


RESTORING = "## Restore a table"


def test_a_table_is_restored_and_what_is_missing_is_copied_back(shell: Shell, names: str) -> None:
    dynamodb, table = shell.aws.client("dynamodb"), shell.outputs["VerdictsTable"]

    def put(pair_id: str, verdict: str) -> None:
        dynamodb.put_item(TableName=table, Item={"pair_id": {"S": pair_id}, "verdict": {"S": verdict}})

    put("lost", "PASS")
    put("newer", "WAITING")
    restore = block(RUNBOOK, RESTORING, "restore-table").replace("2026-10-01T12:00:00Z", _now())
    shell.paste(names, restore)
    dynamodb.delete_item(TableName=table, Key={"pair_id": {"S": "lost"}})
    put("newer", "REJECT")
    copied = shell.paste(names, restore.splitlines()[0], block(RUNBOOK, RESTORING, "put-item"))

    rows = {item["pair_id"]["S"]: item["verdict"]["S"] for item in dynamodb.scan(TableName=table)["Items"]}
    assert (rows["lost"], rows["newer"]) == ("PASS", "REJECT")
    assert "there already" in copied
    assert "NOT COPIED" not in copied
    assert f"{table}-restored" in dynamodb.list_tables()["TableNames"], "it was deleted before anyone looked"
    shell.paste(names, restore.splitlines()[0], block(RUNBOOK, RESTORING, "delete-table"))
    assert f"{table}-restored" not in dynamodb.list_tables()["TableNames"]


def test_a_row_that_cannot_be_copied_back_is_named(shell: Shell, names: str) -> None:
    dynamodb, table = shell.aws.client("dynamodb"), shell.outputs["VerdictsTable"]
    dynamodb.put_item(TableName=table, Item={"pair_id": {"S": "kept"}, "verdict": {"S": "PASS"}})
    restore = block(RUNBOOK, RESTORING, "restore-table").replace("2026-10-01T12:00:00Z", _now())
    shell.paste(names, restore)

    only_put = block(RUNBOOK, RESTORING, "put-item").replace('--table-name "$table" ', '--table-name "no-such-table" ')
    copied = shell.paste(names, restore.splitlines()[0], only_put)

    assert "NOT COPIED" in copied
    shell.paste(names, restore.splitlines()[0], block(RUNBOOK, RESTORING, "delete-table"))


def test_erasures_are_published_again_from_a_receipt(shell: Shell, names: str, tmp_path: Path) -> None:
    erased_at = "2026-01-31T12:00:00.000Z"
    receipt = tmp_path / "4711.json"
    pair_ids = ["customers/4711", "é 'quoted' \\ pair"]
    receipt.write_text(json.dumps({"pair_ids": pair_ids, "erased_at": erased_at}))
    sqs, events = shell.aws.client("sqs"), shell.aws.client("events")
    queue = sqs.create_queue(QueueName="erasures")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = shell.outputs["VerdictsBus"]
    events.put_rule(Name="erasures", EventBusName=bus, EventPattern=json.dumps({"detail-type": ["Pair erased"]}))
    events.put_targets(Rule="erasures", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])

    paste = block(RUNBOOK, "### Publish erasures again", "put-events").replace("4711.json", str(receipt))
    shell.paste(names, paste)
    shell.paste(names, paste)

    bodies = [
        json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    ]
    details = [body["detail"] for body in bodies]
    assert [detail["pair_id"] for detail in details] == pair_ids * 2
    assert {detail["erased_at"] for detail in details} == {erased_at}
    assert len({detail["id"] for detail in details}) == 2
    for body in bodies:
        Webhook.from_event(json.dumps(body))


def test_events_that_the_bus_lost_are_shown_and_their_queue_is_emptied(shell: Shell, names: str) -> None:
    sqs, url = shell.aws.client("sqs"), shell.outputs["BusDeadLetterQueue"]
    sqs.send_message(QueueUrl=url, MessageBody="an encrypted event")

    shown = shell.paste(names, block(RUNBOOK, "## BusDeadLettersAlarm", "receive-message"))
    shell.paste(names, block(RUNBOOK, "## BusDeadLettersAlarm", "purge-queue"))

    [letter] = json.loads(shown)["Messages"]
    assert "SentTimestamp" in letter["Attributes"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_advance_s_keys_are_put_into_the_secret(shell: Shell, names: str) -> None:
    shell.paste(names, block(RUNBOOK, "## Rotate ADVANCE's keys", "put-secret-value"))

    secret = shell.aws.client("secretsmanager").get_secret_value(SecretId=shell.outputs["CredentialsSecret"])
    assert set(json.loads(secret["SecretString"])) == {"accessKey", "secretKey"}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
