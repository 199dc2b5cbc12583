"""What operators read and send again, in tables, queues and a bucket without workers."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from facepair.aws.gate import GateItem
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.ledger import CallsTable
from facepair.aws.uploads import ImagesBucket
from facepair.aws.written_rows import StoredRows
from facepair.domain import clock
from facepair.domain.backlog import Count, Oldest
from facepair.domain.gate import Rules
from facepair.domain.history import Mark, pair_among
from facepair.domain.notification import created_notification
from facepair.domain.pair import Names
from facepair.domain.retry import Blocked
from facepair.domain.verdict import Verdict
from facepair_cli.cli import main
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from tests.support import ROOT
from tests.support.resources import Resources

T = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = Names("first", "second")
FIRST_AND_SECOND = [created_notification(f"pair {number}/first.jpg", "etag") for number in range(12)]


@dataclass(frozen=True)
class Office:
    """A stack, and the command line in its account."""

    name: str
    resources: Resources
    variables: dict[str, str]

    def facepair(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--stack", self.name, *arguments], env=self.variables)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.facepair(*arguments, "--json").stdout)

    def send(self, queue: str, *bodies: str) -> None:
        for body in bodies:
            self.resources.client("sqs").send_message(QueueUrl=self.resources.outputs[queue], MessageBody=body)

    def bodies(self, queue: str) -> list[str]:
        """Take the visible messages; return their bodies."""
        sqs, url, bodies = self.resources.client("sqs"), self.resources.outputs[queue], []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies += [message["Body"] for message in messages]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(bodies)


@pytest.fixture(scope="module")
def office(local_aws: LocalAws) -> Office:
    name = f"office-{uuid4().hex[:8]}"
    stack = deploy(local_aws, ROOT / "template.yaml", name, {"WebhookUrl": "https://example.com/x"})
    return Office(name, Resources(local_aws.url, dict(stack.outputs)), local_aws.child_variables | {"NO_COLOR": "1"})


@pytest.fixture
def _empty_queues(office: Office) -> None:
    for output in office.resources.outputs:
        if output.endswith("Queue"):
            office.bodies(output)


@pytest.fixture
def table(office: Office) -> Iterator[Any]:
    """VerdictsTable, empty at first."""
    table = office.resources.table("VerdictsTable")
    yield table
    while items := table.scan()["Items"]:
        for item in items:
            table.delete_item(Key={"pair_id": item["pair_id"]})


def row(pair_id: str, verdict: str = "PASS", seconds: float = 0, **attributes: Any) -> dict[str, Any]:
    times = {"uploaded_at": clock.iso(T), "updated_at": clock.iso(T + timedelta(seconds=seconds))}
    return {"pair_id": pair_id, "verdict": verdict} | times | attributes


def put(table: Any, *rows: dict[str, Any]) -> None:
    for each in rows:
        table.put_item(Item=each)


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(table: Any) -> list[dict[str, Any]]:
    """Forty rows of all verdicts, written a second apart."""
    verdicts = list(Verdict)
    rows = [row(f"pair {number:02d}", verdicts[number % len(verdicts)], number) for number in range(40)]
    put(table, *rows)
    return rows


def test_rows_come_newest_first_from_one_time_on_and_before_another(table: Any, rows: list[Any]) -> None:
    written = StoredRows(table)
    newest_first = rows[::-1]

    def between(since: float, until: float) -> list[Any]:
        begin, end = T + timedelta(seconds=since), T + timedelta(seconds=until)
        return list(written.newest_first(Verdict, since=begin, until=end))

    assert list(written.newest_first(Verdict)) == newest_first
    assert between(5, 10) == rows[5:10][::-1]
    assert list(written.newest_first([Verdict.REJECT])) == [
        each for each in newest_first if each["verdict"] == "REJECT"
    ]
    assert written.rows_read == 40 + 5 + 6


def test_pages_of_a_megabyte_are_read_to_the_end_newest_first(table: Any) -> None:
    large = [row(f"large {number}", "PASS", number, message="x" * 350_000) for number in range(5)]
    put(table, *large)

    assert list(StoredRows(table).newest_first(Verdict)) == large[::-1]
    assert StoredRows(table).count(Verdict.PASS, 100) == Count(5)
    assert StoredRows(table).oldest(Verdict.PASS, 100) == Oldest("large 0", clock.iso(T), message="x" * 350_000)


def test_rows_are_counted_up_to_a_bound_that_is_said(table: Any, rows: list[Any]) -> None:
    written = StoredRows(table)

    assert written.count(Verdict.PASS, 100) == Count(6)
    assert written.count(Verdict.PASS, 4) == Count(4, lower_bound=True)
    assert written.count(Verdict.PASS, 100, since=T + timedelta(seconds=7)) == Count(5)


def test_rows_of_a_code_are_left_out_of_a_count(table: Any) -> None:
    codes = ["PICTURES_DELETED", "OUTCOME_UNKNOWN", "PICTURES_DELETED", None]
    put(
        table,
        *(
            row(f"pair {number}", "UNDETERMINED", number, **({"code": code} if code else {}))
            for number, code in enumerate(codes)
        ),
    )
    written = StoredRows(table)

    assert written.count(Verdict.UNDETERMINED, 100, other_than="PICTURES_DELETED") == Count(2)
    assert written.count(Verdict.UNDETERMINED, 2, other_than="PICTURES_DELETED") == Count(1, lower_bound=True)


def test_no_further_page_is_counted_when_its_time_is_over(table: Any) -> None:
    put(table, *(row(f"large {number}", "RETAKE", number, message="x" * 300_000) for number in range(5)))

    counted = StoredRows(table).count(Verdict.RETAKE, 100, seconds=0)

    assert counted.lower_bound
    assert 0 < counted.number < 5


def test_the_oldest_is_the_first_upload_and_not_the_first_row(table: Any) -> None:
    old, new = clock.iso(T - timedelta(days=2)), clock.iso(T - timedelta(days=1))
    put(
        table, row("new", "PENDING", 0, uploaded_at=new), row("old", "PENDING", 9, uploaded_at=old, code="SERVICE_BUSY")
    )

    assert StoredRows(table).oldest(Verdict.PENDING, 100) == Oldest("old", old, code="SERVICE_BUSY")
    assert StoredRows(table).oldest(Verdict.WAITING, 100) is None


@pytest.mark.usefixtures("rows")
def test_list_answers_in_every_form(office: Office) -> None:
    by_time = ("list", "--since", "2026-01-31T12:00:05", "--until", "2026-01-31T12:00:08Z")

    names = ["pair 07", "pair 06", "pair 05"]
    assert [each["pair_id"] for each in office.json(*by_time)] == names
    lines = office.facepair(*by_time, "--jsonl").stdout.splitlines()
    assert [json.loads(line)["pair_id"] for line in lines] == names
    cells = csv.DictReader(io.StringIO(office.facepair(*by_time, "--csv").stdout))
    assert [each["pair_id"] for each in cells] == names
    shown = office.facepair(*by_time)
    assert [line.split()[:3] for line in shown.stdout.splitlines() if "pair" in line] == [
        ["PASS", "pair", "07"],
        ["UNDETERMINED", "pair", "06"],
        ["PENDING", "pair", "05"],
    ]
    assert shown.stderr == "3 rows read.\n"


@pytest.mark.usefixtures("rows")
def test_list_says_before_it_that_it_reads_every_row(office: Office) -> None:
    everything = office.facepair("list", "--jsonl")
    some = office.facepair("list", "--jsonl", "--verdict", "reject")

    assert everything.stderr.startswith("Reading every row, about 40 rows.\n")
    assert len(everything.stdout.splitlines()) == 40
    assert "every row" not in some.stderr
    assert {json.loads(line)["verdict"] for line in some.stdout.splitlines()} == {"REJECT"}


@pytest.mark.parametrize(
    "arguments",
    [
        "list --csv --json",
        "list --since yesterday",
        "list --verdict MAYBE",
        "list --since 24h --until 48h",
        "resend",
        "resend --since 24h anna",
    ],
)
def test_wrong_use_ends_with_status_2_before_anything_is_read(arguments: str) -> None:
    assert CliRunner().invoke(main, arguments.split(), env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).exit_code == 2


def test_a_foreign_row_hides_no_other(office: Office, table: Any) -> None:
    review = {"by": "eva", "at": clock.iso(T), "from": "MANUAL_CHECK", "reason": "the scar"}
    foreign = {"pair_id": "foreign", "verdict": "PASS", "updated_at": clock.iso(T), "tags": {"a", "b"}}
    put(table, foreign, row("decided", "REJECT", 1, similarity=Decimal("60.5"), review=review))

    shown = office.facepair("list")

    assert shown.exit_code == 0, shown.exception
    assert "decided by eva" in shown.stdout
    assert "foreign" in shown.stdout
    assert office.json("list")[1]["tags"] == ["a", "b"]


# --- one pair ---------------------------------------------------------------------------------------------------------


def test_versions_and_deletions_are_those_of_the_pair_s_own_folder(office: Office) -> None:
    s3, bucket = office.resources.client("s3"), office.resources.outputs["ImagesBucket"]
    for key in ("v/first.jpg", "v/first.jpg", "v/second.jpg", "v/notes.txt", "v/below/first.jpg", "vv/first.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=uuid4().hex)
    s3.delete_object(Bucket=bucket, Key="v/second.jpg")

    versions = ImagesBucket(s3, bucket, NAMES).versions("v")

    seen = {(each.upload.key, each.role, each.latest, each.deleted) for each in versions}
    assert seen == {
        ("v/first.jpg", "first", False, False),
        ("v/first.jpg", "first", True, False),
        ("v/second.jpg", "second", False, False),
        ("v/second.jpg", "second", True, True),
        ("v/notes.txt", None, True, False),
    }
    pair, found = pair_among("v", versions, NAMES, T), ImagesBucket(s3, bucket, NAMES).find("v")
    assert pair.objects == found.objects


def test_a_mark_is_read_as_it_was_left(office: Office) -> None:
    table = office.resources.table("IdempotencyTable")
    writing, reading = InFlightMarkers(table, comes_back=timedelta(minutes=12)), InFlightMarkers(table)
    now = clock.now().replace(microsecond=0)
    alive_until = now + timedelta(minutes=2)

    assert reading.mark("objects") is None
    writing.begin("objects", alive_until)
    begun = reading.mark("objects")
    assert begun is not None
    assert (begun.begun, begun.alive_until) == (1, alive_until)
    writing.defer("objects", now + timedelta(hours=1))
    assert reading.mark("objects") == Mark(now + timedelta(hours=1))
    with pytest.raises(TypeError, match="can only be read"):
        reading.begin("objects", alive_until)


def test_rows_of_the_ledger_are_read_with_every_attribute(office: Office) -> None:
    table = office.resources.table("CallsTable")
    rows = [{"pair_id": "l", "call": f"00000{number}", "permitted_by": "ali"} for number in (1, 2)]
    put(table, *rows)

    assert CallsTable(table).rows_of_pair("l") == rows


def test_a_pair_without_a_row_is_shown_as_far_as_it_is_known(office: Office) -> None:
    s3, bucket = office.resources.client("s3"), office.resources.outputs["ImagesBucket"]
    s3.put_object(Bucket=bucket, Key="unread/first.jpg", Body=b"x")

    shown = office.facepair("show", "unread")

    assert shown.exit_code == 1
    assert "unread/first.jpg was uploaded: the first picture" in shown.stdout
    assert shown.stderr.startswith("Error: There is no row of unread: the pair is still in the queue")


# --- status -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_empty_queues")
def test_a_healthy_stack_needs_no_action(office: Office, table: Any) -> None:
    put(table, row("done"), row("half", "WAITING", waiting_for="second"))

    seen = office.facepair("status", "--json")

    assert seen.exit_code == 0
    status = json.loads(seen.stdout)
    assert status["verdicts"] == dict.fromkeys(Verdict, 0) | {"PASS": 1, "WAITING": 1}
    assert (status["queue"], status["dead_letters"], status["attention"]) == (0, 0, [])
    assert status["gate"] == {"state": "open", "pace": 5.0, "pace_found_out": True, "unanswered": 0}
    assert status["oldest"]["WAITING"] == {"pair_id": "half", "uploaded_at": clock.iso(T), "waiting_for": "second"}
    assert "No action needed." in office.facepair("status").stdout


@pytest.mark.usefixtures("_empty_queues")
def test_dead_letters_of_all_queues_are_counted_and_need_an_action(office: Office) -> None:
    queues = ("DeadLetterQueue", "UnpublishedQueue", "BusDeadLetterQueue", "WebhookDeadLetterQueue")
    for queue in queues:
        office.send(queue, "a message")
    office.send("UploadsQueue", "an upload", "another")

    seen = office.facepair("status", "--json")

    assert seen.exit_code == 1
    status = json.loads(seen.stdout)
    assert (status["queue"], status["dead_letters"]) == (2, 4)
    assert status["dead_letter_queues"] == dict.fromkeys(queues, 1)
    assert len(status["attention"]) == 4
    shown = office.facepair("status")
    assert shown.exit_code == 1
    assert "1 message lies in DeadLetterQueue" in shown.stdout


def test_a_blocked_account_is_shown_with_its_code_and_reason(office: Office) -> None:
    table = office.resources.table("IdempotencyTable")
    gate = GateItem(table, Rules(per_second=0, stop_after_unknown=5, pause=600))
    gate.block(Blocked("INSUFFICIENT_BALANCE", "top up"))

    seen = office.facepair("status", "--json")

    assert seen.exit_code == 1
    told = json.loads(seen.stdout)["gate"]
    assert (told["state"], told["code"], told["message"]) == ("blocked", "INSUFFICIENT_BALANCE", "top up")
    assert told["since"] < told["next_try_at"]
    table.delete_item(Key={"id": "gate"})


# --- redrive ----------------------------------------------------------------------------------------------------------


def test_a_stack_without_a_webhook_has_no_dead_letters_of_it(local_aws: LocalAws, office: Office) -> None:
    name = f"plain-{uuid4().hex[:8]}"
    deploy(local_aws, ROOT / "template.yaml", name, {})

    done = office.facepair("redrive", "--webhooks", "--yes", "--stack", name)

    assert done.exit_code == 1
    assert done.stderr == f"Error: The stack {name} has no WebhookDeadLetterQueue: it has one only with WebhookUrl.\n"
    without_webhook = {"DeadLetterQueue", "UnpublishedQueue", "BusDeadLetterQueue"}
    assert set(office.json("status", "--stack", name)["dead_letter_queues"]) == without_webhook
