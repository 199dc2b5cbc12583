"""The verdicts table: one row per pair, its newest state."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from itertools import batched, count
from operator import and_
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key

from facepair.aws.clients import aws_errors
from facepair.aws.erasure_marks import ErasureMarks
from facepair.aws.transactions import Standing, conditioned, transact
from facepair.aws.written_later import write_later
from facepair.domain import clock
from facepair.domain.retention import Retention
from facepair.domain.row import Row
from facepair.domain.verdict import CERTAINTY, Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

logger = logging.getLogger(__name__)

BATCH = 100
"""DynamoDB's limit of a BatchGetItem."""
LONGEST_PAUSE_SECONDS = 5.0


class VerdictsTable:
    """A facepair.use_cases.ports.Verdicts; without a `retention` and the marks of erased pairs it can only be read.

    Partition key `pair_id`; index `by_verdict` on `verdict` and `updated_at`; TTL on `expires_at`.
    """

    def __init__(
        self,
        tables: "DynamoDBServiceResource",
        table: str,
        *,
        retention: Retention | None = None,
        erased: ErasureMarks | None = None,
    ) -> None:
        self._tables = tables
        self._table = tables.Table(table)
        self._retention = retention
        self._erased = erased

    @aws_errors()
    def row(self, pair_id: str) -> Row | None:
        """A pair's row, as it is at this moment."""
        item = self._table.get_item(Key={"pair_id": pair_id}, ConsistentRead=True).get("Item")
        return Row.from_item(item) if item else None

    @aws_errors()
    def rows(self, pair_ids: Iterable[str]) -> dict[str, Row]:
        """The rows of many pairs, by pair id; those that exist and can be read."""
        found: dict[str, Row] = {}
        for batch in batched(pair_ids, BATCH, strict=False):
            keys: list[Any] = [{"pair_id": pair_id} for pair_id in batch]
            pauses = (min(LONGEST_PAUSE_SECONDS, 0.1 * 2**tries) for tries in count())
            while keys:
                page = self._tables.batch_get_item(RequestItems={self._table.name: {"Keys": keys}})
                found |= {row.pair_id: row for row in _readable(page["Responses"][self._table.name])}
                unprocessed = page["UnprocessedKeys"].get(self._table.name)
                keys = [*unprocessed["Keys"]] if unprocessed else []
                if keys:  # throttled, which botocore does not see
                    time.sleep(next(pauses))
        return found

    def pending(self) -> Iterator[Row]:
        """The PENDING rows, those that were written longest ago first, page by page. They may be some moments old."""
        query: dict[str, Any] = {
            "IndexName": "by_verdict",
            "KeyConditionExpression": Key("verdict").eq(Verdict.PENDING),
        }
        while True:
            with aws_errors():
                page = self._table.query(**query)
            yield from map(Row.from_item, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    @aws_errors()
    def replace(self, stands: Row, row: Row) -> bool:
        """Write a row over exactly the one that was read; False, and nothing written, if it has changed since.

        It passes no mark of an erasure: a row that was erased is not there to be replaced.
        """
        if stands.updated_at is None:
            raise ValueError("only a row that was read from the table can be replaced")
        unchanged = Attr("updated_at").eq(clock.iso(stands.updated_at)) & Attr("verdict").eq(stands.verdict)

        def write(moment: datetime, later: ConditionBase) -> Standing | None:
            item = row.model_copy(update={"updated_at": moment}).item()
            put = {"TableName": self._table.name, "Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
            [other] = transact(self._tables, [{"Put": conditioned(put, unchanged & later)}])
            return other

        return write_later(clock.now(), write)

    @aws_errors()
    def write(self, row: Row, earliest_upload: datetime) -> bool:
        """Move the pair's row forward; False, and nothing written, if a newer one stands.

        Raises Later if the pair was erased after the earliest of the row's pictures was uploaded.
        """
        if self._retention is None or self._erased is None:
            raise TypeError("a verdicts table without a retention and the marks of erased pairs can only be read")
        erased, now, may_replace = self._erased, clock.now(), _may_replace(row)
        expires_at = int(self._retention.expires_at(now, row.uploaded_at).timestamp())

        def write(moment: datetime, later: ConditionBase) -> Standing | None:
            item = row.model_copy(update={"updated_at": moment, "expires_at": expires_at}).item()
            return erased.put(
                self._table.name, item, may_replace & later, pair_id=row.pair_id, uploaded_at=earliest_upload
            )

        return write_later(now, write)


def _readable(items: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """One row that was written by other means must not keep the others from being read."""
    for item in items:
        try:
            yield Row.from_item(item)
        except ValueError as error:
            logger.error("A row cannot be read", extra={"pair_id": item["pair_id"], "reason": str(error)})


def _may_replace(row: Row) -> ConditionBase:
    """A row moves forward, and no verdict replaces what a person has decided about the same contents."""
    forward = _forward(row)
    if row.review or not row.fingerprint:
        return forward
    other_contents = Attr("fingerprint").ne(row.fingerprint)
    return forward & (Attr("review").not_exists() | other_contents)


def _forward(row: Row) -> ConditionBase:
    """Newer uploads win; among equally old ones the later look at the bucket; for the same contents the surer verdict,
    and of two equally sure ones that of the later look: a worker thought dead may finish after its successor.

    S3 lists times in whole seconds, so two uploads of one role can be equally old.
    """
    uploaded_at, listed_at = clock.iso(row.uploaded_at), clock.iso(row.listed_at)
    certainty = CERTAINTY[row.verdict]
    not_surer = Attr("verdict").is_in([verdict for verdict in Verdict if CERTAINTY[verdict] <= certainty])
    as_sure = Attr("verdict").is_in([verdict for verdict in Verdict if CERTAINTY[verdict] == certainty])
    surer = not_surer & (~as_sure | Attr("listed_at").lte(listed_at))
    forward: ConditionBase
    if row.is_complete:
        others = _other_contents(row)
        forward = (~others & surer) | (others & Attr("listed_at").lt(listed_at))
    else:
        forward = Attr("fingerprint").not_exists() & surer
    newer = Attr("pair_id").not_exists() | Attr("uploaded_at").lt(uploaded_at)
    return newer | (Attr("uploaded_at").eq(uploaded_at) & forward)


def _other_contents(row: Row) -> ConditionBase:
    """Whether the row that stands is about other contents, by the fingerprints, or by the objects where one of the two
    rows was written before anything was read. A lone picture that waits is part of any pair."""
    names = ((f"{role}.{name}", value) for role, each in row.pictures.items() for name, value in each.identity.items())
    same_objects = reduce(and_, (Attr(name).eq(value) for name, value in names))
    other_objects = ~same_objects & Attr("verdict").ne(Verdict.WAITING)
    if not row.fingerprint:
        return other_objects
    other_fingerprint = Attr("fingerprint").exists() & Attr("fingerprint").ne(row.fingerprint)
    return other_fingerprint | (Attr("fingerprint").not_exists() & other_objects)
