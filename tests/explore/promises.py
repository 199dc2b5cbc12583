"""What must hold in every schedule: checked at every step and at rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from facepair.advance.codes import BUSY_CODES, Meaning
from facepair.domain import clock
from facepair.domain.change import PairErased, VerdictChanged
from facepair.domain.gate import Gate, Slot
from facepair.domain.history import Version
from facepair.domain.ledger import MOST_UNANSWERED, Call, State
from facepair.domain.outcome import Outcome
from facepair.domain.pair import Pair, split
from facepair.domain.row import PairItem, Row
from facepair.domain.stored_row import is_tombstone
from facepair.domain.verdict import (
    API_NOT_ANSWERING,
    CERTAINTY,
    FINAL,
    OUTCOME_UNKNOWN,
    PICTURES_DELETED,
    TOO_LITTLE_TIME,
    WORKER_DIED,
    Verdict,
    comparison_code,
)
from tests.explore.run import Actor
from tests.fakes import DEADLINE, NAMES

if TYPE_CHECKING:
    from tests.explore.explored import Explored

ROUNDING = 1e-6
"""Seconds by which equal times may differ."""
SETTLED = FINAL | {Verdict.UNDETERMINED}

type Contents = frozenset[str]
type Item = Mapping[str, Any]


@dataclass
class _Opened:
    """A call: what its worker had read when it wrote the ledger row, and whether it was POSTed."""

    contents: Contents
    versions: frozenset[str | None]
    fingerprint: str
    ends: datetime | None
    in_time: bool
    posted: bool = False
    outcome: Outcome | None = None
    finished: bool = False


@dataclass
class Promises:
    """What is observed of a run, and what must never happen in it."""

    world: Explored
    calls: dict[tuple[str, str], _Opened] = field(default_factory=dict)
    charged: Counter[Contents] = field(default_factory=Counter)
    charged_versions: Counter[frozenset[str | None]] = field(default_factory=Counter)
    uploads: dict[str, datetime] = field(default_factory=dict)
    digests: dict[str | None, str] = field(default_factory=dict)
    """Contents by version read."""
    decisions: dict[str, frozenset[str | None]] = field(default_factory=dict)
    erasing: dict[str, datetime | None] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)
    slots: list[Slot] = field(default_factory=list)
    probe: float | None = None
    unanswered: int = 0
    event_lost: bool = False
    archived: bool = False
    ledger_expired: bool = False
    marked: dict[str, datetime] = field(default_factory=dict)
    answered_calls: set[tuple[str, str]] = field(default_factory=set)
    not_before: float = 0.0
    at_pair: dict[str, Actor] = field(default_factory=dict)
    leases_lost: bool = False
    malformed: int = 0
    was_closed_for: str | None = None
    holder: str | None = None
    has_approval: bool = False
    """An operator's request for a retry was answered. An operator without an answer repeats it."""
    needs_two_reviewers: bool = False
    opinions_recorded: set[tuple[str, str, Verdict]] = field(default_factory=set)
    """Opinions confirmed to their reviewers: fingerprint, reviewer, verdict."""

    def broke(self, promise: str) -> None:
        self.world.run.broke(promise)

    # --- calls and charges --------------------------------------------------------------------------------------------

    def opens(self, actor: Actor) -> None:
        """A worker is about to write the ledger row of a call."""
        if not self._has_time(actor):
            self.broke("the ledger gets a row of a call for which too little time was left")

    def opened(self, actor: Actor, call: Call) -> None:
        """A ledger row was written before a call."""
        read = actor.read.values()
        contents, versions = frozenset(each[1] for each in read), frozenset(each[0] for each in read)
        marked = self.marked.get(call.pair_id)
        if marked and any(self.uploads[str(version)] <= marked for version in versions):
            self.broke("a call is opened for a picture that is being erased")
        opened = _Opened(contents, versions, call.fingerprint, actor.ends, self._has_time(actor))
        self.calls[call.pair_id, call.call] = actor.opened = opened

    def _has_time(self, actor: Actor) -> bool:
        return actor.ends is None or (actor.ends - self.world.time.now()).total_seconds() >= DEADLINE

    def called(self, actor: Actor, outcome: Outcome) -> None:
        """A call reached the API."""
        opened, now = actor.opened, self.world.time.now()
        if opened is None or opened.posted:
            self.broke("a call without a row in the ledger before it")
            return
        others = [each for each in self.calls.values() if each.contents == opened.contents and each is not opened]
        if any(each.posted and not each.finished and each.ends and each.ends > now for each in others):
            self.broke("a call for contents for which a living worker is calling")
        if any(each.outcome and each.outcome.retry_at and each.outcome.retry_at > now for each in others):
            self.broke("a call before the Retry-After of the one before")
        if not opened.in_time:
            self.broke("a call without enough time left for its answer")
        if self._is_plain and any(each.versions == opened.versions and _is_last_word(each.outcome) for each in others):
            self.broke("a call for pictures that were answered for")
        slot = actor.notes.pop("slot", None)
        if slot and slot.at > now.timestamp() + ROUNDING:
            self.broke("a call before its slot")
        opened.posted, opened.outcome = True, outcome
        self.charged[opened.contents] += outcome.charged
        self.charged_versions[opened.versions] += outcome.charged
        allowed = self._allowed(opened.contents)
        if self.charged_versions[opened.versions] > allowed - len(self.erasing):
            self.broke(f"charged {self.charged_versions[opened.versions]} times for the same uploads")
        if self.charged[opened.contents] > allowed:
            self.broke(f"charged {self.charged[opened.contents]} times for the same contents, allowed are {allowed}")

    @property
    def _is_plain(self) -> bool:
        """Whether actors ran one after the other and nothing but calls failed."""
        run = self.world.run
        return not (run.preemptions or run.leaps or run.deaths or run.failed)

    def answered(self, actor: Actor, outcome: Outcome) -> None:
        """A worker received an answer or noticed that none comes."""
        if actor.opened:
            actor.opened.finished = True
        actor.notes["outcome"] = outcome
        actor.notes["busy"] = outcome.code in BUSY_CODES and not outcome.charged
        if not outcome.charged and comparison_code(outcome.code).meaning is Meaning.BLOCKED:
            actor.notes["blocked"] = True

    def approved(self, call: Call) -> None:
        """An operator approved one more call after this one."""
        if call.state is State.SENT and call.alive_until > self.world.time.now():
            self.broke("a retry is approved while a worker can be calling")

    def began(self, actor: Actor, objects: str) -> None:
        """A worker started on a pair."""
        other = self.at_pair.get(objects)
        alive = other and other.at_work and other.ends and other.ends > self.world.time.now()
        if alive and other is not actor and not self.leases_lost:
            self.broke("two living workers have the same pair")
        self.at_pair[objects] = actor

    def is_done_with(self, objects: str) -> None:
        """A worker finished with a pair for now."""
        self.at_pair.pop(objects, None)

    def reads(self, actor: Actor) -> None:
        """A worker downloads a picture."""
        if actor.notes.get("held back"):
            self.broke("a pair that the gate holds back is downloaded")

    def ended(self, actor: Actor) -> None:
        """An actor ended by itself."""
        if actor.notes.get("blocked"):
            self.broke("the account is refused, and the gate does not know")
        if actor.notes.get("probe"):
            self.broke("a probe has ended, and the gate does not know")
        row = self.world.verdicts.stored.get("anna")
        if self.archived and self._is_plain and actor.ends and (row is None or row.code == "SERVICE_BUSY"):
            self.broke("a picture cannot be read, and no row says so")
        if actor.notes.get("busy") and self._is_plain and not self.world.verdicts.items:
            self.broke("a pair that waits has no row")
        self._count(actor)

    def _count(self, actor: Actor) -> None:
        outcome = actor.notes.pop("outcome", None)
        if outcome is not None:
            self.unanswered = self.unanswered + 1 if outcome.code == OUTCOME_UNKNOWN else 0

    def _allowed(self, contents: Contents) -> int:
        """Return the charges allowed: one, plus one per approval, with `retry`, and per erasure (for later uploads)."""
        approved = sum(
            bool(call.permitted_by) and self.calls[key].contents == contents
            for key, call in self.world.ledger.calls.items()
            if key in self.calls
        )
        return 1 + approved + (self.world.on_unknown == "retry") + len(self.erasing)

    # --- rows ---------------------------------------------------------------------------------------------------------

    def written(self, before: Item | None, after: Item | None) -> None:
        """A pair's item was written or deleted."""
        if after is None or is_tombstone(after):
            return
        new = Row.from_item(after)
        self._not_of_erased_pictures(PairItem.of(before), new)
        miscounted = {"in_flight.begin", "in_flight.defer", "in_flight.finish"} & self.world.run.failed
        now = self.world.time.now()
        outlived = sum(each.at_work and each.ends is not None and each.ends <= now for each in self.world.actors)
        deaths = self.world.run.deaths + outlived
        if new.code == WORKER_DIED and deaths < self.world.deaths_needed and not miscounted:
            self.broke(f"the pair is given up after {deaths} deaths")
        old = PairItem.of(before).row
        if old is None:
            return
        if new.uploaded_at < old.uploaded_at:
            self.broke(f"the row goes back to an earlier upload: {_say(old)} -> {_say(new)}")
        same = (
            new.uploaded_at == old.uploaded_at and new.fingerprint == old.fingerprint and _objects(new) == _objects(old)
        )
        if same and CERTAINTY[new.verdict] < CERTAINTY[old.verdict]:
            self.broke(f"the row goes back: {_say(old)} -> {_say(new)}")
        if new.updated_at and old.updated_at and new.updated_at <= old.updated_at:
            self.broke(f"updated_at does not go forward: {_say(old)} -> {_say(new)}")
        if old.review and new.fingerprint == old.fingerprint and new.review != old.review:
            self.broke(f"a reviewer's decision is lost: {_say(old)} -> {_say(new)}")
        if new.review and not old.review:
            seen = self.world.run.at_work.notes.get("seen", new.fingerprint)
            if seen != new.fingerprint:
                self.broke("a decision is about other contents than the reviewer saw")
        if new.review and not old.review and self.needs_two_reviewers:
            self._hold_agreement(new)
        if new.review:
            versions = frozenset(each.version_id for each in new.pictures.values())
            self.decisions.setdefault(str(new.fingerprint), versions)

    def _not_of_erased_pictures(self, before: PairItem, new: Row) -> None:
        """Check a row written after an erasure."""
        versions = [str(each.version_id) for each in new.pictures.values() if each.version_id]
        if before.erased_at and any(self.uploads[each] <= before.erased_at for each in versions):
            self.broke(f"a row of a picture that is being erased is written: {_say(new)}")
        if before.erased_at and new.erased_before != before.erased_at:
            self.broke(f"the row does not say that the pair was erased: {_say(new)}")

    # --- the gate -----------------------------------------------------------------------------------------------------

    def entered(self, actor: Actor, slot: Slot) -> None:
        """A worker got a slot."""
        rules = self.world.gate.rules
        actor.notes["slot"] = slot
        if slot.probe and slot.at < self.not_before - ROUNDING:
            self.broke("the gate lets a worker try before its pause is over")
        if self.world.gate.state.code and not slot.probe:
            self.broke("the gate lets a call through while it is closed")
        if slot.probe:
            if self.probe is not None and slot.at - self.probe < rules.pause - ROUNDING:
                self.broke("the gate lets two workers try in one pause")
            self.probe = slot.at
            actor.notes["probe"] = True
            return
        if self.unanswered >= rules.stop_after_unknown and "gate.report" not in self.world.run.failed:
            self.broke(f"the gate is open after {self.unanswered} calls in a row without an answer")
        if rules.per_second:
            close = [each for each in self.slots if abs(each.at - slot.at) < 1 / rules.per_second - ROUNDING]
            if close:
                self.broke(f"two slots are {abs(close[0].at - slot.at):.3f} s apart at {rules.per_second:g} calls/s")
        self.slots.append(slot)

    def saw(self, actor: Actor, gate: Gate) -> None:
        """A worker read the gate.

        An answer that changes nothing in it counts from now, as no report of it is written later.
        """
        outcome = actor.notes.get("outcome")
        if outcome and _is_plain_answer(outcome) and gate.code is None and not gate.unanswered:
            actor.notes["counted"] = True
            self._count(actor)

    def reported(self, actor: Actor, slot: Slot, outcome: Outcome) -> None:
        """The gate learned a call's outcome."""
        counted = actor.notes.pop("counted", False)
        actor.notes.pop("probe", None)
        self._count(actor)
        if slot.probe and outcome.code != OUTCOME_UNKNOWN:
            self.probe = None
        if outcome.code == OUTCOME_UNKNOWN or "gate.report" in self.world.run.failed:
            return
        self.not_before = 0.0
        if outcome.charged and self.world.gate.state.code and not counted:
            self.broke("an answer does not open the gate")

    def blocked(self) -> None:
        """The gate learned that the account is refused."""
        gate = self.world.gate
        if "gate.block" not in self.world.run.failed:
            self.not_before = self.world.time.now().timestamp() + gate.rules.pause

    def gave_back(self, actor: Actor, slot: Slot) -> None:
        """A slot was not used; another worker may try at once."""
        actor.notes.pop("probe", None)
        if slot.probe:
            self.probe, self.not_before = None, 0.0

    # --- reviewers ----------------------------------------------------------------------------------------------------

    def shown(self, who: str) -> None:
        """A reviewer sees a pair."""
        leases = self.world.leases.held.values()
        if self.holder not in (None, who) and all(not holder.startswith(who) for holder, _ in leases):
            self.broke("a pair is shown to two reviewers at once")
        self.holder = who

    def _hold_agreement(self, row: Row) -> None:
        """Check that a final decision has two who agree, or a third after two who disagree."""
        assert row.decision
        final, *others = row.decision.opinions
        if len({each.by for each in (final, *others)}) <= len(others) or not others:
            self.broke("a decision is final without a second person")
        if len(others) == 1 and others[0].verdict is not final.verdict:
            self.broke("a decision is final although two reviewers disagree")
        if len(others) > 1 and others[0].verdict is others[1].verdict:
            self.broke("a third reviewer decides although two agree")

    def _hold_opinions(self) -> None:
        """Check that each confirmed opinion is stored or part of the decision."""
        for fingerprint, who, verdict in self.opinions_recorded:
            kept, known = self.world.decisions.kept.get(fingerprint), self.world.opinions.known.get(fingerprint)
            recorded = kept.opinions if kept else known.opinions if known else ()
            if [each.verdict for each in recorded if each.by == who] != [verdict] and not self.erasing:
                self.broke(f"the opinion of {who} is recorded {len(recorded)} times, or otherwise")

    def decided(self, who: str, fingerprint: str, decided: bool) -> None:
        """A reviewer learned whether their decision stands."""
        kept = self.world.decisions.kept.get(fingerprint)
        by = kept.review.by if kept else None
        if decided and by != who and not self.erasing:
            self.broke(f"{who} reads that their decision stands, but {by} has decided")

    # --- messages -----------------------------------------------------------------------------------------------------

    def sent(self, actor: Actor, handles: set[str]) -> None:
        """The search or an approval sent messages. One whose response was lost may be sent again."""
        if handles and actor.name.startswith("search"):
            if self.searched & self.world.queue.handles:
                self.broke("the search adds a second message to the one that it sent")
            if "queue.send" not in self.world.run.failed:
                self.searched |= handles

    # --- erasures -----------------------------------------------------------------------------------------------------

    def uploaded(self, version: str, at: datetime) -> None:
        """A picture was uploaded."""
        self.uploads[version] = at.replace(microsecond=0)

    def forbidden(self, pair_id: str, moment: datetime) -> None:
        """From now on, nothing uploaded up to that second may be called for or written."""
        self.marked[pair_id] = max(moment, self.marked.get(pair_id, moment))

    def wants_erased(self, pair_id: str) -> None:
        """An erasure started."""
        self.erasing.setdefault(pair_id, None)

    def erased(self, pair_id: str, erased_at: datetime) -> None:
        """An erasure was confirmed: nothing up to that second may remain."""
        self.erasing[pair_id] = max(erased_at, self.erasing.get(pair_id) or erased_at)

    def unconfirmed_erasure(self) -> bool:
        return None in self.erasing.values()

    def deletes(self, versions: Sequence[Version]) -> None:
        """An erasure deletes pictures."""
        if any(each.upload.last_modified > self.marked[split(each.upload.key)[0]] for each in versions):
            self.broke("an erasure deletes a picture that was uploaded later")

    def _erased_versions(self) -> set[str]:
        moments = [each for each in self.erasing.values() if each]
        return {version for version, at in self.uploads.items() if any(at <= moment for moment in moments)}

    def _hold_erasures(self) -> None:
        gone = self._erased_versions()
        world = self.world
        if any(each.version_id in gone for each in world.bucket.versions):
            self.broke("a picture is there after its erasure was confirmed")
        for row in world.verdicts.stored.values():
            moment = self.erasing.get(row.pair_id)
            named = {each.version_id for each in row.pictures.values()}
            if named & gone or (None in named and moment and row.uploaded_at <= moment):
                self.broke(f"a row of erased pictures is there after the confirmation: {_say(row)}")
            rests_on = self.calls.get((row.pair_id, str(row.call)))
            if rests_on and rests_on.versions & gone:
                self.broke(f"an answer about erased pictures is in the row of a later upload: {_say(row)}")
            if row.review and moment and row.review.at <= moment:
                self.broke(f"a decision about erased pictures is in the row of a later upload: {_say(row)}")
        for key, call in world.ledger.calls.items():
            opened, moment = self.calls.get(key), self.marked.get(key[0])
            if opened and moment and call.erased and all(self.uploads[str(each)] > moment for each in opened.versions):
                self.broke(f"the erasure takes the call {key[1]} of a later upload")
        erased_calls = {key for key, opened in self.calls.items() if opened.versions & gone}
        for key in erased_calls & world.ledger.calls.keys():
            call = world.ledger.calls[key]
            if call.outcome is not None or call.fingerprint:
                self.broke(f"the ledger's call {key[1]} describes erased faces after the confirmation")
        erased_contents = {opened.fingerprint for key, opened in self.calls.items() if key in erased_calls}
        numbers = {key[1] for key in erased_calls}
        of_others = {opened.fingerprint for key, opened in self.calls.items() if key[0] not in self.erasing}
        for fingerprint, record in world.idempotency.stored.items():
            if fingerprint not in of_others and record.get("call") in numbers:
                self.broke("a record of erased pictures is there after the confirmation")
        for fingerprint in world.decisions.kept:
            if self.decisions.get(fingerprint, frozenset()) & gone:
                self.broke("a decision about erased pictures is there after the confirmation")
        if erased_contents & world.opinions.known.keys():
            self.broke("an opinion about erased pictures is there after the confirmation")

    # --- at every step, and at rest -----------------------------------------------------------------------------------

    def hold(self) -> None:
        """Check what must hold at every step."""
        gate, now = self.world.gate, self.world.time.now().timestamp()
        if gate.state.code and gate.state.reopens_at > now + gate.rules.pause + ROUNDING:
            self.broke("the gate is closed, and no probe is due within its pause")
        not_answering = gate.state.code == API_NOT_ANSWERING and self.was_closed_for is None
        known = "gate.report" not in self.world.run.failed
        if not_answering and known and self.unanswered < gate.rules.stop_after_unknown:
            self.broke(f"the fleet stops after {self.unanswered} calls in a row without an answer")
        self.was_closed_for = gate.state.code
        if any(call.erased and call.outcome for call in self.world.ledger.calls.values()):
            self.broke("the ledger says that a call was erased, and describes its faces")
        states = {key: call.state for key, call in self.world.ledger.calls.items()}
        if any(states.get(key, State.ANSWERED) is not State.ANSWERED for key in self.answered_calls):
            self.broke("the ledger forgets an answer")
        self.answered_calls |= {key for key, state in states.items() if state is State.ANSWERED}
        if any(self.erasing.values()):
            self._hold_erasures()

    def _pairs(self) -> list[Pair]:
        uploads = self.world.bucket.listed()
        ids = dict.fromkeys(split(each.key)[0] for each in uploads)
        now = self.world.time.now()
        return [
            Pair.among(each, [up for up in uploads if split(up.key)[0] == each], NAMES, now) for each in sorted(ids)
        ]

    def unsettled(self) -> list[Pair]:
        """Return complete pairs without a row about these pictures, and half pairs without a row."""
        return [pair for pair in self._pairs() if not self._is_settled(pair)]

    def _is_settled(self, pair: Pair) -> bool:
        row = self.world.verdicts.stored.get(pair.pair_id)
        if row is None or row.verdict is Verdict.PENDING:
            return False
        if pair.missing or row.is_newer_than(pair):
            return True
        return row.verdict in SETTLED and row.code != PICTURES_DELETED and _covers(row, pair)

    def hold_at_rest(self) -> None:
        """Check what must hold once all actors have ended and no message is left. Reports to `broke`."""
        world = self.world
        for pair in self.unsettled():
            row = world.verdicts.stored.get(pair.pair_id)
            self.broke(f"the pair {pair.pair_id} ends without a final row: {row and _say(row)}")
        if world.searches and not self.event_lost:
            self.broke("a pair was left without a message although no event was lost")
        if world.searches > 1 and not (world.run.deaths or {"in_flight.claim", "in_flight.release"} & world.run.failed):
            self.broke("a search did not find a pair without a message")
        for pair_id, row in world.verdicts.stored.items():
            if row.verdict is Verdict.PENDING:
                self.broke(f"the row stays PENDING and no message is left: {_say(row)}")
            decision = world.decisions.kept.get(str(row.fingerprint))
            if decision and row.verdict is not Verdict.PENDING and row.decision != decision:
                self.broke(f"a reviewer's decision about these contents is lost in {pair_id}: {_say(row)}")
        if self.unconfirmed_erasure():
            self.broke("the erasure is not confirmed")
        if len(world.queue.dead_letters) < self.malformed:
            self.broke("a message that cannot be read is lost")
        self._hold_ledger()
        self._hold_answers()
        self._hold_opinions()
        self._hold_events()

    def _hold_ledger(self) -> None:
        posted = sum(opened.posted for opened in self.calls.values())
        if posted != self.world.api.posts and not self.ledger_expired:
            self.broke(f"{self.world.api.posts} calls were made, the ledger has {posted}")
        charged = sum(self.charged.values())
        states = (State.SENT, State.ANSWERED, State.UNKNOWN)
        said = sum(call.state in states for call in self.world.ledger.calls.values())
        run = self.world.run
        for key, opened in self.calls.items():
            call, outcome = self.world.ledger.calls.get(key), opened.outcome
            answered = outcome and outcome.charged and outcome.code != OUTCOME_UNKNOWN
            excused = run.faults > 1 or run.deaths or run.leaps or self.ledger_expired
            said_other = (
                call
                and call.outcome
                and outcome
                and call.outcome.code not in (outcome.code, TOO_LITTLE_TIME, OUTCOME_UNKNOWN)
            )
            comes_back = outcome and comparison_code(outcome.code).meaning in (Meaning.RETRY, Meaning.BLOCKED)
            if call and call.unanswered and comes_back and run.failed <= {"ledger.complete"} and not excused:
                self.broke("the ledger does not have a refusal that was saved beside it")
            if said_other:
                self.broke(f"the ledger says of the call {key[1]} what another one was answered")
            if call and answered and call.state is not State.ANSWERED and not excused:
                self.broke("the ledger does not have an answer that was paid for")
        if said < charged and not self.ledger_expired:
            self.broke(f"{charged} calls were charged, and the ledger says so of {said}")

    def _hold_answers(self) -> None:
        """Check that every paid answer reaches its row, unless the worker died, and every approval leads to a call."""
        for row in self.world.verdicts.stored.values():
            if row.code != OUTCOME_UNKNOWN:
                continue
            gone = self._erased_versions()
            # A call for the pictures in the other order counts, too.
            contents = {self.digests.get(each.version_id) for each in row.pictures.values()}
            outcomes = [
                each.outcome
                for each in self.calls.values()
                if each.contents == contents and each.outcome and not each.versions & gone
            ]
            run = self.world.run
            if not outcomes and not (run.deaths or run.failed):
                self.broke("a pair is held for a call that was never made")
            free = outcomes and not any(each.charged for each in outcomes)
            if free and run.failed <= {"ledger.complete"} and not (run.deaths or run.leaps):
                self.broke("a pair is held although its calls were refused for free")
            lost = any(each.charged and each.code != OUTCOME_UNKNOWN for each in outcomes)
            run = self.world.run
            excused = run.failed if self.world.may_outlive_its_end else run.leaps
            if lost and run.faults < 2 and not run.deaths and not excused:
                self.broke("an answer that was paid for is lost")
            calls = [call for call in self.world.ledger.calls_of(row.pair_id) if call.fingerprint == row.fingerprint]
            if self.has_approval and calls and calls[-1].permitted_by:
                self.broke("a retry is approved, and no call is made")
            if any(call.state is State.SENT for call in calls):
                self.broke("a pair is held, and the ledger says that a worker is calling for it")
            unanswered = sum(call.unanswered for call in calls)
            if calls and self.world.on_unknown == "retry" and unanswered < MOST_UNANSWERED:
                self.broke("a pair is held, although the policy allows another call")

    def _hold_events(self) -> None:
        world = self.world
        if not world.publishes:
            return
        changes = [change for write in world.stream.writes if (change := write.change())]
        published = {each.id for each in world.bus.published}
        for change in changes:
            if change.id not in published:
                self.broke(f"a change was never published: {change}")
        for pair_id in world.verdicts.items:
            events = [each for each in world.bus.published if each.pair_id == pair_id]
            row = world.verdicts.stored.get(pair_id)
            if row is None:
                if not isinstance(events[-1] if events else None, PairErased) and self._had_row(pair_id):
                    self.broke("a pair is erased, and its last event does not say so")
                continue
            said = [each for each in events if isinstance(each, VerdictChanged)]
            last = max(said, key=lambda each: each.updated_at or clock.at(0), default=None)
            if last is None or (last.verdict, last.code, last.fingerprint) != (row.verdict, row.code, row.fingerprint):
                self.broke(
                    f"by their updated_at, the events end with {last and last.verdict}, the row says {_say(row)}"
                )

    def _had_row(self, pair_id: str) -> bool:
        return any(
            write.pair_id == pair_id and write.new and "verdict" in write.new for write in self.world.stream.writes
        )


def _is_plain_answer(outcome: Outcome) -> bool:
    """Return whether an outcome only shows that the API answers."""
    special = (Meaning.BLOCKED, Meaning.RENEW_TOKEN, Meaning.RETRY)
    free = not outcome.charged and comparison_code(outcome.code).meaning in special
    return outcome.code != OUTCOME_UNKNOWN and not free


def _is_last_word(outcome: Outcome | None) -> bool:
    """Return whether nothing is left to ask about these uploads."""
    meanings = (Meaning.JUDGE, Meaning.RETAKE, Meaning.HOLD)
    return outcome is not None and outcome.code != OUTCOME_UNKNOWN and comparison_code(outcome.code).meaning in meanings


def _covers(row: Row, pair: Pair) -> bool:
    """Return whether a row is about exactly these uploads, independently of the explored code."""
    objects = {(each.key, each.etag) for each in pair.uploads.values()}
    return row.uploaded_at == clock.milliseconds(pair.uploaded_at) and _objects(row) == objects


def _objects(row: Row) -> set[tuple[str, str]]:
    return {(each.key, each.etag) for each in row.pictures.values()}


def _say(row: Row) -> str:
    contents = (row.fingerprint or "no contents")[:6]
    by = f", decided by {row.review.by}" if row.review else ""
    return f"{row.verdict} {row.code or ''} of {contents}, uploaded {row.uploaded_at:%H:%M:%S}{by}"
