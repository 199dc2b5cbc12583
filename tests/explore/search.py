"""Search the schedules of a scenario: all within limits, or random ones from a seed."""

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st

from facepair.domain import clock
from facepair.use_cases import compare as compare_module
from tests.explore.explored import ExploredTime, fit_explored
from tests.explore.run import Broken, Run
from tests.explore.scenarios import Scenario
from tests.explore.schedule import Limits, Plan, Walk

DEEP = Limits(preemptions=8, faults=4, leaps=4)
"""Limits of random schedules."""

type Departures = tuple[tuple[int, int], ...]
"""Decisions at which a schedule departs from the plainest one, with the option taken."""


@dataclass
class Found:
    """A broken promise, and its schedule."""

    scenario: str
    limits: Limits
    schedule: str
    promise: str
    story: Sequence[tuple[str, str]]

    def __str__(self) -> str:
        """Return the schedule for people, and the command to replay it."""
        width = max(len(who) for who, _ in self.story)
        lines, last = [], ""
        for who, event in self.story:
            lines.append(f"  {who if who != last else '':<{width}}  {event}")
            last = who
        replay = f"{self.scenario}:{self.limits.preemptions},{self.limits.faults},{self.limits.leaps}:{self.schedule}"
        return "\n".join(
            [
                f"{self.promise}",
                f"in the scenario {self.scenario!r}:",
                *lines,
                f"Replay: make explore REPLAY='{replay}'",
            ]
        )


@dataclass
class Searched:
    """The number of schedules run, and the broken promise, if any.

    `complete`: there are no more within the limits. `departures`: all schedules with fewer departures were run.
    """

    schedules: int = 0
    departures: int = 0
    complete: bool = False
    found: Found | None = None


@contextmanager
def prepared() -> Iterator[None]:
    """Prepare the modules for runs."""
    before = clock.now, vars(compare_module)["fit"]
    vars(compare_module)["fit"] = fit_explored
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        clock.now, vars(compare_module)["fit"] = before
        logging.disable(logging.NOTSET)


def play(scenario: Scenario, plan: Plan, limits: Limits) -> Found | None:
    """Run one schedule. Return the promise it breaks, if any."""
    run = Run(plan, limits)
    time = ExploredTime(run)
    clock.now = time.now
    scene = scenario.scene(run, time)
    try:
        run.play(scene)
        scene.promises.hold_at_rest()
    except Broken as broken:
        run.broke(str(broken))
    if run.broken is None:
        return None
    return Found(scenario.name, limits, str(plan), run.broken, run.story)


def exhaust(scenario: Scenario, limits: Limits, most: int | None = None) -> Searched:
    """Run all schedules within limits until one breaks a promise or `most` were run.

    A depth-first search with bounded preemptions, as in CHESS (Musuvathi et al., OSDI 2008).
    """
    done = Searched()
    options: list[int] | None = []
    while options is not None and done.schedules != most:
        plan = Plan.of(options)
        done.found = play(scenario, plan, limits)
        done.schedules += 1
        if done.found:
            return done
        options = _next(plan.trace)
    done.complete = options is None
    return done


def _next(trace: list[tuple[int, int]]) -> list[int] | None:
    """Return the next schedule's options: the last decision with an option left takes it. None after the last."""
    while trace and trace[-1][1] + 1 >= trace[-1][0]:
        trace.pop()
    if not trace:
        return None
    return [*(taken for _, taken in trace[:-1]), trace[-1][1] + 1]


def deepen(scenario: Scenario, most: int, seed: int = 0) -> Searched:
    """Run the plainest schedule, then those with one departure, with two, and so on.

    Ends when one breaks a promise or `most` were run. Fewer departures come first, which gives short stories. A level
    too large to run is sampled.
    """
    done, chance = Searched(), random.Random(seed)
    level: list[Departures] = [()]
    sampled = False
    while level:
        children: list[Departures] = []
        for departures in level:
            if done.schedules >= most:
                return done
            plan = Plan(dict(departures))
            done.found = play(scenario, plan, scenario.limits)
            done.schedules += 1
            if done.found:
                return done
            children += _children(departures, plan)
        done.departures += not sampled
        left = most - done.schedules
        sampled = sampled or len(children) > left
        level = chance.sample(children, left) if len(children) > left else children
    done.complete = not sampled
    return done


def _children(departures: Departures, plan: Plan) -> Iterator[Departures]:
    """Yield the departures with one more, later."""
    begin = departures[-1][0] + 1 if departures else 0
    for number, (count, _) in enumerate(plan.trace[begin:], start=begin):
        for option in range(1, count):
            yield (*departures, (number, option))


def walk(scenario: Scenario, most: int, seed: int) -> Searched:
    """Run random schedules that depart far from the plainest one.

    Hypothesis shortens a failing one.
    """
    done = Searched()
    departures = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=15)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=most,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @hypothesis.given(departures)
    def holds(departures: list[tuple[int, int]]) -> None:
        found = play(scenario, Walk({}, departures=departures), DEEP)
        done.schedules += 1
        if found:
            done.found = found
            raise Broken(found.promise)

    with suppress(Broken):
        holds()
    return done


def replay(text: str, scenarios: Mapping[str, Scenario]) -> Found | None:
    """Run a report's schedule again. Raises ValueError if it is malformed."""
    name, limits, schedule = text.rsplit(":", 2)
    return play(scenarios[name], Plan.parse(schedule), Limits(*map(int, limits.split(","))))
