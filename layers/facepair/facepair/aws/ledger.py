"""The ledger's table, which prevents paying twice."""

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase, Key
from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.tables import items
from facepair.domain import clock
from facepair.domain.entry import Entry
from facepair.domain.ledger import OF_FACES, Call, State
from facepair.domain.retention import Retention
from facepair.domain.retry import Later

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from facepair.domain.outcome import Outcome

logger = logging.getLogger(__name__)

ENTRY = ("pair_id", "call", "state", "sent_at", "answered_at", "code", "transaction_id", "pricing_strategy", "charged")
"""The attributes of an entry. Fewer cost the same to read but transfer faster."""


class CallsTable:
    """The `Ledger` port over CallsTable. Partition key `pair_id`, sort key `call`.

    No POST without a row, and only one worker can write a pair's next row. Without a `retention`, rows are kept
    forever. An erasure takes a number too: `state` is ERASED, `erased_at` the second up to which pictures are erased,
    `erased_by` an ARN, and `alive_until`, once everything is deleted, the time until which a worker can still save
    something.
    """

    def __init__(self, table: "Table", *, retention: Retention | None = None) -> None:
        self._table = table
        self._retention = retention

    @aws_errors()
    def of_pair(self, pair_id: str) -> list[Call]:
        return [_read(item, _call) for item in self._items(pair_id)]

    @aws_errors()
    def rows_of_pair(self, pair_id: str) -> list[Mapping[str, Any]]:
        """Return a pair's calls as stored, by any release, with every attribute."""
        return list(self._items(pair_id))

    @aws_errors()
    def size(self) -> tuple[int, int]:
        """Return the approximate number of rows and bytes; DynamoDB updates them every six hours."""
        self._table.load()
        return self._table.item_count, self._table.table_size_bytes

    def entries(self) -> Iterator[Entry]:
        """Yield every call of the table, page by page and unordered: no index allows reading less."""
        names = {f"#{name}": name for name in ENTRY}
        rows = items(self._table, "scan", ProjectionExpression=", ".join(names), ExpressionAttributeNames=names)
        return (_read(item, _entry) for item in rows if item.get("state") != State.ERASED)

    @aws_errors()
    def get(self, pair_id: str, call: str) -> Call | None:
        item = self._table.get_item(Key={"pair_id": pair_id, "call": call}, ConsistentRead=True).get("Item")
        return _read(item, _call) if item else None

    @aws_errors()
    def keep(self, call: Call) -> None:
        until = self._retention.expires_at_if_written(clock.now()) if self._retention else None
        if call.expires_at is None or (until and until <= call.expires_at):
            return
        still_there = Attr("owner").eq(call.owner)
        if until:
            self._update(call, "SET expires_at = :until", still_there & Attr("expires_at").lt(until), {":until": until})
        else:
            self._update(call, "REMOVE expires_at", still_there, {})

    @aws_errors()
    def open(
        self, pair_id: str, fingerprint: str, number: int, alive_until: datetime, earliest_upload: datetime
    ) -> Call:
        now = clock.now()
        call = Call(
            pair_id,
            f"{number:06d}",
            fingerprint,
            State.SENT,
            uuid.uuid4().hex,
            sent_at=now,
            alive_until=alive_until,
            earliest_upload=earliest_upload,
        )
        expiry = {"expires_at": self._retention.expires_at_if_written(now)} if self._retention else {}
        item: dict[str, Any] = {
            "pair_id": call.pair_id,
            "call": call.call,
            "fingerprint": call.fingerprint,
            "state": call.state,
            "owner": call.owner,
            "charged": True,  # until there is an answer
            "sent_at": clock.iso(call.sent_at),
            "alive_until": clock.iso(call.alive_until),
            "earliest_upload": clock.iso(earliest_upload),
            **expiry,
        }
        if not add_row(self._table, item):
            raise Later("another worker is calling for this pair, or it was erased")
        return call

    @aws_errors()
    def complete(self, call: Call, state: State, outcome: "Outcome", latency_ms: int | None = None) -> None:
        """Write the outcome of a call. A late answer replaces UNKNOWN; nothing replaces an answer.

        If the pair was erased meanwhile, only the charge is written. Raises Later if the call was answered while being
        given up.
        """
        everything = {
            "state": state,
            "code": outcome.code,
            "transaction_id": outcome.transaction_id,
            "pricing_strategy": outcome.pricing_strategy,
            "charged": outcome.charged,
            "answered_at": None if state is State.UNKNOWN else clock.iso(clock.now()),
            "latency_ms": latency_ms,
            "similarity": outcome.similarity,
            "outcome": outcome.model_dump(mode="json", exclude={"unsaved"}),
        }
        charge = {name: value for name, value in everything.items() if name not in OF_FACES}
        open_states = [State.SENT] if state is State.UNKNOWN else [State.SENT, State.UNKNOWN]
        is_open = Attr("owner").eq(call.owner) & Attr("state").is_in(open_states)
        erased = Attr("erased_at")
        if self._set(call, everything, is_open & erased.not_exists()):
            return
        if self._set(call, charge, is_open & erased.exists()):
            logger.info("The pair was erased while it was called for", extra={"call": call.call})
            return
        current = self.get(call.pair_id, call.call)
        if current is None or current.state is not state:  # otherwise it is our own write, repeated by botocore
            raise Later("the call was answered after all")

    @aws_errors()
    def approve(self, call: Call, by: str) -> bool:
        permission = {"permitted_by": by, "permitted_at": clock.iso(clock.now())}
        unanswered = Attr("owner").eq(call.owner) & Attr("state").is_in([State.SENT, State.UNKNOWN])
        if self._set(call, permission, unanswered & Attr("permitted_by").not_exists() & Attr("erased_at").not_exists()):
            return True
        key = {"pair_id": call.pair_id, "call": call.call}
        current = self._table.get_item(Key=key, ConsistentRead=True).get("Item", {})
        # botocore repeats a write whose response was lost; the repetition fails its own condition.
        return {name: current.get(name) for name in permission} == permission

    def _set(self, call: Call, values: Mapping[str, Any], condition: ConditionBase) -> bool:
        """Set the attributes that have a value. Return False, without writing, if a condition fails."""
        known = {name: value for name, value in values.items() if value is not None}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in known)
        return self._update(
            call,
            expression,
            condition,
            {f":{name}": value for name, value in known.items()},
            {f"#{name}": name for name in known},
        )

    def _update(
        self,
        call: Call,
        expression: str,
        condition: ConditionBase,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> bool:
        """Update a row. Return False, without writing, if the condition fails."""
        placeholders = {"ExpressionAttributeValues": values, "ExpressionAttributeNames": names}
        given: dict[str, Any] = {name: placeholder for name, placeholder in placeholders.items() if placeholder}
        try:
            self._table.update_item(
                Key={"pair_id": call.pair_id, "call": call.call},
                UpdateExpression=expression,
                ConditionExpression=condition,
                **given,
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return False
        return True

    def _items(self, pair_id: str) -> Iterator[Mapping[str, Any]]:
        return items(self._table, "query", KeyConditionExpression=Key("pair_id").eq(pair_id), ConsistentRead=True)


def add_row(table: "Table", item: Mapping[str, Any]) -> bool:
    """Write the row of a call or an erasure. Return False if its number is taken by another `owner`."""
    try:
        table.put_item(
            Item=item,
            ConditionExpression=Attr("call").not_exists(),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if not condition_failed(error):
            raise
        # botocore repeats a write whose response was lost; the repetition finds the first one.
        current: Any = error.response.get("Item", {})
        return bool(current.get("owner", {}).get("S") == item["owner"])
    return True


def _read[T](item: Mapping[str, Any], parse: Callable[[Mapping[str, Any]], T]) -> T:
    """Parse a ledger row. Raises ValueError, naming the row, if it is damaged."""
    try:
        return parse(item)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ValueError(f"call {item['call']} of the pair {item['pair_id']!r} cannot be read: {reason}") from error


def _call(item: Mapping[str, Any]) -> Call:
    erased_at = _moment(item, "erased_at")
    return Call(
        pair_id=item["pair_id"],
        call=item["call"],
        fingerprint=item.get("fingerprint", ""),  # an erased one has none
        state=State(item["state"]),
        owner=item["owner"],
        sent_at=_moment(item, "sent_at") or erased_at or clock.at(0),  # an erasure is not sent
        alive_until=_moment(item, "alive_until") or clock.at(0),
        outcome=_outcome(item["outcome"]) if "outcome" in item else None,
        permitted_by=item.get("permitted_by"),
        earliest_upload=_moment(item, "earliest_upload"),
        erased_at=erased_at,
        expires_at=int(item["expires_at"]) if "expires_at" in item else None,
    )


def _outcome(stored: Mapping[str, Any]) -> "Outcome":
    from facepair.domain.outcome import Outcome  # loads pydantic, which `show` does not need

    return Outcome.model_validate(stored)


def _moment(item: Mapping[str, Any], name: str) -> datetime | None:
    return clock.parse(item[name]) if name in item else None


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
        charged=item.get("charged"),
    )
