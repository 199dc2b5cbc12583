"""Broken code that the exploration must find: each mutant removes or weakens one guard."""

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from types import FunctionType
from typing import Any

from tests.explore.scenarios import SCENARIOS
from tests.explore.search import Found, deepen

USE_CASES = "facepair.use_cases"
FAKES = "tests.fakes"
VERDICTS_TABLE = "facepair.aws.verdicts"


@dataclass(frozen=True)
class Mutant:
    """Replaces the text `old` by `new` in the function `where` (`module:Class.function`).

    It is searched for in `scenarios`.
    """

    name: str
    where: str
    old: str
    new: str
    scenarios: tuple[str, ...]

    def search(self, most: int, seed: int = 0) -> tuple[int, Found | None]:
        """Return the number of schedules run, and the promise broken.

        None if no schedule among `most` per scenario breaks one.
        """
        schedules = 0
        with self.in_force():
            for least, name in product((60, 300, most), self.scenarios):
                searched = deepen(SCENARIOS[name], min(least, most), seed)
                schedules += searched.schedules
                if searched.found:
                    return schedules, searched.found
        return schedules, None

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Run with the mutant in place. Raises LookupError if its text has changed."""
        function = self._function()
        before = function.__code__
        function.__code__ = self._code(function)
        try:
            yield
        finally:
            function.__code__ = before

    def _function(self) -> FunctionType:
        module, _, name = self.where.partition(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = inspect.getattr_static(found, part)
        found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
        assert isinstance(found, FunctionType), self.where
        return found

    def _code(self, function: FunctionType) -> Any:
        source = textwrap.dedent(inspect.getsource(function))
        if source.count(self.old) != 1:
            raise LookupError(f"the mutant {self.name!r} needs {self.old!r} once in {self.where}: adapt it to the code")
        source = source[source.index("def ") :].replace(self.old, self.new)
        scope: dict[str, Any] = {}
        exec(compile(source, f"<mutant {self.name}>", "exec"), dict(function.__globals__), scope)
        [mutated] = [each for each in scope.values() if isinstance(each, FunctionType)]
        return mutated.__code__


TWO = ("two messages", "two messages, retry")
UPLOADS = ("replaced in the same second", "replaced later", "deleted and uploaded", "one after the other")
DECISIONS = (
    "decided before a verdict is written",
    "decided when replaced",
    "decided when others are shown",
    "decided while uploaded again",
    "decided while replaced",
    "two reviewers",
)
ERASURES = (
    "erased at work",
    "erased when compared",
    "erased and uploaded again",
    "erased and replaced",
    "erased and half uploaded",
    "erased and decided",
    "erased while blocked",
    "erased before ledger.open",
    "erased before api.answer",
    "erased before ledger.complete",
    "erased before idempotency.save",
    "erased before verdicts.write",
    "erased again before api.answer",
    "erased again before ledger.complete",
    "erased again before idempotency.save",
    "being erased and half uploaded",
    "entombed and half uploaded",
)

MUTANTS = (
    # --- the ledger around the call
    Mutant(
        "the ledger is not asked", f"{USE_CASES}.ask:Asker._by_ledger", "for call in calls if", "for call in () if", TWO
    ),
    Mutant(
        "an answer in the ledger is not used",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "if answer := call.answer",
        "if (answer := call.answer) and False",
        (*TWO, "records expired"),
    ),
    Mutant(
        "pictures in each other's role are other contents",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "orders = (question.fingerprint, question.reversed_fingerprint)",
        "orders = (question.fingerprint,)",
        ("swapped",),
    ),
    Mutant(
        "an unknown outcome does not hold the pair",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "if not may_call_again(",
        "if False and may_call_again(",
        TWO,
    ),
    Mutant(
        "the call number is always the first",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "int(calls[-1].call) + 1 if calls else 1",
        "1",
        TWO,
    ),
    Mutant(
        "a worker that is calling is not waited for",
        f"{USE_CASES}.ask:Asker._unanswered",
        "if call.alive_until > clock.now():",
        "if False:",
        ("the ledger alone, retry",),
    ),
    Mutant(
        "a dead worker's call counts as never sent",
        f"{USE_CASES}.ask:Asker._unanswered",
        "for call in earlier if call.unanswered",
        "for call in earlier if call.outcome and call.unanswered",
        (*TWO, "suspended workers"),
    ),
    Mutant(
        "a pair that was called for counts as new",
        f"{USE_CASES}.ask:Asker.is_new",
        "return not self.ledger.of_pair(pair_id)",
        "return True",
        ("contents that come again", "one after the other", *TWO),
    ),
    Mutant(
        "a Retry-After is ignored",
        f"{USE_CASES}.ask:_wait_for",
        "if earlier.retry_at and",
        "if False and",
        ("busy at first",),
    ),
    Mutant(
        "the row is written after the call",
        f"{USE_CASES}.ask:Asker._ledgered_call",
        """    call = self._open(question, number, slot)
    self.sleep(_seconds_until(slot))
    started = time.monotonic()
    outcome = self.api.compare(token, question.first, question.second).model_copy(update={"call": call.call})
""",
        """    self.sleep(_seconds_until(slot))
    started = time.monotonic()
    outcome = self.api.compare(token, question.first, question.second)
    call = self._open(question, number, slot)
    outcome = outcome.model_copy(update={"call": call.call})
""",
        TWO,
    ),
    Mutant(
        "an answer that cannot be saved is thrown away",
        f"{USE_CASES}.ask:Asker._save",
        'return outcome.model_copy(update={"unsaved": True})',
        "raise",
        TWO,
    ),
    Mutant(
        "an unsaved answer is not saved later",
        f"{USE_CASES}.ask:Asker.ask",
        "if call and outcome.unsaved:",
        "if False:",
        TWO,
    ),
    Mutant(
        "time is not looked at before the row",
        f"{USE_CASES}.ask:Asker._open",
        "if left < needed",
        "if False and left < needed",
        ("slow operations",),
    ),
    Mutant(
        "time is not looked at after the row",
        f"{USE_CASES}.ask:Asker._open",
        "if question.time_left() < needed",
        "if False and question.time_left() < needed",
        ("slow operations",),
    ),
    Mutant(
        "a call that is not made stays open",
        f"{USE_CASES}.ask:Asker._open",
        "        self._save(call, Outcome(code=TOO_LITTLE_TIME, message=too_late, call=call.call))\n",
        "",
        ("slow operations",),
    ),
    Mutant(
        "an unused slot is kept",
        f"{USE_CASES}.ask:Asker._call_in_slot",
        "        self.gate.give_back(slot)\n",
        "",
        ("a probe is due", "blocked at first", "no answers at first", "an answer in between", "two pairs"),
    ),
    Mutant(
        "answers are not reported to the gate",
        f"{USE_CASES}.ask:Asker._call_in_slot",
        "        self.gate.report(slot, outcome, answer.last_read.gate if answer.last_read else None)",
        "        pass",
        ("an API that does not answer",),
    ),
    Mutant(
        "a refused account does not close the gate",
        f"{USE_CASES}.ask:Asker._call_in_slot",
        "raise self.gate.block(blocked) from blocked",
        "raise Later('blocked', code=blocked.code) from blocked",
        ("two pairs",),
    ),
    Mutant(
        "`retry` has no end",
        "facepair.domain.ledger:may_call_again",
        "and len(unanswered) < MOST_UNANSWERED",
        "",
        ("no answers, retry",),
    ),
    Mutant(
        "an approval is ignored",
        "facepair.domain.ledger:may_call_again",
        "return unanswered[-1].permitted_by is not None",
        "return False",
        ("approved",),
    ),
    Mutant(
        "an approval lasts for ever",
        "facepair.domain.ledger:may_call_again",
        "return unanswered[-1].permitted_by is not None",
        "return any(call.permitted_by for call in unanswered)",
        ("approved",),
    ),
    Mutant(
        "a call whose worker is dead stays SENT",
        f"{USE_CASES}.ask:Asker._unanswered",
        "            self.ledger.complete(call, State.UNKNOWN, _unknown(call))\n",
        "",
        (*TWO, "suspended before its call"),
    ),
    Mutant(
        "a refusal that was saved beside the ledger never reaches it",
        f"{USE_CASES}.ask:Asker._with_refusals",
        "            self.ledger.complete(call, State.REFUSED, refusal)\n",
        "",
        ("busy at first",),
    ),
    Mutant(
        "`retry` holds the pair after the first call without an answer",
        f"{USE_CASES}.ask:Asker._call",
        "and unanswered + 1 < MOST_UNANSWERED",
        "and False",
        ("no answer at first, retry",),
    ),
    Mutant(
        "a charged refusal of a token is followed by another call",
        f"{USE_CASES}.ask:Asker._call",
        "if outcome.charged:",
        "if False:",
        TWO,
    ),
    Mutant(
        "a probe whose token is refused is not continued",
        f"{USE_CASES}.ask:Asker._call",
        "slot if slot and slot.probe else self.gate",
        "self.gate",
        ("a probe with an old token",),
    ),
    Mutant(
        "a call without a token",
        f"{USE_CASES}.ask:Asker._call_in_slot",
        "if token is None:",
        "if False:",
        ("tokens refused",),
    ),
    Mutant(
        "a record of an erased call stays",
        f"{USE_CASES}.ask:Asker.ask",
        "        self.idempotency.discard(question.fingerprint)\n",
        "",
        ("a record of an erased call",),
    ),
    Mutant(
        "a paid answer counts as refused",
        "facepair.domain.ledger:State.after",
        "cls.ANSWERED if outcome.charged else cls.REFUSED",
        "cls.REFUSED",
        (*TWO, "records expired", "contents that come again"),
    ),
    Mutant(
        "an unknown outcome counts as refused",
        "facepair.domain.ledger:State.after",
        "return cls.UNKNOWN",
        "return cls.REFUSED",
        TWO,
    ),
    # --- what the tables accept, by the adapters' conditions ----------------------------------------------------------
    Mutant(
        "two workers write the same call",
        f"{FAKES}:FakeLedger.open",
        "if self._calls.setdefault((pair_id, call.call), call) is not call:",
        "self._calls[pair_id, call.call] = call\n    if False:",
        ("the ledger alone",),
    ),
    Mutant(
        "a late answer does not replace an unknown outcome",
        f"{FAKES}:FakeLedger.complete",
        "{State.SENT, State.UNKNOWN}",
        "{State.SENT}",
        ("suspended before its answer is saved",),
    ),
    Mutant(
        "giving a call up replaces its answer",
        f"{FAKES}:FakeLedger.complete",
        "{State.SENT} if state is State.UNKNOWN else {State.SENT, State.UNKNOWN}",
        "set(State)",
        ("answered while given up",),
    ),
    Mutant(
        "a call is opened for pictures that are older than an erasure",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "if erased_at and question.earliest_upload <= erased_at:",
        "if False:",
        ERASURES,
    ),
    Mutant(
        "a call that an erasure took is an answer",
        f"{USE_CASES}.ask:Asker._by_ledger",
        " and not is_taken(call, calls)",
        "",
        ("an unknown outcome, erased and uploaded again",),
    ),
    Mutant(
        "a record of a call that an erasure took is an answer",
        f"{USE_CASES}.ask:Asker.ask",
        "if stored and call and call.erased:",
        "if False:",
        ("a late record, erased and uploaded again",),
    ),
    Mutant(
        "a call that was erased meanwhile is completed with its answer",
        f"{FAKES}:FakeLedger.complete",
        "None if current.erased else outcome",
        "outcome",
        ERASURES,
    ),
    Mutant(
        "an erasure takes the number of a call",
        f"{FAKES}:FakeLedger.mark",
        "if self._calls.setdefault((pair_id, mark.call), mark) is not mark:",
        "self._calls[pair_id, mark.call] = mark\n    if False:",
        ERASURES,
    ),
    Mutant(
        "a worker that began before an erasure writes its row",
        f"{FAKES}:FakeVerdicts.write",
        "if item and current.erased_at != erased_at:",
        "if False:",
        ERASURES,
    ),
    Mutant(
        "a row does not say that the pair was erased",
        f"{FAKES}:FakeVerdicts.write",
        '"erased_before": erased_at',
        '"erased_before": None',
        ("erased and uploaded again", "erased and half uploaded"),
    ),
    Mutant(
        "a picture that is being erased is looked at",
        f"{USE_CASES}.compare:_check_not_erased",
        "if moment and pair.earliest_upload",
        "if False and pair.earliest_upload",
        ("being erased, and looked at", *ERASURES),
    ),
    Mutant(
        "an erasure by an earlier release is ignored",
        f"{USE_CASES}.compare:_check_not_erased",
        "for each in (first_read.item.erased_at, first_read.erased_earlier)",
        "for each in (first_read.item.erased_at,)",
        ("erased by an earlier release",),
    ),
    Mutant(
        "whatever row stands becomes a tombstone",
        f"{FAKES}:FakeErasableRows.entomb",
        "if current != (stored and stored.state):",
        "if False:",
        ("row replaced before it is entombed",),
    ),
    Mutant(
        "a PENDING row is written over whatever stands",
        f"{FAKES}:FakeVerdicts.replace",
        "if item is None or self._row(row.pair_id) != expected:",
        "if False:",
        ("withdrawn while blocked", "erased while blocked"),
    ),
    Mutant(
        "any row replaces any other",
        f"{FAKES}:FakeVerdicts.write",
        "if item and current.row and not holds(may_replace(row), item):",
        "if False:",
        ("overtaken", "overtaken when busy"),
    ),
    Mutant(
        "the later look wins, whatever was uploaded later",
        VERDICTS_TABLE + ":_forward",
        'Attr("uploaded_at").lt(uploaded_at) | (Attr("uploaded_at").eq(uploaded_at) & forward)',
        "forward",
        ("overtaken by an earlier clock",),
    ),
    Mutant(
        "of equally old uploads the first look wins",
        VERDICTS_TABLE + ":_forward",
        'others & Attr("listed_at").lt(listed_at)',
        'others & Attr("listed_at").gt(listed_at)',
        UPLOADS,
    ),
    Mutant(
        "certainty does not count",
        VERDICTS_TABLE + ":_forward",
        "surer = not_surer & ",
        "surer = ",
        ("overtaken when busy",),
    ),
    Mutant(
        "a verdict replaces a decision",
        VERDICTS_TABLE + ":may_replace",
        'return forward & (Attr("review").not_exists() | other_contents)',
        "return forward",
        DECISIONS,
    ),
    Mutant(
        "writes in one moment have the same time",
        f"{FAKES}:FakeVerdicts.write",
        '"updated_at": _later(now, item)',
        '"updated_at": now.replace(microsecond=0)',
        TWO,
    ),
    Mutant(
        "a decision is made about whatever stands",
        f"{FAKES}:FakeDecisions.decide",
        "if not current.is_to_be_reviewed or current.fingerprint != row.fingerprint:",
        "if False:",
        DECISIONS,
    ),
    Mutant(
        "an opinion replaces one that was written at the same time",
        f"{FAKES}:FakeOpinions.change",
        "if self.known.get(str(row.fingerprint), Opinions()).version != opinions.version - 1:",
        "if False:",
        ("two reviewers who agree", "three reviewers"),
    ),
    Mutant(
        "a decision is final whatever others think meanwhile",
        f"{FAKES}:FakeDecisions.decide",
        "if self._opinions.known.get(str(row.fingerprint), Opinions()).version != opinions:",
        "if False:",
        ("three reviewers",),
    ),
    Mutant(
        "an opinion is written about an erased pair",
        f"{FAKES}:FakeOpinions.change",
        "if current is None or not current.is_to_be_reviewed or current.fingerprint != row.fingerprint:",
        "if False:",
        ("erased while two reviewers decide",),
    ),
    Mutant(
        "every reviewer gets the lease",
        f"{FAKES}:FakeLeases.take",
        "if has_it != holder and ends > self._time.now():",
        "if False:",
        ("two reviewers",),
    ),
    Mutant(
        "a worker that has the pair is not waited for",
        f"{FAKES}:FakeInFlight.begin",
        "if mark.alive_until and mark.alive_until > self._time.now():",
        "if False:",
        ("a pair that a worker has",),
    ),
    Mutant(
        "a claim is always granted",
        f"{FAKES}:FakeInFlight.claim",
        "if mark and (claimed_lately or mark.due > self._time.now() - late):",
        "if False:",
        ("events lost", "one event lost"),
    ),
    # --- comparing
    Mutant(
        "a kept decision is not looked up",
        f"{USE_CASES}.compare:Comparer._judge",
        "answer.last_read.decision if answer.last_read else self.decisions.of(contents)",
        "None",
        DECISIONS,
    ),
    Mutant(
        "a decision made meanwhile is not seen",
        f"{USE_CASES}.compare:Comparer._settle",
        "if decision is None and current and current.decision",
        "if False and current and current.decision",
        DECISIONS,
    ),
    Mutant(
        "a settled pair is compared again",
        f"{USE_CASES}.compare:Comparer._compare",
        "if row and row.settles(pair):",
        "if False:",
        TWO,
    ),
    Mutant(
        "another picture of the same name is the same",
        "facepair.domain.row:PictureRow.shows",
        'self.identity == {"key": upload.key, "etag": upload.etag}',
        "self.key == upload.key",
        ("replaced when compared",),
    ),
    Mutant(
        "a held-back pair is downloaded",
        f"{USE_CASES}.compare:Comparer._compare",
        "    if reason:\n",
        "    if False:\n",
        ("two pairs", "an API that does not answer"),
    ),
    Mutant(
        "the newer picture's time counts for an erasure",
        f"{USE_CASES}.compare:Comparer._judge",
        "earliest_upload=pair.earliest_upload,",
        "earliest_upload=pair.uploaded_at,",
        ("being erased and half uploaded",),
    ),
    Mutant(
        "a pair that ends its workers is never given up",
        f"{USE_CASES}.compare:Comparer._take",
        "> MOST_DEATHS",
        "> 10**9",
        ("a deadly picture",),
    ),
    Mutant(
        "a worker that defers counts as dead",
        f"{USE_CASES}.compare:Comparer._take",
        "        self.in_flight.defer(pair.objects, clock.now() + timedelta(seconds=deferred.seconds))\n",
        "",
        ("a busy API", *TWO),
    ),
    Mutant(
        "a worker that fails counts as dead",
        f"{USE_CASES}.compare:Comparer._take",
        "        self.in_flight.defer(pair.objects, clock.now())\n",
        "",
        ("a bucket that fails",),
    ),
    Mutant(
        "a worker that is done counts as dead",
        f"{USE_CASES}.compare:Comparer._take",
        "        raise\n    self.in_flight.finish(pair.objects)\n",
        "        raise\n",
        ("contents that come again", "records expired", *TWO),
    ),
    Mutant(
        "a PENDING row is not written",
        f"{USE_CASES}.compare:Comparer._deferred",
        "if reason.code:",
        "if False:",
        ("busy at first",),
    ),
    # --- messages
    Mutant(
        "a deferred message is deleted",
        f"{USE_CASES}.receive:Receiver._upload",
        "return deferred.seconds",
        "return None",
        TWO,
    ),
    Mutant(
        "a message is deleted after an error",
        f"{USE_CASES}.receive:Receiver._upload",
        "return delay",
        "return None",
        TWO,
    ),
    Mutant(
        "a message that cannot be dead-lettered is deleted",
        f"{USE_CASES}.receive:Receiver._dead_letter",
        "raise ComesBack from error",
        "pass",
        ("a malformed message",),
    ),
    Mutant(
        "a message that cannot be sent stays claimed",
        f"{USE_CASES}.missed:MissedPairs._enqueue",
        "self.in_flight.release(pair.objects)",
        "pass",
        ("events lost", "one event lost"),
    ),
    Mutant(
        "the search claims nothing",
        f"{USE_CASES}.missed:MissedPairs._missed",
        "and self.in_flight.claim(pair.objects, self.after)",
        "",
        ("events lost", "one event lost"),
    ),
    Mutant(
        "the search leaves overdue pairs alone",
        f"{USE_CASES}.missed:MissedPairs._is_missed",
        "return row.verdict is Verdict.PENDING and",
        "return False and",
        ("messages lost",),
    ),
    Mutant(
        "the search takes any row for these pictures'",
        f"{USE_CASES}.missed:MissedPairs._is_missed",
        "if not row.covers(pair) or ",
        "if ",
        ("a replacement's event lost",),
    ),
    Mutant(
        "the search takes a WAITING row for final",
        f"{USE_CASES}.missed:MissedPairs._is_missed",
        "if not row.covers(pair) or row.verdict is Verdict.WAITING",
        "if row.verdict is not Verdict.WAITING and not row.covers(pair)",
        ("the second event lost",),
    ),
    # --- operators and reviewers
    Mutant(
        "a call under way is approved",
        f"{USE_CASES}.approve:Approver._approve",
        "elif call.permitted_by or _under_way(call):",
        "elif call.permitted_by:",
        ("approved while it is called for",),
    ),
    Mutant(
        "an approval sends no message",
        f"{USE_CASES}.approve:Approver.approve",
        "bodies += [",
        "_ = [",
        ("approved",),
    ),
    Mutant(
        "a decision is about whatever contents there are",
        f"{USE_CASES}.review:Reviewing._recorded",
        "or row.fingerprint != asked.fingerprint",
        "",
        DECISIONS,
    ),
    Mutant(
        "every decision is reported as made",
        f"{USE_CASES}.review:Reviewing.decide",
        "recorded=recorded",
        "recorded=True",
        DECISIONS,
    ),
    # --- the gate
    Mutant(
        "every worker may try",
        "facepair.domain.gate:Gate.probing",
        "reopens_at=now + rules.pause",
        "reopens_at=now",
        ("a probe is due", "blocked at first", "no answers at first", "an answer in between", "two pairs"),
    ),
    Mutant(
        "a closed gate lets calls through",
        "facepair.domain.gate:Gate.closed",
        "if self.code is None or now >= self.reopens_at:",
        "if True:",
        ("a probe is due", "blocked at first", "no answers at first", "an answer in between", "two pairs"),
    ),
    Mutant(
        "an answer does not open the gate",
        "facepair.domain.gate:Gate._answered",
        "code=None, message=None, closed_at=0.0, reopens_at=0.0, ",
        "",
        ("a probe is due", "blocked at first", "no answers at first", "an answer in between", "two pairs"),
    ),
    Mutant(
        "an answer does not end the count",
        "facepair.domain.gate:Gate._answered",
        "if self.code is None and not self.unanswered:",
        "if self.code is None:",
        ("an answer in between",),
    ),
    Mutant(
        "the fleet never stops",
        "facepair.domain.gate:Gate.after",
        "self.code is None and self.unanswered >= rules.stop_after_unknown",
        "False",
        ("no answers at first",),
    ),
    Mutant(
        "slots are not spaced",
        "facepair.domain.gate:Gate.slot",
        "max(now, self.next_slot + self.shift(rules, now))",
        "now",
        ("a pace",),
    ),
    Mutant(
        "a closed gate stays closed for ever",
        "facepair.domain.gate:Gate.shut",
        "reopens_at=now + rules.pause",
        "reopens_at=now + 1e9",
        ("a probe is due", "blocked at first", "no answers at first", "an answer in between", "two pairs"),
    ),
    Mutant(
        "a worker does not wait for its slot",
        f"{USE_CASES}.ask:Asker._ledgered_call",
        "    self.sleep(_seconds_until(slot))\n",
        "",
        ("a pace",),
    ),
    # --- what is stored besides the ledger, and for how long ----------------------------------------------------------
    Mutant(
        "a free refusal that the ledger could not take is forgotten",
        f"{USE_CASES}.ask:Asker._with_refusals",
        "if refusal:",
        "if False:",
        ("busy at first",),
    ),
    Mutant(
        "a free refusal that the ledger cannot take is not saved",
        f"{USE_CASES}.ask:Asker._save",
        "self._keep_refusal(call, outcome)",
        "pass",
        ("busy at first",),
    ),
    Mutant(
        "the call behind a record that is used is not kept",
        f"{USE_CASES}.ask:Asker.ask",
        "self.ledger.keep(call) if call else",
        "None if call else",
        ("contents for longer than the ledger",),
    ),
    Mutant(
        "a record that is used is not kept",
        f"{USE_CASES}.ask:Asker.ask",
        "else self.idempotency.keep(question.fingerprint)",
        "else None",
        ("contents for longer than the records",),
    ),
    Mutant(
        "a call that is used is not kept",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "            self.ledger.keep(call)\n            same_order",
        "            same_order",
        ("contents for longer than the ledger, without records",),
    ),
    Mutant(
        "a call without an answer is not kept",
        f"{USE_CASES}.ask:Asker._by_ledger",
        "    for call in unanswered:\n        self.ledger.keep(call)\n",
        "",
        ("an unknown outcome for longer than the ledger",),
    ),
    Mutant(
        "the call behind a record may be about other contents",
        f"{USE_CASES}.ask:Asker._row_behind",
        "or call.fingerprint == question.fingerprint",
        "or True",
        ("a number that is used again",),
    ),
    Mutant(
        "a pair that waits in vain stays PENDING",
        "facepair.domain.row:Row.waits_in_vain",
        "if self.verdict is not Verdict.PENDING:",
        "if True:",
        ("withdrawn", "withdrawn while blocked"),
    ),
    Mutant(
        "a pair waits in vain although its pictures are there",
        "facepair.domain.row:Row.waits_in_vain",
        "bool(pair.missing) and",
        "",
        ("a busy API",),
    ),
    Mutant(
        "a picture that S3 refuses to return is not reported",
        f"{USE_CASES}.compare:Comparer._judge",
        "raise self._deferred(unreadable, attempt, pending, erased_at) from unreadable",
        "raise Later('not now') from unreadable",
        ("an archived picture",),
    ),
    # --- erasures
    Mutant(
        "an erasure takes no call number",
        f"{USE_CASES}.erase:Eraser.erase",
        "calls = _taken([*rows, mark])",
        "calls = _taken([*rows, mark])\n        self.ledger._ledger._calls.pop((pair_id, mark.call), None)",
        ERASURES,
    ),
    Mutant(
        "a worker that may save an answer is not waited for",
        f"{USE_CASES}.erase:Eraser._take_calls",
        "if (until := self.records.take(each))",
        "if (until := self.records.take(each)) and False",
        ("erased while an earlier answer is used", "erased again before idempotency.save"),
    ),
    Mutant(
        "an erasure deletes the record of a worker that may save an answer",
        f"{FAKES}:FakeIdempotency.take",
        "        return until\n",
        "        return self._in_progress.pop(fingerprint)\n",
        ("erased while an earlier answer is used",),
    ),
    Mutant(
        "an erasure is confirmed before its workers are dead",
        f"{USE_CASES}.erase:Eraser.confirm",
        "if left > 0:",
        "if False:",
        ("confirmed too early",),
    ),
    Mutant(
        "an interrupted erasure is confirmed",
        f"{USE_CASES}.erase:Eraser.confirm",
        "if mark is None or mark.alive_until is None or",
        "if mark is None or",
        ("an erasure that is run twice",),
    ),
    Mutant(
        "pictures are not looked for again",
        f"{USE_CASES}.erase:Eraser.confirm",
        "self._take_pictures(",
        "_ = (",
        ("uploaded in the second of an erasure",),
    ),
    Mutant(
        "a picture that was uploaded later is deleted",
        f"{USE_CASES}.erase:Eraser.confirm",
        "each for each in versions if each.upload.last_modified < moment + SECOND",
        "each for each in versions",
        ("erased and uploaded again", "erased and replaced"),
    ),
    Mutant(
        "a pair of which only calls are left counts as unknown",
        f"{USE_CASES}.erase:Eraser.erase",
        " or rows",
        "",
        ("calls are left to erase",),
    ),
    Mutant(
        "a pair of which only a row is left counts as unknown",
        f"{USE_CASES}.erase:Eraser.erase",
        " or self.rows.stored(pair_id)",
        "",
        ("a row is left to erase",),
    ),
    Mutant(
        "calls and records are not looked for again",
        f"{USE_CASES}.erase:Eraser.confirm",
        "self._take_calls(erasure, calls)",
        "pass",
        ERASURES,
    ),
    Mutant(
        "calls are not stripped",
        f"{USE_CASES}.erase:Eraser._take_calls",
        "self.ledger.strip(call, erasure.erased_at)",
        "pass",
        ERASURES,
    ),
    Mutant(
        "contents are not forgotten",
        f"{USE_CASES}.erase:Eraser.confirm",
        "self.ledger.forget(call)",
        "pass",
        ERASURES,
    ),
    Mutant(
        "records are not deleted",
        f"{USE_CASES}.erase:Eraser._take_calls",
        "if (until := self.records.take(each))",
        "if (until := None)",
        ERASURES,
    ),
    Mutant(
        "decisions are not deleted",
        f"{USE_CASES}.erase:Eraser._take_row",
        "for fingerprint in sorted(self.records.reviewed(fingerprints)):",
        "for fingerprint in ():",
        ("erased after a decision about other contents",),
    ),
    Mutant(
        "a decision that is written while a pair is erased stays",
        f"{USE_CASES}.erase:Eraser._take_row",
        "for fingerprint in sorted(self.records.reviewed(fingerprints)):",
        "for fingerprint in () if _ else sorted(self.records.reviewed(fingerprints)):",
        ("erased and decided", "erased while two reviewers decide"),
    ),
    Mutant(
        "reviews are looked for before the row is read",
        f"{USE_CASES}.erase:Eraser._take_row",
        "        stored = self.rows.stored(erasure.pair_id)\n"
        "        for fingerprint in sorted(self.records.reviewed(fingerprints)):\n",
        "        reviewed = sorted(self.records.reviewed(fingerprints))\n"
        "        stored = self.rows.stored(erasure.pair_id)\n"
        "        for fingerprint in reviewed:\n",
        ("erased and decided",),
    ),
    Mutant(
        "an opinion that is written just before the tombstone stays",
        f"{USE_CASES}.erase:Eraser._take_row",
        "stored.may_get_opinions",
        "False",
        ("reviewed just before it is entombed",),
    ),
    Mutant(
        "pictures are not deleted",
        f"{USE_CASES}.erase:Eraser._take_pictures",
        "self.pictures.delete(versions)",
        "pass",
        ERASURES,
    ),
    Mutant(
        "the row is not deleted",
        f"{USE_CASES}.erase:Eraser._take_row",
        "if self.rows.entomb(erasure.pair_id, stored, erasure.erased_at):",
        "if True:",
        ERASURES,
    ),
    Mutant(
        "the row of a later upload is deleted",
        f"{USE_CASES}.erase:Eraser._take_row",
        "if stored and stored.is_later_than(erasure.erased_at):",
        "if False:",
        ("row replaced before it is entombed",),
    ),
    Mutant(
        "the calls of a later upload are taken",
        "facepair.domain.ledger:is_taken",
        "row.earliest_upload <= moment",
        "True",
        ("erased and uploaded again", "erased and replaced"),
    ),
    Mutant(
        "an in-flight marker is deleted under its worker",
        f"{FAKES}:FakeErasableRecords.unmark",
        "mark and not (mark.alive_until and mark.alive_until > self._time.now())",
        "mark",
        ("erased again before api.answer",),
    ),
    # --- events
    Mutant(
        "other contents are no change",
        "facepair.domain.change:_state",
        '"code", "fingerprint"',
        '"code"',
        ("published",),
    ),
    Mutant(
        "a change is not put on the bus",
        f"{USE_CASES}.publish:Publisher.publish",
        "put([changed], self.bus, self.metrics)",
        "pass",
        ("published",),
    ),
)
