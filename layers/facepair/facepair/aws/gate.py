"""The gate's item: what all workers share of when they may call."""

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.domain.gate import LONGEST_WAIT_SECONDS, Gate, Rules, Slot
from facepair.domain.retry import Blocked, Closed, Crowded, Unavailable
from facepair.domain.verdict import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

logger = logging.getLogger(__name__)

ITEM = "gate"
"""Its id in the idempotency table, where Powertools' ids have a prefix of their own."""


class GateItem:
    """A facepair.stories.ports.FleetGate. `now` gives epoch seconds.

    A slot costs one write without a lock: the next slot is added to, however many workers do so at once. Everything
    else is rare, and written on the condition that nothing else has changed: `version`.
    """

    def __init__(self, table: "Table", rules: Rules, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._rules = rules
        self._now = now

    @aws_errors()
    def state(self) -> Gate:
        """The state that all workers share."""
        return _gate(self._item())

    def look(self) -> Closed | Crowded | None:
        """What keeps everybody from calling now."""
        gate, now = self.state(), self._now()
        if closed := gate.closed(now):
            return closed
        wait = 0.0 if gate.code else gate.wait(now)
        return Crowded(wait) if wait > LONGEST_WAIT_SECONDS else None

    @aws_errors()
    def enter(self) -> Slot:
        """Take the next slot, or be the one who tries. Raises Closed or Crowded."""
        gate = self.state()
        while True:
            now = self._now()
            if closed := gate.closed(now):
                raise closed
            if gate.code:
                if self._replace(gate, gate.trying(self._rules, now)):
                    return Slot(at=now, taken_at=now, trial=True)
                gate = self.state()
            elif gate.wait(now) > LONGEST_WAIT_SECONDS:
                raise Crowded(gate.wait(now))
            elif slot := self._take(gate, now):
                return slot
            else:
                gate = self.state()

    def report(self, slot: Slot, outcome: Outcome) -> None:
        """Tell what became of a call."""
        self._change(lambda gate, now: gate.after(slot, outcome, self._rules, now), outcome.message)

    def give_back(self, slot: Slot) -> None:
        """Tell that nobody was called."""
        if slot.trial:
            self._change(lambda gate, now: gate.given_back(slot, now), "nobody was called")

    def block(self, blocked: Blocked) -> Closed:
        """The account is refused: close for everybody."""
        self._change(lambda gate, now: gate.shut(self._rules, blocked.code, blocked.message, now), blocked.message)
        return Closed(blocked.code, blocked.message, seconds=self._rules.pause)

    def _item(self) -> Mapping[str, Any]:
        return self._table.get_item(Key={"id": ITEM}, ConsistentRead=True).get("Item", {})

    def _take(self, gate: Gate, now: float) -> Slot | None:
        """The next slot; None if the gate has changed since it was read."""
        interval = gate.interval(self._rules, now)
        if gate.next_slot <= now:  # nobody waits: the slots begin anew
            next_slot, in_turn = ":now", "(attribute_not_exists(next_slot) OR next_slot <= :now)"
        else:
            next_slot, in_turn = "next_slot", "next_slot > :now"
        try:
            answer = self._table.update_item(
                Key={"id": ITEM},
                UpdateExpression="SET #v = :version, pace = :pace, paced_at = :now, "
                f"next_slot = {next_slot} + :interval",
                ConditionExpression=f"(attribute_not_exists(id) OR #v = :version) AND {in_turn}",
                ExpressionAttributeNames={"#v": "version"},
                ExpressionAttributeValues=_numbers(
                    {":now": now, ":interval": interval, ":pace": gate.pace_at(now), ":version": gate.version}
                ),
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return None
        return Slot(at=float(str(answer["Attributes"]["next_slot"])) - interval, taken_at=now)

    def _change(self, change: Callable[[Gate, float], Gate], reason: str) -> None:
        """Change the state by a pure rule. It never raises: whoever looks next meets the API's own answer."""
        try:
            while True:
                gate = self.state()
                changed = change(gate, self._now())
                if changed is gate or self._replace(gate, changed):
                    return
        except Unavailable:
            logger.exception("The gate cannot be told: %s", reason)

    @aws_errors()
    def _replace(self, gate: Gate, changed: Gate) -> bool:
        """Write the state if nobody has changed it meanwhile. Slots that were taken meanwhile stay taken."""
        kept = {"id", "next_slot"}
        author = uuid.uuid4().hex
        values = vars(changed) | {"author": author}
        item = {name: value for name, value in values.items() if name not in kept and value is not None}
        gone = [name for name, value in vars(changed).items() if value is None]
        try:
            self._table.update_item(
                Key={"id": ITEM},
                UpdateExpression="SET "
                + ", ".join(f"#{name} = :{name}" for name in item)
                + (" REMOVE " + ", ".join(f"#{name}" for name in gone) if gone else ""),
                ConditionExpression="attribute_not_exists(id) OR #version = :seen",
                ExpressionAttributeNames={f"#{name}": name for name in (*item, *gone)},
                ExpressionAttributeValues=_numbers(
                    {f":{name}": value for name, value in item.items()} | {":seen": gate.version}
                ),
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            # A write that arrived and whose response was lost is repeated by botocore, and then meets itself.
            return self._item().get("author") == author
        return True


def _gate(item: Mapping[str, Any]) -> Gate:
    kinds: dict[str, Callable[[Any], Any]] = {"code": str, "message": str, "version": int, "unanswered": int}
    known = (field.name for field in fields(Gate) if field.name in item)
    return Gate(**{name: kinds.get(name, float)(item[name]) for name in known})


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB takes no floats; microseconds are exact enough."""
    return {name: Decimal(f"{value:.6f}") if isinstance(value, float) else value for name, value in values.items()}
