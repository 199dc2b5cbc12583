"""`make explore`: all mutants, then every scenario within ever wider limits and in random schedules.

`--replay TEXT` repeats the schedule of a report.
"""

import argparse
import sys
import time

from tests.explore.mutants import MUTANTS
from tests.explore.scenarios import SCENARIOS
from tests.explore.schedule import Limits
from tests.explore.search import Searched, exhaust, prepared, replay, walk

MOST_FOR_A_MUTANT = 3000
"""Schedules within which each mutant must be found."""
WIDER = (
    Limits(preemptions=1),
    Limits(faults=1),
    Limits(preemptions=1, faults=1),
    Limits(preemptions=2),
    Limits(preemptions=1, leaps=1),
    Limits(preemptions=2, faults=1),
    Limits(preemptions=1, faults=2, leaps=1),
    Limits(preemptions=2, faults=2),
    Limits(preemptions=3, faults=2, leaps=1),
)
"""Limits of a long exploration, in order."""


def main() -> int:
    """Return the exit status: 1 if a promise was broken or a mutant not found."""
    parser = argparse.ArgumentParser(prog="make explore", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="CPU time for the schedules, after the mutants")
    parser.add_argument("--seed", type=int, default=None, help="of the random schedules; without one, a new one")
    parser.add_argument("--replay", help="the schedule of a report")
    arguments = parser.parse_args()
    with prepared():
        if arguments.replay:
            return _replay(arguments.replay)
        seed = arguments.seed if arguments.seed is not None else time.time_ns() % 10**6
        print(f"seed {seed}", flush=True)
        missed = _mutants(seed)
        return max(missed, _explore(arguments.seconds, seed))


def _replay(text: str) -> int:
    try:
        found = replay(text, SCENARIOS)
    except (KeyError, ValueError):
        print(f"error: {text!r} is no schedule. Copy it from a report, after REPLAY=.", file=sys.stderr)
        return 2
    print(found or "The promises hold in this schedule.")
    return int(found is not None)


def _mutants(seed: int) -> int:
    missed = 0
    for mutant in MUTANTS:
        schedules, found = mutant.search(MOST_FOR_A_MUTANT, seed)
        print(f"{'found ' if found else 'MISSED'} {mutant.name}: {schedules} schedules", flush=True)
        missed += found is None
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} mutants were found", flush=True)
    return int(missed > 0)


def _explore(seconds: float, seed: int) -> int:
    """Spend half of the time on all schedules within limits, half on random ones."""
    ends = time.process_time() + seconds / 2
    for limits in WIDER:
        for scenario in SCENARIOS.values():
            if time.process_time() > ends:
                break
            searched = exhaust(scenario, limits, most=20_000)
            _tell(scenario.name, f"{limits}", searched)
            if searched.found:
                return 1
    ends += seconds / 2
    number = 0
    while time.process_time() < ends:
        for scenario in SCENARIOS.values():
            number += 1
            searched = walk(scenario, 200, seed + number)
            _tell(scenario.name, f"random, seed {seed + number}", searched)
            if searched.found:
                return 1
    print("The promises hold.")
    return 0


def _tell(name: str, what: str, searched: Searched) -> None:
    every = "all" if searched.complete else "some"
    print(f"{name}, {what}: {searched.schedules} schedules ({every})", flush=True)
    if searched.found:
        print(searched.found)


if __name__ == "__main__":
    sys.exit(main())
