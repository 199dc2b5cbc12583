"""The promises hold in every explored schedule, and broken code is found."""

import pytest

from tests.explore.conftest import seed_of_commit
from tests.explore.mutants import MUTANTS, Mutant
from tests.explore.scenarios import SCENARIOS, Scenario
from tests.explore.schedule import Limits
from tests.explore.search import deepen, exhaust, replay, walk

MOST = 60
"""Schedules per scenario, fewest departures first."""
MOST_RANDOM = 20
MOST_FOR_A_MUTANT = 1500
MUTANTS_AT_ONCE = 6
"""Mutants tried per commit, in rotation; `make explore` tries all."""

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)


def in_rotation() -> list[Mutant]:
    """Return this commit's mutants."""
    begin = seed_of_commit() % len(MUTANTS)
    return [MUTANTS[(begin + 11 * number) % len(MUTANTS)] for number in range(MUTANTS_AT_ONCE)]


@each_scenario
def test_promises_hold_with_few_departures(scenario: Scenario, seed: int) -> None:
    searched = deepen(scenario, MOST, seed)

    assert searched.found is None, f"\n{searched.found}"


@each_scenario
def test_promises_hold_in_random_schedules(scenario: Scenario, seed: int) -> None:
    searched = walk(scenario, MOST_RANDOM, seed)

    assert searched.found is None, f"\n{searched.found}"


def test_promises_hold_in_every_schedule_of_two_workers_with_one_preemption() -> None:
    searched = exhaust(SCENARIOS["two messages"], Limits(preemptions=1))

    assert searched.found is None, f"\n{searched.found}"
    assert searched.complete
    assert searched.schedules > 30


@pytest.mark.parametrize("mutant", in_rotation(), ids=lambda mutant: mutant.name)
def test_broken_code_is_found(mutant: Mutant, seed: int) -> None:
    print(f"mutant: {mutant.name}, in {mutant.where}")

    schedules, found = mutant.search(MOST_FOR_A_MUTANT, seed)

    assert found is not None, f"not found in {schedules} schedules"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_has_its_place_in_the_code(mutant: Mutant) -> None:
    with mutant.in_force():
        pass

    assert set(mutant.scenarios) <= SCENARIOS.keys()


def test_a_report_names_who_died_and_is_replayed() -> None:
    [mutant] = [each for each in MUTANTS if each.name == "an unknown outcome does not hold the pair"]
    with mutant.in_force():
        found = deepen(SCENARIOS["two messages"], 300).found
        assert found is not None
        report = str(found)
        text = report.rpartition("REPLAY='")[2].removesuffix("'")

        again = replay(text, SCENARIOS)

    assert again == found
    assert "worker 1" in report
    assert "charged 2 times" in report


def test_random_schedules_find_broken_code_and_are_made_short() -> None:
    [mutant] = [each for each in MUTANTS if each.name == "an answer in the ledger is not used"]
    with mutant.in_force():
        found = walk(SCENARIOS["two messages"], 200, seed=2).found

    assert found is not None
    assert len(found.schedule.split(",")) <= 2
