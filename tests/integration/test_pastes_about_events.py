"""Commands of the guide's page about events, and of the runbook, pasted into a shell with plain `aws`."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from facepair.aws.bus import VerdictsBus
from facepair.aws.webhook_secret import WebhookSecret
from facepair.domain.change import VerdictChanged
from facepair.domain.webhook import Undelivered, Webhook
from facepair.webhook import Sender, key
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from tests.support import ROOT, commands

EVENTS = (ROOT / "docs" / "guide" / "events.md").read_text()
DEPLOYING = (ROOT / "docs" / "guide" / "deploying.md").read_text()
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
EVENT = (ROOT / "events" / "verdict-changed.json").read_text()


def block(document: str, heading: str, containing: str, language: str = "bash") -> str:
    """Return the first code block of that language below a heading that contains some text."""
    section = document[document.index(f"\n{heading}") :]
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return next(each for each in blocks if containing in each)


class Shell:
    """Bash with its own stack, and `output` as in the guide."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.stack_name = f"paste-{uuid4().hex[:8]}"
        self.outputs = deploy(
            aws, ROOT / "template.yaml", self.stack_name, {"WebhookUrl": "https://example.com/verdicts"}
        ).outputs

    def paste(self, *lines: str) -> str:
        """Return the lines' output. Version 1 of `aws` ignores AWS_ENDPOINT_URL for `aws sqs`, as README says."""
        aws, files = commands.in_a_shell(commands.AWS)
        before = [
            "set -euo pipefail",
            f'aws() {{ {aws} --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }}',
            block(DEPLOYING, "## Read the outputs", "output()").replace("facepair", self.stack_name),
        ]
        environment = {"PATH": os.environ["PATH"], **self.aws.child_variables}
        ran = subprocess.run(
            ["bash", "-c", "\n".join([*before, *lines])],
            env=environment,
            pass_fds=files,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def shell(local_aws: LocalAws) -> Shell:
    return Shell(local_aws)


def test_all_verdicts_come_into_a_queue_of_one_s_own(shell: Shell) -> None:
    shell.paste(block(EVENTS, "## Send all verdicts", "create-queue"))

    bus = VerdictsBus(shell.aws.client("events"), shell.outputs["VerdictsBus"])
    bus.put([VerdictChanged.to({"pair_id": "pasted", "verdict": "WAITING"})])

    sqs = shell.aws.client("sqs")
    url = sqs.get_queue_url(QueueName="my-verdicts")["QueueUrl"]
    [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["detail"]["pair_id"] == "pasted"
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert policy["Statement"][0]["Condition"]["ArnEquals"]["aws:SourceArn"].endswith("/all-verdicts")


@pytest.mark.parametrize(
    ("containing", "rule"), [("add-permission", "passed"), ("create-api-destination", "to-my-api")]
)
def test_a_function_or_an_api_of_one_s_own_is_the_rule_s_target(shell: Shell, containing: str, rule: str) -> None:
    """Only the commands are tested: moto does not call the targets."""
    if containing == "add-permission":
        _function(shell, "my-function")

    shell.paste(block(EVENTS, "## Send all verdicts", containing))

    events = shell.aws.client("events")
    [target] = events.list_targets_by_rule(Rule=rule, EventBusName=shell.outputs["VerdictsBus"])["Targets"]
    assert ("my-function" if rule == "passed" else "api-destination/my-api") in target["Arn"]
    events.remove_targets(Rule=rule, EventBusName=shell.outputs["VerdictsBus"], Ids=[target["Id"]])


def _function(shell: Shell, name: str) -> None:
    client = shell.aws.client("lambda")
    existing = client.get_function(FunctionName=shell.outputs["PublishFunction"])["Configuration"]
    code = {"ZipFile": b"PK\x05\x06" + b"\x00" * 18}  # an empty archive
    client.create_function(
        FunctionName=name, Runtime="python3.13", Handler="app.handler", Role=existing["Role"], Code=code
    )


@contextmanager
def receiver_of_the_guide(secret: str, folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yield its URL and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source = block(EVENTS, "## Receive webhooks", "class Receiver", "python")
    (folder / "receiver.py").write_text(source.replace('("", 8000)', f'("127.0.0.1", {port})'))
    command = [sys.executable, str(folder / "receiver.py")]
    with subprocess.Popen(
        command, env={"SECRET": secret}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as it:
        try:
            deadline = time.monotonic() + 30
            while not _listens(port):
                assert time.monotonic() < deadline, "the receiver does not start"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}", it
        finally:
            it.kill()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_the_receiver_takes_what_is_signed_and_nothing_else(shell: Shell, tmp_path: Path) -> None:
    secret = shell.paste(block(EVENTS, "## Receive webhooks", "export SECRET"), 'echo "$SECRET"').strip()
    assert secret.startswith("whsec_")

    class Stranger:
        def load(self) -> list[bytes]:
            return [key("0" * 32)]

    keys = WebhookSecret(shell.aws.client("secretsmanager"), shell.outputs["WebhookSecret"])
    with receiver_of_the_guide(secret, tmp_path) as (url, process):
        Sender(url, keys).take(Webhook.from_event(EVENT))
        with pytest.raises(Undelivered):
            Sender(url, Stranger()).take(Webhook.from_event(EVENT))
        process.kill()
        assert process.stdout is not None
        [line] = process.stdout.read().splitlines()

    assert line.startswith("verdict.changed {'id':")


def test_the_runbook_s_rotation_signs_with_both_until_the_previous_one_is_taken_away(shell: Shell) -> None:
    keys = WebhookSecret(shell.aws.client("secretsmanager"), shell.outputs["WebhookSecret"])
    [before] = keys.load()

    shell.paste(block(RUNBOOK, "## Rotate the webhook's secret", "put-secret-value"))
    during = keys.load()
    shell.paste(block(RUNBOOK, "## Rotate the webhook's secret", "AWSPREVIOUS"))

    assert (len(during), during[1]) == (2, before)
    assert keys.load() == during[:1]


def test_the_runbook_shows_what_was_not_published_and_empties_the_queue(shell: Shell) -> None:
    told: dict[str, Any] = {"pair_id": "anna", "place": "111", "reason": "code: Input should be a valid string"}
    sqs, url = shell.aws.client("sqs"), shell.outputs["UnpublishedQueue"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(told))

    shown = shell.paste(block(RUNBOOK, "## UnpublishedChangesAlarm", "receive-message"))
    shell.paste(block(RUNBOOK, "## UnpublishedChangesAlarm", "purge-queue"))

    assert [json.loads(message["Body"]) for message in json.loads(shown)["Messages"]] == [told]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
