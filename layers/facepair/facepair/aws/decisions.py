"""What reviewers said about two contents: opinions, and the final decision."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from pydantic import ValidationError

from facepair.aws.clients import aws_errors
from facepair.aws.transactions import StoredItem, conditioned, transact
from facepair.aws.written_later import write_later
from facepair.domain import clock
from facepair.domain.decision import Decision
from facepair.domain.opinions import Opinions
from facepair.domain.row import Row
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

logger = logging.getLogger(__name__)


class ReviewDecisions:
    """The `Decisions` port over VerdictsTable and IdempotencyTable.

    A decision is stored in the pair's row and, for later uploads of the same contents, as item `decision#<fingerprint>`
    of IdempotencyTable: `verdict`, `retake`, `review`, and `expiration`, when the row expires.
    """

    def __init__(self, tables: "DynamoDBServiceResource", *, verdicts: str, idempotency: str) -> None:
        self._tables = tables
        self._verdicts = verdicts
        self._items = tables.Table(idempotency)

    @aws_errors()
    def of(self, fingerprint: str) -> Decision | None:
        """Return the decision about these two contents, unless it has expired or is damaged."""
        item = self._items.get_item(Key={"id": decision_id(fingerprint)}, ConsistentRead=True).get("Item")
        return readable_decision(item)

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
    """The `KnownOpinions` port over IdempotencyTable.

    Item `opinions#<fingerprint>`: `version`, `opinions`, `notes`, `saw`, and `expiration`, when the row expires.
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
        """Return the opinions about up to 100 contents, by fingerprint, omitting unreadable and unprocessed ones."""
        ids = {opinions_id(each): each for each in fingerprints}
        if not ids:
            return {}
        asked: Any = {self._items.name: {"Keys": [{"id": each} for each in ids], "ConsistentRead": True}}
        items = self._tables.batch_get_item(RequestItems=asked)["Responses"].get(self._items.name, [])
        return dict(_readable((ids[str(item["id"])], item) for item in items))

    @aws_errors()
    def change(self, row: Row, opinions: Opinions) -> bool:
        """Write the next version. Return False, without writing, if the row or the opinions have changed."""
        said = opinions.model_dump(exclude_none=True)
        item = {"id": opinions_id(str(row.fingerprint)), "expiration": row.expires_at} | said
        put = {"TableName": self._items.name, "Item": {name: value for name, value in item.items() if value}}
        undecided = conditioned({"TableName": self._verdicts, "Key": {"pair_id": row.pair_id}}, _is_undecided(row))
        next_version = {"Put": conditioned(put, _is_of_version(opinions.version - 1))}
        return _first_refusal(transact(self._tables, [{"ConditionCheck": undecided}, next_version])) is None


def readable_decision(item: Mapping[str, Any] | None) -> Decision | None:
    """Return a stored decision, or None if it is damaged: it must not cost an answer that was paid for.

    A decision in the pair's row still prevails. Later uploads of the same contents go to the reviewers again.
    """
    try:
        return Decision.model_validate(item) if item else None
    except ValidationError as error:
        logger.error("Decision cannot be read", extra={"item": (item or {}).get("id"), "reason": str(error)})
        return None


def _readable(items: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[tuple[str, Opinions]]:
    """Yield the readable opinions: damaged ones must not block the queue."""
    for fingerprint, item in items:
        try:
            yield fingerprint, Opinions.model_validate(item)
        except ValidationError as error:
            logger.error("Opinions cannot be read", extra={"item": item["id"], "reason": str(error)})


def _is_undecided(row: Row) -> ConditionBase:
    """Return the condition that a row is an undecided MANUAL_CHECK of these contents."""
    contents = Attr("verdict").eq(Verdict.MANUAL_CHECK) & Attr("fingerprint").eq(row.fingerprint)
    return contents & Attr("review").not_exists()


def _is_of_version(version: int) -> ConditionBase:
    return Attr("version").eq(version) if version else Attr("id").not_exists()


def _first_refusal(current: Sequence[StoredItem | None]) -> StoredItem | None:
    return next((each for each in current if each is not None), None)


def decision_id(fingerprint: str) -> str:
    """Return the id of the item for a decision about two contents."""
    return f"decision#{fingerprint}"


def opinions_id(fingerprint: str) -> str:
    """Return the id of the item for opinions about two contents."""
    return f"opinions#{fingerprint}"
