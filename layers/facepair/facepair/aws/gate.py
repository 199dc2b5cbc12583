"""The gate's item, which all workers share."""

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.domain.gate import LONGEST_WAIT_SECONDS, Gate, Rules, Signal, Slot
from facepair.domain.retry import Blocked, Closed, RateLimited, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from facepair.domain.outcome import Outcome

logger = logging.getLogger(__name__)

ITEM = "gate"
"""Item id in the idempotency table; Powertools' ids have a prefix."""
MOST_TRIES = 5
"""Attempts when other writers are faster. With their pauses they take at most two seconds."""
FIRST_PAUSE_SECONDS = 0.05


class GateItem:
    """The `FleetGate` port over an item of IdempotencyTable. `now` returns epoch seconds.

    Slots and unanswered calls are counted without a lock: one write each, for any number of workers. All other changes
    are rare, and conditional on the `version`.
    """

    def __init__(
        self,
        table: "Table",
        rules: Rules,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._rules = rules
        self._now = now
        self._sleep = sleep

    @aws_errors()
    def read(self) -> Gate:
        """Return the state that all workers share."""
        return gate_of(self._item())

    def look(self, seen: Gate | None = None) -> Closed | RateLimited | None:
        """Return what keeps all workers from calling now."""
        gate, now = seen or self.read(), self._now()
        if closed := gate.closed(now):
            return closed
        wait = 0.0 if gate.code else gate.wait(self._rules, now)
        return RateLimited(wait) if wait > LONGEST_WAIT_SECONDS else None

    @aws_errors()
    def enter(self, seen: Gate | None = None) -> Slot:
        """Take the next slot or the probe. Raises Closed or RateLimited."""
        gate = seen or self.read()
        while True:
            now = self._now()
            if closed := gate.closed(now):
                raise closed
            if gate.code:
                if self._replace(gate, gate.probing(self._rules, now)):
                    return Slot(at=now, taken_at=now, probe=True)
                gate = self.read()
            elif (wait := gate.wait(self._rules, now)) > LONGEST_WAIT_SECONDS:
                raise RateLimited(wait)
            elif slot := self._take(gate, now, seen_before=gate is seen):
                return slot
            else:
                gate = self.read()

    def report(self, slot: Slot, outcome: "Outcome", seen: Gate | None = None) -> None:
        """Record the outcome of a call. Neither reads nor writes if it changes nothing in what was `seen`."""
        if Signal.of(outcome) is Signal.UNANSWERED:
            self._count_unanswered(outcome)
            seen = None  # this call was not counted in it
        self._change(lambda gate, now: gate.after(slot, outcome, self._rules, now), outcome.message, seen)

    def give_back(self, slot: Slot) -> None:
        """Return an unused slot."""
        if slot.probe:
            self._change(lambda gate, now: gate.given_back(slot, now), "no call was made")

    def block(self, blocked: Blocked) -> Closed:
        """Block the gate: ADVANCE refuses the account."""
        self._change(lambda gate, now: gate.blocked(self._rules, blocked.code, blocked.message, now), blocked.message)
        return Closed(blocked.code, blocked.message, seconds=self._rules.pause)

    def _item(self) -> Mapping[str, Any]:
        return self._table.get_item(Key={"id": ITEM}, ConsistentRead=True).get("Item", {})

    def _take(self, gate: Gate, now: float, *, seen_before: bool) -> Slot | None:
        """Return the next slot; None if the gate has changed, or others took all slots within the longest wait.

        A state `seen_before` the pictures were read may be seconds old, so it never lowers the pace.
        """
        interval, shift = gate.interval(self._rules, now), gate.shift(self._rules, now)
        values = {":now": now, ":pace": gate.pace_at(now), ":version": gate.version, ":rate": self._rules.per_second}
        values |= {":free": now - shift}
        if gate.next_slot + shift <= now:  # no worker waits: slots start again from now
            next_slot, in_turn = ":next", "(attribute_not_exists(next_slot) OR next_slot <= :free)"
            values |= {":next": now + interval}
        else:
            next_slot, in_turn = "next_slot + :step", "next_slot > :free AND next_slot <= :latest"
            values |= {":step": shift + interval, ":latest": now + LONGEST_WAIT_SECONDS - shift}
        not_lower = "(attribute_not_exists(pace) OR pace <= :pace) AND "
        pace = not_lower if seen_before and not self._rules.per_second else ""
        same_rate = "attribute_not_exists(per_second)"
        if gate.per_second is not None:
            same_rate, values = "per_second = :known", values | {":known": gate.per_second}
        try:
            answer = self._table.update_item(
                Key={"id": ITEM},
                UpdateExpression="SET #v = :version, pace = :pace, paced_at = :now, per_second = :rate, "
                f"next_slot = {next_slot}",
                ConditionExpression=f"(attribute_not_exists(id) OR #v = :version) AND {pace}{same_rate} AND {in_turn}",
                ExpressionAttributeNames={"#v": "version"},
                ExpressionAttributeValues=_numbers(values),
                ReturnValues="UPDATED_NEW",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            return None
        return Slot(at=float(str(answer["Attributes"]["next_slot"])) - interval, taken_at=now)

    def _count_unanswered(self, outcome: "Outcome") -> None:
        """Count an unanswered call, without a condition. It never raises."""
        try:
            with aws_errors():
                self._table.update_item(
                    Key={"id": ITEM},
                    UpdateExpression="SET #v = if_not_exists(#v, :none) ADD unanswered :one",
                    ExpressionAttributeNames={"#v": "version"},
                    ExpressionAttributeValues={":none": 0, ":one": 1},
                )
        except Unavailable:
            logger.exception("Gate not updated", extra={"reason": outcome.message})

    def _change(self, change: Callable[[Gate, float], Gate], reason: str, seen: Gate | None = None) -> None:
        """Change the state by a pure rule, as it was `seen` or else is read.

        Never raises: the next worker gets the API's own answer. A writer that loses against another retries a few
        times: the other reports are as recent.
        """
        try:
            for number in range(MOST_TRIES):
                gate, seen = seen or self.read(), None
                changed = change(gate, self._now())
                if changed is gate or self._replace(gate, changed):
                    return
                self._sleep(random.uniform(0.5, 1) * FIRST_PAUSE_SECONDS * 2**number)
            logger.warning("Gate not updated: other workers changed it at every attempt", extra={"reason": reason})
        except Unavailable:
            logger.exception("Gate not updated", extra={"reason": reason})

    @aws_errors()
    def _replace(self, gate: Gate, changed: Gate) -> bool:
        """Write the changes if the version is the same. Concurrent slots and counts are kept."""
        author = uuid.uuid4().hex
        values = {name: value for name, value in vars(changed).items() if value != getattr(gate, name)}
        item = {name: value for name, value in values.items() if value is not None} | {"author": author}
        gone = [name for name, value in values.items() if value is None]
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
            # botocore repeats a write whose response was lost; the repetition finds the first one.
            return self._item().get("author") == author
        return True


def gate_of(item: Mapping[str, Any]) -> Gate:
    """Return the state that an item stores; that of a new gate if it is empty."""
    kinds: dict[str, Callable[[Any], Any]] = {"code": str, "message": str, "version": int, "unanswered": int}
    known = (field.name for field in fields(Gate) if field.name in item)
    return Gate(**{name: kinds.get(name, float)(item[name]) for name in known})


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB accepts no floats; microseconds are exact enough."""
    return {name: Decimal(f"{value:.6f}") if isinstance(value, float) else value for name, value in values.items()}
