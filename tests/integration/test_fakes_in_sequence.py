"""Fakes and adapters agree in any sequence of operations.

Including writes that DynamoDB refuses for a moment, and lost responses, which botocore repeats.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from moto import mock_aws
from moto.dynamodb.models import DynamoDBBackend

from facepair.aws import transactions
from facepair.aws.decisions import ReviewDecisions
from facepair.aws.erasable import ErasableCalls, ErasableRows
from facepair.aws.gate import GateItem
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.ledger import CallsTable
from facepair.aws.review import ReviewLeases
from facepair.aws.verdicts import VerdictsTable
from facepair.domain import clock
from facepair.domain.decision import Decision, Review
from facepair.domain.gate import Rules
from facepair.domain.ledger import State
from facepair.domain.outcome import Outcome
from facepair.domain.retention import Retention
from facepair.domain.retry import Blocked, RetryReason, Unavailable
from facepair.domain.row import Row
from facepair.domain.verdict import Verdict
from sandbox import transactions as moto_transactions
from tests.fakes import SUCCESS, VISIBILITY_TIMEOUT
from tests.integration.test_verdicts_table import T, state
from tests.world import World

KEPT = Retention(own=timedelta(days=365), images=timedelta(days=30))
RULES = Rules(per_second=2, stop_after_unknown=2, pause=600)
OUTCOMES = {
    State.ANSWERED: SUCCESS,
    State.REFUSED: Outcome(code="SERVICE_BUSY", message="later", pricing_strategy="FREE"),
    State.UNKNOWN: Outcome(code="OUTCOME_UNKNOWN", message="no answer"),
}
TABLES = {"verdicts": ("pair_id",), "calls": ("pair_id", "call"), "idempotency": ("id",)}
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
STEPS = 25
REFUSALS = ("conflict", "in progress", "throttled")
TROUBLES = (*REFUSALS, "response lost")
"""TransactionConflict, TransactionInProgress and throttling exist only in real DynamoDB."""


class Trouble:
    """Affects a client's next write: an error of DynamoDB, or a lost response."""

    def __init__(self, tables: Any) -> None:
        self.kind = ""
        self._plain: Any = boto3.resource("dynamodb").meta.client
        for operation in WRITES:
            event = f"before-parameter-build.dynamodb.{operation}"
            tables.meta.client.meta.events.register_last(event, self._befall)

    def _befall(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        kind, self.kind = self.kind, ""
        transaction = model.name == "TransactWriteItems"
        if kind == "response lost":
            if not transaction:  # DynamoDB does not apply a repeated transaction, which has the same token, twice
                self._carry_out(params, model.name)
        elif kind == "conflict" and transaction:
            raise self._canceled("TransactionConflict", len(params["TransactItems"]))
        elif kind == "conflict":
            raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": ""}}, model.name)
        elif kind == "in progress" and transaction:
            raise ClientError({"Error": {"Code": "TransactionInProgressException", "Message": ""}}, model.name)
        elif kind == "throttled" and transaction:
            raise self._canceled("ThrottlingError", len(params["TransactItems"]))
        elif kind == "throttled":
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, model.name)

    def _carry_out(self, params: dict[str, Any], operation: str) -> None:
        act: dict[str, Callable[..., Any]] = {"PutItem": self._plain.put_item, "UpdateItem": self._plain.update_item}
        with suppress(self._plain.exceptions.ConditionalCheckFailedException):
            act.get(operation, self._plain.delete_item)(**params)

    def _canceled(self, reason: str, count: int) -> Exception:
        reasons = [{"Code": "None"}] * (count - 1) + [{"Code": reason}]
        response: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        canceled: Exception = self._plain.exceptions.TransactionCanceledException(response, "TransactWriteItems")
        return canceled


def seen(act: Callable[[], Any]) -> Any:
    """Return an action's result, or the name of its error."""
    try:
        return act()
    except RetryReason as error:
        return type(error).__name__


class Both(RuleBasedStateMachine):
    """Does the same to the fakes and the adapters, with one clock, and compares results and contents."""

    pairs = st.sampled_from(["anna", "ben"])

    def __init__(self) -> None:
        super().__init__()
        self.fakes = World()
        clock.now = self.fakes.time.now
        tables = boto3.resource("dynamodb")
        for name, keys in TABLES.items():
            _empty(tables.Table(name), keys)
        self.trouble = Trouble(tables)
        idempotency, calls = tables.Table("idempotency"), tables.Table("calls")
        self.real = SimpleNamespace(
            verdicts=VerdictsTable(tables, "verdicts", retention=KEPT),
            decisions=ReviewDecisions(tables, verdicts="verdicts", idempotency="idempotency"),
            ledger=CallsTable(calls),
            leases=ReviewLeases(idempotency),
            in_flight=InFlightMarkers(idempotency, comes_back=timedelta(seconds=VISIBILITY_TIMEOUT)),
            gate=GateItem(idempotency, RULES, lambda: self.fakes.time.now().timestamp()),
            erasable_rows=ErasableRows(tables.Table("verdicts")),
            erasable_ledger=ErasableCalls(calls),
        )
        self.fakes.gate.rules = RULES
        self.troubles: list[str] = []
        self.rows: list[Row] = []
        self.slots: list[tuple[Any, Any]] = []

    def same(self, act: Callable[[Any], Any]) -> Any:
        """Do it to both and return the results. If AWS failed, nothing changed, so the fake skips it."""
        kind = self.trouble.kind
        try:
            real = seen(lambda: act(self.real))
        except Unavailable:
            assert kind in REFUSALS
            return None
        finally:
            self.trouble.kind = ""
        fake = seen(lambda: act(self.fakes))
        assert fake == real
        return real

    @initialize(troubles=st.lists(st.sampled_from(["", *TROUBLES, "response lost"]), min_size=STEPS, max_size=STEPS))
    def what_befalls_each_step(self, troubles: list[str]) -> None:
        self.troubles = troubles

    @invariant()
    def the_next_trouble_begins(self) -> None:
        """Compare both after each step."""
        for pair_id in ("anna", "ben"):
            self.rows_are_alike(pair_id)
        self.gates_are_alike()
        if self.troubles:
            self.trouble.kind = self.troubles.pop()

    @rule(seconds=st.sampled_from([1, 10, 130, 800, 8000, 90000]))
    def time_passes(self, seconds: int) -> None:
        self.fakes.time.passes(seconds)

    # --- rows

    @rule(
        pair_id=pairs,
        verdict=st.sampled_from([each for each in Verdict if each is not Verdict.WAITING]),
        contents=st.sampled_from(["A", "B", None]),
        uploaded=st.sampled_from([0, 10]),
        listed=st.sampled_from([11, 12, 12.0005]),
        decided=st.booleans(),
        knows=st.sampled_from([None, -5, 5]),
    )
    def write(
        self,
        pair_id: str,
        verdict: Verdict,
        contents: str | None,
        uploaded: int,
        listed: float,
        decided: bool,
        knows: int | None,
    ) -> None:
        row = state(
            verdict if contents else Verdict.WAITING,
            contents=contents,
            uploaded=uploaded,
            listed=listed,
            pair_id=pair_id,
        )
        if decided and contents and verdict in (Verdict.PASS, Verdict.REJECT):
            row = row.as_decided(self.decision(verdict))
        erased_at = None if knows is None else T + timedelta(seconds=knows)
        known = erased_at if knows else self.fakes.verdicts.item(pair_id).erased_at
        self.same(lambda world: world.verdicts.write(row, known))

    @rule(pair_id=pairs)
    def remember(self, pair_id: str) -> None:
        if row := self.fakes.verdicts.row(pair_id):
            self.rows.append(row)

    @rule(data=st.data(), verdict=st.sampled_from([Verdict.PENDING, Verdict.UNDETERMINED]))
    def replace_what_was_read(self, data: st.DataObject, verdict: Verdict) -> None:
        if self.rows:
            row = data.draw(st.sampled_from(self.rows))
            new = row.model_copy(update={"verdict": verdict, "code": "X"})
            self.same(lambda world: world.verdicts.replace(row, new))

    @rule(pair_id=pairs, seconds=st.sampled_from([-5, 5, 15]), stale=st.booleans())
    def entomb(self, pair_id: str, seconds: int, stale: bool) -> None:
        moment = T + timedelta(seconds=seconds)

        def entomb(world: Any) -> Any:
            stored = None if stale else world.erasable_rows.stored(pair_id)
            return world.erasable_rows.entomb(pair_id, stored, moment)

        self.same(entomb)

    @rule(pair_id=pairs, seconds=st.sampled_from([-5, 5, 15]))
    def mark_as_erased(self, pair_id: str, seconds: int) -> None:
        def mark(world: Any) -> Any:
            rows = world.erasable_ledger.of_pair(pair_id)
            marked = world.erasable_ledger.mark(pair_id, rows, T + timedelta(seconds=seconds), "arn:a")
            if marked and not self.trouble.kind:
                world.erasable_ledger.settle(marked, T)
            return marked and marked.call

        self.same(mark)

    def decision(self, verdict: Verdict) -> Decision:
        review = Review(by="arn:a", at=clock.now(), reason="seen", from_=Verdict.MANUAL_CHECK)
        return Decision(verdict=verdict, review=review)

    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        rows = [each for each in self.rows if each.fingerprint]
        if rows:
            row, decision = data.draw(st.sampled_from(rows)), self.decision(Verdict.PASS)
            self.same(lambda world: world.decisions.decide(row, decision))
            self.same(lambda world: world.decisions.of(str(row.fingerprint)))

    # --- calls

    @rule(pair_id=pairs, number=st.integers(1, 3), uploaded=st.sampled_from([0, 10]))
    def open_call(self, pair_id: str, number: int, uploaded: int) -> None:
        alive, at = clock.now() + timedelta(seconds=60), T + timedelta(seconds=uploaded)
        self.same(lambda world: _call(world.ledger.open(pair_id, "contents", number, alive, at)))

    @rule(pair_id=pairs, number=st.integers(1, 3), outcome=st.sampled_from(list(OUTCOMES)), mine=st.booleans())
    def complete_call(self, pair_id: str, number: int, outcome: State, mine: bool) -> None:
        def complete(world: Any) -> None:
            call = world.ledger.get(pair_id, f"{number:06d}")
            if call:
                world.ledger.complete(call if mine else replace(call, owner="another"), outcome, OUTCOMES[outcome])

        self.same(complete)

    @rule(pair_id=pairs, number=st.integers(1, 3), by=st.sampled_from(["arn:a", "arn:b"]))
    def approve(self, pair_id: str, number: int, by: str) -> None:
        def approve(world: Any) -> Any:
            call = world.ledger.get(pair_id, f"{number:06d}")
            return call and world.ledger.approve(call, by)

        self.same(approve)

    @rule(pair_id=pairs, number=st.integers(0, 2), forget=st.booleans())
    def strip(self, pair_id: str, number: int, forget: bool) -> None:
        def strip(world: Any) -> None:
            for charged in world.erasable_ledger.of_pair(pair_id)[number : number + 1]:
                world.erasable_ledger.strip(charged, T)
                if forget:
                    world.erasable_ledger.forget(charged)

        if not self.trouble.kind:  # two writes: the first could succeed alone
            self.same(strip)

    # --- marks and leases ---------------------------------------------------------------------------------------------

    @rule(objects=st.sampled_from(["o1", "o2"]))
    def begin(self, objects: str) -> None:
        self.same(lambda world: world.in_flight.begin(objects, clock.now() + timedelta(seconds=120)))

    @rule(objects=st.sampled_from(["o1", "o2"]), seconds=st.sampled_from([0, 30]))
    def defer(self, objects: str, seconds: int) -> None:
        self.same(lambda world: world.in_flight.defer(objects, clock.now() + timedelta(seconds=seconds)))

    @rule(objects=st.sampled_from(["o1", "o2"]))
    def finish(self, objects: str) -> None:
        self.same(lambda world: world.in_flight.finish(objects))

    @rule(objects=st.sampled_from(["o1", "o2"]), late=st.sampled_from([0, 900]))
    def claim(self, objects: str, late: int) -> None:
        self.same(lambda world: world.in_flight.claim(objects, timedelta(seconds=late)))

    @rule(objects=st.sampled_from(["o1", "o2"]))
    def release(self, objects: str) -> None:
        self.same(lambda world: world.in_flight.release(objects))

    @rule(holder=st.sampled_from(["a", "b"]), seconds=st.sampled_from([60, 300]))
    def lease(self, holder: str, seconds: int) -> None:
        self.same(lambda world: world.leases.take("anna", holder, clock.now() + timedelta(seconds=seconds)))

    @rule(holder=st.sampled_from(["a", "b"]))
    def give_lease_back(self, holder: str) -> None:
        self.same(lambda world: world.leases.give_back("anna", holder))

    # --- the gate

    @rule()
    def look(self) -> None:
        self.same(lambda world: type(world.gate.look()).__name__)

    @rule()
    def enter(self) -> None:
        if self.trouble.kind == "response lost":  # the slot of a lost response stays unused, so the next one is later
            return
        slots = []

        def enter(world: Any) -> Any:
            slot = world.gate.enter()
            slots.append(slot)
            return round(slot.at, 3), slot.probe

        self.same(enter)
        if len(slots) == 2:
            self.slots.append((slots[0], slots[1]))

    @rule(outcome=st.sampled_from(list(OUTCOMES)))
    def report(self, outcome: State) -> None:
        if self.slots and not self.trouble.kind:  # never raises: a failure shows in the gate's state
            real, fake = self.slots.pop()
            self.real.gate.report(real, OUTCOMES[outcome])
            self.fakes.gate.report(fake, OUTCOMES[outcome])

    @rule()
    def give_slot_back(self) -> None:
        if self.slots and not self.trouble.kind:
            real, fake = self.slots.pop()
            self.real.gate.give_back(real)
            self.fakes.gate.give_back(fake)

    @rule()
    def block(self) -> None:
        if not self.trouble.kind:
            self.same(lambda world: world.gate.block(Blocked("INSUFFICIENT_BALANCE", "")).code)

    # --- comparisons --------------------------------------------------------------------------------------------------

    def rows_are_alike(self, pair_id: str) -> None:
        fakes, real = self.fakes.verdicts.item(pair_id), self.real.verdicts.item(pair_id)
        assert (_row(fakes.row), fakes.erased_at) == (_row(real.row), real.erased_at)
        fake = [_call(call) for call in self.fakes.ledger.of_pair(pair_id)]
        assert fake == [_call(call) for call in self.real.ledger.of_pair(pair_id)]

    def gates_are_alike(self) -> None:
        fake, real = self.fakes.gate.state, self.real.gate.read()
        assert (fake.code, fake.unanswered) == (real.code, real.unanswered)
        assert (round(fake.reopens_at, 3), round(fake.next_slot, 3)) == (
            round(real.reopens_at, 3),
            round(real.next_slot, 3),
        )


def _empty(table: Any, keys: tuple[str, ...]) -> None:
    for item in table.scan()["Items"]:
        table.delete_item(Key={key: item[key] for key in keys})


def _row(row: Row | None) -> Row | None:
    return row and row.model_copy(update={"expires_at": None})


def _call(call: Any) -> Any:
    return replace(call, owner="", sent_at=T, alive_until=T, expires_at=None)


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The three tables in moto, in this process. Retries do not pause, and the clock is the fakes'."""
    monkeypatch.setattr(transactions, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(clock, "now", clock.now)
    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", DynamoDBBackend.transact_write_items)
    moto_transactions.install()
    with mock_aws():
        client: Any = boto3.client("dynamodb")
        for name, keys in TABLES.items():
            client.create_table(
                TableName=name,
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                BillingMode="PAY_PER_REQUEST",
            )
        yield


@pytest.mark.usefixtures("tables")
def test_fakes_and_adapters_agree_in_every_sequence() -> None:
    """Hypothesis generates the sequences, the same in every run, and shortens failing ones."""
    thorough = settings(
        max_examples=25, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck), deadline=None
    )

    run_state_machine_as_test(Both, settings=thorough)
