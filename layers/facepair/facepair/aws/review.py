"""Adapters for reviews: the queue of MANUAL_CHECK rows, leases, and links to pictures."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.tables import items
from facepair.domain import clock
from facepair.domain.backlog import Count
from facepair.domain.review_request import COUNTED, Queued
from facepair.domain.row import PictureRow
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

LINK = timedelta(minutes=1)
"""How long a link to a picture is valid."""


class ManualChecks:
    """The `ReviewQueue` port over VerdictsTable, by its index `by_verdict`."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def oldest_first(self) -> Iterator[Queued]:
        """Yield pairs ordered by the time of their row, page by page."""
        waiting = items(self._table, "query", ProjectionExpression="pair_id, fingerprint", **_MANUAL_CHECKS)
        return (Queued(str(item["pair_id"]), str(item.get("fingerprint", ""))) for item in waiting)

    @aws_errors()
    def waiting(self) -> Count:
        """Return the number of pairs, up to COUNTED."""
        page = self._table.query(**_MANUAL_CHECKS, Select="COUNT", Limit=COUNTED)
        return Count(page["Count"], lower_bound="LastEvaluatedKey" in page)


_MANUAL_CHECKS: dict[str, Any] = {
    "IndexName": "by_verdict",
    "KeyConditionExpression": "verdict = :manual_check",
    "ExpressionAttributeValues": {":manual_check": Verdict.MANUAL_CHECK},
}


class ReviewLeases:
    """The `Leases` port over IdempotencyTable.

    Item `review#<sha256 of the pair id>`: `holder`, and `expiration` in epoch seconds.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def take(self, pair_id: str, holder: str, until: datetime) -> bool:
        """Take or renew a lease. Return False if another reviewer has the pair. Repeating it is harmless."""
        try:
            self._table.put_item(
                Item={"id": _lease(pair_id), "holder": holder, "expiration": int(until.timestamp())},
                ConditionExpression="attribute_not_exists(id) OR expiration <= :now OR holder = :holder",
                ExpressionAttributeValues={":now": int(clock.now().timestamp()), ":holder": holder},
            )
        except ClientError as error:
            if condition_failed(error):
                return False
            raise
        return True

    @aws_errors()
    def give_back(self, pair_id: str, holder: str) -> None:
        try:
            self._table.delete_item(
                Key={"id": _lease(pair_id)},
                ConditionExpression="holder = :holder",
                ExpressionAttributeValues={":holder": holder},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise


class PictureLinks:
    """The `Links` port over ImagesBucket: presigned URLs, signed without a request."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    @aws_errors()
    def link(self, picture: PictureRow) -> str | None:
        """Return a URL of exactly this version; None if the row names none."""
        if not picture.version_id:
            return None
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": picture.key, "VersionId": picture.version_id},
            ExpiresIn=int(LINK.total_seconds()),
        )


def _lease(pair_id: str) -> str:
    return f"review#{hashlib.sha256(pair_id.encode()).hexdigest()}"
