"""What all commands share: options, confirmations, exit status, errors and output."""

import csv
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from facepair.domain import clock
from facepair.domain.notification import created_notification
from facepair_cli.cli import main
from facepair_cli.stack import Stack
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from tests.fakes import picture
from tests.support import ROOT
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import Resources
from tests.support.terminal import Ended, Terminal, in_a_script

DELETE = "deploy.delete"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[8m", "b\nNothing was sent.", "gpj\N{RIGHT-TO-LEFT OVERRIDE}x"
SHOWN = r"\x1b]0;owned\x07\x1b[2J\x1b[8m", r"b\nNothing was sent.", r"gpj\u202ex"


@dataclass(frozen=True)
class Desk:
    """A stack without functions, the command line in its account, and a folder."""

    stack: str
    variables: dict[str, str]
    resources: Resources
    folder: Path

    def __call__(self, *arguments: str | bytes | Path, typed: str = "", **variables: str) -> Ended:
        """Run a command in this process, which is faster."""
        environment = self.variables | {"NO_COLOR": "1", "COLUMNS": "100"} | variables
        names = [*map(os.fsdecode, arguments)]
        done = CliRunner().invoke(main, names, input=typed, env=environment, prog_name="facepair")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Ended(done.exit_code, done.stdout, done.stderr)

    def process(self, *arguments: str | bytes | Path, typed: str = "", **variables: str) -> Ended:
        """Run a command as a process."""
        return in_a_script(*arguments, variables=self.variables | variables, typed=typed)

    def terminal(self, *arguments: str | Path) -> Terminal:
        return Terminal(*arguments, variables=self.variables)

    def pair(self, pair_id: str | bytes) -> None:
        folder = os.fsencode(self.folder / "photos") + b"/" + os.fsencode(pair_id)
        os.makedirs(folder)  # noqa: PTH103 - names of bytes
        for seed, name in enumerate((b"first.png", b"second.png")):
            with open(folder + b"/" + name, "wb") as file:  # noqa: PTH123
                file.write(picture(seed))

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def keys(self) -> list[str]:
        bucket = self.resources.outputs["ImagesBucket"]
        found = self.resources.client("s3").list_objects_v2(Bucket=bucket)
        return [each["Key"] for each in found.get("Contents", [])]

    def dead_letter(self) -> None:
        url, body = self.resources.outputs["DeadLetterQueue"], created_notification("a/first.jpg", "etag")
        self.resources.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def rows(self, *pair_ids: str) -> None:
        now = clock.iso(clock.now())
        for pair_id in pair_ids:
            times = {"uploaded_at": now, "listed_at": now, "updated_at": now}
            row = {"pair_id": pair_id, "verdict": "PASS", "policy": {"pass_above": 70, "reject_below": 55}} | times
            self.resources.table("VerdictsTable").put_item(Item=row)


@pytest.fixture(scope="module")
def _stack(local_aws: LocalAws) -> tuple[str, Resources]:
    name = f"desk-{uuid4().hex[:8]}"
    return name, Resources(local_aws.url, dict(deploy(local_aws, ROOT / "template.yaml", name, {}).outputs))


@pytest.fixture
def desk(local_aws: LocalAws, _stack: tuple[str, Resources], tmp_path: Path) -> Iterator[Desk]:
    name, resources = _stack
    desk = Desk(name, local_aws.child_variables | {"FACEPAIR_STACK": name}, resources, tmp_path)
    yield desk
    bucket, s3 = resources.outputs["ImagesBucket"], resources.client("s3")
    for key in desk.keys:
        s3.delete_object(Bucket=bucket, Key=key)
    url, sqs = resources.outputs["DeadLetterQueue"], resources.client("sqs")
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    table = resources.table("VerdictsTable")
    for item in table.scan()["Items"]:
        table.delete_item(Key={"pair_id": item["pair_id"]})


@pytest.fixture
def aws(local_aws: LocalAws) -> Iterator[FaultyAws]:
    with FaultyAws(local_aws.url) as aws:
        yield aws


# --- options ----------------------------------------------------------------------------------------------------------


def test_summaries_of_the_help_fit_on_one_line_each(desk: Desk) -> None:
    shown = desk("--help", COLUMNS="80").stdout

    _, _, commands = shown.partition("Commands:\n")
    assert len(commands.splitlines()) >= 12
    for line in commands.splitlines():
        assert line.endswith("."), line
        assert not line.endswith("..."), line
        assert len(line.split(maxsplit=1)) == 2, line


def test_the_version_is_said(desk: Desk) -> None:
    assert desk.process("--version").stdout.startswith("facepair 0.")


def test_a_shell_is_given_completions(desk: Desk) -> None:
    script = desk.process(_FACEPAIR_COMPLETE="bash_source")
    completed = desk.process(_FACEPAIR_COMPLETE="bash_complete", COMP_WORDS="facepair re", COMP_CWORD="1")

    assert "complete -o nosort -F" in script.stdout
    assert "plain,retry" in completed.stdout.splitlines()


def test_the_stack_is_named_by_option_before_or_after_the_command_or_by_variable(desk: Desk) -> None:
    assert desk("list").returncode == 0
    assert desk("--stack", desk.stack, "list", FACEPAIR_STACK="other").returncode == 0
    assert desk("list", "--stack", desk.stack, FACEPAIR_STACK="other").returncode == 0
    other = desk("list", "--stack", "other")
    assert other.returncode == 1
    assert other.stderr == (
        "Error: There is no stack other in this account in us-east-1. Check --stack, --region and --profile.\n"
    )


def test_region_and_profile_are_those_that_are_given(desk: Desk) -> None:
    config = desk.folder / "config"
    config.write_text("[profile away]\naws_access_key_id = a\naws_secret_access_key = b\n")
    given = {"AWS_CONFIG_FILE": str(config)}

    assert " in eu-west-1. Check" in desk("--region", "eu-west-1", "list").stderr
    assert " in eu-west-1. Check" in desk("list", "--region", "eu-west-1", "--profile", "away", **given).stderr
    unknown = desk("--profile", "nowhere", "list")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "Error: The config profile (nowhere) could not be found. Check --profile and AWS_PROFILE.\n",
    )


def test_a_list_ends_at_its_limit(desk: Desk) -> None:
    desk.rows("a", "b", "c")

    assert len(desk("list", "--limit", "2", "--jsonl").stdout.splitlines()) == 2
    assert desk("list", "--limit", "0").returncode == 2


def test_one_is_singular_and_a_price_below_a_cent_is_left_out(desk: Desk) -> None:
    desk.rows("a")

    listed = desk("list")

    assert listed.stderr.splitlines() == ["Reading every row, about 1 row.", "1 row read."]


# --- confirmations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["redrive", "resend --since 24h", "resend a", "erase a", "erase a/", "retry a"])
def test_without_a_terminal_a_confirmation_needs_yes(desk: Desk, command: str) -> None:
    desk.dead_letter()
    desk.rows("a", "a/b")

    done = desk(*command.split(), typed="y\n")

    assert done.returncode == 2
    assert done.stderr.endswith("There is no terminal to confirm at: pass --yes.\n")
    assert {each["pair_id"] for each in desk.resources.table("VerdictsTable").scan()["Items"]} == {"a", "a/b"}
    assert desk("status").returncode == 1  # the dead letter is still there


def test_submit_needs_yes_too_and_uploads_nothing_without(desk: Desk) -> None:
    desk.pair("anna")

    done = desk.process("submit", desk.photos, typed="y\n")

    assert done.returncode == 2
    assert done.stderr == "Error: Nothing was sent. There is no terminal to confirm at: pass --yes.\n"
    assert desk.keys == []


@pytest.mark.parametrize(("typed", "status"), [("n\n", 1), ("\n", 1), ("\x04", 1), ("\x03", 130)])
def test_at_a_terminal_anything_but_a_yes_leaves_everything_as_it_is(desk: Desk, typed: str, status: int) -> None:
    desk.pair("anna")

    with desk.terminal("submit", desk.photos) as terminal:
        terminal.shows("Upload 1 pair? [y/N]: ")
        terminal.type(typed)
        done = terminal.ended()

    assert done.returncode == status
    assert done.stdout.endswith("Error: Nothing was sent.\n")
    assert desk.keys == []


def test_ctrl_c_ends_any_command_with_status_130_and_one_sentence(desk: Desk, aws: FaultyAws) -> None:
    aws.fault("Query", "delay", times=None, delay=3)
    slow = Terminal("list", variables=desk.variables | {"AWS_ENDPOINT_URL": aws.url})

    with slow as terminal:
        terminal.shows("Reading every row")
        terminal.type("\x03")
        done = terminal.ended()

    assert done.returncode == 130
    assert done.stdout.splitlines()[-1] == "Error: Interrupted."
    assert "Traceback" not in done.stdout


INTERRUPTED_AS_IT_IMPORTS = """
import signal, sys
from importlib.abc import MetaPathFinder

module = sys.argv.pop(1)

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from facepair_cli.__main__ import run
run()
"""


@pytest.mark.parametrize("module", ["click", "facepair_cli.errors", "botocore.exceptions", "facepair_cli.reading.show"])
def test_ctrl_c_while_a_command_starts_has_status_130_too(module: str) -> None:
    program = [sys.executable, "-c", INTERRUPTED_AS_IT_IMPORTS, module, "show", "anna"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.strip() in ("", "Error: Interrupted.")


def test_make_delete_follows_the_same_rules(desk: Desk) -> None:
    template = json.dumps({"Resources": {"UploadsQueue": {"Type": "AWS::SQS::Queue"}}})
    name, cloudformation = f"old-{uuid4().hex[:8]}", desk.resources.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=template)

    alone = in_a_script("--stack", name, typed=f"{name}\n", variables=desk.variables, module=DELETE)
    unknown = in_a_script("--stack", "other", "--yes", variables=desk.variables, module=DELETE)
    with Terminal("--stack", name, variables=desk.variables, module=DELETE) as terminal:
        terminal.shows("Type the stack's name to continue: ")
        terminal.type("\x03")
        interrupted = terminal.ended()
    with Terminal("--stack", name, variables=desk.variables, module=DELETE) as terminal:
        terminal.shows("Type the stack's name to continue: ")
        terminal.type("yes\n")
        wrong = terminal.ended()

    assert alone.returncode == 2
    assert alone.stderr == "Error: Nothing was removed. There is no terminal to confirm at: pass --yes.\n"
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("There is no stack other in this account and region")
    assert interrupted.returncode == 130
    assert interrupted.stdout.endswith("\nError: Nothing was removed.\n")
    assert wrong.returncode == 1
    assert wrong.stdout.endswith("Nothing was removed: that was not the stack's name.\n")
    assert cloudformation.describe_stacks(StackName=name)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AWS_DEFAULT_REGION": "", "AWS_REGION": ""}, "No AWS region is set. Pass --region, or set AWS_REGION."),
        ({"AWS_ENDPOINT_URL": "nowhere"}, "Invalid endpoint: nowhere is not an address. Check AWS_ENDPOINT_URL, and"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "AWS was not reached: Could not connect to the endpoint URL"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Unable to locate credentials. Sign in to AWS, or"),
        ({"AWS_REGION": "no region", "AWS_DEFAULT_REGION": "no region"}, "Provided region_name 'no region' doesn't"),
        ({"AWS_REGION": "no region", "AWS_DEFAULT_REGION": ""}, "Provided region_name 'no region' doesn't"),
        ({"AWS_PROFILE": "nowhere"}, "The config profile (nowhere) could not be found. Check --profile"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(desk: Desk, variables: dict[str, str], says: str) -> None:
    done = desk("status", **variables)

    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "operation", "policy"),
    [
        ("list", "Query", "ReaderPolicy"),
        ("report --month 2026-10 --output {folder}/page.html", "Scan", "AuditorPolicy"),
        ("redrive --yes", "GetQueueAttributes", "OperatorPolicy"),
    ],
)
def test_what_aws_denies_is_said_with_the_policy_that_allows_it(
    desk: Desk, aws: FaultyAws, command: str, operation: str, policy: str
) -> None:
    aws.fault(operation, "deny", times=None)

    done = desk(*command.format(folder=desk.folder).split(), AWS_ENDPOINT_URL=aws.url)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: AWS denied access: An error occurred (AccessDenied")
    assert f"The stack's managed policy {policy} allows it: attach it to your role." in done.stderr


def test_a_full_disk_is_one_sentence(desk: Desk) -> None:
    desk.rows("a")

    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = _with_stdout(full.fileno(), desk, "list", "--csv")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: No space left on device. Make room and run the command again."
    assert "Exception" not in done.stderr


def test_a_reader_that_has_enough_ends_the_command_without_a_word(desk: Desk) -> None:
    desk.rows("a")
    reader, writer = os.pipe()
    os.close(reader)

    done = _with_stdout(writer, desk, "list", "--csv")

    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def _with_stdout(descriptor: int, desk: Desk, *arguments: str) -> Ended:
    return in_a_script(*arguments, variables=desk.variables, limit=lambda: (os.dup2(descriptor, 1), None)[1])


def test_a_pair_id_that_is_not_utf8_is_a_usage_error(desk: Desk) -> None:
    for command in ("show", "erase", "retry", "resend"):
        done = desk(command, b"bad\xff")
        assert done.returncode == 2
        assert done.stderr.endswith("bad\\xff is not UTF-8, so no pair can have this id.\n")

    names = desk.folder / "names"
    names.write_bytes(b"a\nbad\xff\n")
    done = desk("retry", "--yes", "--from", names)
    assert (done.returncode, done.stderr) == (1, f"Error: {names} is not in UTF-8: save it as UTF-8.\n")


def test_an_error_that_no_one_expected_is_one_sentence_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "arn", property(lambda stack: 1 // 0))

    done = desk("erase", "odd", "--yes")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: facepair failed unexpectedly (")
    assert done.stderr.count("\n") == 1


# --- submitting -------------------------------------------------------------------------------------------------------


def test_hostile_names_are_shown_escaped_and_uploaded_as_they_are(desk: Desk) -> None:
    for pair_id in HOSTILE:
        desk.pair(pair_id)
        (desk.photos / pair_id / "second.png").unlink()
    desk.pair("whole")
    desk.pair(b"bytes\xff")

    done = desk.process("submit", desk.photos, "--yes")

    assert done.returncode == 1
    for text in (done.stdout, done.stderr):
        assert all(line.isprintable() for line in text.splitlines())
        for shown in SHOWN:
            assert f"{shown}: the second picture is missing" in text
        assert r"bytes\xff: its name is not UTF-8: rename it" in text
    assert "1 pair sent\n" in done.stdout
    assert desk.keys == ["whole/first.png", "whole/second.png"]


def test_a_hostile_row_is_shown_escaped_by_list_and_show(desk: Desk) -> None:
    desk.rows(*HOSTILE)

    table, exported, lines = desk("list"), desk("list", "--csv"), desk("list", "--jsonl")
    story = desk("show", HOSTILE[-1])  # the emulator's S3 fails with control characters

    for done in (table, exported, lines, story):
        assert done.returncode == 0, done.stderr
        assert all(line.isprintable() for line in done.stdout.splitlines())
    assert {row["pair_id"] for row in csv.DictReader(io.StringIO(exported.stdout))} == set(SHOWN)
    assert len(lines.stdout.splitlines()) == 3


def test_an_upload_that_fails_is_named_and_the_others_go_on(desk: Desk, aws: FaultyAws) -> None:
    for pair_id in ("anna", "ben", "carl"):
        desk.pair(pair_id)
    aws.fault("PutObject", "deny", "ben/first", times=None)

    done = desk("submit", desk.photos, "--yes", AWS_ENDPOINT_URL=aws.url)

    assert done.returncode == 1
    assert "2 pairs sent\n" in done.stdout
    assert done.stderr.startswith("Error: 1 pair cannot be submitted as asked: ben: AWS denied access: ")
    assert "managed policy SubmitterPolicy allows it" in done.stderr
    assert {key.partition("/")[0] for key in desk.keys} == {"anna", "carl"}


def test_when_every_upload_fails_the_command_stops(desk: Desk, aws: FaultyAws) -> None:
    for number in range(60):
        desk.pair(f"{number}")
    denied = aws.fault("PutObject", "deny", times=None)

    done = desk("submit", desk.photos, "--yes", AWS_ENDPOINT_URL=aws.url)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: 20 pairs in a row failed. AWS denied access: ")
    assert done.stderr.endswith("0 of 60 pairs sent. Run the command again for the rest: nothing is sent twice.\n")
    assert denied.met < 60


@pytest.mark.parametrize("name", ["missing/verdicts.csv", "photos", "/dev/full", "/proc/verdicts.csv"])
def test_an_output_that_cannot_be_written_is_an_error_before_anything_is_sent(desk: Desk, name: str) -> None:
    desk.pair("anna")

    done = desk("submit", desk.photos, "--yes", "--output", desk.folder / name)

    assert done.returncode == 2
    assert "Invalid value for '--output'" in done.stderr
    assert desk.keys == []


def test_a_full_disk_is_noticed_before_anything_is_sent(desk: Desk) -> None:
    desk.pair("anna")

    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = in_a_script(
        "submit", desk.photos, "--yes", "--output", desk.folder / "out.csv", variables=desk.variables, limit=full
    )

    assert done.returncode == 2
    assert "out.csv cannot be written: file too large. Name another file." in done.stderr
    assert desk.keys == []
    assert not (desk.folder / "out.csv").exists()


@pytest.mark.parametrize("name", ["pairs.csv", "link.csv", "a.png"])
def test_the_input_is_no_output(desk: Desk, name: str) -> None:
    (desk.folder / "a.png").write_bytes(picture(1))
    pairs = desk.folder / "pairs.csv"
    pairs.write_text("pair_id;first;second\nanna;a.png;a.png\n")
    (desk.folder / "link.csv").symlink_to(pairs)
    before = {file: file.read_bytes() for file in desk.folder.iterdir()}

    done = desk("submit", pairs, "--yes", "--output", desk.folder / name)

    assert done.returncode == 2
    assert f"{name} is a file to submit; name another." in done.stderr
    assert {file: file.read_bytes() for file in desk.folder.iterdir()} == before
    assert desk.keys == []


@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_verdicts_on_stdout_are_alone_there(desk: Desk, output: str) -> None:
    pairs = desk.folder / "pairs.csv"
    (desk.folder / "a.png").write_bytes(picture(1))
    pairs.write_text(f"pair_id,first,second\n{'x' * 1100},a.png,a.png\n")

    done = desk.process("submit", pairs, "--yes", "--output", output)

    assert done.returncode == 1  # the only pair's name is too long, so there is nothing to wait for
    assert done.stdout.splitlines()[0] == "pair_id,verdict,code,message,similarity,transaction_id,updated_at"
    assert len(done.stdout.splitlines()) == 2
    assert "1 pair cannot be sent:" in done.stderr


# --- erasing ----------------------------------------------------------------------------------------------------------


def test_a_receipt_that_cannot_be_written_is_an_error_before_anything_is_erased(desk: Desk) -> None:
    desk.rows("kept")
    (desk.folder / "notes.json").write_text("{}")

    for receipt in (desk.folder / "missing" / "receipt.json", Path("/dev/full"), desk.folder / "notes.json"):
        done = desk("erase", "kept", "--yes", "--receipt", receipt)
        assert done.returncode == 2
        assert "--receipt" in done.stderr

    assert len(desk.resources.table("VerdictsTable").scan()["Items"]) == 1
    assert (desk.folder / "notes.json").read_text() == "{}"
