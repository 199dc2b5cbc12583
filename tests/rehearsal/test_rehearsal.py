"""One stack's life in a second AWS, in the order of this file: deployed, used, changed, deleted.

docs/rehearsal.md says what this shows and what not.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from PIL import Image

from facepair.domain import clock
from facepair_cli.function_url import FunctionUrl
from facepair_cli.review.stack import ReviewStack
from sandbox import portraits
from tests.pictures.heic import heic
from tests.rehearsal.conftest import PARAMETERS
from tests.rehearsal.deployment import ARTEFACT, DEPLOYER, ROOT, STACK_NAME
from tests.rehearsal.forgeries import forgeries, is_denied
from tests.rehearsal.permissions import excuses
from tests.rehearsal.rehearsed import Rehearsed
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, BEN, BLANK, SIZE, notification, picture, sha256

MOST_OF_LAYERS = 130_000_000
"""Bytes, unpacked; Lambda's limit is 250 MB with the function. docs/performance.md lists them."""

UNREADABLE = "a postcard"
"""An unreadable message."""

type Content = Callable[[str], bytes]
"""Makes a picture, unique for each text."""

anna, anna_later, ben, blank = (partial(picture, who) for who in (ANNA, ANNA_ON_ANOTHER_DAY, BEN, BLANK))


@cache
def phone(_: str) -> bytes:
    """Return 12 megapixels as phones store them: the sensor's pixels and an EXIF rotation."""
    upright = portraits.portrait(1, width=3024, height=4032)
    return portraits.jpeg(upright.transpose(Image.Transpose.ROTATE_90), 90, exif_orientation=6)


@cache
def iphone(_: str) -> bytes:
    """Return a HEIC that viewers turn."""
    upright = portraits.portrait(1, width=SIZE[0], height=SIZE[1])
    return heic(upright.transpose(Image.Transpose.ROTATE_270), quarter_turns_left=1)


def text(_: str) -> bytes:
    return b"a note to my landlord"


@dataclass(frozen=True)
class Case:
    """A pair's uploads in order, ADVANCE's scripted behaviour, and the least that its row must contain."""

    row: Mapping[str, Any]
    uploads: Mapping[str, Content] = field(default_factory=lambda: {"first.jpg": anna, "second.jpg": anna})
    answer: Mapping[str, Any] = field(default_factory=dict)
    calls: tuple[str, ...] = ("ANSWERED",)


PASSES = {"verdict": "PASS", "code": "SUCCESS"}
BUSY = {"code": "SERVICE_BUSY", "status": 429, "retry_after": "3600"}
CASES = {
    "one person": Case(PASSES),
    "perhaps one person": Case({"verdict": "MANUAL_CHECK"}, {"first.jpg": anna, "second.jpg": anna_later}),
    "two persons": Case({"verdict": "REJECT"}, {"first.jpg": anna, "second.jpg": ben}),
    "a wall": Case({"verdict": "RETAKE", "retake": ["second"]}, {"first.jpg": anna, "second.jpg": blank}),
    "a text": Case({"verdict": "RETAKE", "retake": ["first"]}, {"first.jpg": text, "second.jpg": anna}, calls=()),
    "half a pair": Case({"verdict": "WAITING", "waiting_for": "second"}, {"first.jpg": anna}, calls=()),
    "a busy API": Case({"verdict": "PENDING", "code": "SERVICE_BUSY"}, answer=BUSY, calls=("REFUSED",)),
    "a lost answer": Case({"verdict": "UNDETERMINED"}, answer={"drop": "after_reading"}, calls=("UNKNOWN",)),
    "équipe 東京/№ 7 + 50%": Case(PASSES, {"SECOND.JPEG": anna, "First": anna}),
    "a phone": Case(PASSES, {"first.jpg": phone, "second.jpg": anna}),
    "an iPhone": Case(PASSES, {"first.heic": iphone, "second.jpg": anna}),
}
NO_UPLOADS_OF_A_PAIR = ("a folder marker/", "loose.jpg", "one person/third.jpg")
LOST = "lost events"
PEOPLE = ("SubmitterPolicy", "ReaderPolicy", "AuditorPolicy", "OperatorPolicy", "EraserPolicy", "ReviewerPolicy")
CHANGED: dict[str, object] = {
    **PARAMETERS,
    "FirstName": "ID card",
    "SecondName": "Selfie",
    "PassAbove": 90.5,
    "RejectBelow": 70,
    "AlarmEmail": "oncall@example.com",
    "WebhookUrl": "http://127.0.0.1:9/no-listener",
}


@pytest.fixture(scope="module")
def used(rehearsed: Rehearsed) -> Rehearsed:
    """The stack after uploading everything at once."""
    for pair_id, case in CASES.items():
        contents = {name: content(f"{pair_id}, {name}") for name, content in case.uploads.items()}
        if case.answer:
            rehearsed.control.script(first_sha256=sha256(contents["first.jpg"]), times=None, **case.answer)
        for name, content in contents.items():
            rehearsed.upload(f"{pair_id}/{name}", content)
    for key in NO_UPLOADS_OF_A_PAIR:
        rehearsed.upload(key, b"")
    rehearsed.send("not a notification")
    return rehearsed


def test_the_layers_are_far_from_what_lambda_can_take(used: Rehearsed) -> None:
    sizes = {
        layer: sum(path.stat().st_size for path in (ARTEFACT / "build" / layer).rglob("*") if path.is_file())
        for layer in ("DependenciesLayer", "FacepairLayer")
    }

    assert all(sizes.values()), sizes
    assert sum(sizes.values()) < MOST_OF_LAYERS


def test_who_deploys_has_the_deployment_checked(used: Rehearsed) -> None:
    done = used.facepair(DEPLOYER, "doctor", "--json")

    checks = {each["check"]: each["status"] for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == 0, done.stdout + done.stderr
    assert {check for check, status in checks.items() if status == "skipped"} == {"alarm subscription", "key"}


@pytest.mark.parametrize("pair_id", CASES)
def test_every_verdict_comes_out_of_what_was_deployed(used: Rehearsed, pair_id: str) -> None:
    case = CASES[pair_id]

    row = used.row_that(pair_id, lambda row: case.row.items() <= row.items())

    assert [call["state"] for call in used.ledger(pair_id)] == list(case.calls)
    assert row["first"]["version_id"]


def test_a_picture_of_a_phone_is_turned_and_converted_by_what_was_built(used: Rehearsed) -> None:
    phone, iphone = (used.settled(pair_id)["first"] for pair_id in ("a phone", "an iPhone"))

    assert phone["adjusted"][0] == "rotated 90"
    assert iphone["adjusted"][0] == "converted from HEIC"
    enlarged = {edge: float(iphone["face"][edge]) * 3024 / SIZE[0] for edge in ("left", "top", "right", "bottom")}
    assert {edge: float(phone["face"][edge]) for edge in enlarged} == pytest.approx(enlarged, abs=40)


def test_what_is_no_upload_of_a_pair_is_counted_and_ignored(used: Rehearsed) -> None:
    used.wait(lambda: used.metrics()["IgnoredUploads"] == len(NO_UPLOADS_OF_A_PAIR), lambda: str(used.metrics()))

    assert used.row("a folder marker") is None
    assert used.settled("one person")["second"]["key"] == "one person/second.jpg"


def test_a_message_that_is_no_notification_is_dead_lettered(used: Rehearsed) -> None:
    used.wait(lambda: used.messages("DeadLetterQueue"), lambda: "nothing lies in the dead-letter queue")

    assert used.dead_letters() == ["not a notification"]


def test_a_pair_whose_events_were_lost_is_found(used: Rehearsed) -> None:
    with used.without_events():
        used.upload_pair(LOST)

    found = used.invoke("FindMissedFunction", {})

    assert found["sent"] >= 1
    assert used.settled(LOST)["verdict"] == "PASS"


def test_the_ledger_has_what_the_api_charged(used: Rehearsed) -> None:
    charged = used.control.charges()

    ledger = [call for pair_id in [*CASES, LOST] for call in used.ledger(pair_id)]
    answered = [call["transaction_id"] for call in ledger if call["state"] == "ANSWERED"]
    unknown = [call for call in ledger if call["state"] == "UNKNOWN"]
    assert set(answered) < set(charged)
    assert len(charged) == len(answered) + len(unknown)


# --- functions denied a permission ------------------------------------------------------------------------------------


def test_a_message_that_the_queue_refuses_is_sent_by_the_next_search(used: Rehearsed) -> None:
    with used.without_events():
        used.upload_pair("a refused message")

    with used.refused("FindMissedFunction", "sqs:SendMessage", "UploadsQueue"):
        used.fails("FindMissedFunction", {})
    found = used.invoke("FindMissedFunction", {})

    assert found["sent"] >= 1
    assert used.settled("a refused message")["verdict"] == "PASS"


def test_a_waiting_pair_whose_pictures_are_deleted_is_settled_by_the_search(used: Rehearsed) -> None:
    first = anna("deleted pictures, first")
    used.control.script(first_sha256=sha256(first), times=None, **BUSY)
    used.upload("deleted pictures/first.jpg", first)
    used.upload("deleted pictures/second.jpg", anna("deleted pictures, second"))
    row = used.row_with("deleted pictures", "PENDING")
    for role in ("first", "second"):
        used.deployment.aws("s3").delete_object(Bucket=used.deployment.outputs["ImagesBucket"], Key=row[role]["key"])

    found = used.invoke("FindMissedFunction", {})

    assert found["deleted"] == 1
    assert used.row_with("deleted pictures", "UNDETERMINED")["code"] == "PICTURES_DELETED"


REFUSED_WRITES = {
    "a verdict": ("dynamodb:PutItem", "VerdictsTable"),
    "what a call has brought": ("dynamodb:UpdateItem", "CallsTable"),
}


@pytest.mark.parametrize("refused", REFUSED_WRITES)
def test_what_cannot_be_written_is_written_later_and_not_paid_for_again(used: Rehearsed, refused: str) -> None:
    action, table = REFUSED_WRITES[refused]

    with used.refused("CompareFunction", action, table):
        used.upload_pair(f"refused: {refused}")

    assert used.settled(f"refused: {refused}")["verdict"] == "PASS"
    assert [call["state"] for call in used.ledger(f"refused: {refused}")] == ["ANSWERED"]


def test_without_the_token_s_store_a_new_token_is_used(used: Rehearsed) -> None:
    parameter = f"arn:aws:ssm:*:*:parameter{used.deployment.outputs['TokenParameter']}"
    used.control.revoke_tokens()

    with (
        used.refused("CompareFunction", "ssm:GetParameter", parameter),
        used.refused("CompareFunction", "ssm:PutParameter", parameter),
    ):
        used.upload_pair("no store of tokens")
        row = used.settled("no store of tokens")

    assert row["verdict"] == "PASS"


def test_a_picture_that_may_not_be_read_is_said_to_be_unreadable(used: Rehearsed) -> None:
    pictures = f"arn:aws:s3:::{used.deployment.outputs['ImagesBucket']}/*"

    with used.refused("CompareFunction", "s3:GetObject", pictures):
        used.upload_pair("no pictures")
        row = used.row_that("no pictures", lambda row: row.get("code") == "PICTURE_UNREADABLE")
    used.upload("no pictures/second.jpg", anna("no pictures, again"))  # its own message waits for an hour

    assert row["verdict"] == "PENDING"
    assert used.settled("no pictures")["verdict"] == "PASS"


def test_a_change_that_the_bus_refuses_is_published_later(used: Rehearsed) -> None:
    before = used.metrics("PublishFunction")["ChangesPublished"]

    with used.refused("PublishFunction", "events:PutEvents", "VerdictsBus"):
        used.upload_pair("a refused event")
        used.settled("a refused event")

    used.wait(
        lambda: used.metrics("PublishFunction")["ChangesPublished"] > before, lambda: "the change was not published"
    )


def test_an_approval_whose_message_is_refused_is_sent_again_when_asked_for_again(used: Rehearsed) -> None:
    first = anna("an unsent approval, first")
    used.control.script(first_sha256=sha256(first), drop="after_reading")
    used.upload("an unsent approval/first.jpg", first)
    used.upload("an unsent approval/second.jpg", anna("an unsent approval, second"))
    used.row_with("an unsent approval", "UNDETERMINED")

    with used.refused("OperateFunction", "sqs:SendMessage", "UploadsQueue"):
        refused = used.facepair("OperatorPolicy", "retry", "an unsent approval", "--yes")

    assert refused.returncode == 1, refused.stderr
    # As on AWS, a changed permission takes effect with a delay.
    used.wait(
        # The other picture's message may come late and use the approval.
        lambda: (
            used.facepair("OperatorPolicy", "retry", "an unsent approval", "--yes").returncode == 0
            or (used.row("an unsent approval") or {})["verdict"] == "PASS"
        ),
        lambda: "the approval was not sent again",
    )
    row, calls = used.row_with("an unsent approval", "PASS"), used.ledger("an unsent approval")
    made = [call for call in calls if call["state"] != "REFUSED"]  # a busy machine may leave too little time for one
    assert [call["state"] for call in made] == ["UNKNOWN", "ANSWERED"], calls
    assert row["call"] == made[1]["call"]


# --- persons, each with the policy that README names for the command --------------------------------------------------


def a_pair(folder: Path) -> None:
    folder.mkdir()
    for role in ("first", "second"):
        (folder / f"{role}.jpg").write_bytes(anna(f"{folder.name}, {role}"))


def test_a_submitter_uploads_a_pair_and_reads_its_verdict(used: Rehearsed, tmp_path: Path) -> None:
    a_pair(tmp_path / "submitted")

    done = used.facepair("SubmitterPolicy", "submit", str(tmp_path), "--yes", "--output", str(tmp_path / "out.csv"))
    again = used.facepair("SubmitterPolicy", "submit", str(tmp_path), "--yes")  # compares with what is there

    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert "submitted,PASS,SUCCESS" in (tmp_path / "out.csv").read_text()


def assert_signs(used: Rehearsed, *names: str, refused: list[str]) -> None:
    """Check that the signer can upload pictures of these names, and nothing else."""
    s3, bucket = used.deployment.aws("s3", "UploadSignerPolicy"), used.deployment.outputs["ImagesBucket"]
    for name in names:
        s3.put_object(Bucket=bucket, Key=f"signed/{name}.jpg", Body=anna(f"signed, {name}"))
    for name in (*refused, f"{names[0]}.x/other.jpg"):
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=bucket, Key=f"signed/{name}", Body=b"x")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket=bucket, Key=f"signed/{names[0]}.jpg")


def test_an_upload_signer_puts_the_two_pictures_and_nothing_else(used: Rehearsed) -> None:
    assert_signs(used, "first", "second", refused=["third.jpg"])


def test_a_reader_looks_at_pairs_and_at_the_stack(used: Rehearsed) -> None:
    shown = used.facepair("ReaderPolicy", "show", "one person", "--json")
    listed = used.facepair("ReaderPolicy", "list", "--json")
    status = used.facepair("ReaderPolicy", "status", "--json")
    thresholds = used.facepair("ReaderPolicy", "whatif", "--pass-above", "99", "--reject-below", "1", "--json")

    assert json.loads(shown.stdout)["verdict"] == "PASS", shown.stderr
    assert json.loads(thresholds.stdout)["flows"]["REJECT"]["MANUAL_CHECK"], thresholds.stderr
    assert {row["pair_id"] for row in json.loads(listed.stdout)} >= set(CASES), listed.stderr
    assert json.loads(status.stdout)["gate"]["state"] == "open", status.stderr


def test_an_auditor_lists_rows_reports_a_month_and_reconciles_an_invoice(used: Rehearsed, tmp_path: Path) -> None:
    month, page, invoice = f"{clock.now():%Y-%m}", tmp_path / "month.html", tmp_path / "invoice.csv"
    charged = [call["transaction_id"] for pair_id in CASES for call in used.ledger(pair_id) if "transaction_id" in call]
    invoice.write_text("\n".join(["transaction", *charged]))

    listed = used.facepair("AuditorPolicy", "list", "--json")
    reported = used.facepair("AuditorPolicy", "report", "--month", month, "--output", str(page))
    held = used.facepair("AuditorPolicy", "reconcile", str(invoice), "--month", month, "--json")

    assert {row["pair_id"] for row in json.loads(listed.stdout)} >= set(CASES), listed.stderr
    assert reported.returncode == 0, reported.stderr
    assert "<svg" in page.read_text()
    assert json.loads(held.stdout)["matched"], held.stderr


def test_an_operator_approves_a_retry_and_is_named_in_the_ledger(used: Rehearsed) -> None:
    done = used.facepair("OperatorPolicy", "retry", "a lost answer", "--yes")

    assert (done.returncode, done.stdout) == (0, "a lost answer: approved; its verdict will follow\n"), done.stderr
    used.wait(lambda: len(used.ledger("a lost answer")) == 2, lambda: "the approval was not used")
    assert used.ledger("a lost answer")[0]["permitted_by"].endswith(":user/OperatorPolicy")


def test_an_operator_resends_events_and_redrives_dead_letters(used: Rehearsed) -> None:
    used.settled("one person")
    queue = used.deployment.outputs["DeadLetterQueue"]
    for body in (notification("one person/first.jpg"), UNREADABLE):
        used.deployment.aws("sqs").send_message(QueueUrl=queue, MessageBody=body)

    resent = used.facepair("OperatorPolicy", "resend", "one person", "unknown", "--json", "--yes")
    since = used.facepair("OperatorPolicy", "resend", "--since", "2020-01-01", "--json", "--yes")
    redriven = used.facepair("OperatorPolicy", "redrive", "--yes", "--json")

    counted = used.deployment.aws("dynamodb", "OperatorPolicy").query(  # like the question at a terminal
        TableName=used.deployment.outputs["VerdictsTable"],
        IndexName="by_verdict",
        KeyConditionExpression="verdict = :pass",
        ExpressionAttributeValues={":pass": {"S": "PASS"}},
        Select="COUNT",
    )

    assert counted["Count"]
    assert json.loads(resent.stdout) == {"published": 1, "missing": ["unknown"], "unreadable": []}, resent.stderr
    assert json.loads(since.stdout)["published"] >= len(CASES), since.stderr
    assert json.loads(redriven.stdout)["sent"] == 1, redriven.stderr
    assert used.take("DeadLetterQueue") == [UNREADABLE]
    requested = [line for line in used.log("OperateFunction") if line.get("message") == "Redrive requested"]
    assert [line["by"].endswith(":user/OperatorPolicy") for line in requested] == [True]


@pytest.mark.parametrize("person", PEOPLE)
def test_no_person_can_forge_a_verdict_an_event_or_an_identity(used: Rehearsed, person: str) -> None:
    allowed = [name for name, forge in forgeries(used.deployment, person).items() if not is_denied(forge)]

    assert allowed == []


def test_an_eraser_erases_pairs(used: Rehearsed) -> None:
    used.upload_pair("erased/by name")
    used.upload_pair("erased/by prefix")
    for pair_id in ("erased/by name", "erased/by prefix"):
        used.settled(pair_id)
    bucket = used.deployment.outputs["ImagesBucket"]
    used.deployment.aws("s3").create_multipart_upload(Bucket=bucket, Key="erased/by name/first.png")

    named = used.facepair("EraserPolicy", "erase", "erased/by name", "--yes", "--json")
    below = used.facepair("EraserPolicy", "erase", "erased/", "--yes", "--json")

    assert named.returncode == 0, named.stderr
    receipt = json.loads(named.stdout)
    assert (receipt["versions_deleted"], receipt["uploads_aborted"], receipt["rows_deleted"]) == (2, 1, 1)
    assert receipt["erased_by"].endswith(":user/EraserPolicy")
    assert json.loads(below.stdout)["pair_ids"] == ["erased/by prefix"], below.stderr
    for pair_id in ("erased/by name", "erased/by prefix"):
        assert (used.row(pair_id) or {}).keys() == {"pair_id", "erased_at", "expires_at"}


REFUSED = {
    "submit": ("ReaderPolicy", "submit", "{folder}", "--yes"),
    "show": ("SubmitterPolicy", "show", "one person"),
    "list": ("SubmitterPolicy", "list"),
    "status": ("AuditorPolicy", "status"),
    "whatif": ("SubmitterPolicy", "whatif", "--pass-above", "80", "--reject-below", "60"),
    "report": ("SubmitterPolicy", "report", "--month", "2026-01", "--output", "{folder}/month.html"),
    "reconcile": ("ReaderPolicy", "reconcile", "{folder}/invoice.csv", "--month", "2026-01"),
    "retry": ("ReaderPolicy", "retry", "a lost answer", "--yes"),
    "resend": ("ReaderPolicy", "resend", "one person", "--yes"),
    "redrive": ("ReaderPolicy", "redrive", "--yes"),
    "erase": ("OperatorPolicy", "erase", "one person", "--yes"),
}


@pytest.mark.parametrize("command", REFUSED)
def test_a_command_is_refused_without_its_policy(used: Rehearsed, command: str, tmp_path: Path) -> None:
    a_pair(tmp_path / "refused")
    (tmp_path / "invoice.csv").write_text("transaction\na1b2c3\n")

    done = used.facepair(*(each.format(folder=tmp_path) for each in REFUSED[command]))

    assert done.returncode == 1
    assert "AccessDenied" in done.stderr or "needs the stack's managed policy" in done.stderr, done.stderr


# --- the stack --------------------------------------------------------------------------------------------------------


def test_an_unreadable_row_is_dead_lettered(used: Rehearsed) -> None:
    table = used.deployment.outputs["VerdictsTable"]
    row = {"pair_id": {"S": "unreadable"}, "verdict": {"S": "PASS"}, "updated_at": {"S": "yesterday"}}

    used.deployment.aws("dynamodb").put_item(TableName=table, Item=row)

    used.wait(lambda: used.messages("UnpublishedQueue"), lambda: "nothing lies in UnpublishedQueue")
    used.deployment.aws("dynamodb").delete_item(TableName=table, Key={"pair_id": {"S": "unreadable"}})


def test_a_reviewer_decides_through_the_one_function_they_may_call(
    used: Rehearsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = used.row_with("perhaps one person", "MANUAL_CHECK")
    for name, value in used.deployment.variables("ReviewerPolicy").items():
        monkeypatch.setenv(name, value)
    reviewer = ReviewStack(used.deployment.outputs["ReviewUrl"])
    about = {"pair_id": row["pair_id"], "fingerprint": row["fingerprint"]}

    [pair] = reviewer.ask({"action": "pairs", "desk": "1", "count": 1})["pairs"]
    seen = [reviewer.fetch(pair[role]["url"])[:2] for role in ("first", "second")]
    decision = {"action": "decide", "desk": "1", "verdict": "RETAKE", "retake": ["second"], "reason": "blurred"}
    url = FunctionUrl(boto3.Session(), used.deployment.outputs["ReviewUrl"], "ReviewerPolicy")
    revealed = url.post({"action": "reveal", "desk": "1"} | about)
    decided = reviewer.ask(decision | about)

    assert pair["pair_id"] == "perhaps one person"
    assert revealed["similarity"] == float(row["similarity"])
    contents = [anna("perhaps one person, first.jpg"), anna_later("perhaps one person, second.jpg")]
    assert seen == [(200, content) for content in contents]
    assert decided["decided"] is True
    row = used.row_with("perhaps one person", "RETAKE")
    assert row["review"]["by"].endswith(":user/ReviewerPolicy")
    assert row["retake"] == ["second"]


def test_a_reviewer_may_do_nothing_else(used: Rehearsed) -> None:
    deployment = used.deployment
    key = {"pair_id": {"S": "one person"}}
    forged = {"iam": {"userArn": "arn:aws:iam::1:user/boss"}}
    event = json.dumps({"requestContext": {"authorizer": forged}, "body": "{}"})
    attempts: dict[str, Callable[[], Any]] = {
        "invoke the function with a forged event": lambda: deployment.aws("lambda", "ReviewerPolicy").invoke(
            FunctionName=deployment.outputs["ReviewFunction"], Payload=event
        ),
        "read a row": lambda: deployment.aws("dynamodb", "ReviewerPolicy").get_item(
            TableName=deployment.outputs["VerdictsTable"], Key=key
        ),
        "read a picture": lambda: deployment.aws("s3", "ReviewerPolicy").get_object(
            Bucket=deployment.outputs["ImagesBucket"], Key="one person/first.jpg"
        ),
        "look at the stack": lambda: deployment.aws("cloudformation", "ReviewerPolicy").describe_stacks(),
    }

    for attempt in attempts.values():
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()


def test_changed_parameters_reach_the_running_stack(used: Rehearsed) -> None:
    before = used.settled("one person")

    used.deployment.deploy(**CHANGED)
    used.upload("changed/id card.jpg", anna("changed, first"))
    used.upload("changed/selfie.jpg", anna_later("changed, second"))

    row = used.settled("changed")
    assert row["verdict"] == "REJECT"
    assert row["policy"] == {"pass_above": Decimal("90.5"), "reject_below": 70}
    assert used.row("one person") == before


def test_an_upload_signer_follows_changed_names(used: Rehearsed) -> None:
    assert_signs(used, str(CHANGED["FirstName"]), str(CHANGED["SecondName"]), refused=["first.jpg"])


def test_a_webhook_without_a_receiver_is_deferred_by_the_deployed_stack(used: Rehearsed) -> None:
    used.upload("webhook/id card.jpg", anna("webhook, first"))
    used.upload("webhook/selfie.jpg", ben("webhook, second"))

    used.settled("webhook")

    used.wait(lambda: used.metrics("DeliverFunction")["WebhooksPostponed"], lambda: "no webhook was deferred")


def test_an_operator_sends_webhooks_back_that_were_given_up(used: Rehearsed) -> None:
    body = json.loads((ROOT / "events" / "webhook-message.json").read_text())["Records"][0]["body"]
    queue = used.deployment.outputs["WebhookDeadLetterQueue"]
    for each in (body, UNREADABLE):
        used.deployment.aws("sqs").send_message(QueueUrl=queue, MessageBody=each)

    redriven = used.facepair("OperatorPolicy", "redrive", "--webhooks", "--yes", "--json")
    status = used.facepair("ReaderPolicy", "status", "--json")

    assert json.loads(redriven.stdout)["sent"] == 1, redriven.stderr
    assert json.loads(status.stdout)["dead_letter_queues"]["WebhookDeadLetterQueue"] == 1, status.stderr
    assert used.take("WebhookDeadLetterQueue") == [UNREADABLE]


def test_a_webhook_that_cannot_be_read_is_dead_lettered(used: Rehearsed) -> None:
    url = used.deployment.outputs["WebhookQueue"]

    used.deployment.aws("sqs").send_message(QueueUrl=url, MessageBody=UNREADABLE)

    used.wait(lambda: used.messages("WebhookDeadLetterQueue"), lambda: "nothing lies in WebhookDeadLetterQueue")
    assert used.take("WebhookDeadLetterQueue") == [UNREADABLE]


def test_a_change_of_a_layer_alone_reaches_the_running_function(used: Rehearsed) -> None:
    used.deployment.change_layer("facepair/__init__.py", "\nimport os\n\nos.environ['PASS_ABOVE'] = '95'\n")

    used.deployment.deploy(**CHANGED)
    used.upload("new layer/id card.jpg", anna("new layer, first"))
    used.upload("new layer/selfie.jpg", anna_later("new layer, second"))

    assert used.settled("new layer")["policy"]["pass_above"] == 95


def test_no_permission_was_missing(used: Rehearsed) -> None:
    used.nothing_was_denied()


def test_nothing_unforeseen_happened(used: Rehearsed) -> None:
    errors = [line for line in used.log() if "exception" in line]

    assert [line for line in errors if "AccessDenied" not in json.dumps(line)] == []


def test_every_permission_was_needed_or_the_template_says_why_not(used: Rehearsed) -> None:
    excused = excuses(ROOT / "template.yaml")

    unused = used.deployment.unused()

    assert sorted(str(grant) for grant in unused if (grant.sid, grant.action) not in excused) == []
    assert set(excused) == {(grant.sid, grant.action) for grant in unused}, "an excuse for what was needed"


def test_policies_of_aws_itself_are_known_to_be_unrehearsed(used: Rehearsed) -> None:
    document = (ROOT / "docs" / "rehearsal.md").read_text()

    assert [name for name in used.deployment.managed_by_aws() if f"`{name}`" not in document] == []


def test_a_deletion_that_would_stop_half_way_deletes_nothing(used: Rehearsed) -> None:
    before = used.deployment.there()
    cloudformation = used.deployment.aws("cloudformation")
    cloudformation.update_termination_protection(StackName=STACK_NAME, EnableTerminationProtection=True)

    refused = used.deployment.delete()

    cloudformation.update_termination_protection(StackName=STACK_NAME, EnableTerminationProtection=False)
    assert refused.returncode == 1, refused.stdout
    assert "disable termination protection" in refused.stderr
    assert "detach OperatorPolicy from the user OperatorPolicy" in refused.stderr
    assert used.deployment.there() == before
    bucket = used.deployment.outputs["ImagesBucket"]
    assert used.deployment.aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"] > len(CASES)


def test_deletion_leaves_the_ledger_and_nothing_else(used: Rehearsed) -> None:
    ledger = used.deployment.outputs["CallsTable"]
    # A webhook delivered during the deletion would recreate a deleted log group.
    used.deployment.aws("sqs").purge_queue(QueueUrl=used.deployment.outputs["WebhookQueue"])
    time.sleep(3)

    used.deployment.detach_policies()
    done = used.deployment.delete()

    assert done.returncode == 0, done.stderr
    assert used.deployment.there() == {("table", ledger)}
    assert [call["state"] for call in used.ledger("one person")] == ["ANSWERED"]
    described = used.deployment.aws("dynamodb").describe_table(TableName=ledger)["Table"]
    assert described["DeletionProtectionEnabled"] is True
