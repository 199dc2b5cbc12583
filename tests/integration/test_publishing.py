"""The template's resources for publishing verdicts: bus, rules, rows, secret."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from facepair.aws.bus import VerdictsBus
from facepair.aws.queue import Queue
from facepair.aws.webhook_secret import WebhookSecret
from facepair.aws.written_rows import StoredRows
from facepair.domain import clock
from facepair.domain.change import VerdictChanged, Write
from facepair.domain.retry import Unavailable
from facepair.domain.verdict import Verdict
from facepair.domain.webhook import Undelivered, Webhook
from facepair.webhook import key
from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from tests.support import ROOT
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import HASTY, Resources

T = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def with_webhook(local_aws: LocalAws) -> Resources:
    stack = deploy(local_aws, ROOT / "template.yaml", f"out-{uuid4().hex[:8]}", {"WebhookUrl": "https://example.com/x"})
    return Resources(local_aws.url, dict(stack.outputs))


def row(pair_id: str, verdict: str = "PASS", seconds: float = 0) -> dict[str, Any]:
    return {"pair_id": pair_id, "verdict": verdict, "updated_at": clock.iso(T + timedelta(seconds=seconds))}


def received(deployed: Resources, queue: str) -> list[dict[str, Any]]:
    """Take the messages from the queue in that output, as JSON."""
    sqs, url = deployed.client("sqs"), deployed.outputs[queue]
    bodies = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


# --- bus and rules ----------------------------------------------------------------------------------------------------


def test_final_verdicts_and_erasures_reach_the_webhook_s_queue_and_others_do_not(with_webhook: Resources) -> None:
    bus = VerdictsBus(with_webhook.client("events"), with_webhook.outputs["VerdictsBus"])
    erased = Write(row("erased"), None, T, expired=False, place="").change()
    assert erased is not None

    bus.put([*(VerdictChanged.to(row(verdict, verdict)) for verdict in Verdict), erased])

    webhooks = [Webhook.from_event(json.dumps(event)) for event in received(with_webhook, "WebhookQueue")]
    expected = {"PASS", "MANUAL_CHECK", "REJECT", "RETAKE", "UNDETERMINED", "erased"}
    assert {webhook.data["pair_id"] for webhook in webhooks} == expected
    assert {webhook.type for webhook in webhooks} == {"verdict.changed", "pair.erased"}


def test_more_changes_than_a_request_takes_are_put_in_several(with_webhook: Resources) -> None:
    bus = VerdictsBus(with_webhook.client("events"), with_webhook.outputs["VerdictsBus"])

    bus.put([VerdictChanged.to(row(f"pair {number}")) for number in range(25)])

    assert len(received(with_webhook, "WebhookQueue")) == 25


def test_a_request_never_holds_more_bytes_than_the_bus_accepts() -> None:
    class Bus:
        def __init__(self) -> None:
            self.requests: list[list[str]] = []

        def put_events(self, Entries: list[Any]) -> dict[str, Any]:
            self.requests.append([json.loads(entry["Detail"])["pair_id"] for entry in Entries])
            total = sum(len(entry["Detail"].encode()) for entry in Entries)
            assert total < 256 * 1024, "Total size of the entries in the request is over the limit."
            return {"FailedEntryCount": 0, "Entries": []}

    bus, large = Bus(), [row(f"pair {number}") | {"message": "é" * 50_000} for number in range(5)]

    VerdictsBus(bus, "bus").put([VerdictChanged.to(each) for each in large])  # type: ignore[arg-type]

    assert bus.requests == [["pair 0", "pair 1"], ["pair 2", "pair 3"], ["pair 4"]]


def test_a_bus_that_is_throttled_is_unavailable_by_name(with_webhook: Resources, faults: FaultyAws) -> None:
    faults.fault("PutEvents", "throttle", times=None)
    events = Resources(faults.url, with_webhook.outputs, HASTY).client("events")

    with pytest.raises(Unavailable, match="PutEvents"):
        VerdictsBus(events, with_webhook.outputs["VerdictsBus"]).put([VerdictChanged.to(row("anna"))])


def test_an_event_that_the_bus_refuses_alone_is_unavailable_too(with_webhook: Resources) -> None:
    class Refusing:
        def put_events(self, Entries: list[Any]) -> dict[str, Any]:
            refused = {"ErrorCode": "InternalFailure", "ErrorMessage": "not now"}
            return {"FailedEntryCount": 1, "Entries": [{"EventId": "1"}, refused][-len(Entries) :]}

    with pytest.raises(Unavailable, match="1 of 1 events: InternalFailure: not now"):
        VerdictsBus(Refusing(), "bus").put([VerdictChanged.to(row("anna"))])  # type: ignore[arg-type]


# --- rows to publish again --------------------------------------------------------------------------------------------


@pytest.fixture
def rows(with_webhook: Resources) -> Iterator[list[dict[str, Any]]]:
    """Forty rows of all verdicts, written a second apart."""
    table, verdicts = with_webhook.table("VerdictsTable"), list(Verdict)
    rows = [row(f"pair {number:02d}", verdicts[number % len(verdicts)], number) for number in range(40)]
    for each in rows:
        table.put_item(Item=each)
    yield rows
    for each in rows:
        table.delete_item(Key={"pair_id": each["pair_id"]})


def test_rows_since_a_time_come_in_the_order_of_their_writing(with_webhook: Resources, rows: list[Any]) -> None:
    written = StoredRows(with_webhook.table("VerdictsTable"))

    assert list(written.since(T + timedelta(seconds=5))) == rows[5:]
    assert list(written.since(T + timedelta(days=1))) == []


def test_rows_of_pairs_are_those_that_exist(with_webhook: Resources, rows: list[Any]) -> None:
    written = StoredRows(with_webhook.table("VerdictsTable"))

    assert list(written.of(["pair 07", "unknown", "pair 03"])) == [rows[7], rows[3]]


def test_a_row_of_many_pages_is_read_to_the_end(with_webhook: Resources) -> None:
    table = with_webhook.table("VerdictsTable")
    large = [row(f"large {n}", "PASS", n) | {"message": "x" * 350_000, "size": Decimal(n)} for n in range(5)]
    for each in large:
        table.put_item(Item=each)

    assert list(StoredRows(table).since(T)) == large

    for each in large:
        table.delete_item(Key={"pair_id": each["pair_id"]})


# --- secret -----------------------------------------------------------------------------------------------------------


def test_the_stack_s_own_secret_is_thirty_two_letters_and_digits(with_webhook: Resources) -> None:
    secrets = with_webhook.client("secretsmanager")

    value = secrets.get_secret_value(SecretId=with_webhook.outputs["WebhookSecret"])["SecretString"]

    assert len(value) == 32
    assert value.isalnum()
    assert WebhookSecret(secrets, with_webhook.outputs["WebhookSecret"]).load() == [key(value)]


def test_a_rotated_secret_has_two_keys_until_the_previous_one_is_dropped(with_webhook: Resources) -> None:
    secrets = with_webhook.client("secretsmanager")
    name = secrets.create_secret(Name=f"rotated-{uuid4().hex}", SecretString="a" * 32)["ARN"]
    secret = WebhookSecret(secrets, name)

    secrets.put_secret_value(SecretId=name, SecretString="b" * 32)
    both = secret.load()
    secrets.put_secret_value(SecretId=name, SecretString="c" * 32)

    assert both == [key("b" * 32), key("a" * 32)]
    assert secret.load() == [key("c" * 32), key("b" * 32)]


def test_a_corrected_secret_works_at_once_although_the_previous_value_is_no_key(with_webhook: Resources) -> None:
    secrets = with_webhook.client("secretsmanager")
    name = secrets.create_secret(Name=f"corrected-{uuid4().hex}", SecretString="a" * 32)["ARN"]
    secrets.put_secret_value(SecretId=name, SecretString="whsec_" + "b" * 32)
    secret = WebhookSecret(secrets, name)
    with pytest.raises(Undelivered, match="is no key"):
        secret.load()

    secrets.put_secret_value(SecretId=name, SecretString="c" * 32)

    assert secret.load() == [key("c" * 32)]


@pytest.mark.parametrize(("value", "complaint"), [("no key!", "AWSCURRENT .*is no key"), (None, "has no value")])
def test_a_secret_that_is_no_key_leaves_the_webhook_undelivered_and_names_the_remedy(
    with_webhook: Resources, value: str | None, complaint: str
) -> None:
    secrets = with_webhook.client("secretsmanager")
    given = {"SecretString": value} if value else {}
    name = secrets.create_secret(Name=f"bad-{uuid4().hex}", **given)["ARN"]

    with pytest.raises(Undelivered, match=complaint) as undelivered:
        WebhookSecret(secrets, name).load()

    assert "32 letters and digits" in str(undelivered.value)


def test_a_secret_that_cannot_be_read_leaves_the_webhook_undelivered(
    with_webhook: Resources, faults: FaultyAws
) -> None:
    faults.fault("GetSecretValue", "throttle", times=None)
    secrets = Resources(faults.url, with_webhook.outputs, HASTY).client("secretsmanager")

    with pytest.raises(Undelivered, match="cannot be read"):
        WebhookSecret(secrets, with_webhook.outputs["WebhookSecret"]).load()


# --- queue ------------------------------------------------------------------------------------------------------------


def test_a_webhook_that_is_given_up_lies_among_the_dead_letters(with_webhook: Resources) -> None:
    url, dead = with_webhook.outputs["WebhookQueue"], with_webhook.outputs["WebhookDeadLetterQueue"]

    Queue(with_webhook.client("sqs"), url, dead_letter_url=dead).dead_letter('{"given": "up"}')

    assert received(with_webhook, "WebhookDeadLetterQueue") == [{"given": "up"}]
