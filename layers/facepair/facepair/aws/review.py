"""Adapters for reviews: the queue of MANUAL_CHECK rows, leases, links to pictures, opinions and decisions."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.tables import items
from facepair.aws.transactions import StoredItem, conditioned, transact
from facepair.aws.written_later import write_later
from facepair.domain import clock
from facepair.domain.backlog import Count
from facepair.domain.opinions import Opinions
from facepair.domain.review import COUNTED, Queued
from facepair.domain.row import Decision, PictureRow, Row
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_s3 import S3Client

LINK = timedelta(minutes=1)
"""How long a link to a picture is valid."""


class ManualChecks:
    """A facepair.use_cases.review.ReviewQueue over the index `by_verdict`."""

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
    """The Leases port.

    Item `review#<sha256 of the pair id>` of the idempotency table: `holder`, and `expiration` in epoch seconds.
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
    """A facepair.use_cases.review.Links: presigned URLs, signed without a request."""

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


class ReviewDecisions:
    """The Decisions port.

    A decision is stored in the pair's row and, for later uploads of the same contents, as item `decision#<fingerprint>`
    of the idempotency table: `verdict`, `retake`, `review`, and `expiration`, when the row expires.
    """

    def __init__(self, tables: "DynamoDBServiceResource", *, verdicts: str, idempotency: str) -> None:
        self._tables = tables
        self._verdicts = verdicts
        self._items = tables.Table(idempotency)

    @aws_errors()
    def of(self, fingerprint: str) -> Decision | None:
        """Return the decision about these two contents, unless it has expired."""
        item = self._items.get_item(Key={"id": decision_id(fingerprint)}, ConsistentRead=True).get("Item")
        return Decision.model_validate(item) if item else None

    @aws_errors()
    def decide(self, row: Row, decision: Decision, opinions: int = 0) -> bool:
        """Write a decision to both tables and delete the opinions, in one transaction.

        Return False if the row or the version of the opinions has changed.
        """
        said = decision.model_dump(by_alias=True, exclude_none=True)
        kept = {"id": decision_id(str(row.fingerprint)), "expiration": row.expires_at} | said
        keep = {"TableName": self._items.name, "Item": {name: value for name, value in kept.items() if value}}
        settled = {"TableName": self._items.name, "Key": {"id": opinions_id(str(row.fingerprint))}}
        end = {"Delete": conditioned(settled, _is_of_version(opinions))}

        def write(moment: datetime, later: ConditionBase) -> StoredItem | None:
            changed = said | {"updated_at": clock.iso(moment)}
            update = {
                "TableName": self._verdicts,
                "Key": {"pair_id": row.pair_id},
                "UpdateExpression": "SET " + ", ".join(f"{name} = :{name}" for name in changed),
                "ExpressionAttributeValues": {f":{name}": value for name, value in changed.items()},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            undecided = {"Update": conditioned(update, _is_undecided(row) & later)}
            return _first_refusal(transact(self._tables, [undecided, {"Put": keep}, end]))

        return write_later(decision.review.at, write)


class ReviewOpinions:
    """The KnownOpinions port.

    Item `opinions#<fingerprint>` of the idempotency table: `version`, `opinions`, `notes`, `saw`, and `expiration`,
    when the row expires.
    """

    def __init__(self, tables: "DynamoDBServiceResource", *, verdicts: str, idempotency: str) -> None:
        self._tables = tables
        self._verdicts = verdicts
        self._items = tables.Table(idempotency)

    @aws_errors()
    def of(self, fingerprint: str) -> Opinions:
        item = self._items.get_item(Key={"id": opinions_id(fingerprint)}, ConsistentRead=True).get("Item")
        return Opinions.model_validate(item or {})

    @aws_errors()
    def of_many(self, fingerprints: Sequence[str]) -> Mapping[str, Opinions]:
        """Return the opinions about up to 100 contents, by fingerprint, omitting those not processed."""
        ids = {opinions_id(each): each for each in fingerprints}
        if not ids:
            return {}
        asked: Any = {self._items.name: {"Keys": [{"id": each} for each in ids], "ConsistentRead": True}}
        items = self._tables.batch_get_item(RequestItems=asked)["Responses"].get(self._items.name, [])
        return {ids[str(item["id"])]: Opinions.model_validate(item) for item in items}

    @aws_errors()
    def change(self, row: Row, opinions: Opinions) -> bool:
        """Write the next version. Return False, without writing, if the row or the opinions have changed."""
        said = opinions.model_dump(exclude_none=True)
        item = {"id": opinions_id(str(row.fingerprint)), "expiration": row.expires_at} | said
        put = {"TableName": self._items.name, "Item": {name: value for name, value in item.items() if value}}
        undecided = conditioned({"TableName": self._verdicts, "Key": {"pair_id": row.pair_id}}, _is_undecided(row))
        next_version = {"Put": conditioned(put, _is_of_version(opinions.version - 1))}
        return _first_refusal(transact(self._tables, [{"ConditionCheck": undecided}, next_version])) is None


def _is_undecided(row: Row) -> ConditionBase:
    """Return the condition that a row is an undecided MANUAL_CHECK of these contents."""
    contents = Attr("verdict").eq(Verdict.MANUAL_CHECK) & Attr("fingerprint").eq(row.fingerprint)
    return contents & Attr("review").not_exists()


def _is_of_version(version: int) -> ConditionBase:
    return Attr("version").eq(version) if version else Attr("id").not_exists()


def _first_refusal(standing: Sequence[StoredItem | None]) -> StoredItem | None:
    return next((each for each in standing if each is not None), None)


def _lease(pair_id: str) -> str:
    return f"review#{hashlib.sha256(pair_id.encode()).hexdigest()}"


def decision_id(fingerprint: str) -> str:
    """Return the id of the item for a decision about two contents."""
    return f"decision#{fingerprint}"


def opinions_id(fingerprint: str) -> str:
    """Return the id of the item for opinions about two contents."""
    return f"opinions#{fingerprint}"
