"""Many pairs through the deployed stack while everything around it fails; then the books must balance."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from facepair.domain.verdict import CERTAINTY, FINAL, Verdict
from sandbox.advance_api.models import ApiRequest
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, BEN, BLANK, Row
from tests.support.faulty_aws import Kind
from tests.support.faulty_cloud import DEADLINE, FaultyCloud, Pair

LIKENESSES = ((ANNA, ANNA), (ANNA, ANNA_ON_ANOTHER_DAY), (ANNA, BEN), (ANNA, BLANK))
NOT_ANSWERED: tuple[dict[str, Any], ...] = (
    {"drop": "before_reading"},
    {"drop": "after_reading"},
    {"drop": "mid_answer"},
    {"body": '{"code": "SUC'},
    {"body": "<html>", "status": 502},
    {"body": "<html>", "status": 503, "retry_after": "1", "charged": True},
    {"body": '{"code":504,"message":"Gateway Timeout"}', "status": 504, "charged": True},
)
NOT_NOW: tuple[dict[str, Any], ...] = (
    {"code": "SERVICE_BUSY", "retry_after": "1s"},
    {"code": "SERVICE_BUSY", "status": 429},
    {"code": "RETRY_LATER"},
    {"code": "IAM_FAILED"},
    {"delay": 1},
)
WRITES = (("PutItem", "CallsTable"), ("UpdateItem", "CallsTable"), ("PutItem", "VerdictsTable"))
ANY_WRITES = (("PutItem", "IdempotencyTable"), ("UpdateItem", "IdempotencyTable"), ("PutParameter", "TokenParameter"))
MOST_MESSAGES = 50
"""Messages in the queue at which uploading pauses, so that slow machines keep up."""
SETTLING_SECONDS = 120


class History:
    """Watches the verdicts; `steps_back` lists rows that became less certain or older."""

    def __init__(self, cloud: FaultyCloud) -> None:
        self._cloud = cloud
        self._rows: dict[str, tuple[str, str]] = {}
        self.steps_back: list[str] = []

    def look(self) -> None:
        for row in self._cloud.rows("pair_id", "uploaded_at", "verdict"):
            new = (row["uploaded_at"], row["verdict"])
            old = self._rows.get(row["pair_id"], new)
            self._rows[row["pair_id"]] = new
            if _certainty(new) < _certainty(old):
                self.steps_back.append(f"{row['pair_id']} went back from {old} to {new}")


def _certainty(state: tuple[str, str]) -> tuple[str, int]:
    uploaded_at, verdict = state
    return uploaded_at, CERTAINTY[Verdict(verdict)]


@dataclass
class Books:
    """What emulator, tables and queues say at the end; `problems` is empty if they agree."""

    seed: int
    pairs: int
    policies: list[str]
    """Values of OnUnknownOutcome, in order."""
    seconds: float = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    charged: int = 0
    charged_without_an_answer: int = 0
    too_late: int = 0
    deaths: int = 0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        return (
            f"seed {self.seed}: {self.pairs} pairs ({verdicts}) in {self.seconds:.0f} s, "
            f"OnUnknownOutcome {' then '.join(self.policies)}: {self.calls} calls, {self.charged} charged, "
            f"{self.charged_without_an_answer} of them without an answer, {self.too_late} calls took too long, "
            f"{self.deaths} workers died: "
            f"{'ok' if not self.problems else f'{len(self.problems)} PROBLEMS'}"
        )


def soak(cloud: FaultyCloud, count: int, seed: int, *, then: str | None = None) -> Books:
    """Upload `count` pairs in a storm determined by the seed, wait for calm, and balance the books.

    `then` is OnUnknownOutcome from the middle on.
    """
    chance, gusts = random.Random(seed), random.Random(f"gusts {seed}")
    books = Books(seed, count, [cloud.sandbox.stack.parameters["OnUnknownOutcome"]])
    started, lost_before = time.monotonic(), cloud.host.lost()
    history = History(cloud)
    pairs = [cloud.pair(f"soak {seed}/{number:04d}", *chance.choice(LIKENESSES)) for number in range(count)]
    with _all_the_time(history.look, every=0.5):
        with _all_the_time(lambda: _gust(cloud, gusts), every=1.5):
            for number, pair in enumerate(pairs):
                if then and number == count // 2:
                    books.deaths += cloud.host.lost() - lost_before
                    cloud.sandbox.redeploy(OnUnknownOutcome=then)
                    books.policies.append(then)
                    lost_before = 0
                _drop(cloud, pair, chance)
                while cloud.messages("UploadsQueue") > MOST_MESSAGES:
                    time.sleep(0.1)
        cloud.aws.clear()
        _settle(cloud, books)
        history.look()
    books.problems += history.steps_back
    books.deaths += cloud.host.lost() - lost_before
    _balance(cloud, pairs, books)
    books.seconds = time.monotonic() - started
    return books


def _drop(cloud: FaultyCloud, pair: Pair, chance: random.Random) -> None:
    """Upload a pair, and script its faults."""
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        step = chance.choice(NOT_NOW) if chance.random() < 0.7 else chance.choice(NOT_ANSWERED)
        cloud.control.script(first_sha256=pair.first_sha256, **step)
    if chance.random() < 0.3:
        operation, table = chance.choice(WRITES)
        kind: Kind = chance.choice(("throttle", "drop", "lose_response"))
        cloud.aws.fault(operation, kind, cloud.sandbox.outputs[table], f'"{pair.pair_id}"', times=chance.choice((1, 2)))
    pictures = [("first.jpg", pair.first), ("second.jpg", pair.second)]
    for name, content in chance.sample(pictures, 2):
        cloud.upload(f"{pair.pair_id}/{name}", content)
    cloud.repeat(pair, chance.choice((0, 0, 0, 0, 1, 3)))


def _gust(cloud: FaultyCloud, chance: random.Random) -> None:
    """Cause a fault for running workers."""
    match chance.choice(("kill", "revoke", "fail", "fail", "limit", "slow", "block")):
        case "kill":
            busy = [environment for environment in cloud.host.environments() if environment.busy]
            if busy:
                chance.choice(busy).kill()
        case "revoke":
            cloud.control.revoke_tokens()
        case "limit":
            cloud.control.script(above_per_second=3, code="SERVICE_BUSY", retry_after="1s", times=5)
        case "slow":
            cloud.control.script(delay=DEADLINE + 0.5, times=1)
        case "block":
            cloud.control.script(code="INSUFFICIENT_BALANCE", times=2)
        case "fail":
            operation, resource = chance.choice(ANY_WRITES)
            kind: Kind = chance.choice(("throttle", "lose_response"))
            cloud.aws.fault(operation, kind, cloud.sandbox.outputs[resource], times=3)


def _settle(cloud: FaultyCloud, books: Books) -> None:
    """Wait until no message is left, for as long as their number falls."""
    fewest, deadline = math.inf, 0.0
    while left := cloud.messages("UploadsQueue"):
        if left < fewest:
            fewest, deadline = left, time.monotonic() + SETTLING_SECONDS
        if time.monotonic() > deadline:
            books.problems.append(f"{left} messages are left after {SETTLING_SECONDS} s without progress")
            return
        time.sleep(0.2)
    if dead := cloud.dead_letters():
        books.problems.append(f"dead letters: {dead}")


def _balance(cloud: FaultyCloud, pairs: list[Pair], books: Books) -> None:
    by_picture: dict[str, list[ApiRequest]] = {}
    unread = 0
    for call in cloud.control.calls("check"):
        if call.first:
            by_picture.setdefault(call.first.sha256, []).append(call)
        else:
            unread += call.code == "dropped"
    rows = {row["pair_id"]: row for row in cloud.rows("pair_id", "verdict")}
    unknown = broken = 0
    for pair in pairs:
        calls = by_picture.get(pair.first_sha256, [])
        ledger = cloud.ledger(pair.pair_id)
        books.verdicts[rows[pair.pair_id]["verdict"] if pair.pair_id in rows else "no row"] += 1
        books.calls += len(calls)
        books.problems += [
            f"{pair.pair_id}: {problem}" for problem in _problems(rows.get(pair.pair_id), ledger, calls, books)
        ]
        unknown += sum(row["state"] == "UNKNOWN" for row in ledger)
        # On a busy machine, an unbroken answer may still come after the deadline.
        books.too_late += sum(row["state"] == "UNKNOWN" and _seconds(row) >= DEADLINE for row in ledger)
        broken += sum(call.code in ("dropped", "raw") for call in calls)
    if unknown > broken + unread + books.too_late + books.deaths:
        books.problems.append(
            f"{unknown} calls of unknown outcome, but {broken + unread} answers lost, {books.too_late} too late "
            f"and {books.deaths} workers dead"
        )


def _seconds(call: Row) -> float:
    """Return a call's duration; 0 if its worker died."""
    return float(call.get("latency_ms", 0)) / 1000


def _problems(row: Row | None, ledger: list[Row], calls: list[ApiRequest], books: Books) -> Iterator[str]:
    """Yield the contradictions about one pair."""
    states = Counter(call["state"] for call in ledger)
    charged = [call for call in calls if call.charged]
    in_ledger = {call.get("transaction_id") for call in ledger}
    without_an_answer = [call for call in charged if call.transaction_id not in in_ledger]
    answer_lost = [call for call in charged if call.code in ("dropped", "raw")]
    books.charged += len(charged)
    books.charged_without_an_answer += len(without_an_answer)

    if row is None:
        yield "has no row"
    elif row["verdict"] not in {*FINAL, Verdict.UNDETERMINED}:
        yield f"is left {row['verdict']}"
    allowed = 2 if "retry" in books.policies and states["UNKNOWN"] else 1
    if len(charged) > allowed:
        yield f"was charged {len(charged)} times; {allowed} allowed"
    if states["SENT"]:
        yield "has a call that was never completed"
    if len(without_an_answer) > states["UNKNOWN"]:
        yield f"was charged for what is not in the ledger: {[call.transaction_id for call in without_an_answer]}"
    if any(call.transaction_id in in_ledger for call in answer_lost):
        yield "has an answer in the ledger that the emulator never gave"
    if len(calls) > len(ledger):
        yield f"has {len(ledger)} rows in the ledger for {len(calls)} calls"


@contextmanager
def _all_the_time(act: Callable[[], None], *, every: float) -> Iterator[None]:
    """Repeat an action in the background. Raises its error at the end."""
    over = threading.Event()
    errors: list[Exception] = []

    def run() -> None:
        try:
            while not over.wait(every):
                act()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]
