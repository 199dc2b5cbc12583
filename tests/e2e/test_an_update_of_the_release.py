"""What an earlier release left in tables and queue meets this one: nothing is charged twice."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

import pytest
from boto3.dynamodb.types import TypeSerializer

from facepair.domain import clock
from facepair.domain.pair import fingerprint
from facepair_cli.function_url import NotUnderstood
from tests.support.deployed import ANNA, Deployed, Row, picture, sha256

OUTCOME = {
    "code": "SUCCESS",
    "message": "OK",
    "similarity": "88.5",
    "transaction_id": "of-the-old-release",
    "pricing_strategy": "PAY",
    "first": {"face": None, "adjusted": []},
    "second": {"face": None, "adjusted": []},
    "call": "000001",
    "unsaved": False,
    "retry_at": None,
}


@dataclass
class Left:
    """A pair of the old release: pictures that are in the bucket, and what its tables said of them."""

    deployed: Deployed
    pair_id: str

    @property
    def contents(self) -> dict[str, bytes]:
        return {role: picture(ANNA, f"{self.pair_id}, {role}") for role in ("first", "second")}

    @property
    def fingerprint(self) -> str:
        first, second = (sha256(content) for content in self.contents.values())
        return fingerprint(self.pair_id, first, second)

    def put(self, table: str, item: dict[str, Any]) -> None:
        name = self.deployed.sandbox.outputs[table]
        serialized = {key: TypeSerializer().serialize(value) for key, value in item.items()}
        self.deployed.sandbox.aws("dynamodb").put_item(TableName=name, Item=serialized)

    def ledger_row(self, state: str, **more: Any) -> None:
        """As the old release wrote it, an hour ago."""
        then = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.put(
            "CallsTable",
            {
                "pair_id": self.pair_id,
                "call": "000001",
                "fingerprint": self.fingerprint,
                "state": state,
                "owner": "0" * 32,
                "sent_at": then,
                "alive_until": then,
                **more,
            },
        )

    def record(self, on_unknown: str, outcome: dict[str, Any]) -> None:
        """Powertools' record under the old release's key, which had the policy in it."""
        key = hashlib.sha256(json.dumps([self.fingerprint, on_unknown]).encode()).hexdigest()
        expires = int(datetime.now(UTC).timestamp()) + 86400
        item = {"id": f"compare#{key}", "status": "COMPLETED", "data": json.dumps(outcome), "expiration": expires}
        self.put("IdempotencyTable", item)

    def comes_again(self) -> Row:
        """Its pictures are uploaded again, unchanged."""
        for role, content in self.contents.items():
            self.deployed.upload(f"{self.pair_id}/{role}.jpg", content)
        row = self.deployed.settled(self.pair_id)
        self.deployed.idle()
        return row

    @property
    def calls(self) -> int:
        return len(self.deployed.asked(self.contents["first"]))


@pytest.mark.parametrize("on_unknown", ["hold", "retry"])
def test_an_answer_that_was_paid_for_is_used_under_whichever_policy_it_was_stored(
    deployed: Deployed, on_unknown: str
) -> None:
    left = Left(deployed, f"answered, {on_unknown}")
    left.ledger_row("ANSWERED", code="SUCCESS", outcome=OUTCOME)
    left.record(on_unknown, OUTCOME)

    row = left.comes_again()

    assert (row["verdict"], row["transaction_id"], left.calls) == ("PASS", "of-the-old-release", 0)


@pytest.mark.parametrize("state", ["SENT", "UNKNOWN"])
def test_a_call_with_an_unknown_outcome_is_not_repeated(deployed: Deployed, state: str) -> None:
    left = Left(deployed, f"unknown, {state}")
    unknown = {**OUTCOME, "code": "OUTCOME_UNKNOWN", "similarity": None, "pricing_strategy": None}
    left.ledger_row(state, **({"outcome": unknown} if state == "UNKNOWN" else {}))
    left.record("hold", unknown)

    row = left.comes_again()

    assert (row["verdict"], row["code"], left.calls) == ("UNDETERMINED", "OUTCOME_UNKNOWN", 0)


def test_a_refusal_is_no_obstacle(deployed: Deployed) -> None:
    left = Left(deployed, "refused")
    left.ledger_row(
        "REFUSED",
        code="SERVICE_BUSY",
        outcome={**OUTCOME, "code": "SERVICE_BUSY", "similarity": None, "pricing_strategy": "FREE"},
    )

    row = left.comes_again()

    assert (row["verdict"], left.calls) == ("PASS", 1)
    assert [call["call"] for call in deployed.ledger(left.pair_id)] == ["000001", "000002"]


def test_a_message_of_the_old_search_finds_its_answer(deployed: Deployed) -> None:
    left = Left(deployed, "found by the old search")
    left.ledger_row("ANSWERED", code="SUCCESS", outcome=OUTCOME)
    left.comes_again()
    before = len(deployed.ledger(left.pair_id))
    key = quote_plus(f"{left.pair_id}/first.jpg", safe="/")

    deployed.send(json.dumps({"Records": [{"eventName": "ObjectCreated:Missed", "s3": {"object": {"key": key}}}]}))
    deployed.idle()

    assert deployed.dead_letters() == []
    assert (len(deployed.ledger(left.pair_id)), left.calls) == (before, 0)


# --- Workers and operators of both releases ---------------------------------------------------------------------------


def test_the_retry_of_an_earlier_command_line_says_to_update(deployed: Deployed) -> None:
    with pytest.raises(NotUnderstood, match="Update facepair to the release of the stack"):
        deployed.post("PermitUrl", {"pair_ids": ["anna"]})


def test_a_slot_of_an_old_worker_is_not_taken_twice(deployed: Deployed) -> None:
    left = Left(deployed, "paced")
    slot = clock.now() + timedelta(seconds=4)
    seconds = Decimal(f"{slot.timestamp():.6f}")
    left.put("IdempotencyTable", {"id": "gate", "version": 0, "next_slot": seconds, "pace": 5, "paced_at": seconds - 2})

    row = left.comes_again()

    assert (row["verdict"], left.calls) == ("PASS", 1)
    [call] = deployed.ledger(left.pair_id)
    assert clock.parse(call["answered_at"]) >= slot.replace(microsecond=0)


def test_a_pair_that_an_old_worker_has_is_left_to_it(deployed: Deployed) -> None:
    left = Left(deployed, "in flight")
    uploads = [
        (f"{left.pair_id}/{role}.jpg", hashlib.md5(content).hexdigest()) for role, content in left.contents.items()
    ]
    objects = hashlib.sha256(json.dumps([left.pair_id, *uploads]).encode()).hexdigest()
    until = clock.now() + timedelta(seconds=4)
    left.put(
        "IdempotencyTable",
        {
            "id": f"underway#{objects}",
            "owner": "0" * 32,
            "begun": 1,
            "alive_until": int(until.timestamp()),
            "due": int(until.timestamp()) + 720,
            "expiration": int(until.timestamp()) + 14 * 86400,
        },
    )

    row = left.comes_again()

    assert (row["verdict"], left.calls) == ("PASS", 1)
    [call] = deployed.ledger(left.pair_id)
    assert clock.parse(call["sent_at"]) >= until.replace(microsecond=0)
