"""What a review needs of AWS: the queue of MANUAL_CHECK rows, leases, links to pictures, and decisions."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.transactions import Standing, conditioned, transact
from facepair.aws.written_later import write_later
from facepair.domain import clock
from facepair.domain.review import COUNTED, Waiting
from facepair.domain.row import Decision, PictureRow, Row
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_s3 import S3Client

LINK = timedelta(minutes=1)
"""How long a link to a picture leads there."""


class ManualChecks:
    """A facepair.use_cases.review.ReviewQueue over the index `by_verdict`."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def oldest_first(self) -> Iterator[str]:
        """Pair ids, by when their row was written, page by page."""
        query: dict[str, Any] = {"ProjectionExpression": "pair_id"}
        while True:
            with aws_errors():
                page = self._table.query(**_MANUAL_CHECKS, **query)
            yield from (str(item["pair_id"]) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    @aws_errors()
    def waiting(self) -> Waiting:
        """How many there are, as far as they are counted."""
        page = self._table.query(**_MANUAL_CHECKS, Select="COUNT", Limit=COUNTED)
        return Waiting(page["Count"], at_least="LastEvaluatedKey" in page)


_MANUAL_CHECKS: dict[str, Any] = {
    "IndexName": "by_verdict",
    "KeyConditionExpression": "verdict = :manual_check",
    "ExpressionAttributeValues": {":manual_check": Verdict.MANUAL_CHECK},
}


class ReviewLeases:
    """A facepair.use_cases.review.Leases. Item `review#<sha256 of the pair id>` of the idempotency table: `holder`, and
    `expiration` in epoch seconds."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def take(self, pair_id: str, holder: str, until: datetime) -> bool:
        """Take a pair, or keep it; False if somebody else has it. Taking it twice, as botocore may, does no harm."""
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
        """Let others have a pair; nothing happens if somebody else has it by now."""
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
    """A facepair.use_cases.review.Links: presigned URLs. They are signed here, without a request."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    @aws_errors()
    def link(self, picture: PictureRow) -> str | None:
        """The URL of exactly this version; None if the row does not name one."""
        if not picture.version_id:
            return None
        return self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": picture.key, "VersionId": picture.version_id},
            ExpiresIn=int(LINK.total_seconds()),
        )


class ReviewDecisions:
    """A facepair.use_cases.ports.Decisions.

    A decision stands in the pair's row and, for whenever these contents come again, as item `decision#<fingerprint>` of
    the idempotency table: `verdict`, `retake`, `review`, and `expiration`, when the row expires.
    """

    def __init__(self, tables: "DynamoDBServiceResource", *, verdicts: str, idempotency: str) -> None:
        self._tables = tables
        self._verdicts = verdicts
        self._items = tables.Table(idempotency)

    @aws_errors()
    def of(self, fingerprint: str) -> Decision | None:
        """What a person has decided about these two contents, unless it has expired."""
        item = self._items.get_item(Key={"id": decision_id(fingerprint)}, ConsistentRead=True).get("Item")
        return Decision.model_validate(item) if item else None

    @aws_errors()
    def decide(self, row: Row, decision: Decision) -> bool:
        """Write a decision into both tables, or into none: False if the row is not what the decision is about."""
        said = decision.model_dump(by_alias=True, exclude_none=True)
        to_be_decided = Attr("verdict").eq(Verdict.MANUAL_CHECK) & Attr("fingerprint").eq(row.fingerprint)
        kept = {"id": decision_id(str(row.fingerprint)), "expiration": row.expires_at} | said
        keep = {"TableName": self._items.name, "Item": {name: value for name, value in kept.items() if value}}

        def write(moment: datetime, later: ConditionBase) -> Standing | None:
            changed = said | {"updated_at": clock.iso(moment)}
            update = {
                "TableName": self._verdicts,
                "Key": {"pair_id": row.pair_id},
                "UpdateExpression": "SET " + ", ".join(f"{name} = :{name}" for name in changed),
                "ExpressionAttributeValues": {f":{name}": value for name, value in changed.items()},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            undecided = to_be_decided & Attr("review").not_exists() & later
            stands, _ = transact(self._tables, [{"Update": conditioned(update, undecided)}, {"Put": keep}])
            return stands

        return write_later(decision.review.at, write)


def _lease(pair_id: str) -> str:
    return f"review#{hashlib.sha256(pair_id.encode()).hexdigest()}"


def decision_id(fingerprint: str) -> str:
    """The item that keeps a decision about two contents."""
    return f"decision#{fingerprint}"
