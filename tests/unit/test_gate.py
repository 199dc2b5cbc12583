"""The gate's rules, and how close a fleet that keeps them comes to an API's rate."""

import random
from dataclasses import replace
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pace import RATE, Burst, SlidingWindow, TokenBucket
from facepair.domain.gate import FIRST_PACE, LEAST_PACE, MOST_PACE, Gate, Rules, Signal, Slot
from facepair.domain.outcome import Outcome
from facepair.domain.verdict import CODES

RULES = Rules(per_second=0, stop_after_unknown=3, pause=600)
NOW = 1_800_000_000.0
SUCCESS = Outcome(code="SUCCESS", message="", pricing_strategy="PAY")
BUSY = Outcome(code="SERVICE_BUSY", message="slow down", pricing_strategy="FREE")
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")
NETWORK = Outcome(code="NETWORK_ERROR", message="refused")
SLOT = Slot(at=NOW, taken_at=NOW)
PROBE = Slot(at=NOW, taken_at=NOW, probe=True)

paces = st.floats(LEAST_PACE, MOST_PACE)


def ended(gate: Gate, slot: Slot, outcome: Outcome, now: float) -> Gate:
    """Return the state after a call, which counts as unknown if it was not answered."""
    counted = gate.counted() if Signal.of(outcome) is Signal.UNANSWERED else gate
    return counted.after(slot, outcome, RULES, now)


outcomes = st.sampled_from([SUCCESS, BUSY, UNKNOWN, NETWORK])


@given(st.lists(st.tuples(outcomes, st.booleans(), st.floats(0, 100)), max_size=40))
def test_the_pace_stays_in_its_bounds_and_a_closed_gate_opens_within_a_pause(
    story: list[tuple[Outcome, bool, float]],
) -> None:
    gate, now = Gate(), NOW
    for outcome, probe, seconds in story:
        now += seconds
        gate = ended(gate, Slot(now, now, probe), outcome, now)

        assert LEAST_PACE <= gate.pace_at(now) <= MOST_PACE
        assert (gate.code is None) == (gate.message is None)
        if closed := gate.closed(now):
            assert 0 < closed.seconds <= RULES.pause


@given(paces, st.floats(0, 1000))
def test_a_refusal_never_raises_the_pace_and_one_burst_lowers_it_once(pace: float, later: float) -> None:
    gate = Gate(pace=pace, paced_at=NOW, cut_at=NOW - 1)

    cut = gate.after(SLOT, BUSY, RULES, NOW + later)
    again = cut.after(SLOT, BUSY, RULES, NOW + later + 1)

    assert cut.pace <= max(LEAST_PACE, gate.pace_at(NOW + later))
    assert again.pace == cut.pace


@given(paces, st.floats(0.01, 3600))
def test_calls_raise_the_pace_and_a_pause_counts_as_one_second_of_calls(pace: float, seconds: float) -> None:
    gate = Gate(pace=pace, paced_at=NOW)

    assert gate.pace <= gate.pace_at(NOW + seconds) <= max(gate.pace_at(NOW + 1), gate.pace)


def test_a_known_rate_never_changes() -> None:
    known = replace(RULES, per_second=10)

    gate = Gate().after(SLOT, BUSY, known, NOW)

    assert gate.interval(known, NOW) == pytest.approx(0.106)


def test_unknown_outcomes_in_a_row_close_the_gate_and_a_failed_probe_keeps_it_closed() -> None:
    gate = Gate()
    for _ in range(RULES.stop_after_unknown):
        assert gate.closed(NOW) is None
        gate = ended(gate, SLOT, UNKNOWN, NOW)

    closed = gate.closed(NOW)
    assert closed is not None
    assert (closed.code, closed.seconds) == ("API_NOT_ANSWERING", 600)
    tried = ended(gate.probing(RULES, NOW + 600), PROBE, UNKNOWN, NOW + 610)
    assert tried.closed(NOW + 1200) is not None
    assert tried.closed(NOW + 1210) is None


@pytest.mark.parametrize("outcome", [SUCCESS, BUSY], ids=lambda outcome: outcome.code)
def test_an_answer_opens_the_gate(outcome: Outcome) -> None:
    gate = Gate(unanswered=7).shut(RULES, "INSUFFICIENT_BALANCE", "top up", NOW)

    opened = gate.after(PROBE, outcome, RULES, NOW)

    assert (opened.code, opened.unanswered, opened.closed(NOW)) == (None, 0, None)


def test_an_inconclusive_probe_is_given_to_the_next_call() -> None:
    gate = Gate().shut(RULES, "INSUFFICIENT_BALANCE", "top up", NOW).probing(RULES, NOW + 600)

    assert gate.closed(NOW + 601) is not None
    assert gate.after(PROBE, NETWORK, RULES, NOW + 601).closed(NOW + 601) is None
    assert gate.after(SLOT, NETWORK, RULES, NOW + 601) is gate  # its slot is from before the gate closed


def test_another_refusal_keeps_the_time_since_the_gate_is_closed() -> None:
    gate = Gate().shut(RULES, "INSUFFICIENT_BALANCE", "top up", NOW).shut(RULES, "ACCOUNT_DISABLED", "call", NOW + 600)

    assert (gate.code, gate.closed_at) == ("ACCOUNT_DISABLED", NOW)


@given(st.floats(0.001, 100), st.floats(0.001, 100))
def test_a_changed_rate_applies_to_the_next_slot(before: float, after: float) -> None:
    gate = Gate().took(replace(RULES, per_second=before), NOW)

    changed = replace(RULES, per_second=after)

    assert gate.wait(changed, NOW) == pytest.approx(changed_interval := gate.interval(changed, NOW), abs=1e-5)
    assert changed_interval == pytest.approx(1.06 / after)


def test_calls_in_flight_when_the_gate_closes_change_nothing_more() -> None:
    stopped = Gate(unanswered=RULES.stop_after_unknown).after(SLOT, UNKNOWN, RULES, NOW)
    blocked = Gate().blocked(RULES, "INSUFFICIENT_BALANCE", "top up", NOW)

    assert stopped.after(SLOT, UNKNOWN, RULES, NOW + 1) is stopped
    assert blocked.after(SLOT, UNKNOWN, RULES, NOW + 1) is blocked
    assert blocked.blocked(RULES, "INSUFFICIENT_BALANCE", "top up now", NOW + 1) is blocked
    assert blocked.blocked(RULES, "ACCOUNT_DISABLED", "call us", NOW + 1).code == "ACCOUNT_DISABLED"


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_charged_code_is_an_answer_and_no_refusal(code: str) -> None:
    charged = Outcome(code=code, message="", pricing_strategy="PAY")

    assert Signal.of(charged) in (Signal.ANSWERED, Signal.UNANSWERED)
    assert (Signal.of(charged) is Signal.UNANSWERED) == (code == "OUTCOME_UNKNOWN")


# --- a burst of 120 pairs, an API of ten calls a second, ten workers -------------------------------------------------

SEEDS = range(6)
"""Run the same bursts in every run."""


def bursts(api: type[SlidingWindow | TokenBucket], per_second: float) -> tuple[float, float]:
    """Return the mean ratio to the ideal time, and the mean refusals per pair."""
    runs = [Burst(120, api(), per_second, 1, random.Random(seed)).run() for seed in SEEDS]
    return mean(ratio for ratio, _ in runs), mean(refusals for _, refusals in runs)


@pytest.mark.parametrize("api", [SlidingWindow, TokenBucket])
def test_a_burst_at_a_known_rate_is_hardly_refused(api: type[SlidingWindow | TokenBucket]) -> None:
    ratio, refusals = bursts(api, RATE)

    assert ratio <= 1.2
    assert refusals <= 0.05


@pytest.mark.parametrize("api", [SlidingWindow, TokenBucket])
def test_a_burst_finds_out_the_rate(api: type[SlidingWindow | TokenBucket]) -> None:
    ratio, refusals = bursts(api, 0)

    assert ratio <= 1.4
    assert refusals <= 0.15


def test_the_first_pace_is_one_that_most_accounts_allow() -> None:
    assert Gate().interval(RULES, NOW) == pytest.approx(1 / FIRST_PACE)
