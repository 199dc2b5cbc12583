"""A reviewer's desk: undo, when decisions are sent, and what is reported at the end."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from facepair.domain import picture as pictures
from facepair.domain.fitted import Fitted
from facepair.domain.review_request import asked
from facepair.domain.verdict import Verdict
from facepair_cli.review.courier import carry, carry_due
from facepair_cli.review.decisions import Decided
from facepair_cli.review.desk import AHEAD, LAST_TRIES, UNDO_SECONDS, Desk
from facepair_cli.review.pictures import Fetched, Unseen
from facepair_cli.review.ports import Ending, NotAnswered, Refused
from tests.fakes import SUCCESS, picture
from tests.support.waiting import eventually
from tests.world import World

RITA = "arn:aws:sts::123456789012:assumed-role/Reviewers/rita"
BO = "arn:aws:iam::123456789012:user/bo"
SIGNED_OUT = NotAnswered("The security token is expired; sign in again.")
IDS = count(1)


@dataclass
class StackOf:
    """ReviewFunction over a world, for one reviewer, and S3."""

    world: World
    reviewer: str = RITA
    trouble: Exception | None = None
    asked: list[str] = field(default_factory=list)
    pictures: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        understood, reviewing = asked(request), self.world.reviewing()
        self.asked.append(understood.action)
        if self.trouble:
            raise self.trouble
        return reviewing.answer(self.reviewer, understood)

    def renew(self) -> None:
        self.trouble = None

    def fetch(self, link: str) -> Fetched:
        answer = self.pictures.get(link.partition("?")[0].rpartition("/")[2], (200, picture()))
        return Fetched(*answer, uploaded_at="Sat, 31 Jan 2026 12:00:00 GMT")


class Reviewer:
    """A desk whose courier sends everything due before a request returns."""

    def __init__(self, stack: StackOf) -> None:
        self.stack = stack
        self.seconds = 0.0
        self.desk = Desk(lambda: self.seconds)

    def passes(self, seconds: float) -> dict[str, Any]:
        self.seconds += seconds
        return self.carried()

    def carried(self) -> dict[str, Any]:
        while carry_due(self.desk, self.stack):
            pass
        return self.desk.state()

    def looks(self) -> dict[str, Any]:
        self.desk.look()
        return self.carried()

    def decides(self, decided: Decided) -> dict[str, Any]:
        self.desk.decide(decided)
        return self.carried()

    def undoes(self, decided: Decided) -> Any:
        undone = self.desk.undo(decided.id)["undone"]
        self.carried()
        return undone

    def skips(self, pair_id: str) -> dict[str, Any]:
        self.desk.skip(pair_id)
        return self.carried()

    def ends(self) -> list[str]:
        """Return the report on decisions that may not have been recorded."""
        self.desk.end()
        for _ in range(LAST_TRIES):
            self.passes(60)
        return [str(each) for each in self.desk.stop()]


@pytest.fixture
def stack(world: World) -> StackOf:
    """Create three pairs that wait for review."""
    world.api.answers(SUCCESS.model_copy(update={"similarity": Decimal("61.5")}))
    for pair_id in ("a", "b", "c"):
        world.upload_pair(pair_id)
        world.time.passes(1)
        world.work()
    return StackOf(world)


@pytest.fixture
def rita(stack: StackOf) -> Reviewer:
    reviewer = Reviewer(stack)
    reviewer.carried()
    return reviewer


def decided(world: World, pair_id: str, verdict: str = "PASS", *retake: str) -> Decided:
    return Decided(str(next(IDS)), pair_id, world.item(pair_id)["fingerprint"], verdict, list(retake), "seen")


def ids(state: Mapping[str, Any]) -> list[str]:
    return [pair["pair_id"] for pair in state["pairs"]]


def verdicts(world: World) -> dict[str, str]:
    return {pair_id: item["verdict"] for pair_id, item in world.verdicts.items.items()}


def test_the_page_gets_pairs_and_never_a_link(rita: Reviewer) -> None:
    state = rita.looks()

    assert ids(state) == ["a", "b", "c"]
    assert (state["waiting"], state["at_least"], state["reviewer"]) == (3, False, RITA)
    assert "https://" not in str(state)


# --- sending decisions -----------------------------------------------------------------------------------------------


def test_a_decision_is_sent_when_the_next_one_is_made(world: World, rita: Reviewer) -> None:
    one, other = decided(world, "a"), decided(world, "b", "RETAKE", "first", "second")
    first = rita.decides(one)
    then = verdicts(world)["a"]
    second = rita.decides(other)

    assert (ids(first), first["pending"], first["recorded"], then) == (["b", "c"], one.id, 0, "MANUAL_CHECK")
    assert (ids(second), second["pending"], second["recorded"]) == (["c"], other.id, 1)
    assert verdicts(world) == {"a": "PASS", "b": "MANUAL_CHECK", "c": "MANUAL_CHECK"}


def test_a_decision_is_sent_after_thirty_seconds(world: World, rita: Reviewer) -> None:
    one = decided(world, "a")
    rita.decides(one)

    before = rita.passes(UNDO_SECONDS - 1)
    kept = verdicts(world)["a"]
    after = rita.passes(1)

    assert (before["pending"], kept) == (one.id, "MANUAL_CHECK")
    assert (after["pending"], after["unsent"], after["recorded"]) == (None, [], 1)
    assert verdicts(world)["a"] == "PASS"
    assert rita.undoes(one) is None


def test_a_decision_can_be_undone_until_it_is_sent(world: World, rita: Reviewer) -> None:
    one = decided(world, "a")
    rita.decides(one)

    assert rita.undoes(one) == "a"

    assert ids(rita.looks())[0] == "a"
    assert rita.ends() == []
    assert verdicts(world)["a"] == "MANUAL_CHECK"


def test_a_repeated_undo_has_the_same_result(world: World, rita: Reviewer) -> None:
    one, other = decided(world, "a"), decided(world, "a", "REJECT")
    rita.decides(one)
    rita.undoes(one)
    rita.decides(other)

    assert rita.undoes(one) == "a"

    assert rita.looks()["pending"] == other.id


def test_closing_the_desk_sends_every_decision_and_returns_every_pair(world: World, rita: Reviewer) -> None:
    rita.decides(decided(world, "a"))
    rita.decides(decided(world, "b", "REJECT"))

    assert rita.ends() == []

    assert rita.desk.ended
    assert verdicts(world) == {"a": "PASS", "b": "REJECT", "c": "MANUAL_CHECK"}
    assert world.leases.held == {}


def test_a_repeated_decision_is_recorded_once(world: World, rita: Reviewer) -> None:
    one = decided(world, "a")
    rita.decides(one)
    rita.decides(decided(world, "b"))

    state = rita.decides(one)

    assert (state["recorded"], state["notices"]) == (1, [])
    assert verdicts(world)["a"] == "PASS"


def test_a_closing_desk_takes_no_decision(world: World, rita: Reviewer) -> None:
    one = decided(world, "a")
    rita.decides(one)
    rita.desk.end()

    with pytest.raises(Ending, match="is ending"):
        rita.desk.decide(decided(world, "b"))

    rita.desk.decide(one)  # the page repeats a decision that the desk already has
    assert rita.ends() == []
    assert verdicts(world) == {"a": "PASS", "b": "MANUAL_CHECK", "c": "MANUAL_CHECK"}


# --- when the stack does not answer ----------------------------------------------------------------------------------


def test_without_credentials_no_decision_is_lost(world: World, stack: StackOf, rita: Reviewer) -> None:
    one, other = decided(world, "a"), decided(world, "b", "REJECT")
    rita.decides(one)
    stack.trouble = SIGNED_OUT

    state = rita.decides(other)

    assert state["problem"] == str(SIGNED_OUT)
    assert (state["unsent"], ids(state)) == ([one.id, other.id], ["c"])
    assert verdicts(world)["a"] == "MANUAL_CHECK"
    stack.renew()
    rita.desk.retry()
    state = rita.carried()
    assert (state["problem"], state["recorded"]) == (None, 1)
    assert rita.ends() == []
    assert verdicts(world) == {"a": "PASS", "b": "REJECT", "c": "MANUAL_CHECK"}


def test_a_stack_that_answers_again_gets_the_decisions_without_a_key_press(
    world: World, stack: StackOf, rita: Reviewer
) -> None:
    rita.decides(decided(world, "a"))
    stack.trouble = NotAnswered("The network is down.")
    rita.decides(decided(world, "b"))
    stack.trouble = None

    at_once = rita.carried()
    later = rita.passes(1)

    assert (at_once["recorded"], at_once["problem"]) == (0, "The network is down.")
    assert (later["recorded"], later["problem"]) == (1, None)


def test_a_decision_is_kept_while_the_stack_hangs(world: World, rita: Reviewer) -> None:
    one, other = decided(world, "a"), decided(world, "b")
    rita.decides(one)
    rita.desk.look()
    request = rita.desk.due()

    rita.desk.decide(other)
    undone = rita.desk.undo(other.id)

    assert request is not None
    assert undone["undone"] == "b"
    assert (undone["unsent"], ids(undone)) == ([one.id], ["b", "c"])


def test_unsent_decisions_are_named_when_the_desk_closes(world: World, stack: StackOf, rita: Reviewer) -> None:
    rita.decides(decided(world, "a"))
    stack.trouble = SIGNED_OUT

    assert rita.ends() == ["Not recorded: a as PASS, seen."]

    assert rita.desk.problem == str(SIGNED_OUT)
    assert stack.asked.count("decide") == LAST_TRIES
    assert rita.desk.state()["unsent"] != []


def test_a_decision_in_flight_when_the_desk_closes_is_reported_as_possibly_recorded(
    world: World, rita: Reviewer
) -> None:
    rita.decides(decided(world, "a"))
    rita.decides(decided(world, "b"))
    rita.desk.decide(decided(world, "c"))
    rita.desk.end()
    request = rita.desk.due()

    lost = rita.desk.stop()

    assert request is not None
    assert request["pair_id"] == "b"
    assert [str(each).partition(",")[0] for each in lost] == [
        "Perhaps not recorded: b as PASS",
        "Not recorded: c as PASS",
    ]
    rita.desk.answered({"decided": True, "stands": None})
    assert rita.desk.state()["recorded"] == 1, "the report does not change"


def test_an_unexpected_response_loses_no_decision(world: World, stack: StackOf, rita: Reviewer) -> None:
    rita.decides(decided(world, "a"))
    stack.trouble = KeyError("decided")

    state = rita.passes(UNDO_SECONDS)

    assert len(state["unsent"]) == 1
    assert "met an error (KeyError)" in state["problem"]


def test_a_refused_decision_does_not_hold_up_the_others(world: World, stack: StackOf, rita: Reviewer) -> None:
    rita.decides(decided(world, "a"))
    stack.trouble = Refused("reason cannot be understood: it is too long.")
    rita.desk.decide(decided(world, "b"))
    carry_due(rita.desk, stack)
    stack.trouble = None

    state = rita.carried()

    assert state["notices"] == ["Not recorded: a as PASS. reason cannot be understood: it is too long."]
    assert ids(state) == ["a", "c"]
    assert len(rita.ends()) == 1
    assert verdicts(world) == {"a": "MANUAL_CHECK", "b": "PASS", "c": "MANUAL_CHECK"}


# --- changes in the meantime -----------------------------------------------------------------------------------------


def test_a_decision_that_comes_too_late_names_the_earlier_one(world: World, stack: StackOf, rita: Reviewer) -> None:
    other = {"action": "decide", "desk": "x", "pair_id": "a", "verdict": "REJECT", "reason": "two"}
    StackOf(world, reviewer=BO).ask(other | {"fingerprint": world.item("a")["fingerprint"]})

    rita.decides(decided(world, "a"))
    state = rita.decides(decided(world, "b"))

    [notice] = state["notices"]
    assert notice.startswith("Not recorded: a as PASS. bo decided before you, at ")
    assert notice.endswith(": REJECT.")
    assert state["recorded"] == 0
    assert rita.ends() == [notice]


def test_a_decision_about_replaced_pictures_is_not_recorded(world: World, rita: Reviewer) -> None:
    looked_at = decided(world, "a")
    world.upload("a/first.jpg", shade=9)
    world.time.passes(1)
    world.work()

    rita.decides(looked_at)

    assert rita.ends() == ["Not recorded: a as PASS. It was uploaded again; it comes back if it needs a review."]
    assert world.stored("a").verdict is Verdict.MANUAL_CHECK


def test_a_replaced_pair_gets_another_address_on_the_desk(world: World, rita: Reviewer) -> None:
    before = {pair["pair_id"]: pair["address"] for pair in rita.looks()["pairs"]}
    world.upload("a/first.jpg", shade=9)
    world.time.passes(1)
    world.work()

    after = {pair["pair_id"]: pair["address"] for pair in rita.looks()["pairs"]}

    assert after["b"] == before["b"]
    assert after["a"] != before["a"]


def test_a_decision_about_an_erased_pair_is_not_recorded(world: World, rita: Reviewer) -> None:
    looked_at = decided(world, "a")
    del world.verdicts.items["a"]

    rita.decides(looked_at)

    assert rita.ends() == ["Not recorded: a as PASS. Its row is gone: it was erased."]


def test_a_decision_about_a_pair_of_another_desk_is_not_recorded(world: World, rita: Reviewer) -> None:
    state = rita.decides(Decided("1", "elsewhere", "f", "PASS", [], "seen"))

    assert state["notices"] == ["Not recorded: elsewhere as PASS. The pair is not on this desk any more."]
    assert state["pending"] is None


def test_a_skipped_pair_is_left_for_other_reviewers(world: World, rita: Reviewer) -> None:
    state = rita.skips("a")

    assert ids(state) == ["b", "c"]
    assert ids(Reviewer(StackOf(world, reviewer=BO)).carried()) == ["a"]


def test_a_pair_skipped_while_the_stack_answers_does_not_come_back(world: World, rita: Reviewer) -> None:
    rita.desk.look()
    request = rita.desk.due()
    assert request is not None
    answer = rita.stack.ask(request)
    rita.desk.skip("a")
    rita.desk.answered(answer)

    assert ids(rita.carried()) == ["b", "c"]


def test_two_reviewers_share_the_queue_without_overlap(world: World, stack: StackOf) -> None:
    for number in range(2 * AHEAD):
        world.upload_pair(f"more {number}")
        world.work()

    rita, bo = Reviewer(stack).carried(), Reviewer(StackOf(world, reviewer=BO)).carried()

    assert len(rita["pairs"]) == len(bo["pairs"]) == AHEAD
    assert not set(ids(rita)) & set(ids(bo))


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk(stack: StackOf) -> Iterator[Desk]:
    """A desk whose courier runs in a thread, as in production."""
    desk = Desk()
    courier = threading.Thread(target=carry, args=(desk, stack))
    courier.start()
    yield desk
    desk.end()
    courier.join()


def handle(desk: Desk) -> str:
    [first, *_] = eventually(lambda: desk.state()["pairs"])
    return str(first["address"]).rpartition("/")[2]


def test_a_picture_is_shown_as_it_was_sent_for_comparison(desk: Desk, stack: StackOf) -> None:
    shown = desk.picture(handle(desk), "first", stack.fetch)

    assert (shown.fitted.content, shown.fitted.shown_size) == (picture(), (256, 256))
    assert shown.uploaded_at == "Sat, 31 Jan 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((404, b""), "is not in the bucket any more. Press T"),
        ((200, b"some text"), "cannot be shown: .* are not a picture that can be read"),
        ((403, b""), r"S3 refused this picture \(HTTP 403\). Press A to try again"),
    ],
)
def test_a_picture_that_cannot_be_shown_comes_with_a_remedy(
    stack: StackOf, desk: Desk, answer: tuple[int, bytes], sentence: str
) -> None:
    stack.pictures["second.jpg"] = answer

    with pytest.raises(Unseen, match=sentence):
        desk.picture(handle(desk), "second", stack.fetch)


def test_an_expired_link_is_renewed(stack: StackOf, desk: Desk) -> None:
    address, links = handle(desk), list[str]()

    def expired_at_first(link: str) -> Fetched:
        links.append(link)
        return Fetched(403, b"Request has expired") if len(links) == 1 else stack.fetch(link)

    desk.picture(address, "first", expired_at_first)

    assert (len(links), stack.asked) == (2, ["pairs", "pairs"])


def test_a_picture_cannot_be_fetched_by_another_address(desk: Desk, stack: StackOf) -> None:
    for address, role in (("guessed", "first"), (handle(desk), "third")):
        with pytest.raises(Unseen, match="not on this desk"):
            desk.picture(address, role, stack.fetch)


def test_pictures_are_decoded_one_at_a_time(stack: StackOf, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, decoding, most = pictures.fit, list[int](), list[int]()

    def counted(content: bytes) -> Fitted:
        decoding.append(1)
        most.append(len(decoding))
        for _ in range(20):
            fit(content)  # let the other threads start
        decoding.pop()
        return fit(content)

    monkeypatch.setattr("facepair_cli.review.pictures.fit", counted)
    handle(desk)
    handles = [pair["address"].rpartition("/")[2] for pair in desk.state()["pairs"]]
    threads = [
        threading.Thread(target=desk.picture, args=(each, role, stack.fetch))
        for each in handles
        for role in ("first", "second")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 6


def test_the_courier_sends_a_decision_when_its_delay_is_over(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facepair_cli.review.desk.UNDO_SECONDS", 0.1)
    handle(desk)

    desk.decide(decided(world, "a"))

    eventually(lambda: desk.state()["recorded"] == 1)
    assert verdicts(world)["a"] == "PASS"


# --- similarity, skipped pairs, pairs for another reviewer, and a page that wakes -----------------------------------


def test_the_similarity_is_asked_for_when_it_is_revealed(world: World, rita: Reviewer) -> None:
    before = rita.looks()
    rita.desk.reveal("b")
    after = rita.carried()

    assert not [pair for pair in before["pairs"] if "similarity" in pair]
    assert {pair["pair_id"]: pair.get("similarity") for pair in after["pairs"]} == {"a": None, "b": 61.5, "c": None}
    assert rita.stack.asked.count("reveal") == 1
    rita.decides(decided(world, "b"))
    rita.decides(decided(world, "a"))
    rita.ends()
    assert [world.item(pair_id)["review"]["saw_similarity"] for pair_id in ("b", "a")] == [True, False]


def test_every_similarity_is_asked_for_where_the_command_says_so(stack: StackOf) -> None:
    reviewer = Reviewer(stack)
    reviewer.desk = Desk(lambda: reviewer.seconds, shows_similarity=True)

    state = reviewer.carried()

    assert [pair["similarity"] for pair in state["pairs"]] == [61.5, 61.5, 61.5]


def test_a_similarity_that_is_refused_does_not_stop_the_desk(stack: StackOf, rita: Reviewer, world: World) -> None:
    stack.trouble = Refused("action cannot be understood")
    rita.desk.reveal("a")
    rita.carried()
    stack.trouble = None

    assert rita.desk.state()["problem"] is None
    assert rita.decides(decided(world, "a"))["pending"]


def test_a_skipped_pair_comes_back_when_no_other_is_left(world: World, rita: Reviewer) -> None:
    skipped = rita.skips("a")
    after_one = rita.decides(decided(world, "b"))
    after_all = rita.decides(decided(world, "c"))

    assert (ids(skipped), ids(after_one), ids(after_all)) == (["b", "c"], ["c"], ["a"])
    assert ids(rita.skips("a")) == ["a"]
    assert ids(Reviewer(StackOf(world, BO)).carried()) == []


def test_a_pair_that_a_reviewer_cannot_decide_goes_to_another_with_the_note(world: World, rita: Reviewer) -> None:
    fingerprint = world.item("a")["fingerprint"]
    rita.decides(Decided(str(next(IDS)), "a", fingerprint, "CANNOT_TELL", [], "too dark"))
    assert rita.ends() == []

    bo = Reviewer(StackOf(world, BO)).carried()

    assert verdicts(world)["a"] == "MANUAL_CHECK"
    assert bo["pairs"][0]["pair_id"] == "a"
    assert [note["note"] for note in bo["pairs"][0]["notes"]] == ["too dark"]


def test_a_note_can_be_undone_as_a_decision_can(world: World, rita: Reviewer) -> None:
    note = Decided(str(next(IDS)), "a", world.item("a")["fingerprint"], "CANNOT_TELL", [], "too dark")
    rita.decides(note)

    assert rita.undoes(note) == "a"
    assert rita.ends() == []
    assert world.opinions.known == {}


def test_a_decision_against_ones_own_in_another_window_is_reported_so(world: World, stack: StackOf) -> None:
    one, other = Reviewer(stack), Reviewer(stack)
    one.carried()
    world.leases.held.clear()  # the first window slept for longer than its leases
    other.carried()
    other.decides(decided(world, "a", "REJECT"))
    other.ends()

    one.decides(decided(world, "a", "PASS"))

    [lost] = one.ends()
    assert lost.startswith("Not recorded: a as PASS. You decided it before in another window, at ")
    assert verdicts(world)["a"] == "REJECT"


def test_the_state_says_which_look_was_answered_last(rita: Reviewer, stack: StackOf) -> None:
    answered = rita.looks()
    stack.trouble = SIGNED_OUT
    asked = rita.desk.look()
    rita.carried()

    assert answered["looked"] == answered["looks"]
    assert rita.desk.state()["looked"] < asked["looks"]
    stack.trouble = None
    assert rita.passes(60)["looked"] >= asked["looks"]
