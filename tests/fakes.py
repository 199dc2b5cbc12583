"""The use cases' world in memory: fakes that behave like what they replace.

Each implements its port (the type check of tests/world.py proves it) and behaves like the real adapter
(tests/integration/test_fakes.py proves it). Tests check the outcome, and the diary for the order of operations.
"""

import hashlib
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Self

from PIL import Image

from facepair.aws.verdicts import may_replace
from facepair.domain import clock
from facepair.domain.backlog import Count
from facepair.domain.decision import Decision
from facepair.domain.erasure import KEPT, Charged, Stored
from facepair.domain.fitted import Fitted
from facepair.domain.gate import LONGEST_WAIT_SECONDS, MOST_PACE, Gate, Rules, Signal, Slot
from facepair.domain.history import Version
from facepair.domain.ledger import Call, State
from facepair.domain.message import Message
from facepair.domain.metric import Metric
from facepair.domain.opinions import Opinions
from facepair.domain.outcome import Outcome
from facepair.domain.pair import Names, Pair, Upload, split
from facepair.domain.reads import FirstRead, LastRead
from facepair.domain.retention import Retention
from facepair.domain.retry import Blocked, Closed, Later, RateLimited, Unavailable
from facepair.domain.review_request import Queued
from facepair.domain.row import PairItem, PictureRow, Row
from facepair.domain.stored_row import is_tombstone
from facepair.domain.verdict import Verdict
from tests.support.conditions import holds

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = Names("first", "second")
DEADLINE = 15.0
"""Seconds per call to the API."""
LIFETIME = 120
"""Seconds per worker."""
VISIBILITY_TIMEOUT = 720
"""Seconds until a received message comes back."""
RETENTION = timedelta(days=365)
BLOCKED_RETRY = 600
"""Seconds that a blocked account's gate pauses."""
SUCCESS = Outcome(code="SUCCESS", message="OK", similarity=Decimal("87.3"), pricing_strategy="PAY")

type Incident = BaseException | Callable[[], object]


@cache
def picture(shade: int = 0) -> bytes:
    """Return a picture that the API accepts unchanged, different for each shade."""
    content = io.BytesIO()
    image = Image.linear_gradient("L")
    image.paste(shade, (0, 0, 128, 128))
    image.save(content, "PNG")
    return content.getvalue()


class Time:
    """A clock that moves only when a test or fake says so. `left` is the running worker's time."""

    def __init__(self) -> None:
        self._now = NOON
        self.new_worker()

    def now(self) -> datetime:
        return self._now

    def passes(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def new_worker(self, lifetime: float = LIFETIME) -> None:
        self._ends = self._now + timedelta(seconds=lifetime)

    def left(self) -> float:
        return (self._ends - self._now).total_seconds()


@cache
def _port(fake: str) -> str:
    """Return a port's name in the diary: `in_flight` for FakeInFlight."""
    return "_".join(re.findall("[A-Z][a-z]*", fake.removeprefix("Fake"))).lower()


class Fake:
    """Common to all fakes: a diary, incidents at operations, and `turn`.

    `turn` is called with an operation's name before it starts; the exploration decides there who continues.
    """

    turn: Callable[[str], None] | None = None

    def __init__(self, time: Time, diary: list[str]) -> None:
        self._time = time
        self._diary = diary
        self._incidents: dict[str, list[Incident]] = {}

    def name(self, operation: str) -> str:
        """Return an operation's name in the diary: `ledger.open`."""
        return f"{_port(type(self).__name__)}.{operation}"

    def at(self, operation: str, *incidents: Incident) -> None:
        """Set what happens before the next calls of an operation: errors are raised, callables called."""
        self._incidents.setdefault(operation, []).extend(incidents)

    def _begin(self, operation: str) -> None:
        name = self.name(operation)
        if self.turn:
            self.turn(name)
        self._diary.append(name)
        if incidents := self._incidents.get(operation):
            incident = incidents.pop(0)
            if isinstance(incident, BaseException):
                raise incident
            incident()


class FakeBucket(Fake):
    """Versioned objects, listed like S3: by key, with times in whole seconds."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._objects: dict[str, tuple[Upload, bytes, str]] = {}
        self._deleted: dict[str, tuple[Upload, bytes, str]] = {}
        self._versions = 0
        self._with_checksum: set[str] = set()
        self.versions: list[Version] = []
        """All versions and delete markers ever."""

    def put(self, key: str, content: bytes) -> str:
        """Add an object and return its version id."""
        etag = hashlib.md5(content).hexdigest()
        upload = Upload(key, etag, len(content), self._time.now().replace(microsecond=0))
        version = self._new_version(upload)
        self._objects[key] = upload, content, version
        return version

    def _new_version(self, upload: Upload, *, deleted: bool = False) -> str:
        self._versions += 1
        self.versions = [replace(each, latest=each.latest and each.upload.key != upload.key) for each in self.versions]
        version = Version(upload, f"v{self._versions}", NAMES.role(upload.key), latest=True, deleted=deleted)
        self.versions.append(version)
        return version.version_id

    def upload(self, key: str, file: Path, sha256: str) -> str:
        self._begin("upload")
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise Unavailable("BadDigest")
        self._with_checksum.add(self.put(key, content))
        return self._objects[key][0].etag

    def holds(self, upload: Upload, sha256: str) -> bool:
        self._begin("holds")
        found, content, version = self._objects.get(upload.key, (None, b"", ""))
        known = found is not None and found.etag == upload.etag and version in self._with_checksum
        return known and hashlib.sha256(content).hexdigest() == sha256

    def delete(self, key: str) -> None:
        if key in self._objects:
            self._deleted[key] = self._objects.pop(key)
        self._new_version(Upload(key, "", 0, self._time.now().replace(microsecond=0)), deleted=True)

    def restore(self, *keys: str) -> None:
        """Remove delete markers: the objects are back, with their old times."""
        for key in keys:
            self._objects[key] = self._deleted.pop(key)

    def erase(self, versions: Sequence[Version]) -> None:
        """Delete versions for good."""
        self.versions = [each for each in self.versions if each not in versions]
        left = {each.version_id for each in self.versions}
        self._objects = {key: there for key, there in self._objects.items() if there[2] in left}

    def find(self, pair_id: str) -> Pair:
        listed_at = self._time.now()
        self._begin("find")
        return Pair.among(pair_id, (each for each in self.listed() if split(each.key)[0] == pair_id), NAMES, listed_at)

    def all(self, after: str) -> Iterator[Upload]:
        self._begin("all")
        yield from (each for each in self.listed() if each.key > after)

    def read(self, upload: Upload) -> tuple[bytes, str | None]:
        self._begin("read")
        _, content, version = self._same(upload)
        return content, version

    def version(self, upload: Upload) -> str | None:
        self._begin("version")
        return self._same(upload)[2]

    def listed(self) -> list[Upload]:
        """Return the current objects, by key."""
        return sorted((upload for upload, _, _ in self._objects.values()), key=lambda upload: upload.key)

    def _same(self, upload: Upload) -> tuple[Upload, bytes, str]:
        found = self._objects.get(upload.key)
        if found is None or found[0].etag != upload.etag:
            raise Later(f"{upload.key} was overwritten or deleted while it was read")
        return found


class FakeEarlierErasures(Fake):
    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.moments: dict[str, datetime] = {}

    def of(self, pair_id: str) -> datetime | None:
        self._begin("of")
        return self.moments.get(pair_id)


class FakeVerdicts(Fake):
    """Items that only move forward, and tombstones."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.items: dict[str, dict[str, Any]] = {}

    def row(self, pair_id: str) -> Row | None:
        self._begin("row")
        return self._row(pair_id)

    def _row(self, pair_id: str) -> Row | None:
        return PairItem.of(self.items.get(pair_id)).row

    def item(self, pair_id: str) -> PairItem:
        self._begin("item")
        return PairItem.of(self.items.get(pair_id))

    def rows(self, pair_ids: Iterable[str]) -> Mapping[str, Row]:
        self._begin("rows")
        return {pair_id: row for pair_id in pair_ids if (row := self._row(pair_id))}

    @property
    def stored(self) -> Mapping[str, Row]:
        """All rows by pair id, without tombstones."""
        return {pair_id: row for pair_id in self.items if (row := self._row(pair_id))}

    def pending(self) -> Iterator[Row]:
        self._begin("pending")
        rows = [row for row in self.stored.values() if row.verdict is Verdict.PENDING]
        yield from sorted(rows, key=lambda row: row.updated_at or NOON)

    def replace(self, expected: Row, row: Row) -> bool:
        self._begin("replace")
        item = self.items.get(row.pair_id)
        if item is None or self._row(row.pair_id) != expected:
            return False
        self.items[row.pair_id] = row.model_copy(update={"updated_at": _later(self._time.now(), item)}).item()
        return True

    def write(self, row: Row, erased_at: datetime | None) -> bool:
        self._begin("write")
        item = self.items.get(row.pair_id)
        current = PairItem.of(item)
        if item and current.erased_at != erased_at:
            raise Later("the pair was erased after this worker began")
        if item and current.row and not holds(may_replace(row), item):
            return False
        now = self._time.now()
        expires_at = int((now + RETENTION).timestamp())
        updated = {"updated_at": _later(now, item), "expires_at": expires_at, "erased_before": erased_at}
        self.items[row.pair_id] = row.model_copy(update=updated).item()
        return True


def _later(now: datetime, current: Mapping[str, Any] | None) -> datetime:
    """Return a time later than the row's previous write."""
    if not current or "updated_at" not in current:
        return now
    return max(now, clock.parse(current["updated_at"]) + timedelta(milliseconds=1))


class FakeDecisions(Fake):
    """Decisions in rows, and by contents."""

    def __init__(
        self, time: Time, diary: list[str], verdicts: FakeVerdicts, opinions: "FakeOpinions | None" = None
    ) -> None:
        super().__init__(time, diary)
        self._verdicts = verdicts
        self._opinions = opinions or FakeOpinions(time, diary, verdicts)
        self.kept: dict[str, Decision] = {}

    def of(self, fingerprint: str) -> Decision | None:
        self._begin("of")
        return self.kept.get(fingerprint)

    def decide(self, row: Row, decision: Decision, opinions: int = 0) -> bool:
        self._begin("decide")
        current = PairItem.of(self._verdicts.items.get(row.pair_id)).row
        if current is None:
            return False
        if not current.is_to_be_reviewed or current.fingerprint != row.fingerprint:
            return False
        if self._opinions.known.get(str(row.fingerprint), Opinions()).version != opinions:
            return False
        self._opinions.known.pop(str(row.fingerprint), None)
        later = _later(decision.review.at, self._verdicts.items[row.pair_id])
        decided = current.as_decided(decision).model_copy(update={"updated_at": later})
        self._verdicts.items[row.pair_id] = decided.item()
        self.kept[str(row.fingerprint)] = decision
        return True


class FakeOpinions(Fake):
    """Opinions by contents."""

    def __init__(self, time: Time, diary: list[str], verdicts: FakeVerdicts) -> None:
        super().__init__(time, diary)
        self._verdicts = verdicts
        self.known: dict[str, Opinions] = {}

    def of(self, fingerprint: str) -> Opinions:
        self._begin("of")
        return self.known.get(fingerprint, Opinions())

    def of_many(self, fingerprints: Sequence[str]) -> Mapping[str, Opinions]:
        self._begin("of_many")
        return {each: self.known[each] for each in fingerprints if each in self.known}

    def change(self, row: Row, opinions: Opinions) -> bool:
        self._begin("change")
        current = PairItem.of(self._verdicts.items.get(row.pair_id)).row
        if current is None or not current.is_to_be_reviewed or current.fingerprint != row.fingerprint:
            return False
        if self.known.get(str(row.fingerprint), Opinions()).version != opinions.version - 1:
            return False
        self.known[str(row.fingerprint)] = opinions
        return True


class FakeReviewQueue(Fake):
    """The index, never delayed here."""

    def __init__(self, time: Time, diary: list[str], verdicts: FakeVerdicts) -> None:
        super().__init__(time, diary)
        self._verdicts = verdicts

    def oldest_first(self) -> Iterator[Queued]:
        items = [item for item in self._verdicts.items.values() if item.get("verdict") == "MANUAL_CHECK"]
        waiting = sorted(items, key=lambda item: item["updated_at"])
        yield from (Queued(item["pair_id"], item.get("fingerprint", "")) for item in waiting)

    def waiting(self) -> Count:
        return Count(len(list(self.oldest_first())))


class FakeLeases(Fake):
    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.held: dict[str, tuple[str, datetime]] = {}

    def take(self, pair_id: str, holder: str, until: datetime) -> bool:
        self._begin("take")
        has_it, ends = self.held.get(pair_id, (holder, until))
        if has_it != holder and ends > self._time.now():
            return False
        self.held[pair_id] = holder, until
        return True

    def give_back(self, pair_id: str, holder: str) -> None:
        self._begin("give_back")
        if self.held.get(pair_id, ("",))[0] == holder:
            del self.held[pair_id]


class FakeLinks:
    """Links that show where they lead."""

    def link(self, picture: PictureRow) -> str | None:
        return f"https://s3.test/{picture.key}?versionId={picture.version_id}" if picture.version_id else None


class FakeLedger(Fake):
    """Allows one writer per call number and never replaces an answer."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._calls: dict[tuple[str, str], Call] = {}
        self._expire: dict[tuple[str, str], datetime] = {}
        self.retention: Retention | None = None
        self.transaction_ids: dict[tuple[str, str], str | None] = {}
        self._owners = 0

    def states(self, pair_id: str) -> list[State]:
        return [call.state for call in self.calls_of(pair_id)]

    def of_pair(self, pair_id: str) -> Sequence[Call]:
        self._begin("of_pair")
        return self.calls_of(pair_id)

    def get(self, pair_id: str, call: str) -> Call | None:
        self._begin("get")
        self._forget_expired()
        return self._calls.get((pair_id, call))

    def forget(self) -> None:
        """Expire all rows."""
        self._calls.clear()

    def keep(self, call: Call) -> None:
        self._begin("keep")
        self._forget_expired()
        if (call.pair_id, call.call) in self._calls:
            self._keep_from_now(call.pair_id, call.call)

    def open(
        self, pair_id: str, fingerprint: str, number: int, alive_until: datetime, earliest_upload: datetime
    ) -> Call:
        self._begin("open")
        self._owners += 1
        times = clock.milliseconds(self._time.now()), clock.milliseconds(alive_until)
        owner = f"owner {self._owners}"
        call = Call(pair_id, f"{number:06d}", fingerprint, State.SENT, owner, *times, earliest_upload=earliest_upload)
        if self._calls.setdefault((pair_id, call.call), call) is not call:
            raise Later("another worker is calling for this pair")
        self._keep_from_now(pair_id, call.call)
        return call

    def _keep_from_now(self, pair_id: str, call: str) -> None:
        expires = self._expire.pop((pair_id, call), self._time.now())
        if self.retention:
            longest = timedelta(seconds=self.retention.longest_seconds)
            self._expire[pair_id, call] = max(expires, self._time.now() + longest)

    def _forget_expired(self) -> None:
        for row in [row for row, expires in self._expire.items() if expires <= self._time.now()]:
            del self._expire[row], self._calls[row]

    def complete(self, call: Call, state: State, outcome: Outcome, latency_ms: int | None = None) -> None:
        self._begin("complete")
        self._forget_expired()
        current = self._calls.get((call.pair_id, call.call))
        if current is None:
            raise Later("the call was answered after all")
        open_states = {State.SENT} if state is State.UNKNOWN else {State.SENT, State.UNKNOWN}
        if current.owner == call.owner and current.state in open_states:
            stored = None if current.erased else outcome.model_copy(update={"unsaved": False})
            self._calls[call.pair_id, call.call] = replace(current, state=state, outcome=stored)
            self.transaction_ids[call.pair_id, call.call] = outcome.transaction_id
        elif current.state is not state:
            raise Later("the call was answered after all")

    def approve(self, call: Call, by: str) -> bool:
        self._begin("approve")
        current = self._calls[call.pair_id, call.call]
        if current.owner != call.owner or not current.unanswered or current.permitted_by or current.erased:
            return False
        self._calls[call.pair_id, call.call] = replace(current, permitted_by=by)
        return True

    def mark(self, pair_id: str, number: int, moment: datetime) -> Call | None:
        """Take a call number as an eraser does; return None if it is taken."""
        self._owners += 1
        at = clock.milliseconds(self._time.now())
        mark = Call(
            pair_id, f"{number:06d}", "", State.ERASED, f"owner {self._owners}", at, clock.at(0), erased_at=moment
        )
        if self._calls.setdefault((pair_id, mark.call), mark) is not mark:
            return None
        if self.retention:
            self._expire[pair_id, mark.call] = self._time.now() + KEPT
        return mark

    def change(self, pair_id: str, number: str, **values: object) -> None:
        """Change a row as an eraser does, unless it has expired."""
        self._forget_expired()
        if (pair_id, number) in self._calls:
            self._calls[pair_id, number] = replace(self._calls[pair_id, number], **values)  # type: ignore[arg-type]

    @property
    def calls(self) -> Mapping[tuple[str, str], Call]:
        """All rows, by pair id and call."""
        return self._calls

    def calls_of(self, pair_id: str) -> list[Call]:
        """Return a pair's rows, oldest first."""
        self._forget_expired()
        return sorted((call for call in self._calls.values() if call.pair_id == pair_id), key=lambda call: call.call)


class FakeRefusals(Fake):
    """Free refusals by their row's owner."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._kept: dict[str, Outcome] = {}

    def save(self, call: Call, refusal: Outcome) -> None:
        self._begin("save")
        self._kept[call.owner] = refusal

    def of(self, call: Call) -> Outcome | None:
        self._begin("of")
        return self._kept.get(call.owner)


class FakeApi(Fake):
    """Gives scripted answers, repeating the last; refuses revoked tokens. A call takes `seconds`."""

    deadline = DEADLINE

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._answers = [SUCCESS]
        self.revoked: set[str] = set()
        self.seconds = 0.0
        self.tokens: list[str] = []
        self.charged = 0

    def answers(self, *outcomes: Outcome) -> None:
        self._answers = list(outcomes)

    @property
    def posts(self) -> int:
        return len(self.tokens)

    def compare(self, token: str, first: Fitted, second: Fitted) -> Outcome:
        self._begin("compare")
        self.tokens.append(token)
        self._begin("answer")
        self._time.passes(self.seconds)
        outcome = self._answer(token)
        self.charged += outcome.charged
        return outcome.model_copy(update={"transaction_id": f"t{self.posts}"}) if outcome.pricing_strategy else outcome

    def _answer(self, token: str) -> Outcome:
        if token in self.revoked:
            return Outcome(code="IAM_FAILED", message="token expired", pricing_strategy="FREE")
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class FakeTokens(Fake):
    """The current token, then a new one."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._issued = 1

    def tokens(self) -> Iterator[str]:
        yield f"token {self._issued}"
        self._begin("issue")
        self._issued += 1
        yield f"token {self._issued}"


class FakeIdempotency(Fake):
    """Stores settled outcomes as JSON, and no errors.

    A dead worker's record stays for as long as the worker could have lived.
    """

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._stored: dict[str, dict[str, Any]] = {}
        self._expire: dict[str, datetime] = {}
        self.retention: Retention | None = None
        self._in_progress: dict[str, datetime] = {}

    @property
    def stored(self) -> Mapping[str, Mapping[str, Any]]:
        """Stored outcomes, by fingerprint."""
        return self._stored

    def take(self, fingerprint: str) -> datetime | None:
        """Delete a record. While its worker may save an answer, leave it and return until when."""
        until = self._in_progress.get(fingerprint)
        if until and until > self._time.now():
            return until
        self._in_progress.pop(fingerprint, None)
        self._stored.pop(fingerprint, None)
        return None

    def forget(self) -> None:
        """Expire all records."""
        self._stored.clear()
        self._in_progress.clear()

    def discard(self, fingerprint: str) -> None:
        self._begin("discard")
        self._stored.pop(fingerprint, None)

    def keep(self, fingerprint: str) -> None:
        self._begin("keep")
        self._keep_from_now(fingerprint)

    def _keep_from_now(self, fingerprint: str) -> None:
        if fingerprint in self._stored and self.retention:
            self._expire[fingerprint] = self._time.now() + timedelta(seconds=self.retention.longest_seconds)

    def once(self, fingerprint: str, compare: Callable[[], Outcome]) -> Outcome:
        self._begin("once")
        if self._expire.get(fingerprint, self._time.now()) < self._time.now():
            self._stored.pop(fingerprint, None)
            del self._expire[fingerprint]
        if stored := self._stored.get(fingerprint):
            return Outcome.model_validate(stored)
        if self._in_progress.get(fingerprint, self._time.now()) > self._time.now():
            raise Later("another worker is asking")
        self._in_progress[fingerprint] = self._time.now() + timedelta(seconds=self._time.left())
        try:
            outcome = compare()
        except Exception:
            self.give_up(fingerprint)
            raise
        if not outcome.settled:
            self.give_up(fingerprint)
            return outcome
        self._begin("save")
        self._in_progress.pop(fingerprint, None)
        self._stored[fingerprint] = outcome.model_dump(mode="json")
        self._keep_from_now(fingerprint)
        return outcome

    def give_up(self, fingerprint: str) -> None:
        """Delete the record of an unsettled comparison."""
        self._begin("give_up")
        self._in_progress.pop(fingerprint, None)


class FakeGate(Fake):
    """The gate's real rules over state in memory. An open gate's slots are free at once unless `rules` pace it."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.rules = Rules(per_second=MOST_PACE, stop_after_unknown=5, pause=BLOCKED_RETRY)
        self.state = Gate()

    def seen(self) -> Gate:
        self._begin("look")
        return self.state

    def look(self, seen: Gate | None = None) -> Closed | RateLimited | None:
        gate = seen or self.state
        if closed := gate.closed(self._now):
            return closed
        wait = 0.0 if gate.code else gate.wait(self.rules, self._now)
        return RateLimited(wait) if wait > LONGEST_WAIT_SECONDS else None

    def enter(self, seen: Gate | None = None) -> Slot:
        self._begin("enter")
        now = self._now
        if closed := self.state.closed(now):
            raise closed
        if self.state.code:
            self.state = self.state.probing(self.rules, now)
            return Slot(at=now, taken_at=now, probe=True)
        if (wait := self.state.wait(self.rules, now)) > LONGEST_WAIT_SECONDS:
            raise RateLimited(wait)
        slot = Slot(at=self.state.slot(self.rules, now), taken_at=now)
        self.state = self.state.took(self.rules, now)
        return slot

    def report(self, slot: Slot, outcome: Outcome, seen: Gate | None = None) -> None:
        with suppress(Unavailable):
            self._report(slot, outcome, seen)

    def _report(self, slot: Slot, outcome: Outcome, seen: Gate | None) -> None:
        self._begin("report")
        if Signal.of(outcome) is Signal.UNANSWERED:
            self.state, seen = self.state.counted(), None
        if seen and seen.after(slot, outcome, self.rules, self._now) is seen:
            return  # the real one writes nothing then
        self.state = self.state.after(slot, outcome, self.rules, self._now)

    def give_back(self, slot: Slot) -> None:
        with suppress(Unavailable):
            self._give_back(slot)

    def _give_back(self, slot: Slot) -> None:
        self._begin("give_back")
        self.state = self.state.given_back(slot, self._now)

    def block(self, blocked: Blocked) -> Closed:
        with suppress(Unavailable):
            self._begin("block")
            self.state = self.state.blocked(self.rules, blocked.code, blocked.message, self._now)
        return Closed(blocked.code, blocked.message, seconds=self.rules.pause)

    @property
    def _now(self) -> float:
        return self._time.now().timestamp()


class FakeFirstReads:
    """Reads items one by one, so that others may write in between."""

    def __init__(self, gate: FakeGate, verdicts: FakeVerdicts, earlier: FakeEarlierErasures) -> None:
        self._gate, self._verdicts, self._earlier = gate, verdicts, earlier

    def of(self, pair_id: str) -> FirstRead:
        return FirstRead(self._gate.seen(), self._verdicts.item(pair_id), self._earlier.of(pair_id))


class FakeLastReads:
    def __init__(self, gate: FakeGate, decisions: FakeDecisions) -> None:
        self._gate, self._decisions = gate, decisions

    def after_call(self, fingerprint: str) -> LastRead:
        return LastRead(self._gate.seen(), self._decisions.of(fingerprint))


@dataclass
class _Mark:
    due: datetime
    begun: int = 0
    alive_until: datetime | None = None
    claimed: bool = False


class FakeInFlight(Fake):
    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.marks: dict[str, _Mark] = {}

    def begin(self, objects: str, alive_until: datetime) -> int:
        self._begin("begin")
        mark = self.marks.setdefault(objects, _Mark(self._time.now()))
        if mark.alive_until and mark.alive_until > self._time.now():
            raise Later("another worker has the pair")
        mark.begun += 1
        mark.alive_until, mark.claimed = alive_until, False
        mark.due = self._time.now() + timedelta(seconds=VISIBILITY_TIMEOUT)
        return mark.begun

    def defer(self, objects: str, until: datetime) -> None:
        self._begin("defer")
        self.marks[objects] = _Mark(until)

    def finish(self, objects: str) -> None:
        self._begin("finish")
        self.marks.pop(objects, None)

    def claim(self, objects: str, late: timedelta) -> bool:
        self._begin("claim")
        mark = self.marks.get(objects)
        claimed_lately = mark and mark.claimed and mark.due > self._time.now() - timedelta(hours=2)
        if mark and (claimed_lately or mark.due > self._time.now() - late):
            return False
        self.marks[objects] = _Mark(self._time.now(), claimed=True)
        return True

    def release(self, objects: str) -> None:
        self._begin("release")
        if objects in self.marks and self.marks[objects].claimed:
            del self.marks[objects]


@dataclass
class _Queued:
    body: str
    sent_at: datetime
    visible_at: datetime
    receive_count: int = 0


class FakeQueue(Fake):
    """Messages that come back until deleted, and dead letters."""

    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self._messages: dict[str, _Queued] = {}
        self._sent = 0
        self.dead_letters: list[str] = []

    @property
    def bodies(self) -> list[str]:
        return [message.body for message in self._messages.values()]

    def due_in(self, receipt_handle: str) -> float:
        """Return the seconds until a message is visible."""
        return (self._messages[receipt_handle].visible_at - self._time.now()).total_seconds()

    @property
    def handles(self) -> set[str]:
        """Receipt handles of all messages."""
        return set(self._messages)

    def lose_all(self) -> None:
        """Drop all messages, as if received too often."""
        self._messages.clear()

    @property
    def visible(self) -> list[str]:
        """Receipt handles of visible messages."""
        return [handle for handle, message in self._messages.items() if message.visible_at <= self._time.now()]

    @property
    def next_visible(self) -> datetime | None:
        """When the next message becomes visible, if any."""
        return min((message.visible_at for message in self._messages.values()), default=None)

    def receive(self, wanted: str | None = None) -> Message | None:
        """Receive the next visible message, or the one with this receipt handle."""
        for handle, message in self._messages.items():
            if message.visible_at <= self._time.now() and wanted in (None, handle):
                message.visible_at = self._time.now() + timedelta(seconds=VISIBILITY_TIMEOUT)
                message.receive_count += 1
                return Message(message.body, handle, message.receive_count, message.sent_at)
        return None

    def delete(self, receipt_handle: str) -> None:
        self._begin("delete")
        self._messages.pop(receipt_handle, None)

    def defer(self, receipt_handle: str, seconds: int) -> None:
        self._begin("defer")
        if receipt_handle not in self._messages:
            raise Unavailable("the receipt handle is not valid")
        self._messages[receipt_handle].visible_at = self._time.now() + timedelta(seconds=seconds)

    def lose(self) -> None:
        """Drop all messages, as SQS does at the end of their retention."""
        self._messages.clear()

    def dead_letter(self, body: str) -> None:
        self._begin("dead_letter")
        self.dead_letters.append(body or "(empty)")

    def has_backlog(self) -> bool:
        self._begin("has_backlog")
        visible = sum(message.visible_at <= self._time.now() for message in self._messages.values())
        return visible > len(self._messages) - visible

    def send(self, bodies: Sequence[str]) -> None:
        self._begin("send")
        for body in bodies:
            self._sent += 1
            self._messages[f"receipt {self._sent}"] = _Queued(body, self._time.now(), self._time.now())


class FakeCursor(Fake):
    def __init__(self, time: Time, diary: list[str]) -> None:
        super().__init__(time, diary)
        self.key = ""

    def load(self) -> str:
        self._begin("load")
        return self.key

    def save(self, key: str) -> None:
        self._begin("save")
        self.key = key


class FakeMetrics:
    def __init__(self) -> None:
        self.values: dict[Metric, list[float]] = {}

    def add(self, metric: Metric, value: float = 1) -> None:
        self.values.setdefault(metric, []).append(value)

    def sums(self) -> dict[Metric, float]:
        return {metric: sum(values) for metric, values in self.values.items()}


class FakeParallel:
    """Runs sequentially."""

    @contextmanager
    def pool(self) -> Iterator[Self]:
        yield self

    def submit[Made](self, act: Callable[[], Made], /) -> Future[Made]:
        future: Future[Made] = Future()
        carry_out(act, future)
        return future


def carry_out[Made](act: Callable[[], Made], future: Future[Made]) -> None:
    """Run an act like a thread, and put its result into the future."""
    try:
        future.set_result(act())
    except Exception as error:
        future.set_exception(error)


class FakePictures(Fake):
    """The bucket as erasures see it."""

    def __init__(self, time: Time, diary: list[str], bucket: FakeBucket) -> None:
        super().__init__(time, diary)
        self._bucket = bucket

    def versions(self, pair_id: str) -> tuple[datetime, list[Version]]:
        self._begin("versions")
        there = [each for each in self._bucket.versions if split(each.upload.key)[0] == pair_id]
        return self._time.now().replace(microsecond=0), there

    def delete(self, versions: Sequence[Version]) -> None:
        self._begin("delete")
        self._bucket.erase(versions)

    def abort(self, pair_id: str, until: datetime) -> int:
        self._begin("abort")
        return 0


class FakeErasableRows(Fake):
    """The items as erasures see them."""

    def __init__(self, time: Time, diary: list[str], verdicts: FakeVerdicts) -> None:
        super().__init__(time, diary)
        self._verdicts = verdicts

    def stored(self, pair_id: str) -> Stored | None:
        self._begin("stored")
        item = self._verdicts.items.get(pair_id)
        if item is None:
            return None
        current = PairItem.of(item)
        if current.row is None:
            return Stored(item, is_tombstone=True, erased_at=current.erased_at)
        row = current.row
        return Stored(
            item,
            is_tombstone=False,
            uploaded_at=row.uploaded_at,
            fingerprint=row.fingerprint,
            rests_on_call=row.call is not None,
            objects={role: (each.key, each.etag) for role, each in row.pictures.items()},
        )

    def entomb(self, pair_id: str, stored: Stored | None, moment: datetime) -> bool:
        self._begin("entomb")
        current = self._verdicts.items.get(pair_id)
        if current != (stored and stored.state):
            # Like the adapter, which cannot distinguish this tombstone from its own write whose response was lost.
            return current is not None and is_tombstone(current) and current["erased_at"] == clock.iso(moment)
        if stored and stored.is_tombstone and stored.erased_at and stored.erased_at >= moment:
            return True
        expires_at = int((self._time.now() + KEPT).timestamp())
        self._verdicts.items[pair_id] = {
            "pair_id": pair_id,
            "erased_at": clock.iso(moment),
            "expires_at": expires_at,
        }
        return True


class FakeErasableLedger(Fake):
    """The ledger as erasures see it."""

    def __init__(self, time: Time, diary: list[str], ledger: FakeLedger) -> None:
        super().__init__(time, diary)
        self._ledger = ledger

    def of_pair(self, pair_id: str) -> list[Charged]:
        self._begin("of_pair")
        return [self._charged(call) for call in self._ledger.calls_of(pair_id)]

    def _charged(self, call: Call) -> Charged:
        return Charged(
            pair_id=call.pair_id,
            call=call.call,
            state=call.state,
            alive_until=None if call.alive_until == clock.at(0) else call.alive_until,
            fingerprint=call.fingerprint,
            transaction_id=self._ledger.transaction_ids.get((call.pair_id, call.call)),
            earliest_upload=call.earliest_upload,
            erased_at=call.erased_at,
            describes_faces=call.outcome is not None,
        )

    def mark(self, pair_id: str, rows: Sequence[Charged], moment: datetime, by: str) -> Charged | None:
        self._begin("mark")
        mark = self._ledger.mark(pair_id, 1 + max((int(row.call) for row in rows), default=0), moment)
        return self._charged(mark) if mark else None

    def settle(self, mark: Charged, until: datetime) -> None:
        self._begin("settle")
        self._ledger.change(mark.pair_id, mark.call, alive_until=until)

    def strip(self, charged: Charged, moment: datetime) -> None:
        self._begin("strip")
        self._ledger.change(charged.pair_id, charged.call, erased_at=moment, outcome=None)

    def forget(self, charged: Charged) -> None:
        self._begin("forget")
        self._ledger.change(charged.pair_id, charged.call, fingerprint="")


class FakeErasableRecords(Fake):
    """Records, decisions and in-flight markers as erasures see them."""

    def __init__(
        self,
        time: Time,
        diary: list[str],
        idempotency: FakeIdempotency,
        in_flight: FakeInFlight,
        decisions: FakeDecisions,
        opinions: FakeOpinions,
    ) -> None:
        super().__init__(time, diary)
        self._idempotency, self._in_flight = idempotency, in_flight
        self._decisions, self._opinions = decisions, opinions

    def take(self, fingerprint: str) -> datetime | None:
        self._begin("take")
        return self._idempotency.take(fingerprint)

    def reviewed(self, fingerprints: Collection[str]) -> set[str]:
        self._begin("reviewed")
        return {each for each in fingerprints if each in self._opinions.known or each in self._decisions.kept}

    def take_review(self, fingerprint: str) -> None:
        self._begin("take_review")
        self._opinions.known.pop(fingerprint, None)
        self._decisions.kept.pop(fingerprint, None)

    def unmark(self, objects: str) -> None:
        self._begin("unmark")
        mark = self._in_flight.marks.get(objects)
        if mark and not (mark.alive_until and mark.alive_until > self._time.now()):
            del self._in_flight.marks[objects]
