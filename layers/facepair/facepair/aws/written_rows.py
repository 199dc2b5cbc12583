"""The verdicts table's rows as stored, whichever release wrote them."""

import heapq
import math
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from facepair.aws.clients import aws_errors
from facepair.domain import clock
from facepair.domain.backlog import Count, Oldest
from facepair.domain.change import StoredRow
from facepair.domain.row import is_tombstone
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

INDEX = "by_verdict"
EARLIEST, LATEST = "0", "9999-12-31T23:59:59.999Z"


class StoredRows:
    """A facepair.use_cases.ports.WrittenRows over VerdictsTable and its index `by_verdict`.

    `rows_read` and `read_units` (DynamoDB's read request units) count what was read through the index so far.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table
        self.rows_read = 0
        self.read_units = 0.0

    def since(self, moment: datetime) -> Iterator[StoredRow]:
        """Rows written at that moment or later, in the order of their writing, page by page."""
        return heapq.merge(
            *(self._of_verdict(each, since=moment) for each in Verdict), key=lambda image: image["updated_at"]
        )

    def newest_first(
        self, verdicts: Iterable[Verdict], *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[StoredRow]:
        """Rows of these verdicts, written at `since` or later and before `until`. A page of each is held."""
        streams = (self._of_verdict(each, since=since, until=until, newest_first=True) for each in verdicts)
        return heapq.merge(*streams, key=lambda image: image["updated_at"], reverse=True)

    def of(self, pair_ids: Iterable[str]) -> Iterator[StoredRow]:
        """The rows of pairs, as they are at this moment; those that exist."""
        for pair_id in pair_ids:
            with aws_errors():
                item = self._table.get_item(Key={"pair_id": pair_id}, ConsistentRead=True).get("Item")
            if item and not is_tombstone(item):
                yield item

    @aws_errors()
    def size(self) -> tuple[int, int]:
        """About how many rows there are, and their bytes: DynamoDB counts them every six hours."""
        self._table.load()
        return self._table.item_count, self._table.table_size_bytes

    @aws_errors()
    def count(
        self,
        verdict: Verdict,
        at_most: int,
        *,
        since: datetime | None = None,
        seconds: float = math.inf,
        code: str | None = None,
        other_than: str | None = None,
    ) -> Count:
        """How many rows there are of a verdict, written at `since` or later, with this `code`, or with another one than
        `other_than`; no more than `at_most` are looked at, nor another page after so many seconds."""
        query, counted, looked_at = _query(verdict, since=since) | {"Select": "COUNT"}, 0, 0
        if code:
            query["FilterExpression"] = Attr("code").eq(code)
        elif other_than:
            query["FilterExpression"] = Attr("code").ne(other_than)
        ends = time.monotonic() + seconds
        while True:
            page = self._page(query | {"Limit": at_most - looked_at})
            counted += page["Count"]
            looked_at += page["ScannedCount"]
            if "LastEvaluatedKey" not in page:
                return Count(counted)
            if looked_at >= at_most or time.monotonic() >= ends:
                return Count(counted, lower_bound=True)
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    @aws_errors()
    def oldest(self, verdict: Verdict, at_most: int) -> Oldest | None:
        """Of a verdict's rows the one whose upload was first; None if there are none.

        Only `at_most` are looked at, those that were written longest ago.
        """
        wanted = ("pair_id", "uploaded_at", "code", "message", "retry_at", "waiting_for")
        query = _query(verdict) | {
            "ProjectionExpression": ", ".join(f"#{name}" for name in wanted),
            "ExpressionAttributeNames": {f"#{name}": name for name in wanted},
            "Limit": at_most,
        }
        oldest: Oldest | None = None
        while True:
            page = self._page(query)
            found = [Oldest(**image) for image in page["Items"] if "uploaded_at" in image]
            oldest = min([*([oldest] if oldest else []), *found], key=lambda each: each.uploaded_at, default=None)
            query["Limit"] -= page["ScannedCount"]
            if "LastEvaluatedKey" not in page or query["Limit"] <= 0:
                return oldest
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _of_verdict(
        self,
        verdict: Verdict,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        newest_first: bool = False,
    ) -> Iterator[StoredRow]:
        query = _query(verdict, since=since, until=until) | {"ScanIndexForward": not newest_first}
        while True:
            with aws_errors():
                page = self._page(query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _page(self, query: dict[str, Any]) -> dict[str, Any]:
        # By the client, which threads may share; a Table they may not.
        page: dict[str, Any] = self._table.meta.client.query(
            TableName=self._table.name, IndexName=INDEX, ReturnConsumedCapacity="TOTAL", **query
        )  # type: ignore[assignment]
        self.rows_read += page["Count"]
        self.read_units += float(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0))
        return page


def _query(verdict: Verdict, *, since: datetime | None = None, until: datetime | None = None) -> dict[str, Any]:
    """Times are kept in milliseconds: before `until` is up to the millisecond before it."""
    earliest = clock.iso(since) if since else EARLIEST
    latest = clock.iso(until - timedelta(milliseconds=1)) if until else LATEST
    return {"KeyConditionExpression": Key("verdict").eq(verdict) & Key("updated_at").between(earliest, latest)}
