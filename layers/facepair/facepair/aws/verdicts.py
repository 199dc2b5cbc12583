"""The verdicts table: one row per pair, with its latest state."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import reduce
from itertools import batched
from operator import and_
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from facepair.aws.batch_get import batch_get
from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.tables import items
from facepair.aws.transactions import StoredItem, through_conflicts
from facepair.aws.written_later import write_later
from facepair.domain import clock
from facepair.domain.retention import Retention
from facepair.domain.retry import Later
from facepair.domain.row import PairItem, Row
from facepair.domain.stored_row import is_tombstone
from facepair.domain.verdict import CERTAINTY, Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

logger = logging.getLogger(__name__)

BATCH = 100
"""DynamoDB's limit for BatchGetItem."""


class VerdictsTable:
    """The `Verdicts` port over VerdictsTable. Without a `retention` it cannot move a row forward.

    Partition key `pair_id`; index `by_verdict` on `verdict` and `updated_at`; TTL on `expires_at`. An item without a
    verdict is a tombstone (see ErasableRows); readers ignore it.
    """

    def __init__(self, tables: "DynamoDBServiceResource", table: str, *, retention: Retention | None = None) -> None:
        self._tables = tables
        self._table = tables.Table(table)
        self._retention = retention

    def row(self, pair_id: str) -> Row | None:
        return self.item(pair_id).row

    @aws_errors()
    def item(self, pair_id: str) -> PairItem:
        return PairItem.of(self._table.get_item(Key={"pair_id": pair_id}, ConsistentRead=True).get("Item"))

    @aws_errors()
    def rows(self, pair_ids: Iterable[str]) -> dict[str, Row]:
        """Return the readable rows of many pairs, by pair id."""
        found: dict[str, Row] = {}
        for batch in batched(pair_ids, BATCH, strict=False):
            keys = [{"pair_id": pair_id} for pair_id in batch]
            items = batch_get(self._tables, {self._table.name: {"Keys": keys}})[self._table.name]
            found |= {row.pair_id: row for row in _readable(items)}
        return found

    def pending(self) -> Iterator[Row]:
        """Yield the readable PENDING rows, oldest write first, page by page (eventually consistent)."""
        is_pending = Key("verdict").eq(Verdict.PENDING)
        return _readable(items(self._table, "query", IndexName="by_verdict", KeyConditionExpression=is_pending))

    @aws_errors()
    def replace(self, expected: Row, row: Row) -> bool:
        verdict_is_same = Attr("verdict").eq(expected.verdict)
        if expected.updated_at is None:
            unchanged = Attr("updated_at").not_exists() & verdict_is_same
        else:
            unchanged = Attr("updated_at").eq(clock.iso(expected.updated_at)) & verdict_is_same
        now = clock.now()

        def write(moment: datetime, later: ConditionBase) -> StoredItem | None:
            return self._put(row, moment, now, unchanged & later)

        return write_later(now, write)

    @aws_errors()
    def write(self, row: Row, erased_at: datetime | None) -> bool:
        """Move the pair's row forward. Return False, without writing, if there is a newer one.

        `erased_at` is the last erasure when the worker started. Raises Later if there was another one since.
        """
        if self._retention is None:
            raise TypeError("a verdicts table without a retention moves no row forward")
        row, now = row.model_copy(update={"erased_before": erased_at}), clock.now()
        allowed = Attr("pair_id").not_exists() | (_is_known(erased_at) & (TOMBSTONE | may_replace(row)))

        def write(moment: datetime, later: ConditionBase) -> StoredItem | None:
            current = self._put(row, moment, now, allowed & later)
            if current and not _knows(erased_at, current):
                raise Later("the pair was erased after this worker began")
            return current

        return write_later(now, write)

    def _put(self, row: Row, moment: datetime, now: datetime, condition: ConditionBase) -> StoredItem | None:
        """Write a row. Return None, or the current item if the condition fails."""
        expires = self._retention.expires_at(now, row.uploaded_at) if self._retention else None
        expiry = {"expires_at": int(expires.timestamp())} if expires else {}
        written = row.model_copy(update={"updated_at": moment, **expiry})
        try:
            through_conflicts(
                lambda: self._table.put_item(
                    Item=written.item(),
                    ConditionExpression=condition,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            current: Any = error.response.get("Item", {})
            # botocore repeats a write whose response was lost; the repetition finds the first one.
            return None if _is(current, written) else current
        return None


TOMBSTONE = Attr("verdict").not_exists() & Attr("erased_at").exists()


def _is_known(erased_at: datetime | None) -> ConditionBase:
    """Return the condition that the current item records no other erasure."""
    if erased_at is None:
        return Attr("erased_at").not_exists() & Attr("erased_before").not_exists()
    known = clock.iso(erased_at)
    return Attr("erased_at").eq(known) | Attr("erased_before").eq(known)


def _knows(erased_at: datetime | None, current: StoredItem) -> bool:
    said = current.get("erased_at") or current.get("erased_before") or {}
    return said.get("S") == (clock.iso(erased_at) if erased_at else None)


def _is(current: StoredItem, row: Row) -> bool:
    """Return whether the current item is this very row."""
    deserialize = TypeDeserializer().deserialize
    try:
        return Row.from_item({name: deserialize(value) for name, value in current.items()}) == Row.from_item(row.item())
    except ValueError:
        return False


def _readable(items: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Yield the readable rows: a damaged one must not block the others."""
    for item in (each for each in items if not is_tombstone(each)):
        try:
            yield Row.from_item(item)
        except ValueError as error:
            logger.error("Row cannot be read", extra={"pair_id": item["pair_id"], "reason": str(error)})


def may_replace(row: Row) -> ConditionBase:
    """Return the condition under which a row moves forward to this one, without losing a decision about its contents.

    The rule is stated here alone: the fakes evaluate this condition.
    """
    forward = _forward(row)
    if row.review or not row.fingerprint:
        return forward
    other_contents = Attr("fingerprint").ne(row.fingerprint)
    return forward & (Attr("review").not_exists() | other_contents)


def _forward(row: Row) -> ConditionBase:
    """Return the condition for the order of rows: later uploads win, then the later listing.

    For the same contents, the more certain verdict wins, then the later listing, as a worker presumed dead may finish
    after its successor. S3 lists times in whole seconds, so two uploads of one role can have the same time.
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
    return Attr("uploaded_at").lt(uploaded_at) | (Attr("uploaded_at").eq(uploaded_at) & forward)


def _other_contents(row: Row) -> ConditionBase:
    """Return the condition for rows about other contents.

    They are compared by fingerprint, or by objects if either row was written before the pictures were read. A single
    waiting picture is part of any pair.
    """
    names = ((f"{role}.{name}", value) for role, each in row.pictures.items() for name, value in each.identity.items())
    same_objects = reduce(and_, (Attr(name).eq(value) for name, value in names))
    other_objects = ~same_objects & Attr("verdict").ne(Verdict.WAITING)
    if not row.fingerprint:
        return other_objects
    other_fingerprint = Attr("fingerprint").exists() & Attr("fingerprint").ne(row.fingerprint)
    return other_fingerprint | (Attr("fingerprint").not_exists() & other_objects)
