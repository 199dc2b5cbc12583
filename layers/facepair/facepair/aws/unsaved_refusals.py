"""Free refusals that could not be saved in the ledger: items of the idempotency table."""

from datetime import timedelta
from typing import TYPE_CHECKING

from facepair.aws.clients import aws_errors
from facepair.domain import clock
from facepair.domain.ledger import Call
from facepair.domain.outcome import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEPT = timedelta(days=14)
"""As long as the queue keeps the message of the pair to be retried."""
OF_REFUSALS = {"code", "message", "transaction_id", "pricing_strategy", "call", "retry_at"}
"""Saved fields of an outcome. None describes a picture or face, so an erasure need not delete them."""


class RefusalItems:
    """The `UnsavedRefusals` port over IdempotencyTable.

    Item `refusal#<owner of the ledger row>`: `outcome` in JSON, and `expiration` in epoch seconds.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def save(self, call: Call, refusal: Outcome) -> None:
        self._table.put_item(
            Item={
                "id": _id(call),
                "outcome": refusal.model_dump_json(include=OF_REFUSALS),
                "expiration": int((clock.now() + KEPT).timestamp()),
            }
        )

    @aws_errors()
    def of(self, call: Call) -> Outcome | None:
        item = self._table.get_item(Key={"id": _id(call)}, ConsistentRead=True).get("Item")
        return Outcome.model_validate_json(str(item["outcome"])) if item else None


def _id(call: Call) -> str:
    return f"refusal#{call.owner}"
