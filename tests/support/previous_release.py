"""What workers of the previous release write: both releases share gate, markers and ledger while a stack is updated.

The expressions are those of that release, word for word.
"""

import time
import uuid
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from facepair.aws.gate import ITEM
from facepair.domain import clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

HEADROOM = 1.06
FIRST_PACE = 5.0


class PreviousGate:
    """The gate. `per_second` is the stack's MaxCallsPerSecond."""

    def __init__(self, table: "Table", per_second: float, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._per_second = per_second
        self._now = now

    def enter(self) -> float:
        """Take the next slot of an open gate and return its time in epoch seconds."""
        while True:
            item, now = self._item(), self._now()
            interval = HEADROOM / self._per_second if self._per_second else 1 / float(item.get("pace", FIRST_PACE))
            if float(item.get("next_slot", 0)) <= now:
                next_slot, in_turn = ":now", "(attribute_not_exists(next_slot) OR next_slot <= :now)"
            else:
                next_slot, in_turn = "next_slot", "next_slot > :now"
            values = {":now": now, ":interval": interval, ":pace": float(item.get("pace", FIRST_PACE))}
            answer = self._update(
                UpdateExpression="SET #v = :version, pace = :pace, paced_at = :now, "
                f"next_slot = {next_slot} + :interval",
                ConditionExpression=f"(attribute_not_exists(id) OR #v = :version) AND {in_turn}",
                ExpressionAttributeNames={"#v": "version"},
                ExpressionAttributeValues=_numbers(values | {":version": int(item.get("version", 0))}),
                ReturnValues="UPDATED_NEW",
            )
            if answer:
                return float(str(answer["Attributes"]["next_slot"])) - interval

    def block(self, code: str, pause: float) -> None:
        """Close the gate for a pause."""
        while not self._replace({"code": code, "message": code, "reopens_at": self._now() + pause}):
            pass

    def count_unanswered(self) -> None:
        """Count one more call in a row without an answer."""
        while not self._replace({"unanswered": int(self._item().get("unanswered", 0)) + 1}):
            pass

    def _replace(self, values: dict[str, Any]) -> bool:
        item = self._item()
        seen = int(item.get("version", 0))
        known = {"unanswered": int(item.get("unanswered", 0)), "cut_at": float(item.get("cut_at", 0))}
        new = known | values | {"version": seen + 1}
        return bool(
            self._update(
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in new),
                ConditionExpression="attribute_not_exists(id) OR #version = :seen",
                ExpressionAttributeNames={f"#{name}": name for name in new},
                ExpressionAttributeValues=_numbers(
                    {f":{name}": value for name, value in new.items()} | {":seen": seen}
                ),
                ReturnValues="UPDATED_NEW",
            )
        )

    def _item(self) -> Any:
        return self._table.get_item(Key={"id": ITEM}, ConsistentRead=True).get("Item", {})

    def _update(self, **request: Any) -> Any:
        return _unless_the_condition_fails(lambda: self._table.update_item(Key={"id": ITEM}, **request))


def previous_begin(table: "Table", objects: str, alive_until: datetime) -> bool:
    """Set the in-flight marker of a pair's objects; False if another worker can be alive."""
    now = int(clock.now().timestamp())
    return bool(
        _unless_the_condition_fails(
            lambda: table.update_item(
                Key={"id": f"underway#{objects}"},
                UpdateExpression="SET #owner = :owner, alive_until = :until, due = :due, expiration = :expiration "
                "ADD begun :one REMOVE claimed",
                ConditionExpression="attribute_not_exists(alive_until) OR alive_until <= :now",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={
                    ":owner": uuid.uuid4().hex,
                    ":until": int(alive_until.timestamp()),
                    ":due": now + 720,
                    ":expiration": now + 14 * 86400,
                    ":one": 1,
                    ":now": now,
                },
                ReturnValues="UPDATED_NEW",
            )
        )
    )


def previous_open(table: "Table", pair_id: str, fingerprint: str, number: int, alive_until: datetime) -> bool:
    """Write the ledger's row of a call that is about to be sent; False if the number is taken."""
    item = {
        "pair_id": pair_id,
        "call": f"{number:06d}",
        "fingerprint": fingerprint,
        "state": "SENT",
        "owner": uuid.uuid4().hex,
        "sent_at": clock.iso(clock.now()),
        "alive_until": clock.iso(alive_until),
    }
    return bool(
        _unless_the_condition_fails(
            lambda: table.put_item(Item=item, ConditionExpression="attribute_not_exists(#call)", **CALL)
        )
    )


CALL: Any = {"ExpressionAttributeNames": {"#call": "call"}}


def _unless_the_condition_fails(write: Callable[[], Any]) -> Any:
    try:
        return write()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return None


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    return {name: Decimal(f"{value:.6f}") if isinstance(value, float) else value for name, value in values.items()}
