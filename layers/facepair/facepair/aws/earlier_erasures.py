"""Erasures by earlier releases: items beside the idempotency records, honoured until they expire."""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

from facepair.aws.clients import aws_errors
from facepair.domain import clock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


class EarlierErasureItems:
    """A facepair.use_cases.ports.EarlierErasures.

    Item `erased#<sha256 of the pair id>` of the idempotency table: `erased_at`, the second at whose end the pair was
    erased, by S3's clock; `expiration`, 35 days later. Both in epoch seconds. This release writes none.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def of(self, pair_id: str) -> datetime | None:
        """The second up to which a pair was erased; None if it was not, or the item has expired."""
        key = {"id": f"erased#{hashlib.sha256(pair_id.encode()).hexdigest()}"}
        item = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        return clock.at(float(str(item["erased_at"]))) if item else None
