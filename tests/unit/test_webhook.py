"""Webhooks: contents, signature and retries."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Reader
from standardwebhooks.webhooks import WebhookVerificationError

from facepair.domain import clock
from facepair.domain.notification import Malformed
from facepair.domain.retry import WEBHOOK_BACKOFF
from facepair.domain.webhook import Webhook
from facepair.webhook import key, signature

ROOT = Path(__file__).parents[2]
VALUE = "0123456789abcdefGHIJKLMNOPQRSTUV"
BEFORE = "zyxwvutsrqponmlkjihgfedcba987654"
EVENT: dict[str, Any] = json.loads((ROOT / "events" / "verdict-changed.json").read_text())
ERASED: dict[str, Any] = json.loads((ROOT / "events" / "pair-erased.json").read_text())


def headers(webhook: Webhook, *values: str, ago: float = 0) -> dict[str, str]:
    timestamp = int(clock.now().timestamp() - ago)
    signed = signature([key(value) for value in values], webhook.id, timestamp, webhook.content())
    return {"webhook-id": webhook.id, "webhook-timestamp": str(timestamp), "webhook-signature": signed}


# --- the message -----------------------------------------------------------------------------------------------------


def test_an_event_becomes_a_message_with_its_type_time_and_detail() -> None:
    webhook = Webhook.from_event(json.dumps(EVENT))

    assert webhook.id == EVENT["detail"]["id"]
    assert json.loads(webhook.content()) == {
        "type": "verdict.changed",
        "timestamp": "2026-01-31T12:00:08.123Z",
        "data": EVENT["detail"],
    }


def test_an_erasure_has_its_own_type() -> None:
    message = json.loads(Webhook.from_event(json.dumps(ERASED)).content())

    assert (message["type"], message["timestamp"]) == ("pair.erased", "2026-02-14T09:30:00.000Z")


def test_a_row_without_its_own_time_gets_the_event_s() -> None:
    detail = {"id": "1", "pair_id": "anna", "verdict": "PASS"}

    assert Webhook.from_event(json.dumps(EVENT | {"detail": detail})).timestamp == EVENT["time"]


@pytest.mark.parametrize("number", ["70.0001", "100.0", "0.1", "55.00000000000001"])
def test_numbers_are_unchanged(number: str) -> None:
    event = json.dumps(EVENT).replace("91.5", number)

    assert f'"similarity":{number}'.encode() in Webhook.from_event(event).content()


def test_the_body_is_the_same_at_every_attempt() -> None:
    first, second = (
        Webhook.from_event(json.dumps(EVENT | {"detail": {**EVENT["detail"], "pair_id": "é 東京"}})) for _ in "12"
    )

    assert first.content() == second.content()
    assert "é 東京".encode() in first.content()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        json.dumps({**EVENT, "detail-type": "Something else"}),
        json.dumps({**EVENT, "detail": {}}),
        json.dumps({**EVENT, "detail": {"id": 7}}),
        json.dumps({**EVENT, "detail": {"id": "two\nlines"}}),
        json.dumps({**EVENT, "detail": {"id": "é"}}),
        json.dumps({**EVENT, "detail": "text"}),
    ],
)
def test_a_message_that_is_no_event_is_malformed_and_described(body: str) -> None:
    with pytest.raises(Malformed, match="not an event"):
        Webhook.from_event(body)


# --- the signature, verified by another implementation ---------------------------------------------------------------


def test_a_receiver_with_the_secret_verifies_a_message() -> None:
    webhook = Webhook.from_event(json.dumps(EVENT))

    assert Reader(f"whsec_{VALUE}").verify(webhook.content(), headers(webhook, VALUE)) == json.loads(webhook.content())


@pytest.mark.parametrize("secret", [VALUE, BEFORE])
def test_a_receiver_may_have_the_current_or_the_previous_secret(secret: str) -> None:
    webhook = Webhook.from_event(json.dumps(EVENT))
    sent = headers(webhook, VALUE, BEFORE)

    Reader(f"whsec_{secret}").verify(webhook.content(), sent)

    assert len(sent["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("forged", ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"])
def test_any_change_breaks_the_signature(forged: str) -> None:
    webhook = Webhook.from_event(json.dumps(EVENT))
    body, sent = webhook.content(), headers(webhook, VALUE)
    secret = BEFORE if forged == "secret" else VALUE
    body = body.replace(b"PASS", b"FAIL") if forged == "body" else body
    if forged in sent:
        sent[forged] = {"webhook-id": "another", "webhook-timestamp": str(int(sent["webhook-timestamp"]) - 1)}.get(
            forged, headers(webhook, BEFORE)["webhook-signature"]
        )

    with pytest.raises(WebhookVerificationError):
        Reader(f"whsec_{secret}").verify(body, sent)


def test_an_old_message_cannot_be_replayed() -> None:
    webhook = Webhook.from_event(json.dumps(EVENT))

    with pytest.raises(WebhookVerificationError, match="too old"):
        Reader(f"whsec_{VALUE}").verify(webhook.content(), headers(webhook, VALUE, ago=600))


def test_the_key_is_the_secret_s_value_decoded_as_base64() -> None:
    assert key(VALUE) == base64.b64decode(VALUE)
    assert key(f"{VALUE}\n") == key(VALUE)


@pytest.mark.parametrize("value", ["", " ", "whsec_" + VALUE, "not base64!", VALUE[:-1], "ä" * 32])
def test_a_value_that_is_no_key_is_refused_without_being_quoted(value: str) -> None:
    with pytest.raises(ValueError, match="32 letters and digits") as refused:
        key(value)

    assert VALUE[:8] not in str(refused.value)


# --- retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("receive_count", "at_most"), [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (200, 3600)])
def test_the_back_off_doubles_from_ten_seconds_to_an_hour(receive_count: int, at_most: int) -> None:
    delays = [WEBHOOK_BACKOFF.seconds(receive_count) for _ in range(500)]

    assert at_most * 0.9 < max(delays) <= at_most
    assert min(delays) >= 1


def test_three_days_of_attempts_stay_far_below_the_queue_s_receive_limit() -> None:
    for _ in range(20):
        waited, receives = 0, 0
        while waited < timedelta(days=3).total_seconds():
            receives += 1
            waited += WEBHOOK_BACKOFF.seconds(receives)

        assert 100 < receives < 220  # the queue's maxReceiveCount is 300
