"""In-flight markers: which pairs have a message in flight, stored beside the idempotency records."""

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.domain import clock
from facepair.domain.history import Mark
from facepair.domain.retry import Later

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEPT = timedelta(days=14)
"""A marker expires when the queue would drop its message."""
FORGOTTEN = timedelta(hours=2)
"""If no worker begins with a claimed pair within this time, the search died before it sent the message."""


class InFlightMarkers:
    """The `InFlight` port over IdempotencyTable.

    `comes_back` is the queue's visibility timeout; without it markers are read-only.

    Item `underway#<objects>`: `begun` (workers that started and did not finish), `owner` and `alive_until` of the last
    of them, `due` (when the message is back at the latest), `claimed` and `author` once the search has claimed it, and
    `expiration`; times in epoch seconds.
    """

    def __init__(self, table: "Table", *, comes_back: timedelta | None = None) -> None:
        self._table = table
        self._comes_back = comes_back

    @aws_errors()
    def begin(self, objects: str, alive_until: datetime) -> int:
        """Record that a worker starts. Return how many have started and not finished.

        Raises Later while another one may be alive.
        """
        if self._comes_back is None:
            raise TypeError("marks without the queue's visibility timeout can only be read")
        now, owner = clock.now(), uuid.uuid4().hex
        try:
            answer = self._table.update_item(
                Key={"id": marker_id(objects)},
                UpdateExpression="SET #owner = :owner, alive_until = :until, due = :due, expiration = :expiration "
                "ADD begun :one REMOVE claimed, author",
                ConditionExpression="attribute_not_exists(alive_until) OR alive_until <= :now",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues={
                    ":owner": owner,
                    ":until": _seconds(alive_until),
                    ":due": _seconds(now + self._comes_back),
                    ":expiration": _seconds(now + KEPT),
                    ":one": 1,
                    ":now": _seconds(now),
                },
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            # botocore repeats a write whose response was lost; the repetition finds the first one.
            mark = self._item(objects)
            if mark.get("owner") != owner:
                raise Later("another worker has the pair") from error
            return int(str(mark["begun"]))
        return int(str(answer["Attributes"]["begun"]))

    @aws_errors()
    def mark(self, objects: str) -> Mark | None:
        """Return the marker of a message in flight; None if there is none."""
        item = self._item(objects)
        if not item or item.get("expiration", 0) <= _seconds(clock.now()):
            return None
        alive_until = clock.at(float(item["alive_until"])) if "alive_until" in item else None
        return Mark(clock.at(float(item["due"])), int(item.get("begun", 0)), alive_until)

    @aws_errors()
    def defer(self, objects: str, until: datetime) -> None:
        # The same operation as `begin`: if only this one lacked a permission, workers would seem to die.
        self._table.update_item(
            Key={"id": marker_id(objects)},
            UpdateExpression="SET due = :due, expiration = :expiration "
            "REMOVE begun, #owner, alive_until, claimed, author",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":due": _seconds(until), ":expiration": _seconds(clock.now() + KEPT)},
        )

    @aws_errors()
    def finish(self, objects: str) -> None:
        self._table.delete_item(Key={"id": marker_id(objects)})

    @aws_errors()
    def claim(self, objects: str, late: timedelta) -> bool:
        now, author = clock.now(), uuid.uuid4().hex
        try:
            self._table.put_item(
                Item={
                    "id": marker_id(objects),
                    "due": _seconds(now),
                    "claimed": True,
                    "author": author,
                    "expiration": _seconds(now + KEPT),
                },
                ConditionExpression="attribute_not_exists(id) OR expiration <= :now "
                "OR (due <= :late AND (attribute_not_exists(claimed) OR due <= :forgotten))",
                ExpressionAttributeValues={
                    ":late": _seconds(now - late),
                    ":forgotten": _seconds(now - FORGOTTEN),
                    ":now": _seconds(now),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            # botocore repeats a write whose response was lost; the repetition finds the first one.
            current: Any = error.response.get("Item", {})
            return bool(current.get("author", {}).get("S") == author)
        return True

    @aws_errors()
    def release(self, objects: str) -> None:
        now = _seconds(clock.now())
        try:
            # An expired marker counts as none. The same operation as `claim`: the search may do nothing else with
            # markers.
            self._table.put_item(
                Item={"id": marker_id(objects), "due": now, "expiration": now},
                ConditionExpression="attribute_exists(claimed)",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    def _item(self, objects: str) -> dict[str, Any]:
        return self._table.get_item(Key={"id": marker_id(objects)}, ConsistentRead=True).get("Item", {})


def marker_id(objects: str) -> str:
    """Return the marker's id for a pair's objects."""
    return f"underway#{objects}"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
