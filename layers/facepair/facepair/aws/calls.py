"""The ledger: one row per HTTP call to the comparison API, written before the call and completed after it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from facepair import clock
from facepair.aws.clients import error_code
from facepair.retry import Later
from facepair.verdict import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


class State(StrEnum):
    """What is known of a call."""

    SENT = "SENT"  # about to be sent, or sent and not answered yet
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"  # the API did not charge
    UNKNOWN = "UNKNOWN"  # perhaps charged


@dataclass(frozen=True)
class Call:
    """One row. Partition key `pair_id`, sort key `call`: the number of the call within its pair, so it sorts in time.

    `alive_until` is when the worker that wrote the row is dead at the latest; `outcome` is what it was answered.
    """

    pair_id: str
    call: str
    fingerprint: str
    state: State
    owner: str
    sent_at: datetime
    alive_until: datetime
    outcome: Outcome | None = None

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> "Call":
        return cls(
            pair_id=item["pair_id"],
            call=item["call"],
            fingerprint=item["fingerprint"],
            state=State(item["state"]),
            owner=item["owner"],
            sent_at=clock.parse(item["sent_at"]),
            alive_until=clock.parse(item["alive_until"]),
            outcome=Outcome.model_validate(item["outcome"]) if "outcome" in item else None,
        )


class Calls:
    """What makes paying twice impossible: no POST without a row, and one worker alone can write the next of a pair."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def of_pair(self, pair_id: str) -> list[Call]:
        """All calls of a pair, oldest first."""
        query: dict[str, Any] = {"KeyConditionExpression": Key("pair_id").eq(pair_id), "ConsistentRead": True}
        calls: list[Call] = []
        while True:
            page = self._table.query(**query)
            calls += (Call.from_item(item) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return calls
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def get(self, pair_id: str, call: str) -> Call:
        """One call."""
        return Call.from_item(self._table.get_item(Key={"pair_id": pair_id, "call": call}, ConsistentRead=True)["Item"])

    def open(self, pair_id: str, fingerprint: str, number: int, alive_until: datetime) -> Call:
        """Write the row of a call that is about to be sent.

        Raises Later if another worker has written this number: it is calling.
        """
        call = Call(pair_id, f"{number:06d}", fingerprint, State.SENT, uuid.uuid4().hex, clock.now(), alive_until)
        try:
            self._table.put_item(
                Item={
                    "pair_id": call.pair_id,
                    "call": call.call,
                    "fingerprint": call.fingerprint,
                    "state": call.state,
                    "owner": call.owner,
                    "sent_at": clock.iso(call.sent_at),
                    "alive_until": clock.iso(call.alive_until),
                },
                ConditionExpression=Attr("call").not_exists(),
            )
        except ClientError as error:
            # A write that arrived and whose response was lost is repeated by botocore, and then fails on its own row.
            if not _condition_failed(error) or self.get(call.pair_id, call.call).owner != call.owner:
                raise _taken_or(error) from error
        return call

    def complete(self, call: Call, state: State, outcome: Outcome, latency_ms: int | None = None) -> None:
        """Write what became of a call. A late answer still replaces UNKNOWN; nothing replaces an answer.

        Raises Later if the call was answered while it was given up.
        """
        values = {
            "state": state,
            "code": outcome.code,
            "similarity": outcome.similarity,
            "transaction_id": outcome.transaction_id,
            "pricing_strategy": outcome.pricing_strategy,
            "answered_at": None if state is State.UNKNOWN else clock.iso(clock.now()),
            "latency_ms": latency_ms,
            "outcome": outcome.model_dump(mode="json", exclude={"unsaved"}),
        }
        known = {name: value for name, value in values.items() if value is not None}
        open_states = [State.SENT] if state is State.UNKNOWN else [State.SENT, State.UNKNOWN]
        try:
            self._table.update_item(
                Key={"pair_id": call.pair_id, "call": call.call},
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in known),
                ConditionExpression="#owner = :owner AND #state IN (" + ", ".join(f":{s}" for s in open_states) + ")",
                ExpressionAttributeNames={f"#{name}": name for name in (*known, "owner")},
                ExpressionAttributeValues={f":{name}": value for name, value in known.items()}
                | {f":{each}": each for each in open_states}
                | {":owner": call.owner},
            )
        except ClientError as error:
            if not _condition_failed(error):
                raise
            if self.get(call.pair_id, call.call).state is not state:  # otherwise our own write, repeated by botocore
                raise Later("the call was answered after all") from error


def _condition_failed(error: ClientError) -> bool:
    return error_code(error) == "ConditionalCheckFailedException"


def _taken_or(error: ClientError) -> Exception:
    return Later("another worker is calling for this pair") if _condition_failed(error) else error
