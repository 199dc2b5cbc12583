"""The back-off's waits, and how long a message lives with them."""

import heapq
import random
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facepair.domain.gate import LONGEST_WAIT_SECONDS, Gate, Rules
from facepair.domain.retry import QUEUE_LIMIT_SECONDS, Backoff, Blocked, Later
from sandbox.template import read_template

LONGEST_SECONDS = Backoff().longest
TEMPLATE = read_template(Path(__file__).parents[2] / "template.yaml")
MAX_RECEIVES: int = TEMPLATE["Resources"]["UploadsQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
RETENTION_SECONDS: int = TEMPLATE["Resources"]["UploadsQueue"]["Properties"]["MessageRetentionPeriod"]
BLOCKED_RETRY_SECONDS: int = TEMPLATE["Parameters"]["BlockedRetrySeconds"]["Default"]
LONG_WEEKEND_SECONDS = 72 * 3600

receive_counts = st.integers(1, 1000)


@dataclass(frozen=True, kw_only=True)
class Still(Backoff):
    """Return a back-off whose jitter is always this share of its ceiling."""

    share: float

    def jitter(self, ceiling: float) -> float:
        return self.share * ceiling


@dataclass(frozen=True, kw_only=True)
class Seeded(Backoff):
    """Return a back-off with reproducible jitter."""

    chance: random.Random

    def jitter(self, ceiling: float) -> float:
        return self.chance.uniform(0, ceiling)


def seeded(seed: int) -> Seeded:
    return Seeded(chance=random.Random(seed))


def test_the_ceiling_doubles_from_five_seconds_to_an_hour() -> None:
    ceilings = [Still(share=1).seconds(receive_count) for receive_count in range(1, 13)]

    assert ceilings == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_the_jitter_is_full() -> None:
    waits = [Backoff().seconds(100) for _ in range(2000)]

    assert min(waits) < 0.05 * LONGEST_SECONDS
    assert max(waits) > 0.95 * LONGEST_SECONDS
    assert 0.45 * LONGEST_SECONDS < mean(waits) < 0.55 * LONGEST_SECONDS


@given(receive_counts, st.floats(0, QUEUE_LIMIT_SECONDS), st.floats(0, 1))
def test_no_retry_is_earlier_than_the_retry_after(receive_count: int, retry_after: float, share: float) -> None:
    assert Still(share=share).seconds(receive_count, retry_after) >= retry_after


@given(receive_counts, st.floats(0, 1e9), st.floats(0, 1))
def test_every_wait_is_one_that_sqs_accepts(receive_count: int, asked: float, share: float) -> None:
    for wait in (
        Still(share=share).seconds(receive_count, asked),
        Still(share=share).seconds_closed(receive_count, asked),
    ):
        assert isinstance(wait, int)
        assert 1 <= wait <= QUEUE_LIMIT_SECONDS < 12 * 3600


def test_an_ineffective_retry_after_gives_way_to_a_longer_wait() -> None:
    assert Still(share=1).seconds(1, retry_after=10) == 10
    assert Still(share=1).seconds(8, retry_after=10) == 640


@given(receive_counts, st.integers(1, 21600), st.floats(0, 1))
def test_blocked_messages_come_back_spread_over_time_after_the_pause(
    receive_count: int, pause: int, share: float
) -> None:
    assert Still(share=share).seconds_closed(receive_count, pause) > pause
    assert Still(share=0).seconds_closed(8, pause) < Still(share=1).seconds_closed(8, pause)


def lifetime(backoff: Backoff) -> float:
    """Return the seconds from the first receive of a message to its last, after which it is dead-lettered."""
    return sum(backoff.seconds(receive_count) for receive_count in range(1, MAX_RECEIVES))


def test_a_message_outlives_a_long_weekend_of_a_busy_api() -> None:
    for seed in range(300):
        assert LONG_WEEKEND_SECONDS < lifetime(seeded(seed)) < RETENTION_SECONDS, f"{seed=}"


def test_a_message_at_a_rate_limited_gate_lasts_five_days() -> None:
    for seed in range(100):
        backoff = seeded(seed)
        seconds = sum(backoff.seconds_rate_limited(receive_count, 0) for receive_count in range(1, MAX_RECEIVES))

        assert 5 * 86400 < seconds < RETENTION_SECONDS, f"{seed=}"


@pytest.mark.parametrize("seed", range(2))
def test_a_pace_far_below_the_load_starves_no_pair(seed: int) -> None:
    pairs, rules = 2600, Rules(per_second=0.02, stop_after_unknown=5, pause=600)
    backoff, arrivals, gate = seeded(seed), random.Random(seed), Gate()
    due = [(arrivals.uniform(1, 60), number, 1) for number in range(2 * pairs)]  # each pair has two messages
    heapq.heapify(due)
    compared: dict[int, float] = {}
    retry_at: dict[int, float] = {}
    most_receives = 0
    while due:
        now, message, receives = heapq.heappop(due)
        pair = message // 2
        most_receives = max(most_receives, receives)
        if pair in compared:
            continue
        if (wait := gate.wait(rules, now)) > LONGEST_WAIT_SECONDS:
            delay = backoff.seconds_rate_limited(receives, wait)
            retry_at[pair] = now + delay
        elif retry_at.get(pair, 0) > now:
            delay = backoff.seconds_soon(retry_at[pair] - now)
        else:
            gate = gate.took(rules, now)
            compared[pair] = now
            continue
        heapq.heappush(due, (now + delay, message, receives + 1))

    assert len(compared) == pairs, f"{seed=}"
    assert most_receives < 0.8 * MAX_RECEIVES, f"{seed=}"
    assert max(compared.values()) < 1.3 * pairs * 1.06 / 0.02, f"{seed=}"


def weekend_without_balance(seed: int, messages: int) -> tuple[int, int]:
    """Return the most receives of any message, and the calls, while the account is blocked for a long weekend."""
    backoff, arrivals = seeded(seed), random.Random(seed)
    due = [(arrivals.uniform(0, LONG_WEEKEND_SECONDS), number) for number in range(messages)]
    due[0] = (0, 0)
    heapq.heapify(due)
    receives = [0] * messages
    next_probe, calls = 0.0, 0
    while due[0][0] < LONG_WEEKEND_SECONDS:
        now, message = heapq.heappop(due)
        receives[message] += 1
        if now >= next_probe:
            calls += 1
            next_probe = now + BLOCKED_RETRY_SECONDS
        heapq.heappush(due, (now + backoff.seconds_closed(receives[message], next_probe - now), message))
    return max(receives), calls


@pytest.mark.parametrize("seed", range(5))
def test_a_long_weekend_without_balance_dead_letters_nothing_and_makes_few_calls(seed: int) -> None:
    most_receives, calls = weekend_without_balance(seed, messages=300)

    assert most_receives < MAX_RECEIVES * 0.8
    assert calls <= LONG_WEEKEND_SECONDS / BLOCKED_RETRY_SECONDS


@given(st.integers())
def test_a_blocked_message_outlives_the_weekend_even_at_every_end_of_a_pause(seed: int) -> None:
    backoff = seeded(seed)

    waited = sum(backoff.seconds_closed(receive_count, 0) for receive_count in range(1, MAX_RECEIVES))

    assert waited > LONG_WEEKEND_SECONDS


def test_each_reason_to_defer_a_pair_is_explained_in_words() -> None:
    assert str(Later("the API is busy", code="SERVICE_BUSY", retry_after=10)) == "the API is busy"
    assert str(Blocked("INSUFFICIENT_BALANCE", "top up")) == "INSUFFICIENT_BALANCE: top up"
