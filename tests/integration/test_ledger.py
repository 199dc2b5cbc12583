"""The ledger around the call, with a real table and a scripted API that counts its calls."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from facepair.advance.comparison import AdvanceComparison
from facepair.advance.token import Token, TokenKeeper
from facepair.advance.wire import ApiAnswer
from facepair.aws.ledger import CallsTable
from facepair.aws.reads import BatchedLastReads
from facepair.aws.unsaved_refusals import RefusalItems
from facepair.domain import clock
from facepair.domain.fitted import Fitted
from facepair.domain.gate import Gate, Slot
from facepair.domain.ledger import Call, Charge, State
from facepair.domain.metric import Metric
from facepair.domain.outcome import Outcome, Seen
from facepair.domain.retention import Retention
from facepair.domain.retry import Blocked, Closed, Later, Unavailable
from facepair.http import NoAnswer, Unreached
from facepair.threads import Threads
from facepair.use_cases.ask import SAVING_SECONDS, Asker, Question
from tests.support.faulty_aws import FaultyAws
from tests.support.previous_release import previous
from tests.support.resources import HASTY, Resources

DEADLINE = 15.0
PICTURE = Fitted(b"a picture", "image/jpeg", (), (900, 1200), (900, 1200))
SUCCESS = Outcome(code="SUCCESS", message="OK", similarity=Decimal("69.0"), transaction_id="t1", pricing_strategy="PAY")
BUSY = Outcome(code="SERVICE_BUSY", message="later", transaction_id="t2", pricing_strategy="FREE")
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")
UPLOADED = datetime(2026, 1, 31, 12, tzinfo=UTC)


def ledger(deployed: Resources) -> CallsTable:
    return CallsTable(deployed.table("CallsTable"))


@pytest.fixture
def calls(deployed: Resources) -> CallsTable:
    return ledger(deployed)


def in_a_minute() -> Any:
    return clock.now() + timedelta(minutes=1)


def a_minute_ago() -> Any:
    return clock.now() - timedelta(minutes=1)


# --- rows -------------------------------------------------------------------------------------------------------------


def test_a_call_s_row_is_there_before_it_is_sent(calls: CallsTable, deployed: Resources, pair_id: str) -> None:
    until = in_a_minute()

    calls.open(pair_id, "f1", 1, until, UPLOADED)

    [row] = rows(deployed, pair_id)
    assert (row["call"], row["state"], row["fingerprint"]) == ("000001", "SENT", "f1")
    assert clock.parse(row["alive_until"]) == until.replace(microsecond=until.microsecond // 1000 * 1000)
    assert not row.keys() & {"code", "answered_at", "outcome"}


def test_workers_of_two_releases_do_not_open_the_same_call(
    calls: CallsTable, deployed: Resources, pair_id: str
) -> None:
    erased = previous("aws.erasure_marks").ErasureMarks(deployed.tables, deployed.outputs["IdempotencyTable"])
    old = previous("aws.ledger").CallsTable(deployed.table("CallsTable"), erased=erased)

    old.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    with pytest.raises(Later):
        calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    calls.open(pair_id, "f1", 2, in_a_minute(), UPLOADED)
    with pytest.raises(previous("domain.retry").Later):
        old.open(pair_id, "f1", 2, in_a_minute(), UPLOADED)
    assert [(call.state, call.fingerprint) for call in calls.of_pair(pair_id)] == [(State.SENT, "f1")] * 2
    assert [(call.state, call.fingerprint) for call in old.of_pair(pair_id)] == [("SENT", "f1")] * 2


def rows(deployed: Resources, pair_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployed.table("CallsTable").query(
        KeyConditionExpression="pair_id = :pair_id",
        ExpressionAttributeValues={":pair_id": pair_id},
        ConsistentRead=True,
    )["Items"]
    return found


def test_an_answer_is_stored_as_the_contract_names_it(calls: CallsTable, deployed: Resources, pair_id: str) -> None:
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)

    calls.complete(call, State.ANSWERED, SUCCESS, latency_ms=812)

    [row] = rows(deployed, pair_id)
    assert (row["state"], row["code"], row["similarity"]) == ("ANSWERED", "SUCCESS", Decimal("69.0"))
    assert (row["transaction_id"], row["pricing_strategy"], row["latency_ms"]) == ("t1", "PAY", 812)
    assert row["sent_at"] <= row["answered_at"]
    assert [each.outcome for each in calls.of_pair(pair_id)] == [SUCCESS]


def test_calls_come_in_the_order_in_which_they_were_made(calls: CallsTable, pair_id: str) -> None:
    for number in (1, 2, 9, 10, 11):
        calls.open(pair_id, "f1", number, in_a_minute(), UPLOADED)

    assert [int(call.call) for call in calls.of_pair(pair_id)] == [1, 2, 9, 10, 11]


def test_of_eight_workers_one_alone_may_make_the_next_call(calls: CallsTable, pair_id: str) -> None:
    start = threading.Barrier(8)

    def attempt(_: int) -> bool:
        start.wait()
        try:
            calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
        except Later:
            return False
        return True

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(attempt, range(8))) == 1


def test_a_row_whose_response_was_lost_is_recognised_as_our_own(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    calls = ledger(replace(deployed, url=faults.url))
    faults.fault("PutItem", "lose_response", times=2)

    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)

    assert [row["owner"] for row in rows(deployed, pair_id)] == [call.owner]


def test_an_answer_whose_response_was_lost_is_recognised_as_our_own(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    calls = ledger(replace(deployed, url=faults.url))
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    faults.fault("UpdateItem", "lose_response", times=2)

    calls.complete(call, State.ANSWERED, SUCCESS)

    assert [row["state"] for row in rows(deployed, pair_id)] == ["ANSWERED"]


def test_an_approval_is_written_once_with_its_operator_and_time(
    calls: CallsTable, deployed: Resources, pair_id: str
) -> None:
    call = calls.open(pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    calls.complete(call, State.UNKNOWN, UNKNOWN)

    assert [calls.approve(call, "ann"), calls.approve(call, "bob")] == [True, False]

    [row] = rows(deployed, pair_id)
    assert row["permitted_by"] == "ann"
    assert row["sent_at"] <= row["permitted_at"]
    assert [each.permitted_by for each in calls.of_pair(pair_id)] == ["ann"]


def test_a_call_that_was_answered_needs_no_approval(calls: CallsTable, deployed: Resources, pair_id: str) -> None:
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    calls.complete(call, State.ANSWERED, SUCCESS)

    assert calls.approve(call, "ann") is False
    assert "permitted_by" not in rows(deployed, pair_id)[0]


def test_an_approval_whose_response_was_lost_is_recognised(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    calls = ledger(replace(deployed, url=faults.url))
    call = calls.open(pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    faults.fault("UpdateItem", "lose_response", times=2)

    assert calls.approve(call, "ann") is True


@pytest.mark.parametrize(
    ("earlier", "later", "kept"),
    [
        (State.UNKNOWN, State.ANSWERED, State.ANSWERED),
        (State.UNKNOWN, State.REFUSED, State.REFUSED),
        (State.UNKNOWN, State.UNKNOWN, State.UNKNOWN),
        (State.ANSWERED, State.ANSWERED, State.ANSWERED),
    ],
)
def test_a_late_answer_replaces_what_was_given_up(
    calls: CallsTable, pair_id: str, earlier: State, later: State, kept: State
) -> None:
    call = calls.open(pair_id, "f1", 1, a_minute_ago(), UPLOADED)

    calls.complete(call, earlier, UNKNOWN)
    calls.complete(call, later, SUCCESS)

    assert [each.state for each in calls.of_pair(pair_id)] == [kept]


@pytest.mark.parametrize("later", [State.UNKNOWN, State.REFUSED])
def test_nothing_replaces_an_answer(calls: CallsTable, pair_id: str, later: State) -> None:
    call = calls.open(pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    calls.complete(call, State.ANSWERED, SUCCESS)

    with pytest.raises(Later):
        calls.complete(call, later, UNKNOWN)

    assert [each.outcome for each in calls.of_pair(pair_id)] == [SUCCESS]


def test_only_its_worker_can_complete_a_call(calls: CallsTable, pair_id: str) -> None:
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)

    with pytest.raises(Later):
        calls.complete(replace(call, owner="another worker"), State.ANSWERED, SUCCESS)

    assert [each.state for each in calls.of_pair(pair_id)] == [State.SENT]


@pytest.mark.parametrize(
    ("outcome", "charged"),
    [
        (SUCCESS, True),
        (SUCCESS.model_copy(update={"pricing_strategy": "FREE"}), True),
        (BUSY, False),
        (BUSY.model_copy(update={"pricing_strategy": "PAY"}), True),
        (UNKNOWN, True),
        (UNKNOWN.model_copy(update={"code": "TOO_LITTLE_TIME"}), False),
    ],
)
def test_a_row_says_whether_its_call_is_charged(
    calls: CallsTable, deployed: Resources, pair_id: str, outcome: Outcome, charged: bool
) -> None:
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    before = rows(deployed, pair_id)

    calls.complete(call, State.after(outcome), outcome)

    assert [row["charged"] for row in before + rows(deployed, pair_id)] == [True, charged]
    [entry] = [entry for entry in calls.entries() if entry.pair_id == pair_id]
    assert entry.charged is charged


def test_a_row_is_kept_for_as_long_as_if_it_were_written_now_and_never_shorter(
    deployed: Resources, pair_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def expires_at() -> int | None:
        [row] = rows(deployed, pair_id)
        return int(row["expires_at"]) if "expires_at" in row else None

    month, day = Retention(own=timedelta(days=30), images=timedelta(days=1)), timedelta(days=1)
    calls = CallsTable(deployed.table("CallsTable"), retention=month)
    forever = ledger(deployed)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    first = expires_at()
    now += 20 * day

    def keep(table: CallsTable) -> None:
        [current] = table.of_pair(pair_id)
        for each in (current, replace(current, expires_at=1), replace(current, expires_at=1, call="000007")):
            table.keep(each)  # unchanged, before another worker kept it, and after it has expired

    keep(calls)
    later = expires_at()
    now -= 10 * day
    keep(calls)
    unchanged = expires_at()
    for each in (forever, forever, calls):
        keep(each)

    assert first
    assert (later, unchanged, expires_at()) == (first + 20 * 86_400, first + 20 * 86_400, None)
    assert [each["call"] for each in rows(deployed, pair_id)] == ["000001"]


def test_a_row_that_has_expired_is_none(calls: CallsTable, pair_id: str) -> None:
    assert calls.get(pair_id, "000001") is None


def test_a_refusal_is_kept_beside_the_ledger_without_what_describes_faces(
    calls: CallsTable, deployed: Resources, pair_id: str
) -> None:
    refusals = RefusalItems(deployed.table("IdempotencyTable"))
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    refusal = BUSY.model_copy(update={"retry_at": in_a_minute(), "first": Seen(adjusted=("rotated 90",))})
    assert refusals.of(call) is None

    refusals.save(call, refusal)

    assert refusals.of(call) == refusal.model_copy(update={"first": Seen()})
    assert refusals.of(replace(call, owner="another")) is None


def test_every_call_is_read_of_all_pages_with_what_it_cost(
    calls: CallsTable, deployed: Resources, pair_id: str
) -> None:
    may, second = datetime(2032, 5, 1, tzinfo=UTC), timedelta(seconds=1)
    row = {"pair_id": pair_id, "sent_at": clock.iso(may), "owner": "x" * 200_000}  # a page ends at 1 MB
    with deployed.table("CallsTable").batch_writer() as batch:
        for number in range(12):
            answer = {"code": "SUCCESS", "transaction_id": f"t{number}", "answered_at": clock.iso(may + second)}
            batch.put_item(row | answer | {"call": f"{number:06d}", "state": "ANSWERED"})
        batch.put_item(row | {"call": "000012", "state": "SENT"})

    entries = {
        each.call: each for each in CallsTable(deployed.table("CallsTable")).entries() if each.pair_id == pair_id
    }

    assert sorted(entries) == [f"{number:06d}" for number in range(13)]
    assert (entries["000003"].transaction_id, entries["000003"].at) == ("t3", may + second)
    assert (entries["000003"].charge, entries["000012"].charge) == (Charge.CHARGED, Charge.PERHAPS)


# --- asking ----------------------------------------------------------------------------------------------------------


class Api:
    """Gives scripted answers or errors, repeating the last."""

    deadline = DEADLINE

    def __init__(self, *steps: ApiAnswer | Exception, seconds: float = 0) -> None:
        self._steps = list(steps)
        self._seconds = seconds
        self.tokens: list[str] = []

    def compare(self, token: str, first: Fitted, second: Fitted) -> ApiAnswer:
        self.tokens.append(token)
        time.sleep(self._seconds)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Exception):
            raise step
        return step

    @property
    def posts(self) -> int:
        return len(self.tokens)


class Memory:
    """A token store of one environment."""

    def load(self) -> Token | None:
        return None

    def save(self, token: Token) -> None:
        pass


class Open:
    """An open gate that records reports."""

    def __init__(self) -> None:
        self.reports: list[str] = []

    def look(self, seen: Gate) -> None:
        return None

    def enter(self, seen: Gate | None = None) -> Slot:
        return Slot(at=0, taken_at=0)

    def report(self, slot: Slot, outcome: Outcome, seen: Gate | None = None) -> None:
        self.reports.append(outcome.code)

    def give_back(self, slot: Slot) -> None:
        self.reports.append("given back")

    def block(self, blocked: Blocked) -> Closed:
        return Closed(blocked.code, blocked.message, seconds=600)


class OnProbe(Open):
    """A gate closed to others; `entered` counts probes."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = 0

    def enter(self, seen: Gate | None = None) -> Slot:
        self.entered += 1
        return Slot(at=0, taken_at=0, probe=True)


class Uncounted:
    def add(self, metric: Metric, value: float = 1) -> None:
        pass


@dataclass
class Worker:
    """One worker."""

    asker: Asker

    def ask(self, question: Question) -> Outcome:
        return self.asker.ask(question).outcome


@dataclass
class Desk:
    """Requests for one pair. `worker(api)` is one worker's Asker."""

    deployed: Resources
    pair_id: str
    remembered: Outcome | None = None

    def worker(self, api: Api, on_unknown: Any = "hold", gate: Open | None = None) -> Worker:
        numbers = iter(range(1, 100))

        def mint() -> Token:
            expires_ms = int((clock.now().timestamp() + 3600) * 1000)
            return Token(token=f"token {next(numbers)}", expires_ms=expires_ms)

        keeper = TokenKeeper(Memory(), mint)
        calls = ledger(self.deployed)
        asker = Asker(
            api=AdvanceComparison(api),  # type: ignore[arg-type]
            tokens=keeper,
            ledger=calls,
            refusals=RefusalItems(self.deployed.table("IdempotencyTable")),
            idempotency=self,
            gate=gate or Open(),
            last_reads=BatchedLastReads(self.deployed.tables, idempotency=self.deployed.outputs["IdempotencyTable"]),
            parallel=Threads(),
            metrics=Uncounted(),
            on_unknown=on_unknown,
        )
        return Worker(asker)

    def once(self, fingerprint: str, compare: Callable[[], Outcome]) -> Outcome:
        """Remember only the outcome in `remembered`, so that the ledger works alone."""
        return self.remembered or compare()

    def keep(self, fingerprint: str) -> None:
        pass

    def discard(self, fingerprint: str) -> None:
        pass

    def question(self, fingerprint: str = "f1", seconds_left: float = 60) -> Question:
        return Question(self.pair_id, fingerprint, fingerprint[::-1], PICTURE, PICTURE, UPLOADED, lambda: seconds_left)

    @property
    def states(self) -> list[str]:
        return [row["state"] for row in rows(self.deployed, self.pair_id)]


@pytest.fixture
def desk(deployed: Resources, pair_id: str) -> Desk:
    return Desk(deployed, pair_id)


def answer(code: str, pricing: str | None = None, **others: Any) -> ApiAnswer:
    return ApiAnswer(code=code, message=code.lower(), pricing_strategy=pricing, transaction_id="t", **others)


def success(similarity: object = Decimal("69.0"), face: dict[str, object] | None = None) -> ApiAnswer:
    return answer("SUCCESS", "PAY", data={"similarity": similarity, "firstFace": face})


def test_the_same_contents_are_asked_about_once(desk: Desk) -> None:
    api = Api(success())

    outcomes = [desk.worker(api).ask(desk.question()) for _ in range(3)]

    assert {outcome.similarity for outcome in outcomes} == {Decimal("69.0")}
    assert (api.posts, desk.states) == (1, ["ANSWERED"])


def test_other_contents_of_the_same_pair_are_another_call(desk: Desk) -> None:
    api = Api(success())

    for fingerprint in ("f1", "f2", "f1"):
        desk.worker(api).ask(desk.question(fingerprint))

    assert (api.posts, desk.states) == (2, ["ANSWERED"] * 2)


def test_of_eight_workers_at_once_one_calls(desk: Desk) -> None:
    api = Api(success(), seconds=0.2)
    start = threading.Barrier(8)

    def ask(_: int) -> Outcome | None:
        worker = desk.worker(api)
        start.wait()
        try:
            return worker.ask(desk.question())
        except Later:
            return None

    with ThreadPoolExecutor(8) as workers:
        answered = [outcome for outcome in workers.map(ask, range(8)) if outcome]

    assert api.posts == 1
    assert len(answered) == 1


def test_a_worker_that_can_still_be_alive_is_waited_for(desk: Desk, calls: CallsTable) -> None:
    api = Api(success())
    calls.open(desk.pair_id, "f1", 1, in_a_minute(), UPLOADED)

    with pytest.raises(Later):
        desk.worker(api).ask(desk.question())

    assert (api.posts, desk.states) == (0, ["SENT"])


def test_a_worker_dead_after_its_call_leaves_an_unknown_outcome_and_no_second_call(
    desk: Desk, calls: CallsTable
) -> None:
    api = Api(success())
    calls.open(desk.pair_id, "f1", 1, a_minute_ago(), UPLOADED)

    outcomes = [desk.worker(api).ask(desk.question()) for _ in range(2)]

    assert [(outcome.code, outcome.call) for outcome in outcomes] == [("OUTCOME_UNKNOWN", "000001")] * 2
    assert (api.posts, desk.states) == (0, ["UNKNOWN"])


def test_with_retry_a_worker_that_died_after_its_call_is_followed_by_one_more_call(
    desk: Desk, calls: CallsTable
) -> None:
    api = Api(success())
    calls.open(desk.pair_id, "f1", 1, a_minute_ago(), UPLOADED)

    outcome = desk.worker(api, "retry").ask(desk.question())

    assert (outcome.code, api.posts, desk.states) == ("SUCCESS", 1, ["UNKNOWN", "ANSWERED"])


def test_with_retry_two_workers_that_died_are_the_most(desk: Desk, calls: CallsTable) -> None:
    api = Api(success())
    calls.open(desk.pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    calls.open(desk.pair_id, "f1", 2, a_minute_ago(), UPLOADED)

    outcome = desk.worker(api, "retry").ask(desk.question())

    assert (outcome.code, api.posts) == ("OUTCOME_UNKNOWN", 0)


def test_a_call_without_an_answer_is_not_repeated(desk: Desk) -> None:
    api = Api(NoAnswer("reset"), success())

    outcomes = [desk.worker(api).ask(desk.question()) for _ in range(2)]

    assert [outcome.code for outcome in outcomes] == ["OUTCOME_UNKNOWN"] * 2
    assert (api.posts, desk.states) == (1, ["UNKNOWN"])


def test_with_retry_a_call_without_an_answer_is_repeated_exactly_once(desk: Desk) -> None:
    api = Api(NoAnswer("reset"))

    with pytest.raises(Later) as later:
        desk.worker(api, "retry").ask(desk.question())
    outcomes = [desk.worker(api, "retry").ask(desk.question()) for _ in range(2)]

    assert later.value.code == "OUTCOME_UNKNOWN"
    assert [outcome.code for outcome in outcomes] == ["OUTCOME_UNKNOWN"] * 2
    assert (api.posts, desk.states) == (2, ["UNKNOWN"] * 2)


def test_a_worker_thought_dead_that_answers_late_completes_its_own_row_only(desk: Desk, calls: CallsTable) -> None:
    late = calls.open(desk.pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    desk.worker(Api(success()), "retry").ask(desk.question())

    calls.complete(late, State.ANSWERED, SUCCESS)

    assert desk.states == ["ANSWERED", "ANSWERED"]


def test_a_late_answer_is_used_as_soon_as_it_is_there(desk: Desk, calls: CallsTable) -> None:
    late = calls.open(desk.pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    api = Api(success())
    desk.worker(api).ask(desk.question())
    calls.complete(late, State.ANSWERED, SUCCESS)

    assert desk.worker(api).ask(desk.question()).code == "SUCCESS"
    assert api.posts == 0


@pytest.mark.parametrize("code", ["SERVICE_BUSY", "RETRY_LATER", "ERROR"])
def test_a_free_refusal_is_called_again_later_and_booked(desk: Desk, code: str) -> None:
    api = Api(answer(code, "FREE"), success())

    with pytest.raises(Later) as later:
        desk.worker(api).ask(desk.question())
    outcome = desk.worker(api).ask(desk.question())

    assert (later.value.code, later.value.retry_after) == (code, None)
    assert outcome.code == "SUCCESS"
    assert desk.states == ["REFUSED", "ANSWERED"]


def test_a_retry_after_holds_for_every_message_of_the_pair_and_then_no_longer(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = Api(answer("SERVICE_BUSY", "FREE", retry_after=600), success())

    for _ in range(3):
        with pytest.raises(Later) as later:
            desk.worker(api).ask(desk.question())
        assert later.value.code == "SERVICE_BUSY"
        assert later.value.retry_after == pytest.approx(600, abs=30)
    assert api.posts == 1
    _hours_later(1, monkeypatch)

    assert desk.worker(api).ask(desk.question()).code == "SUCCESS"


def _hours_later(hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=hours))


def test_an_api_that_was_not_reached_is_called_again_later(desk: Desk) -> None:
    with pytest.raises(Later) as later:
        desk.worker(Api(Unreached("refused"))).ask(desk.question())

    assert later.value.code == "NETWORK_ERROR"
    assert desk.states == ["REFUSED"]


def test_an_undocumented_code_of_the_api_is_an_answer_with_429_too(desk: Desk) -> None:
    api = Api(answer("TOO_MANY_REQUESTS", http_status=429, retry_after=7))

    outcomes = [desk.worker(api).ask(desk.question()) for _ in range(2)]

    assert [outcome.code for outcome in outcomes] == ["TOO_MANY_REQUESTS"] * 2
    assert (api.posts, desk.states) == (1, ["ANSWERED"])


@pytest.mark.parametrize("code", ["INSUFFICIENT_BALANCE", "OVER_QUERY_LIMIT", "ACCOUNT_DISABLED"])
def test_a_blocked_account_stops_the_fleet(desk: Desk, code: str) -> None:
    with pytest.raises(Closed) as closed:
        desk.worker(Api(answer(code, "FREE"))).ask(desk.question())

    assert (closed.value.code, closed.value.seconds) == (code, 600)
    assert desk.states == ["REFUSED"]


def test_a_refused_token_gives_way_to_another_and_each_call_is_booked(desk: Desk) -> None:
    api = Api(success(), answer("IAM_FAILED", "FREE"), success())
    worker = desk.worker(api)
    worker.ask(desk.question("f0"))

    outcome = worker.ask(desk.question())

    assert outcome.code == "SUCCESS"
    assert api.tokens == ["token 1", "token 1", "token 2"]
    assert desk.states == ["ANSWERED", "REFUSED", "ANSWERED"]


def test_a_probe_goes_on_with_the_next_token_and_lets_no_other_worker_try_meanwhile(desk: Desk) -> None:
    gate = OnProbe()
    worker = desk.worker(Api(success(), answer("IAM_FAILED", "FREE"), success()), gate=gate)
    worker.ask(desk.question("f0"))

    outcome = worker.ask(desk.question())

    assert outcome.code == "SUCCESS"
    assert gate.entered == 2
    assert gate.reports == ["SUCCESS", "SUCCESS"]


def test_a_new_token_that_is_refused_too_blocks_the_account(desk: Desk) -> None:
    api = Api(answer("IAM_FAILED", "FREE"))

    with pytest.raises(Closed) as closed:
        desk.worker(api).ask(desk.question())

    assert (closed.value.code, api.posts) == ("IAM_FAILED", 1)


@pytest.mark.parametrize("code", ["SERVICE_BUSY", "INSUFFICIENT_BALANCE", "IAM_FAILED"])
def test_a_refusal_that_was_charged_all_the_same_is_never_called_again(desk: Desk, code: str) -> None:
    api = Api(answer(code, "PAY"), success())

    for _ in range(2):
        try:
            outcome = desk.worker(api).ask(desk.question())
        except (Later, Closed):
            continue

    assert api.posts == 1
    assert (outcome.code, desk.states) == (code, ["ANSWERED"])


def test_a_refused_token_that_was_charged_all_the_same_is_not_followed_by_another(desk: Desk) -> None:
    api = Api(success(), answer("IAM_FAILED", "PAY"), success())
    worker = desk.worker(api)
    worker.ask(desk.question("f0"))

    worker.ask(desk.question())

    assert api.posts == 2


@pytest.mark.parametrize("similarity", [Decimal("NaN"), Decimal(101), "69.0", None])
def test_a_success_that_breaks_its_contract_is_a_bad_answer_and_not_asked_for_again(
    desk: Desk, similarity: object
) -> None:
    api = Api(success(similarity))

    outcomes = [desk.worker(api).ask(desk.question()) for _ in range(2)]

    assert [outcome.code for outcome in outcomes] == ["BAD_ANSWER"] * 2
    assert outcomes[0].transaction_id == "t"
    assert (api.posts, desk.states) == (1, ["ANSWERED"])


def test_an_unknown_code_is_held_and_not_asked_for_again(desk: Desk) -> None:
    api = Api(answer("A_CODE_OF_TOMORROW"))

    outcomes = [desk.worker(api).ask(desk.question()) for _ in range(2)]

    assert [outcome.code for outcome in outcomes] == ["A_CODE_OF_TOMORROW"] * 2
    assert (api.posts, desk.states) == (1, ["ANSWERED"])


@pytest.mark.parametrize("edge", ["1e400", "-1e400", "1e200"])
def test_an_absurd_face_position_does_not_cost_the_answer(desk: Desk, edge: str) -> None:
    face = {"id": "1", "left": Decimal(edge), "top": Decimal(1), "right": Decimal(2), "bottom": Decimal(3)}

    outcome = desk.worker(Api(success(face=face))).ask(desk.question())

    assert outcome.code in ("SUCCESS", "BAD_ANSWER")
    assert outcome.first.face is None
    assert desk.states == ["ANSWERED"]


def test_with_too_little_time_nothing_is_written_or_called(desk: Desk) -> None:
    api = Api(success())

    with pytest.raises(Later) as later:
        desk.worker(api).ask(desk.question(seconds_left=DEADLINE + SAVING_SECONDS - 0.1))

    assert later.value.code == "TOO_LITTLE_TIME"
    assert (api.posts, desk.states) == (0, [])


def test_a_row_that_took_too_long_to_write_is_not_followed_by_a_call(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    api = Api(success())
    desk = Desk(replace(deployed, url=faults.url), pair_id)
    faults.fault("PutItem", "delay", delay=1)
    ends = time.monotonic() + DEADLINE + SAVING_SECONDS + 0.5
    question = replace(desk.question(), time_left=lambda: ends - time.monotonic())

    with pytest.raises(Later):
        desk.worker(api).ask(question)

    assert api.posts == 0


def test_without_a_row_there_is_no_call(deployed: Resources, faults: FaultyAws, pair_id: str) -> None:
    api = Api(success())
    desk = Desk(replace(deployed, url=faults.url, config=HASTY), pair_id)
    faults.fault("PutItem", "throttle", times=None)

    with pytest.raises(Unavailable, match="Throttling"):
        desk.worker(api).ask(desk.question())

    assert api.posts == 0


def test_an_answer_that_cannot_be_saved_now_is_settled_later_without_another_call(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    api = Api(success())
    desk = Desk(replace(deployed, url=faults.url, config=HASTY), pair_id)
    faults.fault("UpdateItem", "throttle", times=None)
    worker = desk.worker(api)

    with pytest.raises(Unavailable):  # the answer is stored by then, but the ledger cannot take it
        worker.ask(desk.question())
    assert desk.states == ["SENT"]
    faults.clear()
    desk.remembered = SUCCESS.model_copy(update={"call": "000001", "unsaved": True})
    for _ in range(2):  # the stored outcome comes again with a repeated message
        assert worker.ask(desk.question()).similarity == Decimal("69.0")

    assert desk.states == ["ANSWERED"]
    desk.remembered = None
    assert desk.worker(api).ask(desk.question()).similarity == Decimal("69.0")
    assert api.posts == 1


def test_an_answer_that_could_not_be_saved_settles_a_row_that_was_given_up_meanwhile(
    desk: Desk, calls: CallsTable
) -> None:
    call = calls.open(desk.pair_id, "f1", 1, a_minute_ago(), UPLOADED)
    worker = desk.worker(Api(success()))
    worker.ask(desk.question())
    desk.remembered = SUCCESS.model_copy(update={"call": call.call, "unsaved": True})

    worker.ask(desk.question())

    assert desk.states == ["ANSWERED"]


def test_a_saved_outcome_needs_no_settling(desk: Desk) -> None:
    desk.remembered = SUCCESS.model_copy(update={"call": "000001"})

    desk.worker(Api(success())).ask(desk.question())

    assert desk.states == []


def test_the_row_says_until_when_its_worker_can_be_alive(desk: Desk, calls: CallsTable) -> None:
    seen: list[Call] = []

    class Looking(Api):
        def compare(self, token: str, first: Fitted, second: Fitted) -> ApiAnswer:
            seen.extend(calls.of_pair(desk.pair_id))
            return super().compare(token, first, second)

    desk.worker(Looking(success())).ask(desk.question(seconds_left=42))

    [call] = seen
    assert call.state is State.SENT
    assert abs((call.alive_until - call.sent_at).total_seconds() - 42) < 1


@pytest.mark.parametrize(
    ("name", "damage"), [("state", "REMOVE #name"), ("state", "SET #name = :odd"), ("sent_at", "SET #name = :odd")]
)
def test_a_damaged_call_is_an_error_that_names_it(
    deployed: Resources, calls: CallsTable, pair_id: str, name: str, damage: str
) -> None:
    call = calls.open(pair_id, "f1", 1, in_a_minute(), UPLOADED)
    values: Any = {"ExpressionAttributeValues": {":odd": 7}} if ":odd" in damage else {}
    deployed.table("CallsTable").update_item(
        Key={"pair_id": pair_id, "call": call.call},
        UpdateExpression=damage,
        ExpressionAttributeNames={"#name": name},
        **values,
    )

    try:
        for read in (lambda: calls.of_pair(pair_id), lambda: list(calls.entries())):
            with pytest.raises(ValueError, match=f"call 000001 of the pair {re.escape(repr(pair_id))}"):
                read()
    finally:  # other tests read the whole table
        deployed.table("CallsTable").delete_item(Key={"pair_id": pair_id, "call": call.call})
