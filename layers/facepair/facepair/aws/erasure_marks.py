"""Which pairs were erased: marks beside the idempotency records, which every write about a pair has to pass."""

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.transactions import Standing, conditioned, through_conflicts, transact
from facepair.domain import clock
from facepair.domain.retry import Later

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

KEPT = timedelta(days=35)
"""Longer than a message can live: 14 days in its queue and the dead letters, 14 more once it is redriven."""


class ErasureMarks:
    """A facepair.use_cases.erase.Marks.

    Item `erased#<sha256 of the pair id>` of the idempotency table: `erased_at`, the second at whose end the pair was
    erased, by S3's clock; `expiration`. Both in epoch seconds.
    """

    def __init__(self, tables: "DynamoDBServiceResource", table: str) -> None:
        self._tables = tables
        self._name = table

    @aws_errors()
    def set(self, pair_id: str, moment: datetime) -> bool:
        """Let nothing be written any more of what was uploaded in the second of that moment or before it. Whether there
        was a mark already."""
        try:
            answer = through_conflicts(
                lambda: self._tables.Table(self._name).update_item(
                    Key=_key(pair_id),
                    UpdateExpression="SET erased_at = :moment, expiration = :expiration",
                    ConditionExpression="attribute_not_exists(erased_at) OR erased_at < :moment",
                    ExpressionAttributeValues={
                        ":moment": _second(moment),
                        ":expiration": _second(clock.now() + KEPT),
                    },
                    ReturnValues="UPDATED_OLD",
                )
            )
        except ClientError as error:
            if not condition_failed(error):  # a later erasure stands; or it is our own write, repeated by botocore
                raise
            return True
        return "Attributes" in answer

    def put(
        self, table: str, item: dict[str, Any], condition: ConditionBase, *, pair_id: str, uploaded_at: datetime
    ) -> Standing | None:
        """Put an item that rests on a pair's pictures, the earliest of them uploaded then.

        None if it was written; the item that stands, and nothing written, if its own condition does not hold.

        Raises Later if the pair was erased since: the message comes back, and finds the bucket as the erasure left it.
        """
        mark = {"ConditionCheck": conditioned({"TableName": self._name, "Key": _key(pair_id)}, _before(uploaded_at))}
        put = {"TableName": table, "Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        erased, stands = transact(self._tables, [mark, {"Put": conditioned(put, condition)}])
        if erased is not None:
            raise Later("the pair was erased after this picture was uploaded")
        return stands


def _before(uploaded_at: datetime) -> ConditionBase:
    return Attr("erased_at").not_exists() | Attr("erased_at").lt(_second(uploaded_at))


def _key(pair_id: str) -> dict[str, str]:
    return {"id": f"erased#{hashlib.sha256(pair_id.encode()).hexdigest()}"}


def _second(moment: datetime) -> int:
    return int(moment.timestamp())
