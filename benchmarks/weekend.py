"""What a blocked weekend costs in AWS: every receive of 1,000 pairs that wait 72 hours for a top-up.

`python -m benchmarks.weekend [--pairs 1000]` simulates the real Receiver, Comparer, Asker, back-off and gate in virtual
time, over in-memory ports that count requests and an API that answers INSUFFICIENT_BALANCE. All pairs are uploaded at
the start, two messages each. Prices are us-east-1 list prices; the duration of a receive is assumed.
"""

import argparse
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any, NoReturn
from unittest.mock import patch

from PIL import Image

from facepair.domain import clock
from facepair.domain.fitted import Fitted
from facepair.domain.gate import LONGEST_WAIT_SECONDS, Gate, Rules, Slot
from facepair.domain.ledger import Call, State
from facepair.domain.message import Message
from facepair.domain.metric import Metric
from facepair.domain.notification import created_notification
from facepair.domain.outcome import Outcome, Policy
from facepair.domain.pair import Names, Pair, Upload
from facepair.domain.picture import fit
from facepair.domain.reads import FirstRead, LastRead
from facepair.domain.retry import Backoff, Blocked, Closed, RateLimited
from facepair.domain.row import PairItem, Row
from facepair.use_cases import compare
from facepair.use_cases.ask import Asker
from facepair.use_cases.compare import Comparer
from facepair.use_cases.receive import ComesBack, Receiver

FRIDAY = datetime(2026, 1, 30, 18, tzinfo=UTC)
WEEKEND_SECONDS = 72 * 3600
NAMES = Names("first", "second")
MAX_RECEIVES = 300
LIFETIME_SECONDS = 120
CALL_SECONDS = 0.3
BLOCKED = Outcome(code="INSUFFICIENT_BALANCE", message="top up", pricing_strategy="FREE")

RECEIVES_BEFORE_THE_GATE = 246_000
"""Of 1,000 pairs, each with a LIST, two downloads and decoding."""
SECONDS_WITH_DECODING, SECONDS_WITHOUT = 1.0, 0.05
"""Assumed seconds per receive."""
GIGABYTES = 2
A_GIGABYTE_SECOND = 0.0000133334
A_MILLION = {
    "Lambda requests": 0.20,
    "SQS requests": 0.40,
    "LISTs": 5.00,
    "GETs": 0.40,
    "table writes": 0.625,
    "table reads": 0.125,
}
"""In US dollars."""
WRITES_OF_A_ROW = 3
"""The row, and its old and new places in the index `by_verdict`."""


class House:
    """All ports in memory, counting requests, with a clock that moves only during calls."""

    def __init__(self, rules: Rules) -> None:
        content = BytesIO()
        Image.linear_gradient("L").save(content, "PNG")
        self._picture = content.getvalue()
        self._rules = rules
        self._gate = Gate()
        self._rows: dict[str, Row] = {}
        self._calls: dict[str, list[Call]] = {}
        self.now = FRIDAY
        self.deferred = 0
        self.counts: Counter[str] = Counter()

    # --- bucket

    def find(self, pair_id: str) -> Pair:
        self.counts["LISTs"] += 1
        first, second = (self._upload(pair_id, role) for role in ("first", "second"))
        return Pair(pair_id, first, second, self.now)

    def _upload(self, pair_id: str, role: str) -> Upload:
        return Upload(f"{pair_id}/{role}.png", role, len(self._picture), FRIDAY)

    def read(self, upload: Upload) -> tuple[bytes, None]:
        self.counts["GETs"] += 1
        return self._picture, None

    # --- queue, metrics, tokens

    def defer(self, receipt_or_objects: str, when: int | datetime) -> None:
        """Defer a message (seconds) or a pair's mark (datetime)."""
        if isinstance(when, datetime):
            self.counts["marks written"] += 1
        else:
            self.deferred = when

    def add(self, metric: Metric, value: float = 1) -> None:
        pass

    def tokens(self) -> Iterator[str]:
        yield "token"

    # --- verdicts

    def of(self, pair_id: str) -> FirstRead:
        for item in ("gate", "rows", "earlier erasures"):
            self.counts[f"{item} read"] += 1
        return FirstRead(self._gate, PairItem(self._rows.get(pair_id)))

    def after_call(self, fingerprint: str) -> LastRead:
        for item in ("gate", "decision"):
            self.counts[f"{item} read"] += 1
        return LastRead(self._gate, None)

    def replace(self, expected: Row, row: Row) -> bool:
        return self.write(row, None)

    def write(self, row: Row, erased_at: datetime | None) -> bool:
        self.counts["rows written"] += 1
        self._rows[row.pair_id] = row
        return True

    # --- markers, idempotency, ledger

    @contextmanager
    def pool(self) -> Iterator["House"]:
        yield self

    def submit(self, act: Callable[[], Any]) -> Future[Any]:
        """Run it at once. It never fails here."""
        future: Future[Any] = Future()
        future.set_result(act())
        return future

    def begin(self, objects: str, alive_until: datetime) -> int:
        self.counts["marks written"] += 1
        return 1

    def once(self, fingerprint: str, compare_now: Callable[[], Outcome]) -> Outcome:
        self.counts["idempotency records written"] += 2  # in progress, then deleted, as a block stores nothing
        return compare_now()

    def of_pair(self, pair_id: str) -> Sequence[Call]:
        self.counts["ledger read"] += 1
        return tuple(self._calls.get(pair_id, ()))

    def open(
        self, pair_id: str, fingerprint: str, number: int, alive_until: datetime, earliest_upload: datetime
    ) -> Call:
        self.counts["ledger written"] += 1
        call = Call(pair_id, f"{number:06d}", fingerprint, State.SENT, "owner", self.now, alive_until)
        self._calls.setdefault(pair_id, []).append(call)
        return call

    def complete(self, call: Call, state: State, outcome: Outcome, latency_ms: int | None = None) -> None:
        self.counts["ledger written"] += 1
        self._calls[call.pair_id][-1] = replace(call, state=state, outcome=outcome)

    # --- gate: the rules of facepair.domain.gate, used like facepair.aws.gate does ------------------------------------

    def look(self, seen: Gate) -> Closed | RateLimited | None:
        return self._gate.closed(self._epoch) or self._rate_limited()

    def enter(self, seen: Gate | None = None) -> Slot:
        self.counts["gate written"] += 1
        if closed := self._gate.closed(self._epoch):
            raise closed
        if self._gate.code:
            self._gate = self._gate.probing(self._rules, self._epoch)
            return Slot(at=self._epoch, taken_at=self._epoch, probe=True)
        if rate_limited := self._rate_limited():
            raise rate_limited
        slot = Slot(at=self._gate.slot(self._rules, self._epoch), taken_at=self._epoch)
        self._gate = self._gate.took(self._rules, self._epoch)
        return slot

    def _rate_limited(self) -> RateLimited | None:
        wait = 0.0 if self._gate.code else self._gate.wait(self._rules, self._epoch)
        return RateLimited(wait) if wait > LONGEST_WAIT_SECONDS else None

    def block(self, blocked: Blocked) -> Closed:
        self.counts["gate read"] += 1
        self.counts["gate written"] += 1
        self._gate = self._gate.blocked(self._rules, blocked.code, blocked.message, self._epoch)
        return Closed(blocked.code, blocked.message, seconds=self._rules.pause)

    @property
    def _epoch(self) -> float:
        return self.now.timestamp()

    # --- API

    deadline = 15.0

    def compare(self, token: str, first: Fitted, second: Fitted) -> Outcome:
        self.counts["calls"] += 1
        self.now += timedelta(seconds=CALL_SECONDS)
        return BLOCKED

    def dead_letter(self, body: str) -> NoReturn:
        raise AssertionError(f"an unreadable message: {body}")


def weekend(pairs: int, pause: float, seed: int) -> tuple[Counter[str], int]:
    """Return the requests to AWS, and the most receives of one message."""
    random.seed(seed)
    house = House(Rules(per_second=0, stop_after_unknown=5, pause=pause))
    receiver = _receiver(house)
    bodies = [
        created_notification(f"pair {number}/{role}.png", role)
        for number in range(pairs)
        for role in ("first", "second")
    ]
    due = [(number * 0.01, number) for number in range(len(bodies))]
    receives = [0] * len(bodies)
    with (
        patch.object(clock, "now", lambda: house.now),
        patch.object(
            compare, "fit", cache(fit)
        ),  # decoding the same picture a thousand times would cost more than all else
    ):
        while due[0][0] < WEEKEND_SECONDS:
            arrives, number = heapq.heappop(due)
            receives[number] += 1
            house.counts["receives"] += 1
            house.now = max(house.now, FRIDAY + timedelta(seconds=arrives))
            try:
                receiver.receive(
                    Message(bodies[number], f"receipt {number}", receives[number], FRIDAY), lambda: LIFETIME_SECONDS
                )
            except ComesBack:
                heapq.heappush(due, ((house.now - FRIDAY).total_seconds() + house.deferred, number))
                continue
            raise AssertionError(f"unexpected comparison: {bodies[number]}")
    return house.counts, max(receives)


def _receiver(house: House) -> Receiver:
    ports: Any = house
    policy = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
    asker = Asker(
        api=ports,
        tokens=ports,
        ledger=ports,
        refusals=ports,
        idempotency=ports,
        gate=ports,
        last_reads=ports,
        parallel=ports,
        metrics=ports,
        on_unknown="hold",
        sleep=lambda seconds: None,
    )
    comparer = Comparer(
        first_reads=ports,
        uploads=ports,
        verdicts=ports,
        decisions=ports,
        in_flight=ports,
        gate=ports,
        asker=asker,
        parallel=ports,
        policy=policy,
        max_upload_megabytes=25,
        backoff=Backoff(),
    )
    return Receiver(
        names=NAMES,
        comparer=comparer,
        queue=ports,
        backoff=Backoff(),
        metrics=ports,
        add_log_keys=lambda **keys: None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Receives and AWS cost of a blocked weekend.")
    parser.add_argument("--pairs", type=int, default=1000)
    pairs = parser.parse_args().pairs
    counts, most = weekend(pairs, pause=600, seed=1)
    print(f"simulated: {pairs} pairs blocked for 72 h, BlockedRetrySeconds 600")
    print("  " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))
    print(f"  the most received message: {most} receives of {MAX_RECEIVES}")
    before = Counter(receives=RECEIVES_BEFORE_THE_GATE * pairs // 1000)
    before |= Counter({"LISTs": before["receives"], "GETs": 2 * before["receives"]})
    print("before the gate, every receive downloaded and decoded:")
    _print_cost(before, seconds=before["receives"] * SECONDS_WITH_DECODING)
    decoded = counts["GETs"] // 2
    seconds = decoded * SECONDS_WITH_DECODING + (counts["receives"] - decoded) * SECONDS_WITHOUT
    print("now:")
    _print_cost(counts, seconds=seconds)


def _print_cost(counts: Counter[str], seconds: float) -> None:
    """Print one line per price."""
    requests = {
        "Lambda requests": counts["receives"],
        "SQS requests": 2 * counts["receives"],  # the receive and its deferral
        "LISTs": counts["LISTs"],
        "GETs": counts["GETs"],
        "table writes": counts["rows written"] * WRITES_OF_A_ROW
        + sum(count for name, count in counts.items() if name.endswith("written") and name != "rows written"),
        "table reads": sum(count for name, count in counts.items() if name.endswith(" read")),
    }
    costs = {name: count * A_MILLION[name] / 1e6 for name, count in requests.items()}
    compute = seconds * GIGABYTES * A_GIGABYTE_SECOND
    for name, count in requests.items():
        print(f"  {count:>9,} {name:<16} x ${A_MILLION[name]:<6} a million = ${costs[name]:.2f}")
    print(f"  {seconds:>9,.0f} s x {GIGABYTES} GB x ${A_GIGABYTE_SECOND:.10f} a GB-s = ${compute:.2f}")
    print(f"  together ${sum(costs.values()) + compute:.2f}")


if __name__ == "__main__":
    main()
