"""Whole tables, or a time of them, read page by page for figures: what they hold, and what reading it costs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key

from facepair.aws.clients import aws_errors
from facepair.domain import clock
from facepair.domain.change import Image
from facepair.domain.entry import Entry
from facepair.domain.ledger import State
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

BY_VERDICT = "by_verdict"
BYTES_OF_A_UNIT = 2 * 4096
"""An eventually consistent read takes half a unit per 4 KB (DynamoDB's documentation)."""
US_DOLLARS_OF_A_MILLION_UNITS = 0.125
"""On demand, us-east-1; other regions differ by some tens of a hundred."""

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Extent:
    """How much there is to read of a table or index, as DynamoDB last counted it: it does so every six hours or so."""

    name: str
    items: int
    bytes: int

    @property
    def read_units(self) -> int:
        return -(-self.bytes // BYTES_OF_A_UNIT)

    @property
    def us_dollars(self) -> float:
        return self.read_units * US_DOLLARS_OF_A_MILLION_UNITS / 1e6


class JudgedRows:
    """Rows of VerdictsTable by the time of their writing, through the index `by_verdict`."""

    ATTRIBUTES = ("pair_id", "verdict", "code", "similarity", "uploaded_at", "updated_at", "policy", "review")
    """What is fetched: the attributes of facepair.domain.judgement.Judgement."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def extent(self) -> Extent:
        """Of the whole index: at most so much is read."""
        description = self._table.meta.client.describe_table(TableName=self._table.name)["Table"]
        indexes = description.get("GlobalSecondaryIndexes", [])
        [index] = (each for each in indexes if each["IndexName"] == BY_VERDICT)
        # An index of all attributes is as large as its table: what an emulator does not count, the table tells.
        return Extent(
            f"the index {BY_VERDICT} of {self._table.name}",
            index.get("ItemCount") or description["ItemCount"],
            index.get("IndexSizeBytes") or description["TableSizeBytes"],
        )

    def written(
        self, verdicts: Sequence[Verdict], since: datetime = EARLIEST, until: datetime = LATEST
    ) -> Iterator[Image]:
        """Rows with these verdicts, written at `since` or later and before `until`; by verdict, oldest first."""
        for verdict in verdicts:
            yield from _pages(
                self._table.query,
                self.ATTRIBUTES,
                IndexName=BY_VERDICT,
                KeyConditionExpression=Key("verdict").eq(verdict)
                & Key("updated_at").between(clock.iso(since), clock.iso(until - timedelta(milliseconds=1))),
            )


class Entries:
    """The rows of CallsTable as they are held against an invoice."""

    ATTRIBUTES = (
        "pair_id",
        "call",
        "state",
        "sent_at",
        "answered_at",
        "code",
        "transaction_id",
        "pricing_strategy",
    )
    """What is fetched: nothing of faces."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def extent(self) -> Extent:
        """Of the table: all of it is read, as it has no index."""
        description = self._table.meta.client.describe_table(TableName=self._table.name)["Table"]
        return Extent(f"the table {self._table.name}", description["ItemCount"], description["TableSizeBytes"])

    def all(self) -> Iterator[Entry]:
        """Every call, in no order."""
        return map(_entry, _pages(self._table.scan, self.ATTRIBUTES))


def _pages(read: Callable[..., Any], attributes: Sequence[str], **asked: Any) -> Iterator[dict[str, Any]]:
    """The items of all pages of a query or scan. Fewer attributes are no cheaper to read, but sooner here."""
    names = {f"#{name}": name for name in attributes}
    asked |= {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}
    while True:
        with aws_errors():
            page = read(**asked)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _entry(item: Mapping[str, Any]) -> Entry:
    return Entry(
        pair_id=item["pair_id"],
        call=item["call"],
        state=State(item["state"]),
        sent_at=clock.parse(item["sent_at"]),
        answered_at=clock.parse(item["answered_at"]) if "answered_at" in item else None,
        code=item.get("code"),
        transaction_id=item.get("transaction_id"),
        pricing_strategy=item.get("pricing_strategy"),
    )
