"""One run: actors take turns, one operation at a time, by a plan that also decides what fails.

Each actor is a greenlet that stops before every operation of a fake; the run decides who continues. So the use cases'
real code runs, and a schedule repeats exactly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol

import greenlet

from facepair.domain.retry import RetryReason, Unavailable
from tests.explore.schedule import Limits, Plan
from tests.fakes import Time, carry_out

MOST_STEPS = 3000
"""A longer run does not come to rest."""
MOST_PASSED = 8
"""How often time passes before a suspended actor continues."""
OPERATION = timedelta(milliseconds=1)
"""Duration of an operation."""
SLOW = timedelta(seconds=110)
"""Duration of a slow operation, of a worker's two minutes."""

READS = frozenset(
    f"{port}.{operation}"
    for port, operations in {
        "bucket": ("find", "read", "version", "all"),
        "verdicts": ("row", "item", "rows", "pending"),
        "earlier_erasures": ("of",),
        "erasable_rows": ("stored",),
        "erasable_records": ("reviewed",),
        "decisions": ("of",),
        "opinions": ("of", "of_many"),
        "ledger": ("of_pair", "get"),
        "refusals": ("of",),
        "gate": ("look",),
        "queue": ("has_backlog",),
        "cursor": ("load",),
        "pictures": ("versions",),
        "erasable_ledger": ("of_pair",),
    }.items()
    for operation in operations
)
"""A death before a read is equivalent to one before the next write, and a read has no effect to lose."""
NEVER_FAILS = frozenset({"api.compare", "api.answer", "people.act", "sleep"})
"""The run chooses the API's answers, which cover a call's failures."""
KEEPS_QUIET = frozenset({"gate.report", "gate.give_back", "gate.block", "tokens.issue"})
"""A failure of these looks like a lost response: those of the gate raise nothing, and a lost token is never used."""


class Broken(AssertionError):
    """A run broke a promise."""


class Killed(greenlet.GreenletExit):  # type: ignore[misc]
    """The actor's process ended silently."""


@dataclass(eq=False)
class Actor:
    """A worker, command or person.

    `operation`: what it does next. `ends`: when Lambda ends it. `done`: it has started and ended. `read`: versions and
    contents of the pictures it read, by key. `opened`: the call of its last ledger row. `notes` belong to the promises.
    A `suspended` actor continues when nothing else does, unless the plan says otherwise.
    """

    name: str
    job: Callable[[], object]
    faulty: bool = True
    ends: datetime | None = None
    operation: str = ""
    wakes: datetime | None = None
    fault: str = ""
    done: bool = False
    killed: bool = False
    suspended: bool = False
    parent: "Actor | None" = None
    awaits: "Sequence[Actor]" = ()
    read: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    opened: Any = None
    notes: dict[str, Any] = field(default_factory=dict)
    greenlet: "greenlet.greenlet | None" = None

    @property
    def whole(self) -> "Actor":
        """The actor, or the one whose thread it is."""
        return self.parent or self

    @property
    def at_work(self) -> bool:
        """Whether it has started and not ended."""
        return self.greenlet is not None and not self.done

    @property
    def is_over(self) -> bool:
        return self.done or self.killed

    @property
    def is_ready(self) -> bool:
        """Whether it can go on now."""
        return not (self.done or self.killed or self.wakes or self.waits)

    @property
    def waits(self) -> bool:
        """Whether it waits for its threads."""
        return bool(self.awaits) and not all(each.done for each in self.awaits)


class PlannedThreads:
    """Acts for threads, and their results."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def submit[Made](self, act: Callable[[], Made], /) -> Future[Made]:
        future: Future[Made] = Future()
        self.jobs.append(partial(carry_out, act, future))
        return future


class Scene(Protocol):
    """The world of a run."""

    time: Time
    actors: list[Actor]
    may_outlive_its_end: bool
    slow: frozenset[str]

    def due(self) -> Mapping[str, Callable[[], Actor]]:
        """Return, by name, actors that could start now: for a message, or for unfinished work."""

    def next_event(self) -> datetime | None:
        """Return when something is due next, or None."""

    def settle(self) -> Actor | None:
        """Return the actor that takes up unfinished work when nothing else is left, or None."""

    def ended(self, actor: Actor) -> None:
        """An actor ended by itself."""

    def check(self) -> None:
        """Check what must hold at every step. Reports to `Run.broke`."""


type Option = tuple[str, Actor | None, str]
"""What happens, to which actor, and the name of a starting actor."""


class Run:
    """Runs the actors of a scene by a plan, within limits.

    `story` is what happened. `failed` has the operations that failed or lost their response.
    """

    def __init__(self, plan: Plan, limits: Limits) -> None:
        self.plan = plan
        self.story: list[tuple[str, str]] = []
        self.broken: str | None = None
        self._limits = limits
        self.preemptions = self.faults = self.leaps = self.deaths = 0
        self.failed: set[str] = set()
        self._passed = 0
        self._hub = greenlet.getcurrent()
        self._by_greenlet: dict[object, Actor] = {}
        self._before = Actor("before", lambda: None)
        self._current: Actor | None = None
        self._scene: Scene | None = None

    @property
    def actor(self) -> Actor | None:
        """The current actor; None while a scene is prepared or inspected."""
        return self._by_greenlet.get(greenlet.getcurrent())

    @property
    def at_work(self) -> Actor:
        """The current actor, even while a scene is prepared."""
        return self.actor or self._before

    def broke(self, promise: str) -> None:
        """Report a broken promise. The run raises it later, since the current code would catch it."""
        self.broken = self.broken or promise

    def note(self, event: str, who: str | None = None) -> None:
        """Add to the story."""
        self.story.append((who or self.at_work.name, event))

    def lead(self, scene: "Scene", actor: Actor, until: str) -> None:
        """Let an actor run until it reaches an operation, and suspend it there, before the run starts."""
        self._scene = scene
        scene.actors.append(actor)
        while all(each.operation != until for each in (actor, *actor.awaits)):
            assert not actor.done, f"{actor.name} never comes to {until}"
            self._go_on(next((each for each in actor.awaits if not each.done), actor))
        for each in actor.awaits if actor.waits else (actor,):
            each.suspended = True
        self.note(f"is suspended before {until}", actor.name)

    # --- called by fakes ----------------------------------------------------------------------------------------------

    def turn(self, operation: str) -> None:
        """Yield before an operation until the plan continues the actor. Raises Unavailable if it fails."""
        actor = self.actor
        if actor is None:
            return
        if actor.killed:
            raise Killed
        if actor.fault:
            self.broke(f"the exploration itself is wrong: {actor.fault} was never carried out")
        actor.operation = operation
        self._hub.switch()
        assert self._scene
        self._scene.time.passes(OPERATION.total_seconds())
        if actor.fault == "is slow":
            actor.fault = ""
            self._scene.time.passes(SLOW.total_seconds())
            self.note(f"{operation} takes {SLOW.total_seconds():g} s")
        if actor.fault == "fails":
            actor.fault = ""
            self.failed.add(operation)
            self.note(f"{operation} fails")
            raise Unavailable(f"{operation} failed")
        self.note(operation)

    def sleep(self, seconds: float) -> None:
        """Let the current actor sleep."""
        actor = self.actor
        if actor is None or seconds <= 0:
            return
        assert self._scene
        actor.wakes = self._scene.time.now() + timedelta(seconds=seconds)
        self.turn("sleep")

    @contextmanager
    def pool(self) -> Iterator["PlannedThreads"]:
        """Return threads of the current actor, ordered by the plan. They start when the block ends."""
        threads = PlannedThreads()
        yield threads
        parent = self.actor
        if parent is None:
            for job in threads.jobs:
                job()
            return
        parent.awaits = [
            Actor(f"{parent.name}, thread {number}", job, parent.faulty, parent.ends, parent=parent)
            for number, job in enumerate(threads.jobs, start=1)
        ]
        assert self._scene
        self._scene.actors += parent.awaits
        if parent.awaits:
            parent.operation = ""
            self._hub.switch()

    @contextmanager
    def response(self, operation: str) -> Iterator[None]:
        """Wrap an operation whose response can be lost after it took effect. Raises Unavailable then."""
        try:
            yield
        except RetryReason:
            if self.loses(operation):
                raise Unavailable(f"the response to {operation} was lost") from None
            raise
        if self.loses(operation):
            raise Unavailable(f"the response to {operation} was lost")

    def loses(self, operation: str) -> bool:
        """Return whether the current operation's response is lost, for operations that must know."""
        actor = self.actor
        if actor is None or actor.fault != f"loses {operation}":
            return False
        actor.fault = ""
        self.failed.add(operation)
        self.note(f"the response to {operation} is lost")
        return True

    def pick(self, options: Sequence[str]) -> int:
        """Choose an event: the first option is free, any other is a fault."""
        if self.actor is None or len(options) < 2 or self.faults >= self._limits.faults:
            return 0
        taken = self.plan.choose(len(options))
        self.faults += taken > 0
        return taken

    # --- the run ------------------------------------------------------------------------------------------------------

    def play(self, scene: Scene) -> None:
        """Run until nothing is left to do. Raises Broken."""
        self._scene = scene
        try:
            for _ in range(MOST_STEPS):
                if not self._step(scene):
                    return
                scene.check()
                if self.broken:
                    raise Broken(self.broken)
            raise Broken("it does not come to rest")
        finally:
            for actor in scene.actors:
                self.kill(actor)

    def _step(self, scene: Scene) -> bool:
        """Decide on and run the next step. Return False if nothing is left to do."""
        if self._current is None or self._current.is_over:
            scene.actors = [each for each in scene.actors if not each.is_over]
        options = self._options(scene)
        if not options:
            actor = scene.settle()
            if actor is None:
                return False
            scene.actors.append(actor)
            self._current = actor
            return True
        what, actor, name = options[self.plan.choose(len(options)) if len(options) > 1 else 0]
        current = self._current
        if current and actor is not current and what in ("goes on", "begins"):
            self.preemptions += 1
        match what:
            case "goes on":
                assert actor
                self._go_on(actor)
            case "begins":
                begun = scene.due()[name]()
                scene.actors.append(begun)
                self._go_on(begun)
            case "time":
                self.leaps += bool(current or any(not each.suspended for each in self._ready(scene)))
                self._leap(scene)
            case "dies":
                assert actor
                self.faults += 1
                self.deaths += 1
                self.note(f"DIES before {actor.operation}", actor.name)
                self.kill(actor)
                self._current = None
            case fault:
                assert actor
                self.faults += 1
                actor.fault = fault
                self._go_on(actor)
        return True

    def _options(self, scene: Scene) -> list[Option]:
        current, may_leap = self._current, self.leaps < self._limits.leaps
        if current and not current.is_ready:
            own = (each for each in self._ready(scene) if each.whole is current.whole and not each.suspended)
            current = self._current = next(own, None)  # an actor is not preempted between its threads
        options: list[Option] = []
        if current:
            options.append(("goes on", current, ""))
            options += self._faults_of(current)
            if self.preemptions >= self._limits.preemptions:
                if may_leap and scene.next_event():
                    options.append(("time", None, ""))
                return options
        ready = [each for each in self._ready(scene) if each is not current]
        options += [("goes on", each, "") for each in ready if not each.suspended]
        options += [("begins", None, name) for name in scene.due()]
        suspended: list[Option] = [("goes on", each, "") for each in ready if each.suspended]
        due = scene.next_event()
        ends = min((each.ends for each in ready if each.suspended and each.ends), default=due)
        resumes = self._passed >= MOST_PASSED or (
            due is not None and ends is not None and due >= ends and not scene.may_outlive_its_end
        )
        if resumes:
            options += suspended
        if due and (may_leap or not options):
            options.append(("time", None, ""))
        return options if resumes else [*options, *suspended]

    def _ready(self, scene: Scene) -> Iterator[Actor]:
        return (each for each in scene.actors if each.is_ready)

    def _faults_of(self, actor: Actor) -> Iterator[Option]:
        operation = actor.operation
        if not actor.faulty or not actor.greenlet or not operation or self.faults >= self._limits.faults:
            return
        assert self._scene
        if operation in self._scene.slow:
            yield "is slow", actor, ""
        if operation in READS:
            yield "fails", actor, ""
            return
        yield "dies", actor, ""
        if operation not in NEVER_FAILS:
            yield "fails", actor, ""
            if operation not in KEEPS_QUIET:
                yield f"loses {operation}", actor, ""

    def _go_on(self, actor: Actor) -> None:
        self._current = actor
        actor.suspended = False
        if actor.greenlet is None:
            actor.greenlet = greenlet.greenlet(lambda: self._work(actor))
            self._by_greenlet[actor.greenlet] = actor
        actor.greenlet.switch()
        if actor.killed:  # one of its threads ended the whole process
            self.kill(actor)

    def _work(self, actor: Actor) -> None:
        assert self._scene
        try:
            actor.job()
            if not actor.parent:
                self._scene.ended(actor)
        except Unavailable as error:
            self.note(f"gives up: {error}")
        except Killed:
            raise
        except Exception as error:
            self.broke(f"{actor.name} met an unexpected error: {error!r}")
        finally:
            actor.done = True

    def _leap(self, scene: Scene) -> None:
        """Let time pass until something is due. Lambda ends workers whose time is over."""
        due = scene.next_event()
        assert due
        self._passed += 1
        seconds = max(0.0, (due - scene.time.now()).total_seconds())
        scene.time.passes(seconds)
        self.note(f"{seconds:g} s pass", "clock")
        for actor in scene.actors:
            if actor.wakes and actor.wakes <= scene.time.now():
                actor.wakes = None
            ended = actor.ends and actor.ends <= scene.time.now() and actor.greenlet and not actor.done
            if ended and not scene.may_outlive_its_end:
                self.deaths += 1
                self.note(f"is ended by Lambda before {actor.operation}", actor.name)
                self.kill(actor)
        self._current = None

    def kill(self, actor: Actor) -> None:
        """End a process: an actor and its threads."""
        whole = actor.whole
        for each in (whole, *whole.awaits):
            each.killed = True
            if each.at_work and each.greenlet:
                each.greenlet.throw(Killed)
