"""The verdicts table: one row per pair, its newest state."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from facepair import clock
from facepair.aws.clients import error_code
from facepair.pair import Pair
from facepair.row import Row
from facepair.verdict import CERTAINTY, FINAL, Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource


class Verdicts:
    """Partition key `pair_id`; index `by_verdict` on `verdict` and `updated_at`; TTL on `expires_at`."""

    BATCH = 100
    """DynamoDB's limit of a BatchGetItem."""

    def __init__(self, tables: "DynamoDBServiceResource", table: str) -> None:
        self._tables = tables
        self._table = tables.Table(table)

    def judged(self, pair: Pair) -> bool:
        """Whether a final verdict stands for exactly these two objects, or a row of any kind for newer ones."""
        row = self._table.get_item(Key={"pair_id": pair.pair_id}, ConsistentRead=True).get("Item")
        return row is not None and (is_newer(row, pair) or (row["verdict"] in FINAL and covers(row, pair)))

    def rows(self, pair_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The rows of up to BATCH pairs, by pair id; those that exist."""
        found: dict[str, dict[str, Any]] = {}
        keys: list[Any] = [{"pair_id": pair_id} for pair_id in pair_ids]
        while keys:
            page = self._tables.batch_get_item(RequestItems={self._table.name: {"Keys": keys}})
            found |= {str(row["pair_id"]): row for row in page["Responses"][self._table.name]}
            unprocessed = page["UnprocessedKeys"].get(self._table.name)
            keys = [*unprocessed["Keys"]] if unprocessed else []
        return found

    def write(self, row: Row, retention: timedelta) -> bool:
        """Move the pair's row forward, to expire after `retention`; False, and nothing written, if a newer stands."""
        now = clock.now()
        try:
            self._table.put_item(Item=row.attributes(now, now + retention), ConditionExpression=_forward(row))
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True


def is_newer(row: dict[str, Any], pair: Pair) -> bool:
    """Whether a row speaks of a later upload, which has been deleted since."""
    return str(row["uploaded_at"]) > clock.iso(pair.uploaded_at)


def covers(row: dict[str, Any], pair: Pair) -> bool:
    """Whether a row speaks of exactly these objects."""
    return row["uploaded_at"] == clock.iso(pair.uploaded_at) and all(
        role in row and (row[role]["key"], row[role]["etag"]) == (upload.key, upload.etag)
        for role, upload in pair.uploads.items()
    )


def _forward(row: Row) -> ConditionBase:
    """Newer uploads win; among equally old ones the later look at the bucket; for the same contents the surer verdict,
    and of two equally sure ones that of the later look: a worker thought dead may finish after its successor.

    S3 lists times in whole seconds, so two uploads of one role can be equally old.
    """
    uploaded_at, listed_at = clock.iso(row.pair.uploaded_at), clock.iso(row.pair.listed_at)
    certainty = CERTAINTY[row.verdict]
    not_surer = Attr("verdict").is_in([verdict for verdict in Verdict if CERTAINTY[verdict] <= certainty])
    as_sure = Attr("verdict").is_in([verdict for verdict in Verdict if CERTAINTY[verdict] == certainty])
    surer = not_surer & (~as_sure | Attr("listed_at").lte(listed_at))
    forward: ConditionBase = Attr("fingerprint").not_exists() & surer
    if row.fingerprint:
        same_contents = Attr("fingerprint").eq(row.fingerprint) & surer
        other_contents = Attr("fingerprint").ne(row.fingerprint) & Attr("listed_at").lt(listed_at)
        forward = forward | same_contents | other_contents
    newer = Attr("pair_id").not_exists() | Attr("uploaded_at").lt(uploaded_at)
    return newer | (Attr("uploaded_at").eq(uploaded_at) & forward)
