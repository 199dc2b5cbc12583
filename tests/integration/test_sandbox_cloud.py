"""The whole sandbox: the real template, mostly with stand-in functions."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from sandbox.cloud import Sandbox
from tests.support import ROOT
from tests.support.processes import family, running
from tests.support.waiting import eventually

# `python -m sandbox` with another root.
MAIN = "import pathlib, sys, sandbox.__main__ as main; main.ROOT = pathlib.Path(sys.argv.pop(1)); main.main()"


@pytest.fixture(scope="module")
def sandbox(stand_in_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(
        stand_in_root,
        {"PassAbove": 71},
        overrides={"FindMissedFunction": {"Timeout": 11}},
        environment={"WEATHER": "fair"},
        warm=1,
        logs=tmp_path_factory.mktemp("logs"),
    ) as sandbox:
        yield sandbox


def pass_above(sandbox: Sandbox, pair: str) -> str:
    """Upload a picture and return what the stand-in wrote into the pair's row."""
    sandbox.aws("s3").put_object(Bucket=sandbox.outputs["ImagesBucket"], Key=f"{pair}/first.jpg", Body=b"x")
    key = {"pair_id": {"S": pair}}
    row = eventually(
        lambda: sandbox.aws("dynamodb").get_item(TableName=sandbox.outputs["VerdictsTable"], Key=key).get("Item")
    )
    return str(row["pass_above"]["S"])


def test_an_upload_becomes_a_row_by_way_of_notification_queue_and_function(sandbox: Sandbox) -> None:
    assert pass_above(sandbox, "a pair/with + and ü") == "71"


def test_every_output_is_there_for_real(sandbox: Sandbox) -> None:
    outputs = sandbox.outputs

    sandbox.aws("s3").head_bucket(Bucket=outputs["ImagesBucket"])
    for table in ("VerdictsTable", "CallsTable", "IdempotencyTable"):
        assert sandbox.aws("dynamodb").describe_table(TableName=outputs[table])["Table"]["TableStatus"] == "ACTIVE"
    for queue in ("UploadsQueue", "DeadLetterQueue"):
        sandbox.aws("sqs").get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=["All"])
    for function in ("CompareFunction", "FindMissedFunction"):
        sandbox.aws("lambda").get_function_configuration(FunctionName=outputs[function])
    assert outputs["TokenParameter"] == "/facepair/advance-token"


def test_settings_reach_the_resources(sandbox: Sandbox) -> None:
    s3, dynamodb, sqs = sandbox.aws("s3"), sandbox.aws("dynamodb"), sandbox.aws("sqs")
    bucket, table = sandbox.outputs["ImagesBucket"], sandbox.outputs["VerdictsTable"]

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] is True
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["Expiration"] == {"Days": 30}
    time_to_live = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert time_to_live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    recovery = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    queue = sqs.get_queue_attributes(QueueUrl=sandbox.outputs["UploadsQueue"], AttributeNames=["All"])["Attributes"]
    assert queue["VisibilityTimeout"] == "720"
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"].split(":")[-1].startswith("facepair-DeadLetter")
    assert "s3.amazonaws.com" in queue["Policy"]


def test_cloudformation_returns_the_stacks_outputs(sandbox: Sandbox) -> None:
    [stack] = sandbox.aws("cloudformation").describe_stacks(StackName="facepair")["Stacks"]

    assert {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]} == dict(sandbox.outputs)


def test_lambdas_own_api_invokes_the_functions_with_their_resolved_variables(sandbox: Sandbox) -> None:
    name = sandbox.outputs["FindMissedFunction"]

    answer = sandbox.aws("lambda").invoke(FunctionName=name, Payload=b"{}")

    assert answer["StatusCode"] == 200
    variables = json.loads(answer["Payload"].read())["environment"]
    assert variables["IMAGES_BUCKET"] == sandbox.outputs["ImagesBucket"]
    assert variables["UPLOADS_QUEUE_URL"] == sandbox.outputs["UploadsQueue"]


def test_lambdas_own_api_lists_what_feeds_each_function(sandbox: Sandbox) -> None:
    listed = sandbox.aws("lambda").list_event_source_mappings

    [compare] = listed(FunctionName=sandbox.outputs["CompareFunction"])["EventSourceMappings"]
    [publish] = listed(FunctionName=sandbox.outputs["PublishFunction"])["EventSourceMappings"]

    assert (compare["State"], compare["EventSourceArn"].rpartition(":")[2]) == (
        "Enabled",
        sandbox.outputs["UploadsQueue"].rpartition("/")[2],
    )
    assert "/stream/" in publish["EventSourceArn"]
    assert len(listed()["EventSourceMappings"]) == 3


def test_overrides_and_additional_variables_hold_for_redeployments_too(sandbox: Sandbox) -> None:
    def weather_and_timeout() -> tuple[str, int]:
        name = sandbox.outputs["FindMissedFunction"]
        answer = sandbox.aws("lambda").invoke(FunctionName=name, Payload=b"{}")
        timeout = sandbox.aws("lambda").get_function_configuration(FunctionName=name)["Timeout"]
        return json.loads(answer["Payload"].read())["environment"]["WEATHER"], timeout

    before = weather_and_timeout()
    sandbox.redeploy(RejectBelow=54)

    assert before == weather_and_timeout() == ("fair", 11)


def test_a_failing_function_is_reported_as_lambda_does(sandbox: Sandbox) -> None:
    client = sandbox.aws("lambda")

    answer = client.invoke(FunctionName=sandbox.outputs["CompareFunction"], Payload=b'{"Records": [{}]}')

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorType"] == "KeyError"
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="unknown"):
        client.invoke(FunctionName="unknown")


def test_the_emulator_runs_and_the_secret_has_its_credentials(sandbox: Sandbox) -> None:
    secret = sandbox.aws("secretsmanager").get_secret_value(SecretId=sandbox.outputs["CredentialsSecret"])

    assert json.loads(secret["SecretString"]).keys() == {"accessKey", "secretKey"}
    assert sandbox.stack.parameters["AdvanceBaseUrl"] == sandbox.advance.url
    assert urlsplit(sandbox.advance.url).hostname == "127.0.0.1"
    assert urllib3.request("GET", f"{sandbox.advance.url}/control/calls", retries=False).status == 200


def test_a_redeployment_changes_functions_and_keeps_everything_else(sandbox: Sandbox) -> None:
    outputs = sandbox.outputs

    sandbox.redeploy(PassAbove=88)

    assert sandbox.outputs == outputs
    assert pass_above(sandbox, "after redeployment") == "88"


def test_an_update_runs_another_folder_s_code_over_the_same_data(
    sandbox: Sandbox, stand_in_root: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(stand_in_root, tmp_path / "other")
    app = other / "functions" / "compare_pair" / "app.py"
    app.write_text(app.read_text().replace('os.environ["PASS_ABOVE"]', '"new code"'))
    assert "new code" in app.read_text()
    before = sandbox.outputs

    old, new = sandbox.update(other), sandbox.host
    assert new
    assert (sandbox.outputs, pass_above(sandbox, "by new code")) == (before, "new code")

    new.pause()
    old.resume()
    assert pass_above(sandbox, "by old code") != "new code"
    new.resume()
    old.close()
    sandbox.update(stand_in_root).close()


def test_a_stopped_host_leaves_messages_in_the_queue_until_it_starts_again(sandbox: Sandbox) -> None:
    sandbox.stop_host()
    sandbox.aws("s3").put_object(Bucket=sandbox.outputs["ImagesBucket"], Key="stopped/first.jpg", Body=b"x")

    attributes = sandbox.aws("sqs").get_queue_attributes(
        QueueUrl=sandbox.outputs["UploadsQueue"], AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    sandbox.start_host()

    assert attributes["ApproximateNumberOfMessages"] == "1"
    assert pass_above(sandbox, "stopped")


def test_the_command_explains_itself_and_killed_leaves_no_process_behind(stand_in_root: Path) -> None:
    command = [sys.executable, "-c", MAIN, str(stand_in_root), "--stack-name", "mine", "--verbose"]
    command += ["--parameter", "PassAbove=72", "--parameter", "AdvanceBaseUrl=http://127.0.0.1:9"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        started = family(process.pid)
        env_file = (stand_in_root / ".sandbox" / "env").read_text().splitlines()
        process.kill()
        process.wait(20)

    exported = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    assert exported["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert exported.keys() == {
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
    }
    assert {f"export {name}={value}" for name, value in exported.items()} <= set(env_file)
    assert {"export FACEPAIR_STACK=mine", "export ADVANCE_URL=http://127.0.0.1:9"} <= set(env_file)
    assert "  .venv/bin/facepair --stack mine show my-pair" in lines
    assert any(line.startswith("  ImagesBucket = mine-imagesbucket-") for line in lines)
    assert any("AWS::IAM::Role.Policies: moto checks no permissions" in line for line in lines)
    assert "ADVANCE: http://127.0.0.1:9" in lines
    assert len(started) >= 5  # the command, AWS and an environment, the last two each with a guard
    eventually(lambda: not started & running().keys(), within=10)


def test_the_command_refuses_a_wrong_parameter(stand_in_root: Path) -> None:
    command = [sys.executable, "-c", MAIN, str(stand_in_root), "--parameter", "MaxConcurrency=1"]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "template.yaml: Parameter MaxConcurrency must be a number not less than 2; it is '1'"
    )


def test_make_hands_webhook_and_parameters_on() -> None:
    command = [
        "make",
        "--dry-run",
        "sandbox",
        "WEBHOOK=http://127.0.0.1:8000/?a=1&b=2",
        "PARAMETERS=PassAbove=80 FirstName=ID",
    ]

    planned = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert "--parameter 'WebhookUrl=http://127.0.0.1:8000/?a=1&b=2'" in planned
    assert "--parameter 'PassAbove=80' --parameter 'FirstName=ID'" in planned
