"""List the pairs below a prefix that an erasure must cover, from the bucket and both tables, page by page."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from facepair.aws.clients import aws_errors
from facepair.domain.pair import split

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

MOST_PAIRS = 20_000
"""Pairs per response: a function URL returns at most 6 MB, and a pair id has up to 1 KB."""
MOST_BYTES = 4_000_000
ROW = Attr("verdict").exists() | Attr("erased_at").not_exists()
"""Selects rows, readable or not, but no tombstones."""

type ListingCursor = Mapping[str, Any]
"""Where a listing continues: in which `source`, by number, and `after` which S3 or DynamoDB key."""


class ErasablePairs:
    """Lists the bucket, then scans VerdictsTable and CallsTable: a pair may be in only one of them."""

    def __init__(self, s3: "S3Client", bucket: str, verdicts: "Table", calls: "Table") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._verdicts = verdicts
        self._calls = calls

    def below(
        self, prefix: str, cursor: ListingCursor, enough: Callable[[], bool]
    ) -> tuple[list[str], ListingCursor | None]:
        """Return pair ids and where to continue (None at the end). Stops between pages once it has `enough`."""
        found: dict[str, None] = {}
        size = 0
        for page, after in self._pages(prefix, cursor):
            new = [each for each in page if each.startswith(prefix) and each not in found]
            found |= dict.fromkeys(new)
            size += sum(len(each.encode()) for each in new)
            if after and (enough() or len(found) >= MOST_PAIRS or size >= MOST_BYTES):
                return list(found), after
        return list(found), None

    def _pages(self, prefix: str, cursor: ListingCursor) -> Iterator[tuple[list[str], ListingCursor | None]]:
        sources = (
            lambda after: self._listed(prefix, after),
            lambda after: _scanned(self._verdicts, prefix, ROW, after),
            lambda after: _scanned(self._calls, prefix, Attr("fingerprint").exists(), after),
        )
        source, after = int(cursor.get("source", 0)), cursor.get("after")
        while source < len(sources):
            with aws_errors():
                page, after = sources[source](after)
            source += after is None
            yield page, {"source": source, "after": after} if source < len(sources) else None

    def _listed(self, prefix: str, after: Any) -> tuple[list[str], Any]:
        page: Any = self._s3.list_object_versions(Bucket=self._bucket, Prefix=prefix, **(after or {}))
        keys = [each["Key"] for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]]
        markers = {"KeyMarker": "NextKeyMarker", "VersionIdMarker": "NextVersionIdMarker"}
        then = {name: page[of_next] for name, of_next in markers.items() if page.get(of_next)}
        return [split(key)[0] for key in keys], then if page.get("IsTruncated") else None


def _scanned(table: "Table", prefix: str, also: ConditionBase, after: Any) -> tuple[list[str], Any]:
    scan: dict[str, Any] = {"FilterExpression": Attr("pair_id").begins_with(prefix) & also}
    scan |= {"ProjectionExpression": "pair_id"} | ({"ExclusiveStartKey": after} if after else {})
    page = table.scan(**scan)
    return [str(item["pair_id"]) for item in page["Items"]], page.get("LastEvaluatedKey")
