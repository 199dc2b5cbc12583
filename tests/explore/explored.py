"""The fakes' world for the exploration.

Every operation is a turn of a run, which can inject any of its faults there; writes, calls and slots are reported to
the promises.
"""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from facepair.domain.change import Change, Write
from facepair.domain.fitted import Fitted
from facepair.domain.gate import Gate
from facepair.domain.history import Version
from facepair.domain.ledger import Call, OnUnknownOutcome
from facepair.domain.notification import created_notification
from facepair.domain.outcome import Outcome
from facepair.domain.pair import Pair, Upload
from facepair.domain.picture import fit
from facepair.domain.retry import Later, Unavailable
from facepair.domain.row import Row
from facepair.use_cases.compare import MOST_DEATHS, Attempt, Comparer, Deferred
from facepair.use_cases.publish import Publisher
from facepair.use_cases.receive import ComesBack
from tests.explore.promises import Promises
from tests.explore.run import Actor, Run
from tests.fakes import LIFETIME, SUCCESS, Fake, FakeApi, FakeIdempotency, FakeQueue, Time, picture
from tests.world import World

FIT = functools.cache(fit)
"""Cached: the result depends only on the picture."""


class DeadlyPicture(bytes):
    """A picture that crashes the worker that opens it."""

    ends_its_worker: Callable[[], None]


def fit_explored(content: bytes) -> Fitted:
    """Replaces `fit` in the comparer."""
    if isinstance(content, DeadlyPicture):
        content.ends_its_worker()
    return FIT(content)


ANSWERS: Mapping[str, Outcome] = {
    "success": SUCCESS,
    "manual check": SUCCESS.model_copy(update={"similarity": Decimal(60)}),
    "no answer": Outcome(code="OUTCOME_UNKNOWN", message="no answer"),
    "busy": Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"),
    "not reached": Outcome(code="NETWORK_ERROR", message="refused"),
    "refused": Outcome(code="PARAMETER_ERROR", message="a parameter", pricing_strategy="FREE"),
    "blocked": Outcome(code="INSUFFICIENT_BALANCE", message="no balance", pricing_strategy="FREE"),
    "token refused": Outcome(code="IAM_FAILED", message="token", pricing_strategy="FREE"),
    "busy, charged": Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="PAY"),
    "token refused, charged": Outcome(code="IAM_FAILED", message="token", pricing_strategy="PAY"),
    "no face": Outcome(code="NO_FACE_DETECTED_FROM_FIRST_IMAGE", message="no face", pricing_strategy="PAY"),
}
"""The API's outcomes; all but "no answer" are answers."""

RETRY_AFTER = timedelta(seconds=30)
"""Of a busy API."""

LOSABLE = {
    "verdicts": ("write", "replace"),
    "decisions": ("decide",),
    "opinions": ("change",),
    "leases": ("take", "give_back"),
    "ledger": ("open", "complete", "approve", "keep"),
    "refusals": ("save",),
    "gate": ("enter",),
    "in_flight": ("begin", "defer", "finish", "claim", "release"),
    "queue": ("defer", "dead_letter", "send", "delete"),
    "cursor": ("save",),
    "pictures": ("delete", "abort"),
    "erasable_rows": ("entomb",),
    "erasable_ledger": ("mark", "settle", "strip", "forget"),
    "erasable_records": ("take", "take_review", "unmark"),
    "bus": ("put",),
    "stream": ("checkpoint",),
}
"""Operations whose response can be lost after they took effect. Idempotency and API handle that themselves."""


SEARCHED_EVERY = (1, 1, 25, 25)
"""Hours until the next search when nothing is left to do.

The search retries what it claimed but did not send after a day.
"""
SEARCHED_AFTER = timedelta(minutes=15)
"""FindMissedAfterMinutes."""


class ExploredTime(Time):
    """`left` is the time of the asking worker."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def left(self) -> float:
        actor = self._run.actor
        ends = actor.ends if actor and actor.ends else self.now() + timedelta(seconds=LIFETIME)
        return (ends - self.now()).total_seconds()


class Items(dict[str, dict[str, Any]]):
    """The verdicts table's items; reports each change as (before, after)."""

    def __init__(self, note: Callable[[dict[str, Any] | None, dict[str, Any] | None], None]) -> None:
        super().__init__()
        self._note = note

    def __setitem__(self, pair_id: str, item: dict[str, Any]) -> None:
        before = self.get(pair_id)
        super().__setitem__(pair_id, item)
        self._note(before, item)

    def __delitem__(self, pair_id: str) -> None:
        before = self[pair_id]
        super().__delitem__(pair_id)
        self._note(before, None)

    def pop(self, pair_id: str, *default: Any) -> Any:
        if pair_id not in self:
            return default[0]
        before = self[pair_id]
        del self[pair_id]
        return before


class ExploredApi(FakeApi):
    """Charges when a call arrives, whatever happens to its caller.

    After the answers in `first`, the run chooses from `may`.
    """

    may: Sequence[str] = ("success",)
    first: Sequence[str] = ()

    run: Run
    promises: Promises

    def name(self, operation: str) -> str:
        return f"api.{operation}"

    def compare(self, token: str, first: Fitted, second: Fitted) -> Outcome:
        self._begin("compare")
        if not token:
            self.run.broke("a call without a token")
        self.tokens.append(token)
        number = len(self.tokens) - 1
        answer = self.first[number] if number < len(self.first) else self.may[self.run.pick(self.may)]
        outcome = ANSWERS[answer]
        if answer == "busy":
            outcome = outcome.model_copy(update={"retry_at": self._time.now() + RETRY_AFTER})
        self.run.note(f"the API: {answer}")
        self.promises.called(self.run.at_work, outcome)
        if outcome.pricing_strategy:
            outcome = outcome.model_copy(update={"transaction_id": f"t{self.posts}"})
        self._begin("answer")
        self.promises.answered(self.run.at_work, outcome)
        return outcome


class ExploredIdempotency(FakeIdempotency):
    """Loses responses like the real one: the record then stays in progress."""

    run: Run

    def name(self, operation: str) -> str:
        return f"idempotency.{operation}"

    def once(self, fingerprint: str, compare: Callable[[], Outcome]) -> Outcome:
        def asked() -> Outcome:
            if self.run.loses("idempotency.once"):
                raise _LostAtStart
            return compare()

        try:
            outcome = super().once(fingerprint, asked)
        except _LostAtStart:
            raise Unavailable("the response to idempotency.once was lost") from None
        except Later:
            if self.run.loses("idempotency.once"):
                raise Unavailable("the response to idempotency.once was lost") from None
            raise
        if any(self.run.loses(f"idempotency.{each}") for each in ("once", "save", "give_up")):
            raise Unavailable("the response of the idempotency was lost")
        return outcome

    def keep(self, fingerprint: str) -> None:
        super().keep(fingerprint)
        if self.run.loses("idempotency.keep"):
            raise Unavailable("the response to idempotency.keep was lost")

    def discard(self, fingerprint: str) -> None:
        super().discard(fingerprint)
        if self.run.loses("idempotency.discard"):
            raise Unavailable("the response to idempotency.discard was lost")

    def give_up(self, fingerprint: str) -> None:
        super().give_up(fingerprint)
        if self.run.loses("idempotency.give_up"):
            raise Unavailable("the response to idempotency.give_up was lost")


class _LostAtStart(BaseException):
    """Not caught by the fake, which would delete the record on an Exception."""


class FakeBus(Fake):
    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.published: list[Change] = []

    def put(self, changes: Sequence[Change]) -> None:
        self._begin("put")
        self.published += changes


class FakeStream(Fake):
    """The table's writes, and how far they are published."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.writes: list[Write] = []
        self.published = 0

    def checkpoint(self, published: int) -> None:
        self._begin("checkpoint")
        self.published = max(self.published, published)

    def dead_letter(self, body: str) -> None:
        raise AssertionError(f"a row cannot be published: {body}")


class Watched:
    """A comparer whose unexpected errors break a promise; the receiver would only log them."""

    def __init__(self, comparer: Comparer, run: Run) -> None:
        self._comparer, self._run = comparer, run

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        try:
            return self._comparer.compare(pair_id, attempt)
        except (Deferred, Unavailable):
            raise
        except Exception as error:
            self._run.broke(f"an unexpected error: {error!r}")
            raise


class Explored(World):
    """A world and its actors. Each picture has a shade, so that contents can be told apart."""

    api: ExploredApi

    idempotency: ExploredIdempotency
    make_api = ExploredApi
    make_idempotency = ExploredIdempotency

    def __init__(self, run: Run, time: ExploredTime, *, on_unknown: OnUnknownOutcome = "hold") -> None:
        super().__init__(time)
        self.run, self.time = run, time
        self.on_unknown: OnUnknownOutcome = on_unknown
        self.actors: list[Actor] = []
        self.most_workers = 2
        self.may_outlive_its_end = False
        self.slow: frozenset[str] = frozenset()
        self.deaths_needed = MOST_DEATHS
        self.publishes = False
        self.clocks_ahead: dict[str, timedelta] = {}
        """By how much the clocks of some actors are ahead of the others'."""
        self.searches = 0
        self._workers = 0
        self.promises = Promises(self)
        self.api.run = self.idempotency.run = run
        self.api.promises = self.promises
        self.verdicts.items = Items(self._written)
        self.parallel = run
        self.bus = FakeBus(time, self.diary)
        self.stream = FakeStream(time, self.diary)
        self._hook()

    def _hook(self) -> None:
        """Make each operation a turn of the run that can lose its response."""
        for attribute, fake in vars(self).items():
            if not isinstance(fake, Fake):
                continue
            fake.turn = self.run.turn
            for operation in LOSABLE.get(attribute, ()):
                setattr(fake, operation, self._losing(getattr(fake, operation), fake.name(operation)))
        read, find, open_call = self.bucket.read, self.bucket.find, self.ledger.open
        enter, report, give_back, send = self.gate.enter, self.gate.report, self.gate.give_back, self.queue.send
        delete = self.pictures.delete
        begin, finish, defer = self.in_flight.begin, self.in_flight.finish, self.in_flight.defer
        see, look, block = self.gate.seen, self.gate.look, self.gate.block
        approve, mark = self.ledger.approve, self.erasable_ledger.mark

        def reading(upload: Upload) -> tuple[bytes, str | None]:
            actor = self.run.at_work.whole
            self.promises.reads(actor)
            content, version = read(upload)
            digest = hashlib.sha256(content).hexdigest()
            actor.read[upload.key] = version, digest
            self.promises.digests[version] = digest
            return content, version

        def finding(pair_id: str) -> Pair:
            actor = self.run.at_work
            actor.read.clear()
            pair = find(pair_id)
            return replace(pair, listed_at=pair.listed_at + self.clocks_ahead.get(actor.name, timedelta()))

        def opening(*args: Any, **named: Any) -> Call:
            self.promises.opens(self.run.at_work)
            call = open_call(*args, **named)
            self.promises.opened(self.run.at_work, call)
            return call

        def entering(seen: Any = None) -> Any:
            slot = enter(seen)
            self.promises.entered(self.run.at_work, slot)
            return slot

        def reporting(slot: Any, outcome: Outcome, seen: Any = None) -> None:
            report(slot, outcome, seen)
            self.promises.reported(self.run.at_work, slot, outcome)

        def marking(pair_id: str, rows: Any, moment: datetime, by: str) -> Any:
            marked = mark(pair_id, rows, moment, by)
            if marked:
                self.promises.forbidden(pair_id, moment)
            return marked

        def seeing() -> Gate:
            gate = see()
            self.promises.saw(self.run.at_work.whole, gate)
            return gate

        def looking(seen: Any) -> Any:
            hindrance = look(seen)
            self.run.at_work.notes["held back"] = hindrance
            return hindrance

        def blocking(blocked: Any) -> Any:
            for note in ("probe", "blocked"):
                self.run.at_work.notes.pop(note, None)
            closed = block(blocked)
            self.promises.blocked()
            return closed

        def beginning(objects: str, alive_until: datetime) -> int:
            begun = begin(objects, alive_until)
            self.promises.began(self.run.at_work.whole, objects)
            return begun

        def finishing(objects: str) -> None:
            finish(objects)
            self.promises.is_done_with(objects)

        def deferring(objects: str, until: datetime) -> None:
            defer(objects, until)
            self.promises.is_done_with(objects)

        def approving(call: Call, by: str) -> bool:
            approved = approve(call, by)
            if approved:
                self.promises.approved(call)
            return approved

        def deleting(versions: Sequence[Version]) -> None:
            self.promises.deletes(versions)
            delete(versions)

        def giving_back(slot: Any) -> None:
            give_back(slot)
            self.promises.gave_back(self.run.at_work, slot)

        def sending(bodies: Sequence[str]) -> None:
            before = self.queue.handles
            try:
                send(bodies)
            finally:
                self.promises.sent(self.run.at_work, self.queue.handles - before)

        self.bucket.read, self.bucket.find = reading, finding  # type: ignore[method-assign]
        self.ledger.open = opening  # type: ignore[method-assign]
        self.gate.enter, self.gate.report = entering, reporting  # type: ignore[method-assign]
        self.gate.give_back = giving_back  # type: ignore[method-assign]
        self.erasable_ledger.mark = marking  # type: ignore[method-assign]
        self.in_flight.begin, self.in_flight.finish = beginning, finishing  # type: ignore[method-assign]
        self.in_flight.defer, self.pictures.delete = deferring, deleting  # type: ignore[method-assign]
        self.gate.seen = seeing  # type: ignore[method-assign]
        self.gate.look, self.gate.block = looking, blocking  # type: ignore[method-assign, assignment]
        self.ledger.approve, self.queue.send = approving, sending  # type: ignore[method-assign]

    def _losing(self, operation: Callable[..., Any], name: str) -> Callable[..., Any]:
        def carried_out(*args: Any) -> Any:
            with self.run.response(name):
                return operation(*args)

        return carried_out

    def expire(self, pair_id: str) -> None:
        """DynamoDB deletes a pair's item if it has expired."""
        item = self.verdicts.items.get(pair_id)
        self.run.note(f"the item of {pair_id} {'has expired' if self._has_expired(item) else 'has not expired'}")
        if self._has_expired(item):
            del self.verdicts.items[pair_id]

    def expire_ledger(self) -> None:
        """DynamoDB deletes the ledger's expired rows; their numbers are reused."""
        self.ledger.forget()
        self.promises.answered_calls.clear()
        self.promises.ledger_expired = True

    def _has_expired(self, item: dict[str, Any] | None) -> bool:
        return item is not None and item["expires_at"] <= self.time.now().timestamp()

    def _written(self, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        place = str(len(self.stream.writes))
        expired = after is None and self._has_expired(before)
        self.stream.writes.append(Write(before, after, self.time.now(), expired=expired, place=place))
        self.promises.written(before, after)

    # --- actors -------------------------------------------------------------------------------------------------------

    def add(self, name: str, job: Callable[[], object], *, faulty: bool = True) -> None:
        """Add an actor that can start at any time."""
        self.actors.append(Actor(name, job, faulty=faulty))

    def due(self) -> dict[str, Callable[[], Actor]]:
        """Return the actors that can start: a worker per visible message, and a dead command that is rerun."""
        due: dict[str, Callable[[], Actor]] = {}
        if sum(1 for each in self.actors if each.ends and each.at_work) < self.most_workers:
            due |= {handle: functools.partial(self._worker, handle) for handle in self.queue.visible}
        if self.promises.unconfirmed_erasure() and not any(
            each.at_work for each in self.actors if each.job == self.erase
        ):
            due["eraser, again"] = lambda: Actor("eraser, again", self.erase, faulty=False)
        return due

    def _worker(self, handle: str) -> Actor:
        message = self.queue.receive(handle)
        assert message
        self._workers += 1
        receiver = self.receiver(Watched(self.comparer(self.asker(self.on_unknown)), self.run))

        def job() -> None:
            try:
                receiver.receive(message, self.time.left)
            except ComesBack:
                return
            self.queue.delete(handle)

        actor = Actor(f"worker {self._workers}", job, ends=self.time.now() + timedelta(seconds=LIFETIME))
        self.run.note(f"receives {handle}, try {message.receive_count}", actor.name)
        return actor

    def lead_worker(self, until: str) -> None:
        """Suspend a worker with the first message before an operation."""
        self.run.lead(self, self._worker(self.queue.visible[0]), until)

    def lead(self, name: str, job: Callable[[], object], until: str) -> None:
        """Start an actor and suspend it before an operation."""
        self.run.lead(self, Actor(name, job), until)

    def lose_leases(self) -> None:
        """Delete in-flight markers and records in progress, as if expired."""
        self.promises.leases_lost = True
        self.in_flight.marks.clear()
        self.idempotency.forget()

    def search(self) -> None:
        """Run FindMissedFunction."""
        self.missed_pairs(SEARCHED_AFTER).send(lambda: 900.0)

    def publish(self) -> None:
        """Run PublishFunction: publish and checkpoint each record."""
        publisher = Publisher(bus=self.bus, dead_letters=self.stream, metrics=self.metrics)
        while self.stream.published < len(self.stream.writes):
            number = self.stream.published
            publisher.publish(self.stream.writes[number])
            self.stream.checkpoint(number + 1)

    def erase(self) -> None:
        """Run `facepair erase` with its function. The promises apply from the confirmation on."""
        self.promises.wants_erased("anna")
        eraser = self.eraser()
        erasure = eraser.erase("anna", "arn:eraser")
        while erasure.known and not erasure.complete:
            self.run.sleep(erasure.ask_again_in or 0.0)
            erasure = eraser.confirm("anna", "arn:eraser")
        if erasure.complete:
            self.promises.erased("anna", erasure.erased_at)
            self.run.note("confirms the erasure")

    def erase_without_patience(self) -> None:
        """Erase and ask for the confirmation too early."""
        self.promises.wants_erased("anna")
        eraser = self.eraser()
        eraser.erase("anna", "arn:other")
        erasure = eraser.confirm("anna", "arn:other")
        if erasure.complete:
            self.promises.erased("anna", erasure.erased_at)

    def asker(self, on_unknown: OnUnknownOutcome = "hold") -> Any:
        return replace(super().asker(on_unknown), sleep=self.run.sleep)

    def approve(self) -> None:
        """Approve one more call."""
        self.approver().approve(["anna"], by="arn:operator")
        self.promises.has_approval = True

    def people(self, *acts: Callable[[], object]) -> Callable[[], None]:
        """Return a job that does one thing after the other."""

        def job() -> None:
            for act in acts:
                self.run.turn("people.act")
                act()

        return job

    # --- people -------------------------------------------------------------------------------------------------------

    def put(
        self,
        role: str,
        shade: int,
        *,
        pair_id: str = "anna",
        suffix: str = "png",
        after: float = 0,
        notified: bool = True,
    ) -> None:
        """Upload a picture after some seconds; S3 notifies the queue unless told otherwise."""
        self.time.passes(after)
        key = f"{pair_id}/{role}.{suffix}"
        version = self.bucket.put(key, picture(shade))
        self.promises.uploaded(version, self.time.now())
        self.run.note(f"uploads {key}, shade {shade}, as {version}{'' if notified else '; S3 loses the event'}")
        if notified:
            self._notify(key, hashlib.md5(picture(shade)).hexdigest())

    def _notify(self, key: str, etag: str) -> None:
        """Send S3's message, outside of any turn, so that it cannot fail."""
        turn, self.queue.turn = self.queue.turn, None
        try:
            FakeQueue.send(self.queue, [created_notification(key, etag)])
        finally:
            self.queue.turn = turn

    def pair(self, first: int = 10, second: int = 20, **how: Any) -> None:
        self.put("first", first, **how)
        self.put("second", second, **how)

    def delete(self, role: str, *, pair_id: str = "anna") -> None:
        self.run.note(f"deletes {pair_id}/{role}.png")
        self.bucket.delete(f"{pair_id}/{role}.png")

    # --- what is due --------------------------------------------------------------------------------------------------

    def next_event(self) -> datetime | None:
        """Return when a message comes back, a sleeper wakes or Lambda ends a worker."""
        now = self.time.now()
        times = [each.wakes for each in self.actors if each.wakes and not (each.done or each.killed)]
        visible = self.queue.next_visible
        if visible and visible > now:
            times.append(visible)
        return min(times, default=None)

    def settle(self) -> Actor | None:
        """Return an actor for what is left once nothing is due: the publisher or the search."""
        if self.publishes and self.stream.published < len(self.stream.writes):
            return Actor("publisher, again", self.publish, faulty=False)
        if self.promises.unsettled() and self.searches < len(SEARCHED_EVERY):
            hours = SEARCHED_EVERY[self.searches]
            self.searches += 1
            self.time.passes(hours * 3600)
            self.run.note(f"{hours} h pass", "clock")
            return Actor("search", self.search, faulty=False)
        return None

    def ended(self, actor: Actor) -> None:
        """An actor ended by itself."""
        self.promises.ended(actor)

    def check(self) -> None:
        self.promises.hold()
