"""How close a burst comes to an API's rate: time over N / R, and refusals per pair.

`python -m benchmarks.pace [--measure]`. Simulates the real gate and back-off with ten workers, an API of ten calls per
second (sliding window or token bucket), 0.3 s per call, and calls arriving some milliseconds late. `--measure` also
measures 120 pairs in the sandbox at two calls per second; at ten, two processors would be the limit.
"""

import argparse
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import mean

from facepair.domain.gate import LONGEST_WAIT_SECONDS, Gate, Rules, Slot
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Backoff
from sandbox.cloud import Sandbox
from sandbox.portraits import jpeg, portrait

ROOT = Path(__file__).parents[1]
RATE = 10
MEASURED_RATE = 2
WORKERS = 10
CALL_SECONDS, REFUSAL_SECONDS, PREPARING_SECONDS, LATE_SECONDS = 0.3, 0.02, 0.05, 0.02
SEEDS = range(5)
BUSY = Outcome(code="SERVICE_BUSY", message="", pricing_strategy="FREE")
DONE = Outcome(code="SUCCESS", message="", pricing_strategy="PAY")


class SlidingWindow:
    """Allows RATE calls in any second; refused calls do not count."""

    def __init__(self) -> None:
        self._allowed: deque[float] = deque()

    def allows(self, now: float) -> bool:
        while self._allowed and self._allowed[0] <= now - 1:
            self._allowed.popleft()
        if len(self._allowed) >= RATE:
            return False
        self._allowed.append(now)
        return True


class TokenBucket:
    """RATE tokens per second, at most RATE."""

    def __init__(self) -> None:
        self._tokens, self._at = float(RATE), 0.0

    def allows(self, now: float) -> bool:
        self._tokens, self._at = min(RATE, self._tokens + (now - self._at) * RATE), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class Message:
    """A pair's message: its receives, and the API's refusals of the pair."""

    receives: int = 0
    refusals: int = 0


@dataclass
class Burst:
    """A burst of pairs in virtual time. Each worker is a generator that yields when it continues."""

    pairs: int
    api: SlidingWindow | TokenBucket
    per_second: float
    retry_after: float
    chance: random.Random
    now: float = 1.0
    ended: float = 0.0
    done: int = 0
    refused: int = 0
    gate: Gate = field(default_factory=Gate)
    queue: list[tuple[float, int, Message]] = field(default_factory=list)

    def run(self) -> tuple[float, float]:
        """Return the ratio to N / R, and refusals per pair."""
        self.queue = [(self.now, number, Message()) for number in range(self.pairs)]
        began, numbers = self.now, count()
        due = [(self.now, next(numbers), self._worker()) for _ in range(WORKERS)]
        while self.done < self.pairs:
            self.now, _, worker = heapq.heappop(due)
            heapq.heappush(due, (next(worker), next(numbers), worker))
        return (self.ended - began) / (self.pairs / RATE), self.refused / self.pairs

    def _worker(self) -> Iterator[float]:
        rules = Rules(self.per_second, stop_after_unknown=5, pause=600)
        backoff = _Seeded(chance=self.chance)
        while True:
            if not self.queue or self.queue[0][0] > self.now:
                yield self.now + 0.05
                continue
            _, number, message = heapq.heappop(self.queue)
            message.receives += 1
            yield self.now + PREPARING_SECONDS
            if (wait := self.gate.wait(rules, self.now)) > LONGEST_WAIT_SECONDS:
                self._back(number, message, backoff.seconds_rate_limited(message.receives, wait))
                continue
            slot = self._take(rules)
            yield slot.at + abs(self.chance.gauss(0, LATE_SECONDS))
            accepted = self.api.allows(self.now)
            yield self.now + (CALL_SECONDS if accepted else REFUSAL_SECONDS)
            self.gate = self.gate.after(slot, DONE if accepted else BUSY, rules, self.now)
            if accepted:
                self.done += 1
                self.ended = self.now
            else:
                self.refused += 1
                message.refusals += 1
                self._back(number, message, backoff.seconds(message.refusals, self.retry_after))

    def _take(self, rules: Rules) -> Slot:
        """Take a slot like facepair.aws.gate, without the table."""
        slot = Slot(at=self.gate.slot(rules, self.now), taken_at=self.now)
        self.gate = self.gate.took(rules, self.now)
        return slot

    def _back(self, number: int, message: Message, seconds: int) -> None:
        heapq.heappush(self.queue, (self.now + seconds, number, message))


@dataclass(frozen=True, kw_only=True)
class _Seeded(Backoff):
    chance: random.Random

    def jitter(self, ceiling: float) -> float:
        return self.chance.uniform(0, ceiling)


def simulate() -> None:
    apis: dict[str, Callable[[], SlidingWindow | TokenBucket]] = {"window": SlidingWindow, "bucket": TokenBucket}
    for pairs in (120, 300, 3000):
        for retry_after in (1, 10):
            for name, api in apis.items():
                for per_second, known in ((RATE, "known"), (0, "found out")):
                    runs = [Burst(pairs, api(), per_second, retry_after, random.Random(seed)).run() for seed in SEEDS]
                    ratio, refusals = (mean(run[column] for run in runs) for column in (0, 1))
                    print(
                        f"simulated: {pairs:5} pairs, {name}, Retry-After {retry_after:2} s, rate {known:9}: "
                        f"{ratio:.2f} of N/R, {refusals:.3f} refusals a pair"
                    )


def measure(pairs: int = 120) -> None:
    for per_second, known in ((MEASURED_RATE, "known"), (0, "found out")):
        with Sandbox(ROOT, {"MaxCallsPerSecond": per_second}, warm=WORKERS) as sandbox:
            control, host = sandbox.advance.control, sandbox.host
            assert host is not None
            host.pause()
            _upload(sandbox, pairs)
            control.limit_rate(MEASURED_RATE)
            began = time.time()
            host.resume()
            while len(control.charges()) < pairs:
                time.sleep(0.5)
            calls = control.calls("check")
        ratio = (max(call.asked_at for call in calls) - began) / (pairs / MEASURED_RATE)
        print(
            f"measured in the sandbox: {pairs} pairs, window, Retry-After 1 s, rate {known}: {ratio:.2f} of N/R, "
            f"{(len(calls) - pairs) / pairs:.3f} refusals a pair"
        )


def _upload(sandbox: Sandbox, pairs: int) -> None:
    picture, bucket, s3 = jpeg(portrait(1, width=300, height=400)), sandbox.outputs["ImagesBucket"], sandbox.aws("s3")

    def put(key: str) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=picture + key.encode())

    keys = [f"pair {number}/{role}.jpg" for number in range(pairs) for role in ("first", "second")]
    with ThreadPoolExecutor(4) as uploaders:
        list(uploaders.map(put, keys))


def main(*, measured: bool = True) -> None:
    simulate()
    if measured:
        measure()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ratio to N/R and refusals of a burst.")
    parser.add_argument("--measure", action="store_true", help="also in the sandbox")
    main(measured=parser.parse_args().measure)
