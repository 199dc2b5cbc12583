"""`facepair submit` with real files, processes and Ctrl-C."""

import csv
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cloud import Sandbox
from tests.cli.conftest import CommandLine
from tests.support import commands
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, BEN, Deployed, picture, sha256
from tests.support.faulty_aws import FaultyAws
from tests.support.waiting import eventually

COLUMNS = ["pair_id", "verdict", "code", "message", "similarity", "transaction_id", "updated_at"]
PATIENCE = 90.0
"""Seconds, on a busy machine."""


class Desk:
    """A folder of pairs with a common prefix, and their state in the bucket."""

    def __init__(self, sandbox: Sandbox, folder: Path, name: str) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.name = name

    def pair(self, pair_id: str, first: str | bytes, second: str | bytes) -> None:
        self.put(f"{self.name}/{pair_id}/first.jpg", first)
        self.put(f"{self.name}/{pair_id}/Second.jpeg", second)

    def put(self, file: str, content: str | bytes) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else picture(content, file))

    def versions(self) -> Counter[str]:
        """Count the versions of each object, by key without the prefix."""
        pages = self.sandbox.aws("s3").get_paginator("list_object_versions")
        bucket, prefix = self.sandbox.outputs["ImagesBucket"], f"{self.name}/"
        found = pages.paginate(Bucket=bucket, Prefix=prefix)
        return Counter(each["Key"].removeprefix(prefix) for page in found for each in page.get("Versions", []))


@pytest.fixture
def desk(sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    return Desk(sandbox, tmp_path / "photos", f"submit/{request.node.name[5:60]}")


@pytest.fixture
def aws(sandbox: Sandbox) -> Iterator[FaultyAws]:
    """A proxy between the command and the sandbox."""
    with FaultyAws(sandbox.variables["AWS_ENDPOINT_URL"]) as aws:
        yield aws


@pytest.fixture
def started(sandbox: Sandbox, tmp_path: Path, aws: FaultyAws) -> Iterator["Started"]:
    started = Started(sandbox, tmp_path, aws)
    yield started
    started.end()


class Started:
    """Runs `facepair` through the faulty proxy, like in a terminal: Ctrl-C reaches all its processes."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path, aws: FaultyAws) -> None:
        own = {"AWS_ENDPOINT_URL": aws.url, "COLUMNS": "80", "PYTHONUNBUFFERED": "1"}
        self._variables = dict(sandbox.variables) | own
        self._stdout, self._stderr = tmp_path / "stdout", tmp_path / "stderr"
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, *arguments: str | Path) -> None:
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            command, files = commands.called(commands.FACEPAIR, "submit")
            self._process = subprocess.Popen(
                [*command, *arguments],
                env=os.environ | self._variables,
                pass_fds=files,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text()

    def interrupt(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)

    def ended(self) -> tuple[int, str]:
        """Return the exit status and stderr."""
        assert self._process is not None
        return self._process.wait(PATIENCE), self._stderr.read_text()

    def end(self) -> None:
        if self._process and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def written(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as content:
        rows = csv.DictReader(content)
        found = list(rows)
    assert rows.fieldnames == COLUMNS
    return found


def test_a_folder_becomes_verdicts_and_what_is_there_is_sent_only_once(
    facepair: CommandLine, deployed: Deployed, desk: Desk, tmp_path: Path
) -> None:
    desk.pair("same", ANNA, ANNA)
    desk.pair("two/people + 50%", ANNA, BEN)
    desk.pair("équipe", ANNA, ANNA_ON_ANOTHER_DAY)
    desk.pair("text", b"hello", ANNA)
    desk.put("notes.txt", b"")
    output = tmp_path / "verdicts.csv"

    planned = facepair("submit", str(desk.folder), "--dry-run")
    before = desk.versions()
    submitted = facepair("submit", str(desk.folder), "--yes", "--output", str(output), within=PATIENCE)
    again = facepair("submit", str(desk.folder), "--wait")

    assert planned.returncode == 0, planned.stderr
    assert "4 pairs (ignored: other names 1)" in planned.stdout
    assert "1 pair of them will be RETAKE without a call, IMAGE_INVALID_FORMAT:" in planned.stdout
    assert "That makes 3 calls" in planned.stdout
    assert before == {}

    assert submitted.returncode == 0, submitted.stderr
    rows = written(output)
    found = {row["pair_id"].removeprefix(f"{desk.name}/"): row["verdict"] for row in rows}
    assert list(found.items()) == [
        ("same", "PASS"), ("text", "RETAKE"), ("two/people + 50%", "REJECT"), ("équipe", "MANUAL_CHECK")
    ]  # fmt: skip
    for row in rows:
        stored = {name: str(value) for name, value in (deployed.row(row["pair_id"]) or {}).items()}
        assert row == {name: stored.get(name, "") for name in COLUMNS}
    assert sum(len(deployed.ledger(row["pair_id"])) for row in rows) == 3

    assert again.returncode == 0, again.stderr
    assert "Nothing is new" in again.stdout
    assert "4 pairs with a verdict  PASS 1  MANUAL_CHECK 1  REJECT 1  RETAKE 1" in again.stdout
    assert set(desk.versions().values()) == {1}
    assert len(desk.versions()) == 8


def test_a_csv_is_submitted_after_a_question_and_answered_in_order_without_formulas(
    facepair: CommandLine, desk: Desk, tmp_path: Path
) -> None:
    desk.put("anna.jpg", ANNA)
    desk.put("ben", BEN)
    pairs, output = desk.folder / "pairs.csv", tmp_path / "verdicts.csv"
    formula = f"=1+1/{desk.name}"
    pairs.write_text(f"pair_id,first,second\n{desk.name}/z,anna.jpg,anna.jpg\n{formula},ben,anna.jpg\n")

    with facepair.terminal("submit", str(pairs), "--output", str(output)) as terminal:
        terminal.shows("Upload 2 pairs? [y/N]: ")
        before = desk.versions()
        terminal.type("y\n")
        submitted = terminal.ended()

    assert before == {}
    assert submitted.returncode == 0, submitted.stdout
    assert [(row["pair_id"], row["verdict"]) for row in written(output)] == [
        (f"{desk.name}/z", "PASS"),
        (f"'{formula}", "REJECT"),
    ]
    assert desk.versions() == {"z/first.jpg": 1, "z/second.jpg": 1}


def test_an_interrupted_upload_goes_on_where_it_was_and_puts_every_object_once(
    started: Started, aws: FaultyAws, desk: Desk, facepair: CommandLine
) -> None:
    for number in range(24):
        desk.pair(f"{number:02}", f"no picture {number}".encode(), b"nor this")
    slow = aws.fault("PutObject", "delay", times=None, delay=0.3)
    started("submit", desk.folder, "--yes")
    eventually(lambda: slow.met > 5, within=PATIENCE)

    started.interrupt()
    status, said = started.ended()
    halfway = desk.versions()
    rest = facepair("submit", str(desk.folder), "--yes", within=PATIENCE)

    assert status == 130
    assert said.startswith("\nError: Interrupted. ")
    assert said.endswith("of 24 pairs sent. Run the command again for the rest: nothing is sent twice.\n")
    assert said.count("\n") == 2
    sent = int(said.split()[2])
    assert len(halfway) == 2 * sent
    assert 0 < sent < 24
    assert rest.returncode == 0, rest.stderr
    assert f"{sent} pairs in the bucket already" in rest.stdout or sent == 1
    assert f"{24 - sent} pairs sent" in rest.stdout
    assert len(desk.versions()) == 48
    assert set(desk.versions().values()) == {1}


def test_waiting_shows_its_reason_and_can_be_left_and_resumed(
    started: Started, deployed: Deployed, desk: Desk, facepair: CommandLine
) -> None:
    desk.pair("busy", ANNA, ANNA)
    first = (desk.folder / desk.name / "busy" / "first.jpg").read_bytes()
    deployed.control.script(first_sha256=sha256(first), code="SERVICE_BUSY", retry_after="4s")
    started("submit", desk.folder, "--yes", "--wait")
    eventually(
        lambda: "1 pair without a verdict: 1 PENDING (SERVICE_BUSY); next try at" in started.stdout, within=PATIENCE
    )

    started.interrupt()
    status, said = started.ended()
    rest = facepair("submit", str(desk.folder), "--wait", within=PATIENCE)

    assert status == 130
    assert said == (
        "\nError: Interrupted. 1 pair without a verdict yet. Everything was sent; run the command again with --wait to "
        "see the rest: nothing is sent twice.\n"
    )
    assert rest.returncode == 0, rest.stderr
    assert "1 pair with a verdict  PASS 1" in rest.stdout


def test_a_refusal_by_aws_is_reported_with_what_was_sent(started: Started, aws: FaultyAws, desk: Desk) -> None:
    desk.pair("anna", b"hello", b"hello")
    aws.fault("PutObject", "deny", times=None)

    started("submit", desk.folder, "--yes")

    status, said = started.ended()
    assert status == 1
    assert "anna: AWS denied access: An error occurred (AccessDenied)" in said
    assert "managed policy SubmitterPolicy allows it" in said
    assert desk.versions() == {}


def test_pairs_that_cannot_be_sent_are_reported_and_the_others_are_sent(facepair: CommandLine, desk: Desk) -> None:
    desk.pair("whole", b"hello", b"hello")
    desk.put(f"{desk.name}/lone/first.jpg", b"hello")

    submitted = facepair("submit", str(desk.folder), "--yes")

    assert submitted.returncode == 1
    assert submitted.stderr == (
        f"Error: 1 pair cannot be submitted as asked: {desk.name}/lone: the second picture is missing.\n"
    )
    assert "1 pair sent" in submitted.stdout
    assert desk.versions() == {"whole/first.jpg": 1, "whole/Second.jpeg": 1}


def test_waiting_survives_a_lost_connection(started: Started, aws: FaultyAws, desk: Desk, deployed: Deployed) -> None:
    desk.pair("slow", ANNA, ANNA)
    first = (desk.folder / desk.name / "slow" / "first.jpg").read_bytes()
    deployed.control.script(first_sha256=sha256(first), code="SERVICE_BUSY", retry_after="2s")
    lost = aws.fault("BatchGetItem", "drop", times=14)

    started("submit", desk.folder, "--yes", "--wait")
    status, said = started.ended()

    assert (status, said) == (0, "")
    assert lost.met == 14
    assert started.stdout.count("AWS was not reached: ") == 1
    assert "Still waiting: everything was sent." in started.stdout
    assert "1 pair with a verdict  PASS 1" in started.stdout
