"""The actors of a run, and what can go wrong in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from facepair.domain.gate import Rules
from facepair.domain.ledger import OnUnknownOutcome
from facepair.domain.opinions import SecondReview
from facepair.domain.pair import Upload
from facepair.domain.retention import Retention
from facepair.domain.retry import Unavailable, Unreadable
from facepair.domain.review_request import AskForPairs, Decide
from facepair.domain.verdict import Verdict
from tests.explore.explored import DeadlyPicture, Explored, ExploredTime
from tests.explore.run import Run
from tests.explore.schedule import Limits
from tests.fakes import LIFETIME

LIMITS = Limits(preemptions=2, faults=2, leaps=1)


@dataclass(frozen=True)
class Scenario:
    """A world, its actors and search limits. `answers` are the API's, the plainest first."""

    name: str
    prepare: Callable[[Explored], None]
    answers: Sequence[str] = ("success",)
    on_unknown: OnUnknownOutcome = "hold"
    limits: Limits = LIMITS

    def scene(self, run: Run, time: ExploredTime) -> Explored:
        """Return a new world, ready to run."""
        scene = Explored(run, time, on_unknown=self.on_unknown)
        scene.api.may = self.answers
        self.prepare(scene)
        return scene


# --- comparing -------------------------------------------------------------------------------------------------------

TROUBLE = (
    "success",
    "no answer",
    "busy",
    "not reached",
    "refused",
    "token refused",
    "blocked",
    "no face",
    "busy, charged",
    "token refused, charged",
)


def two_messages(scene: Explored) -> None:
    """Both pictures were uploaded: two workers, and redelivered messages."""
    scene.pair()


def outlived(scene: Explored) -> None:
    """The same, and workers suspended past every lease return."""
    scene.pair()
    scene.may_outlive_its_end = True


def outlived_before(scene: Explored, operation: str) -> None:
    """A worker is suspended before an operation past every lease, and returns."""
    outlived(scene)
    scene.lead_worker(operation)
    scene.time.passes(LIFETIME + 1)


def given_up(scene: Explored) -> None:
    """A worker is about to save its answer while another, which takes it for dead, is about to give its call up."""
    outlived_before(scene, "ledger.complete")
    scene.lead_worker("ledger.complete")


def ledger_alone(scene: Explored, operation: str) -> None:
    """Only the ledger keeps a second worker from calling."""
    scene.pair()
    scene.lead_worker(operation)
    scene.lose_leases()


def without(scene: Explored, *, records: bool = True, markers: bool = True) -> None:
    """Two messages of a pair in a fleet without idempotency records or in-flight markers."""
    scene.pair()
    scene.promises.leases_lost = True
    if not records:
        scene.idempotency.once = lambda fingerprint, compare: compare()  # type: ignore[method-assign]
    if not markers:
        scene.in_flight.begin = lambda objects, alive_until: 1  # type: ignore[method-assign]


def two_pairs(scene: Explored) -> None:
    scene.pair()
    scene.pair(30, 40, pair_id="ben")
    scene.most_workers = 2


def not_answering(scene: Explored, *first: str) -> None:
    """The fleet stops after two calls without an answer."""
    two_pairs(scene)
    scene.pair(50, 60, pair_id="cleo")
    scene.api.first = first
    scene.gate.rules = Rules(per_second=1000, stop_after_unknown=2, pause=600)


def paced(scene: Explored) -> None:
    """Three pairs at one call per two seconds."""
    two_pairs(scene)
    scene.pair(50, 60, pair_id="cleo")
    scene.most_workers = 3
    scene.gate.rules = Rules(per_second=0.5, stop_after_unknown=5, pause=600)


def busy_for_long(scene: Explored) -> None:
    """The API is busy for the first calls of a pair with one message."""
    scene.put("first", 10, notified=False)
    scene.put("second", 20)
    scene.api.first = ("busy",) * 5


def busy_at_first(scene: Explored) -> None:
    """The API is busy for the first call of a pair with two messages."""
    scene.pair()
    scene.api.first = ("busy",)


def slow(scene: Explored) -> None:
    """Operations take nearly all of a worker's time."""
    scene.pair()
    scene.slow = frozenset({"gate.enter", "ledger.open", "idempotency.once", "bucket.read"})


def malformed(scene: Explored) -> None:
    """A malformed message is among those of a pair."""
    scene.pair()
    scene.queue.send(["no JSON"])
    scene.promises.malformed = 1


def probe_due(scene: Explored) -> None:
    """The account was refused and the pause is over: one worker may probe."""
    two_pairs(scene)
    scene.gate.state = scene.gate.state.shut(scene.gate.rules, "INSUFFICIENT_BALANCE", "", scene.time.now().timestamp())
    scene.time.passes(601)


def probe_with_an_old_token(scene: Explored) -> None:
    """The same, and the token of the worker that tries is refused."""
    probe_due(scene)
    scene.api.first = ("token refused",)


def blocked_at_first(scene: Explored) -> None:
    """The account is refused at the first call of two pairs."""
    two_pairs(scene)
    scene.api.first = ("blocked",)


def first_answers(scene: Explored, *first: str) -> None:
    """A pair, and the API's first answers."""
    scene.pair()
    scene.api.first = first


def unanswered_at_first(scene: Explored) -> None:
    """The first call of a pair that has one message is not answered."""
    scene.put("first", 10, notified=False)
    scene.put("second", 20)
    scene.api.first = ("no answer",)


def overtaken(scene: Explored) -> None:
    """A picture is replaced and compared while a worker is suspended before it writes a verdict."""
    scene.pair()
    scene.lead_worker("verdicts.write")
    scene.put("second", 21, after=2)


def overtaken_by_an_earlier_clock(scene: Explored) -> None:
    """The same, and the first worker's clock is a minute ahead."""
    scene.clocks_ahead["worker 1"] = timedelta(minutes=1)
    overtaken(scene)


def overtaken_by_what_is_gone(scene: Explored) -> None:
    """A newer picture is compared and deleted while a worker is suspended before it lists the bucket."""
    scene.pair()
    scene.lead_worker("bucket.find")
    scene.put("second", 21, after=2, suffix="jpg")
    scene.work()
    scene.bucket.delete("anna/second.jpg")


def overtaken_when_busy(scene: Explored) -> None:
    """Another worker gets an answer while one is suspended before it writes a PENDING row."""
    first_answers(scene, "busy")
    scene.lead_worker("verdicts.write")
    scene.lose_leases()
    scene.time.passes(40)


def led(scene: Explored, operation: str) -> None:
    """Another worker has a message of the pair while one is suspended before an operation."""
    scene.pair()
    scene.lead_worker(operation)


def failing(scene: Explored) -> None:
    """The bucket fails for the first four workers that take the pair, one more than may die."""
    scene.pair()
    begin, failing = scene.in_flight.begin, [Unavailable("the bucket fails")] * 4

    def begin_and_fail(objects: str, alive_until: datetime) -> int:
        begun = begin(objects, alive_until)
        if failing:
            scene.bucket.at("read", failing.pop())
        return begun

    scene.in_flight.begin = begin_and_fail  # type: ignore[method-assign]


def deadly(scene: Explored) -> None:
    """A picture crashes every worker that opens it."""
    scene.pair()
    scene.deaths_needed = 0  # deaths of its workers are not the run's
    read = scene.bucket.read

    def ends_its_worker() -> None:
        actor = scene.run.actor
        assert actor
        actor.killed = True
        scene.run.note("dies of the picture")
        scene.run.turn("fit")

    def deadly_content(upload: Upload) -> tuple[bytes, str | None]:
        content, version = read(upload)
        picture = DeadlyPicture(content)
        picture.ends_its_worker = ends_its_worker
        return picture, version

    scene.bucket.read = deadly_content  # type: ignore[method-assign]


# --- people who upload ------------------------------------------------------------------------------------------------


def replaced(scene: Explored, after: float, shade: int = 21) -> None:
    """The second picture is replaced, in the same second or later."""
    scene.pair()
    scene.add("uploader", scene.people(partial(scene.put, "second", shade, after=after)), faulty=False)


def replaced_when_compared(scene: Explored) -> None:
    """After a verdict, the second picture is replaced within the second of its upload."""
    scene.pair()
    scene.work()
    scene.put("second", 21)


def swapped(scene: Explored) -> None:
    """The two pictures are uploaded again in swapped roles."""
    scene.pair()
    acts = (partial(scene.put, "first", 20, after=2), partial(scene.put, "second", 10, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def deleted(scene: Explored) -> None:
    """The second picture is deleted, and another one uploaded."""
    scene.pair()
    acts = (partial(scene.delete, "second"), partial(scene.put, "second", 21, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def withdrawn(scene: Explored) -> None:
    """Both pictures are deleted for good."""
    scene.pair()
    scene.add("uploader", scene.people(partial(scene.delete, "first"), partial(scene.delete, "second")), faulty=False)


def halves(scene: Explored) -> None:
    """The second picture arrives during the look at the first, which is then replaced."""
    scene.put("first", 10)
    acts = (partial(scene.put, "second", 20, after=2), partial(scene.put, "first", 11, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def came_again(scene: Explored) -> None:
    """Contents return after others: (A, B), (A, C), (A, B)."""
    scene.pair()
    scene.work()
    acts = (partial(scene.put, "second", 21, after=2), partial(scene.put, "second", 20, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def forgotten(scene: Explored) -> None:
    """Idempotency records have expired, and the same contents are uploaded again."""
    scene.pair()
    acts = (scene.idempotency.forget, partial(scene.put, "second", 20, after=2))
    scene.add("people", scene.people(*acts), faulty=False)


# --- the search ------------------------------------------------------------------------------------------------------


def missed(scene: Explored) -> None:
    """S3 lost both events; the search runs twice."""
    scene.pair(notified=False)
    scene.promises.event_lost = True
    scene.time.passes(3600)
    scene.add("search", scene.search)
    scene.add("search, an hour later", scene.search)


def second_missed(scene: Explored) -> None:
    """The row is WAITING, and S3 lost the second picture's event."""
    scene.put("first", 10)
    scene.work()
    scene.put("second", 20, after=2, notified=False)
    scene.promises.event_lost = True
    scene.time.passes(3600)
    scene.add("search", scene.search)


def half_missed(scene: Explored) -> None:
    """S3 lost one event; the search runs next to the other's worker."""
    scene.put("first", 10)
    scene.put("second", 20, notified=False)
    scene.promises.event_lost = True
    scene.time.passes(3600)
    scene.add("search", scene.search)


def message_lost(scene: Explored) -> None:
    """A PENDING pair has lost its messages."""
    scene.pair()
    scene.api.first = ("busy",)
    for handle in scene.queue.visible:
        scene.run.note(f"{handle} is received once, and lost")
    scene.work()
    scene.queue.lose_all()
    scene.promises.event_lost = True
    scene.time.passes(3600)
    scene.add("search", scene.search)


def replacement_missed(scene: Explored) -> None:
    """S3 lost the event of a replacement."""
    scene.pair()
    scene.work()
    scene.put("second", 21, after=2, notified=False)
    scene.promises.event_lost = True
    scene.time.passes(3600)
    scene.add("search", scene.search)


def withdrawn_while_blocked(scene: Explored) -> None:
    """Pictures of two PENDING pairs are deleted while the account is blocked; the search settles them in parallel with
    workers.
    """
    two_pairs(scene)
    scene.gate.state = scene.gate.state.shut(scene.gate.rules, "INSUFFICIENT_BALANCE", "", scene.time.now().timestamp())
    scene.work()
    scene.delete("second")
    scene.delete("first", pair_id="ben")
    scene.add("search", scene.search)
    acts = (partial(scene.put, "second", 21, after=700),)
    scene.add("uploader", scene.people(*acts), faulty=False)


# --- operators and reviewers -----------------------------------------------------------------------------------------


def approved(scene: Explored) -> None:
    """Two operators approve a retry after an unknown outcome."""
    scene.pair()
    scene.api.may = ("no answer",)
    scene.work()
    scene.api.may = ("success", "no answer", "busy")
    scene.add("operator", scene.approve)
    scene.add("other operator", scene.approve)


def approved_while_called_for(scene: Explored) -> None:
    """An operator approves a retry, and another one while a worker makes that call."""
    scene.pair()
    scene.api.may = ("no answer",)
    scene.work()
    scene.api.may = ("success", "no answer")
    scene.approve()
    scene.lead_worker("api.compare")
    scene.add("other operator", scene.approve)


def approved_swapped(scene: Explored) -> None:
    """An operator approves a retry while the pictures are uploaded in swapped roles."""
    scene.pair()
    scene.api.may = ("no answer",)
    scene.work()
    scene.api.may = ("success", "no answer")
    scene.add("operator", scene.approve)
    acts = (partial(scene.put, "first", 20, after=2), partial(scene.put, "second", 10, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def _decide(scene: Explored, who: str, verdict: Literal[Verdict.PASS, Verdict.REJECT]) -> None:
    """A reviewer asks for pairs and decides those shown."""
    reviewing, actor = scene.reviewing(), scene.run.at_work
    shown = reviewing.pairs(who, AskForPairs(action="pairs", desk="page", count=1))["pairs"]
    for each in shown:
        scene.promises.shown(who)
        actor.notes["seen"] = each["fingerprint"]
        scene.run.turn("people.act")
        decision = Decide(
            action="decide",
            desk="page",
            pair_id="anna",
            fingerprint=each["fingerprint"],
            verdict=verdict,
            reason="seen",
        )
        scene.promises.decided(who, each["fingerprint"], reviewing.decide(who, decision)["decided"])


def reviewed(scene: Explored, *acts: Callable[[], object]) -> None:
    """Two reviewers decide a MANUAL_CHECK while its pictures are uploaded again."""
    scene.pair()
    scene.work()
    scene.add("reviewer", partial(_decide, scene, "arn:a", Verdict.PASS))
    scene.add("other reviewer", partial(_decide, scene, "arn:b", Verdict.REJECT))


def _give_opinion(scene: Explored, who: str, fingerprint: str, verdict: Verdict) -> None:
    """A reviewer without a lease decides, and repeats the request if no answer comes."""
    reviewing = scene.reviewing(SecondReview.ALL)
    decision = Decide.model_validate(
        {
            "action": "decide",
            "desk": "page",
            "pair_id": "anna",
            "fingerprint": fingerprint,
            "verdict": verdict,
            "reason": "seen",
        }
    )
    for _ in range(3):
        try:
            if reviewing.decide(who, decision)["decided"]:
                scene.promises.opinions_recorded.add((fingerprint, who, verdict))
            return
        except Unavailable:
            continue


def reviewed_by_several(scene: Explored, *verdicts: Verdict) -> None:
    """Reviewers decide a MANUAL_CHECK at the same time; it needs two who agree, or three."""
    scene.pair()
    scene.work()
    scene.promises.needs_two_reviewers = True
    fingerprint = scene.verdicts.items["anna"]["fingerprint"]
    for number, verdict in enumerate(verdicts, start=1):
        who = f"arn:aws:iam::1:user/{number}"
        scene.add(f"reviewer {number}", partial(_give_opinion, scene, who, fingerprint, verdict))


def reviewed_by_several_and_erased(scene: Explored) -> None:
    """A MANUAL_CHECK is erased while two reviewers decide; one is suspended."""
    reviewed_by_several(scene, Verdict.PASS)
    scene.time.passes(10)
    fingerprint = scene.verdicts.items["anna"]["fingerprint"]
    late = partial(_give_opinion, scene, "arn:aws:iam::1:user/late", fingerprint, Verdict.PASS)
    scene.lead("late reviewer", late, until="opinions.change")
    scene.add("eraser", scene.erase)


def reviewed_before_entombed(scene: Explored) -> None:
    """A reviewer gives an opinion just before a MANUAL_CHECK becomes a tombstone."""
    reviewed_by_several(scene, Verdict.PASS)
    scene.time.passes(10)
    scene.lead("eraser", scene.erase, "erasable_rows.entomb")


def reviewed_by_several_and_replaced(scene: Explored) -> None:
    """Another picture is uploaded while two reviewers decide."""
    reviewed_by_several(scene, Verdict.PASS, Verdict.PASS)
    scene.add("uploader", scene.people(partial(scene.put, "second", 21, after=2)), faulty=False)


def reviewed_again(scene: Explored) -> None:
    """The same contents are uploaded while a reviewer decides about them."""
    scene.pair()
    scene.work()
    scene.add("reviewer", partial(_decide, scene, "arn:a", Verdict.PASS))
    scene.add("uploader", scene.people(partial(scene.put, "second", 20, after=2)), faulty=False)


def reviewed_other(scene: Explored) -> None:
    """Another picture is uploaded while a reviewer decides, and the first one returns."""
    scene.pair()
    scene.work()
    scene.add("reviewer", partial(_decide, scene, "arn:a", Verdict.PASS))
    acts = (partial(scene.put, "second", 21, after=2), partial(scene.put, "second", 20, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def decided_before_a_verdict(scene: Explored) -> None:
    """The same contents are uploaded again, and a reviewer decides just before their verdict is written."""
    scene.pair()
    scene.work()
    scene.put("second", 20, after=2)
    scene.lead_worker("verdicts.write")
    scene.add("reviewer", partial(_decide, scene, "arn:a", Verdict.PASS))


def decided_when_replaced(scene: Explored, until: str) -> None:
    """Another picture is compared between a reviewer's look at a pair and the decision."""
    scene.pair()
    scene.work()
    scene.lead("reviewer", partial(_decide, scene, "arn:a", Verdict.PASS), until)
    scene.put("second", 21, after=2)


# --- erasures --------------------------------------------------------------------------------------------------------


def erased(scene: Explored, *, compared: bool = False) -> None:
    """A pair is erased while workers have it."""
    scene.pair()
    if compared:
        scene.work()
    scene.time.passes(10)
    scene.add("eraser", scene.erase)


def erased_when_little_is_left(scene: Explored, *, row: bool, ledger: bool) -> None:
    """The pictures of a pair have expired, and its row or its calls; what is left is erased."""
    scene.pair()
    scene.work()
    scene.bucket.erase(scene.bucket.versions)
    if not row:
        scene.time.passes(366 * 86400)
        scene.expire("anna")
    if not ledger:
        scene.expire_ledger()
    scene.time.passes(10)
    scene.add("eraser", scene.erase)


def record_of_an_erased_call(scene: Explored) -> None:
    """An earlier release erased a pair, and a worker saved its record afterwards; the pictures are uploaded again."""
    scene.pair()
    scene.work()
    erased_at = scene.time.now().replace(microsecond=0)
    scene.ledger.change("anna", "000001", erased_at=erased_at, outcome=None, fingerprint="")
    scene.bucket.erase(scene.bucket.versions)
    scene.verdicts.items.pop("anna")
    scene.promises.calls.clear()
    scene.promises.charged.clear()
    scene.api.tokens.clear()
    scene.put("first", 10, after=2, notified=False)
    scene.put("second", 20)


def erased_and_uploaded(scene: Explored, first: int, second: int) -> None:
    """A pair is erased, and uploaded again before, meanwhile or after."""
    scene.pair()
    scene.time.passes(10)
    scene.add("eraser", scene.erase)
    acts = (partial(scene.put, "first", first, after=2), partial(scene.put, "second", second))
    scene.add("uploader", scene.people(*acts), faulty=False)


def erased_and_halved(scene: Explored) -> None:
    """A pair is erased, and one picture is uploaded before, meanwhile or after."""
    scene.pair()
    scene.time.passes(10)
    scene.add("eraser", scene.erase)
    scene.add("uploader", scene.people(partial(scene.put, "second", 20, after=2)), faulty=False)


def erased_before(scene: Explored, operation: str) -> None:
    """A pair is erased while a worker is suspended before an operation."""
    scene.pair()
    scene.time.passes(10)
    scene.lead_worker(operation)
    scene.add("eraser", scene.erase)


def erased_and_uploaded_before(scene: Explored, operation: str) -> None:
    """The same pictures are uploaded again while the eraser is suspended before an operation."""
    scene.pair()
    scene.work()
    scene.time.passes(10)
    scene.lead("eraser", scene.erase, operation)
    scene.pair(after=2)


def unknown_and_erased(scene: Explored) -> None:
    """A call without an answer is erased, and the pictures are uploaded again before the confirmation."""
    scene.api.first = ("no answer",)
    erased_and_uploaded_before(scene, "sleep")


def late_record(scene: Explored) -> None:
    """A worker saves its answer after the erasure deleted records, and the pictures are uploaded again."""
    scene.pair()
    scene.time.passes(10)
    scene.lead_worker("idempotency.save")
    scene.lead("eraser", scene.erase, "sleep")
    scene.pair(after=2)
    scene.most_workers = 3


def erased_while_an_earlier_answer_is_used(scene: Explored) -> None:
    """A worker uses the answer of an earlier call whose record has expired, and is suspended before it saves its
    own record."""
    scene.pair()
    scene.work()
    scene.idempotency.forget()
    scene.time.passes(LIFETIME)
    scene.put("second", 20)
    scene.time.passes(10)
    scene.lead_worker("idempotency.save")
    scene.add("eraser", scene.erase)


def looked_at_while_erased(scene: Explored) -> None:
    """A picture is uploaded in the second of the erasure, after its listing."""
    scene.put("first", 10)
    scene.lead("eraser", scene.erase, "pictures.delete")
    scene.put("second", 20)


def erased_by_an_earlier_release(scene: Explored) -> None:
    """An interrupted erasure by an earlier release, before it deleted pictures, is run again."""
    scene.pair()
    moment = scene.time.now().replace(microsecond=0)
    scene.earlier_erasures.moments["anna"] = moment
    scene.promises.forbidden("anna", moment)
    scene.time.passes(10)
    scene.add("eraser", scene.erase)


def replaced_before_entombed(scene: Explored) -> None:
    """A later upload's row replaces one just before it becomes a tombstone."""
    scene.pair()
    scene.work()
    scene.time.passes(10)
    scene.lead("eraser", scene.erase, "erasable_rows.entomb")
    scene.pair(11, 21, after=2)


def erased_twice(scene: Explored) -> None:
    """Two people erase a pair at once while a worker has it."""
    scene.pair()
    scene.time.passes(10)
    scene.lead_worker("idempotency.save")
    scene.lead("eraser", scene.erase, "sleep")
    scene.add("other eraser", scene.erase)


def confirmed_too_early(scene: Explored) -> None:
    """A client asks for the confirmation at once while a worker waits for its answer."""
    scene.pair()
    scene.time.passes(10)
    scene.lead_worker("api.answer")
    scene.add("eraser without patience", scene.erase_without_patience)


def decided_about_other_contents(scene: Explored) -> None:
    """A pair is erased after a decision about contents that were replaced since."""
    scene.pair()
    scene.work()
    _decide(scene, "arn:a", Verdict.PASS)
    scene.put("second", 21, after=2)
    scene.work()
    scene.time.passes(10)
    scene.add("eraser", scene.erase)


def kept_for_long(scene: Explored, *, ledger: bool, records: bool) -> None:
    """The same contents are uploaded repeatedly, each time before their records expire."""
    kept = Retention(own=timedelta(days=1), images=timedelta(days=1))
    scene.ledger.retention = kept if ledger else None
    scene.idempotency.retention = kept if records else None
    scene.pair()
    scene.work()
    for _ in range(2):
        if ledger and not records:
            scene.idempotency.forget()
        if records and not ledger:
            scene.expire_ledger()
        scene.time.passes(7 * 86400)
        scene.put("second", 20)
        scene.work()
    if ledger:
        scene.idempotency.forget()
    scene.time.passes(7 * 86400)
    scene.add("uploader", scene.people(partial(scene.put, "second", 20)), faulty=False)


def row_expired(scene: Explored) -> None:
    """DynamoDB deletes an expired row while the same contents are uploaded again."""
    scene.pair()
    scene.publishes = True
    scene.work()
    scene.time.passes(366 * 86400)
    scene.add("time to live", scene.people(partial(scene.expire, "anna")), faulty=False)
    scene.add("uploader", scene.people(partial(scene.put, "second", 20, after=2)), faulty=False)


def ledger_expired(scene: Explored) -> None:
    """DynamoDB deletes the ledger's rows; records answer for the same contents."""
    scene.pair()
    scene.work()
    scene.add("time to live", scene.people(scene.expire_ledger), faulty=False)
    scene.add("uploader", scene.people(partial(scene.put, "second", 20, after=2)), faulty=False)


def erased_when_expired(scene: Explored) -> None:
    """DynamoDB deletes expired rows and tombstones around an erasure and a later upload."""
    scene.pair()
    scene.work()
    scene.time.passes(10)
    scene.publishes = True
    scene.lead("eraser", scene.erase, "sleep")
    scene.add("time to live", scene.people(partial(scene.expire, "anna")), faulty=False)
    scene.pair(after=2)


def number_again(scene: Explored) -> None:
    """Ledger rows have expired, and other contents get the same call number."""
    scene.pair()
    scene.ledger.at("complete", Unavailable("throttled"), Unavailable("throttled"))
    scene.work()
    scene.expire_ledger()
    scene.api.first = ("success", "no answer")
    scene.put("second", 21, after=2)
    scene.work()
    scene.put("second", 20, after=2)


def archived(scene: Explored) -> None:
    """S3 refuses to return an archived picture at first."""
    scene.put("first", 10, notified=False)
    scene.put("second", 20)
    scene.bucket.at("read", Unreadable("InvalidObjectState"), Unreadable("InvalidObjectState"))
    scene.promises.archived = True


def erased_again_before(scene: Explored, operation: str) -> None:
    """An erasure died after deleting the records, and is run again while a worker is suspended."""
    scene.pair()
    scene.time.passes(10)
    scene.lead_worker(operation)
    scene.lead("eraser", scene.erase, "erasable_rows.stored")
    scene.run.kill(scene.actors[-1])


def half_uploaded_while_erased(scene: Explored, operation: str) -> None:
    """One picture is uploaded while an eraser is suspended before deleting pictures."""
    scene.pair()
    scene.time.passes(10)
    scene.lead("eraser", scene.erase, operation)
    scene.put("second", 20, after=4)


def erased_and_reviewed(scene: Explored) -> None:
    """A MANUAL_CHECK is erased while it is decided."""
    scene.pair()
    scene.work()
    scene.time.passes(10)
    scene.add("reviewer", partial(_decide, scene, "arn:a", Verdict.PASS))
    scene.add("eraser", scene.erase)


def erased_blocked(scene: Explored) -> None:
    """A pair is erased while PENDING at a blocked account."""
    scene.pair()
    scene.gate.state = scene.gate.state.shut(scene.gate.rules, "INSUFFICIENT_BALANCE", "", scene.time.now().timestamp())
    scene.work()
    scene.time.passes(620)
    scene.add("eraser", scene.erase)


# --- events ----------------------------------------------------------------------------------------------------------


def published(scene: Explored) -> None:
    """Rows are published while they change."""
    scene.put("first", 10)
    scene.publishes = True
    scene.add("publisher", scene.publish)
    acts = (partial(scene.put, "second", 20, after=2), partial(scene.put, "second", 21, after=2))
    scene.add("uploader", scene.people(*acts), faulty=False)


def erased_and_published(scene: Explored) -> None:
    """A pair is erased while its rows are published and it is uploaded again."""
    scene.pair()
    scene.publishes = True
    scene.time.passes(10)
    scene.add("publisher", scene.publish)
    scene.add("eraser", scene.erase)
    acts = (partial(scene.put, "first", 11, after=2), partial(scene.put, "second", 21))
    scene.add("uploader", scene.people(*acts), faulty=False)


SCENARIOS = {
    each.name: each
    for each in (
        Scenario("two messages", two_messages, TROUBLE),
        Scenario("two messages, retry", two_messages, TROUBLE, on_unknown="retry"),
        Scenario("suspended workers", outlived, ("success", "no answer")),
        Scenario("suspended workers, retry", outlived, ("success", "no answer"), on_unknown="retry"),
        Scenario("suspended before its call", partial(outlived_before, operation="api.compare")),
        Scenario("suspended before its answer is saved", partial(outlived_before, operation="ledger.complete")),
        Scenario("answered while given up", given_up),
        Scenario("suspended before its verdict is written", partial(outlived_before, operation="verdicts.write")),
        Scenario("the ledger alone", partial(ledger_alone, operation="ledger.open"), ("success", "no answer")),
        Scenario("the ledger alone, retry", partial(ledger_alone, operation="api.answer"), on_unknown="retry"),
        Scenario("without records", partial(without, records=False), TROUBLE),
        Scenario("without markers", partial(without, markers=False), TROUBLE),
        Scenario("without records and markers", partial(without, records=False, markers=False), TROUBLE),
        Scenario("no answers, retry", lambda scene: first_answers(scene, *["no answer"] * 6), on_unknown="retry"),
        Scenario("no answer at first, retry", unanswered_at_first, on_unknown="retry"),
        Scenario("overtaken", overtaken),
        Scenario("overtaken by an earlier clock", overtaken_by_an_earlier_clock),
        Scenario("overtaken by what is gone", overtaken_by_what_is_gone),
        Scenario("overtaken when busy", overtaken_when_busy),
        Scenario("a pair that a worker has", partial(led, operation="bucket.read")),
        Scenario("a bucket that fails", failing),
        Scenario("a probe is due", probe_due, ("success", "busy", "blocked")),
        Scenario("a probe with an old token", probe_with_an_old_token, ("success", "token refused")),
        Scenario("tokens refused", lambda scene: first_answers(scene, "token refused", "token refused")),
        Scenario("blocked at first", blocked_at_first),
        Scenario("no answers at first", lambda scene: not_answering(scene, "no answer", "no answer")),
        Scenario("an answer in between", lambda scene: not_answering(scene, "no answer", "success", "no answer")),
        Scenario("two pairs", two_pairs, ("success", "blocked", "busy", "token refused", "not reached")),
        Scenario("an API that does not answer", not_answering, ("no answer", "success", "blocked")),
        Scenario("a pace", paced, ("success", "busy")),
        Scenario("a busy API", busy_for_long),
        Scenario("busy at first", busy_at_first),
        Scenario("slow operations", slow),
        Scenario("a malformed message", malformed),
        Scenario("a deadly picture", deadly),
        Scenario("replaced in the same second", partial(replaced, after=0), ("success", "blocked")),
        Scenario("replaced when compared", replaced_when_compared),
        Scenario("replaced later", partial(replaced, after=2), ("success", "no answer", "busy")),
        Scenario("swapped", swapped, ("success", "no answer", "no face")),
        Scenario("deleted and uploaded", deleted, ("success", "blocked", "busy")),
        Scenario("withdrawn", withdrawn, ("success", "blocked", "busy")),
        Scenario("one after the other", halves, ("success", "busy")),
        Scenario("contents that come again", came_again, ("success", "no answer")),
        Scenario("records expired", forgotten, ("success", "no answer", "no face")),
        Scenario("records expired, retry", forgotten, ("success", "no answer"), on_unknown="retry"),
        Scenario("events lost", missed),
        Scenario("one event lost", half_missed, ("success", "busy")),
        Scenario("withdrawn while blocked", withdrawn_while_blocked, ("success", "blocked")),
        Scenario("the second event lost", second_missed),
        Scenario("messages lost", message_lost, ("success", "busy")),
        Scenario("a replacement's event lost", replacement_missed),
        Scenario("approved", approved),
        Scenario("approved while it is called for", approved_while_called_for),
        Scenario("approved and swapped", approved_swapped),
        Scenario("two reviewers", reviewed, ("manual check",)),
        Scenario(
            "two reviewers who agree",
            lambda scene: reviewed_by_several(scene, Verdict.PASS, Verdict.PASS),
            ("manual check",),
        ),
        Scenario(
            "three reviewers",
            lambda scene: reviewed_by_several(scene, Verdict.PASS, Verdict.REJECT, Verdict.PASS),
            ("manual check",),
        ),
        Scenario("erased while two reviewers decide", reviewed_by_several_and_erased, ("manual check",)),
        Scenario("reviewed just before it is entombed", reviewed_before_entombed, ("manual check",)),
        Scenario("replaced while two reviewers decide", reviewed_by_several_and_replaced, ("manual check",)),
        Scenario("decided while uploaded again", reviewed_again, ("manual check",)),
        Scenario("decided while replaced", reviewed_other, ("manual check",)),
        Scenario("decided before a verdict is written", decided_before_a_verdict, ("manual check",)),
        Scenario("decided when replaced", partial(decided_when_replaced, until="people.act"), ("manual check",)),
        Scenario(
            "decided when others are shown",
            partial(decided_when_replaced, until="decisions.decide"),
            ("manual check",),
        ),
        Scenario("erased at work", erased, ("success", "no answer", "busy")),
        Scenario("erased when compared", partial(erased, compared=True)),
        Scenario("a row is left to erase", partial(erased_when_little_is_left, row=True, ledger=False)),
        Scenario("calls are left to erase", partial(erased_when_little_is_left, row=False, ledger=True)),
        Scenario("a record of an erased call", record_of_an_erased_call),
        Scenario("erased and uploaded again", partial(erased_and_uploaded, first=10, second=20)),
        Scenario("erased and replaced", partial(erased_and_uploaded, first=11, second=21)),
        Scenario("erased and half uploaded", erased_and_halved),
        Scenario("erased and decided", erased_and_reviewed, ("manual check",)),
        Scenario("erased while blocked", erased_blocked, ("success", "blocked")),
        *(
            Scenario(f"erased before {each}", partial(erased_before, operation=each))
            for each in ("ledger.open", "api.answer", "ledger.complete", "idempotency.save", "verdicts.write")
        ),
        *(
            Scenario(f"erased again before {each}", partial(erased_again_before, operation=each))
            for each in ("api.answer", "ledger.complete", "idempotency.save")
        ),
        Scenario(
            "being erased and half uploaded", partial(half_uploaded_while_erased, operation="erasable_rows.stored")
        ),
        Scenario("entombed and half uploaded", partial(half_uploaded_while_erased, operation="pictures.delete")),
        Scenario("an unknown outcome, erased and uploaded again", unknown_and_erased),
        *(
            Scenario(f"erased and uploaded again before {each}", partial(erased_and_uploaded_before, operation=each))
            for each in ("erasable_ledger.strip", "erasable_rows.entomb", "pictures.delete")
        ),
        Scenario("a late record, erased and uploaded again", late_record),
        Scenario("erased while an earlier answer is used", erased_while_an_earlier_answer_is_used),
        Scenario("being erased, and looked at", looked_at_while_erased),
        Scenario("uploaded in the second of an erasure", looked_at_while_erased),
        Scenario("erased by an earlier release", erased_by_an_earlier_release),
        Scenario("row replaced before it is entombed", replaced_before_entombed),
        Scenario("an erasure that is run twice", erased_twice),
        Scenario("confirmed too early", confirmed_too_early),
        Scenario("erased after a decision about other contents", decided_about_other_contents, ("manual check",)),
        Scenario("erased and published", erased_and_published, ("success", "busy")),
        Scenario("erased when expired", erased_when_expired),
        Scenario("a row that expires", row_expired),
        Scenario("calls that expire", ledger_expired),
        Scenario("contents for longer than the ledger", partial(kept_for_long, ledger=True, records=True)),
        Scenario(
            "contents for longer than the ledger, without records", partial(kept_for_long, ledger=True, records=False)
        ),
        Scenario("contents for longer than the records", partial(kept_for_long, ledger=False, records=True)),
        Scenario(
            "an unknown outcome for longer than the ledger",
            partial(kept_for_long, ledger=True, records=False),
            ("no answer",),
        ),
        Scenario("a number that is used again", number_again),
        Scenario("an archived picture", archived),
        Scenario("published", published, ("success", "busy")),
    )
}
