"""`python -m sandbox` as a process, with plain `aws`, and Ctrl-C at the end."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import CREDENTIALS
from sandbox.template import read_template
from tests.support import ROOT, commands
from tests.support.deployed import ANNA, BEN, Deployed, picture
from tests.support.processes import family, running


class Shell:
    """A shell with the sandbox's printed lines pasted."""

    def __init__(self, process: subprocess.Popen[str], exported: Mapping[str, str], home: Path) -> None:
        self.process = process
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), **exported}

    @cached_property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs, from CloudFormation."""
        [stack] = self.aws("cloudformation", "describe-stacks", "--stack-name", "by-hand")["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def aws(self, *arguments: str) -> Any:
        """Run an `aws` command; return its output, parsed if JSON."""
        aws, files = commands.in_a_shell(commands.AWS)
        ran = subprocess.run(
            [*shlex.split(aws), *arguments],
            env=self._environment,
            pass_fds=files,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        try:
            return json.loads(ran.stdout)
        except ValueError:
            return ran.stdout

    def row(self, pair_id: str) -> Any:
        key = json.dumps({"pair_id": {"S": pair_id}})
        answer = self.aws("dynamodb", "get-item", "--table-name", self.outputs["VerdictsTable"], "--key", key)
        return answer["Item"] if answer else {}

    def row_with(self, pair_id: str, verdict: str) -> Any:
        deadline = time.monotonic() + 30
        while (row := self.row(pair_id)).get("verdict") != {"S": verdict}:
            assert time.monotonic() < deadline, row
            time.sleep(0.3)
        return row


@pytest.fixture(scope="module")
def shell(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A sandbox with AdvanceBaseUrl but without credentials, like after a deployment."""
    parameters = (
        f"AdvanceBaseUrl={deployed.sandbox.advance.url}",
        "BlockedRetrySeconds=1",
        "FindMissedAfterMinutes=0",
    )
    arguments = (argument for parameter in parameters for argument in ("--parameter", parameter))
    command = [sys.executable, "-m", "sandbox", "--stack-name", "by-hand", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            exported = {}
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("export "):
                    name, _, value = line.removeprefix("export ").rstrip().partition("=")
                    exported[name] = value
                if line.startswith("Ctrl-C"):
                    break
            assert exported, "the sandbox has not started"
            yield Shell(process, exported, tmp_path_factory.mktemp("home"))
        finally:
            process.kill()


def test_the_outputs_are_where_a_deployed_stack_has_them(shell: Shell) -> None:
    outputs = read_template(ROOT / "template.yaml")["Outputs"]

    assert shell.outputs.keys() <= outputs.keys()
    assert {name for name in outputs.keys() - shell.outputs.keys() if "Condition" not in outputs[name]} == set()


def test_pictures_copied_before_there_are_credentials_wait_for_them(shell: Shell, tmp_path: Path) -> None:
    pair_id = "by hand/ü +%"
    for role, person in (("first", ANNA), ("second", BEN)):
        (tmp_path / f"{role}.jpg").write_bytes(picture(person, f"by hand, {role}"))
        target = f"s3://{shell.outputs['ImagesBucket']}/{pair_id}/{role}.jpg"
        shell.aws("s3", "cp", str(tmp_path / f"{role}.jpg"), target)

    pending = shell.row_with(pair_id, "PENDING")
    secret = ("--secret-id", shell.outputs["CredentialsSecret"], "--secret-string", json.dumps(CREDENTIALS))
    shell.aws("secretsmanager", "put-secret-value", *secret)
    row = shell.row_with(pair_id, "REJECT")

    assert pending["code"] == {"S": "CREDENTIALS_INVALID"}
    assert pending["message"]["S"].startswith('The secret has no value: put {"accessKey": "...", "secretKey": "..."}')
    assert row["first"]["M"]["key"] == {"S": f"{pair_id}/first.jpg"}


def test_a_function_is_invoked(shell: Shell, tmp_path: Path) -> None:
    answer_file = tmp_path / "answer.json"

    answer = shell.aws("lambda", "invoke", "--function-name", shell.outputs["FindMissedFunction"], str(answer_file))

    assert answer["StatusCode"] == 200
    assert json.loads(answer_file.read_text()) == {"objects": 2, "pairs": 1, "sent": 0, "deleted": 0, "finished": True}


def test_ctrl_c_leaves_no_process_behind(shell: Shell) -> None:
    started = family(shell.process.pid)

    shell.process.send_signal(signal.SIGINT)
    status = shell.process.wait(20)

    assert status == 0
    assert len(started) >= 6  # AWS and two environments, each with its guard
    deadline = time.monotonic() + 10
    while left := started & running().keys():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
