"""The verdicts table's rows as stored by any release."""

import heapq
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, Key

from facepair.aws.clients import aws_errors
from facepair.aws.tables import pages
from facepair.domain import clock
from facepair.domain.backlog import Count, Oldest
from facepair.domain.stored_row import StoredRow, is_tombstone
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

INDEX = "by_verdict"
EARLIEST, LATEST = "0", "9999-12-31T23:59:59.999Z"


class StoredRows:
    """The `WrittenRows` port over VerdictsTable and its index `by_verdict`.

    `rows_read` and `read_units` (DynamoDB's read request units) count reads through the index so far.
    """

    def __init__(self, table: "Table") -> None:
        self._table = table
        self.rows_read = 0
        self.read_units = 0.0

    def since(self, moment: datetime) -> Iterator[StoredRow]:
        """Yield rows written at that time or later, oldest write first, page by page."""
        return heapq.merge(
            *(self._of_verdict(each, since=moment) for each in Verdict), key=lambda image: image["updated_at"]
        )

    def newest_first(
        self, verdicts: Iterable[Verdict], *, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[StoredRow]:
        """Yield rows with these verdicts, written from `since` to before `until`, holding a page of each verdict."""
        streams = (self._of_verdict(each, since=since, until=until, newest_first=True) for each in verdicts)
        return heapq.merge(*streams, key=lambda image: image["updated_at"], reverse=True)

    def of(self, pair_ids: Iterable[str]) -> Iterator[StoredRow]:
        for pair_id in pair_ids:
            with aws_errors():
                item = self._table.get_item(Key={"pair_id": pair_id}, ConsistentRead=True).get("Item")
            if item and not is_tombstone(item):
                yield item

    @aws_errors()
    def size(self) -> tuple[int, int]:
        """Return the approximate number of rows and bytes; DynamoDB updates them every six hours."""
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
        """Count rows with a verdict, written at `since` or later, with this `code` or any but `other_than`.

        Reads at most `at_most` rows, and no further page after the time limit.
        """
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
        """Return the row with this verdict whose upload is oldest; None if there are none.

        Considers only the `at_most` rows with the oldest writes.
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
        for page in pages(self._table, "query", **_MEASURED, **query):
            self._measure(page)
            yield from page["Items"]

    def _page(self, query: dict[str, Any]) -> dict[str, Any]:
        # Use the client: threads may share it, but not a Table.
        page: dict[str, Any] = self._table.meta.client.query(TableName=self._table.name, **_MEASURED, **query)  # type: ignore[assignment]
        self._measure(page)
        return page

    def _measure(self, page: Mapping[str, Any]) -> None:
        self.rows_read += page["Count"]
        self.read_units += float(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0))


_MEASURED: dict[str, Any] = {"IndexName": INDEX, "ReturnConsumedCapacity": "TOTAL"}


def _query(verdict: Verdict, *, since: datetime | None = None, until: datetime | None = None) -> dict[str, Any]:
    """Return a query for rows of a verdict, written from `since` to before `until`."""
    earliest = clock.iso(since) if since else EARLIEST
    latest = clock.iso(until - timedelta(milliseconds=1)) if until else LATEST
    return {"KeyConditionExpression": Key("verdict").eq(verdict) & Key("updated_at").between(earliest, latest)}
