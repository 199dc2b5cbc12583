"""A reviewer's desk before the story's own queue: what is taken back, what is sent when, and that nothing is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from console.review.desk import AHEAD, Decided, Desk, NotAnswered
from console.review.pictures import Unseen
from facepair.domain.review import AskForPairs, Decide, asked
from facepair.domain.verdict import Verdict
from tests.fakes import SUCCESS, picture
from tests.world import World

RITA = "arn:aws:sts::123456789012:assumed-role/Reviewers/rita"
BO = "arn:aws:iam::123456789012:user/bo"
SIGNED_OUT = NotAnswered("The security token is expired; sign in again.")


@dataclass
class StackOf:
    """ReviewFunction over a world, for one reviewer, and S3."""

    world: World
    reviewer: str = RITA
    troubles: list[NotAnswered] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    renewed: int = 0
    pictures: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self.troubles:
            raise self.troubles[0]
        understood, reviewing = asked(request), self.world.reviewing()
        self.asked.append(understood.action)
        match understood:
            case AskForPairs():
                return reviewing.pairs(self.reviewer, understood)
            case Decide():
                return reviewing.decide(self.reviewer, understood)
            case _:
                return reviewing.give_back(self.reviewer, understood)

    def renew(self) -> None:
        self.renewed += 1
        self.troubles.clear()

    def fetch(self, link: str) -> tuple[int, bytes]:
        return self.pictures.get(link.partition("?")[0].rpartition("/")[2], (200, picture()))


@pytest.fixture
def stack(world: World) -> StackOf:
    """Three pairs wait."""
    world.api.answers(SUCCESS.model_copy(update={"similarity": Decimal("61.5")}))
    for pair_id in ("a", "b", "c"):
        world.upload_pair(pair_id)
        world.time.passes(1)
        world.work()
    return StackOf(world)


@pytest.fixture
def desk(stack: StackOf) -> Desk:
    desk = Desk(stack)
    desk.pairs()
    return desk


def decided(world: World, pair_id: str, verdict: str = "PASS", *retake: str) -> Decided:
    return Decided(pair_id, world.item(pair_id)["fingerprint"], verdict, list(retake), "seen")


def ids(state: Mapping[str, Any]) -> list[str]:
    return [pair["pair_id"] for pair in state["pairs"]]


def verdicts(world: World) -> dict[str, str]:
    return {pair_id: item["verdict"] for pair_id, item in world.verdicts.items.items()}


def test_the_page_is_told_what_there_is_and_never_a_link(desk: Desk) -> None:
    state = desk.pairs()

    assert ids(state) == ["a", "b", "c"]
    assert (state["waiting"], state["at_least"], state["reviewer"]) == (3, False, RITA)
    assert "https://" not in str(state)


def test_a_decision_is_sent_when_the_next_one_is_made(world: World, desk: Desk) -> None:
    first = desk.decide(decided(world, "a"))
    then = verdicts(world)["a"]
    second = desk.decide(decided(world, "b", "RETAKE", "first", "second"))

    assert (ids(first), first["pending"], first["recorded"], then) == (["b", "c"], "a", 0, "MANUAL_CHECK")
    assert (ids(second), second["pending"], second["recorded"]) == (["c"], "b", 1)
    assert verdicts(world) == {"a": "PASS", "b": "MANUAL_CHECK", "c": "MANUAL_CHECK"}


def test_until_then_it_can_be_taken_back(world: World, desk: Desk) -> None:
    desk.decide(decided(world, "a"))

    state = desk.take_back()
    again = desk.take_back()
    desk.close()

    assert (state["taken_back"], ids(state)[0], again["taken_back"]) == ("a", "a", None)
    assert verdicts(world)["a"] == "MANUAL_CHECK"


def test_when_the_page_closes_everything_is_sent_and_given_back(world: World, desk: Desk) -> None:
    desk.decide(decided(world, "a"))
    desk.decide(decided(world, "b", "REJECT"))

    assert desk.close() == []

    assert verdicts(world) == {"a": "PASS", "b": "REJECT", "c": "MANUAL_CHECK"}
    assert world.leases.held == {}


def test_a_page_that_is_loaded_again_has_sent_its_decision(world: World, desk: Desk) -> None:
    desk.decide(decided(world, "a"))

    desk.send()

    assert verdicts(world)["a"] == "PASS"
    assert ids(desk.pairs()) == ["b", "c"]


def test_a_decision_that_is_repeated_by_the_page_is_one(world: World, desk: Desk) -> None:
    desk.decide(decided(world, "a"))

    state = desk.decide(decided(world, "a", "REJECT"))

    assert state["pending"] == "a"
    desk.close()
    assert verdicts(world)["a"] == "PASS"


def test_without_credentials_nothing_is_lost_and_everything_is_sent_afterwards(
    world: World, stack: StackOf, desk: Desk
) -> None:
    desk.decide(decided(world, "a"))
    stack.troubles.append(SIGNED_OUT)

    state = desk.decide(decided(world, "b", "REJECT"))

    assert state["problem"] == str(SIGNED_OUT)
    assert (state["unsent"], ids(state)) == (2, ["c"])
    assert verdicts(world)["a"] == "MANUAL_CHECK"
    state = desk.again()
    assert (stack.renewed, state["problem"], state["recorded"]) == (1, None, 1)
    assert desk.close() == []
    assert verdicts(world) == {"a": "PASS", "b": "REJECT", "c": "MANUAL_CHECK"}


def test_what_could_not_be_sent_until_the_end_is_told(world: World, stack: StackOf, desk: Desk) -> None:
    desk.decide(decided(world, "a"))
    stack.troubles.append(SIGNED_OUT)

    [unsent] = desk.close()

    assert (unsent.pair_id, unsent.verdict) == ("a", "PASS")
    assert desk.problem == str(SIGNED_OUT)


def test_who_comes_too_late_is_told_who_was_first(world: World, stack: StackOf, desk: Desk) -> None:
    other = {"action": "decide", "desk": "x", "pair_id": "a", "verdict": "REJECT", "reason": "two"}
    StackOf(world, reviewer=BO).ask(other | {"fingerprint": world.item("a")["fingerprint"]})

    desk.decide(decided(world, "a"))
    state = desk.decide(decided(world, "b"))

    [notice] = state["notices"]
    assert notice.startswith("Not recorded: a as PASS. bo decided before you, at ")
    assert notice.endswith(": REJECT.")
    assert state["recorded"] == 0
    assert desk.pairs()["notices"] == []


def test_who_has_looked_at_pictures_that_were_replaced_is_told(world: World, desk: Desk) -> None:
    looked_at = decided(world, "a")
    world.upload("a/first.jpg", shade=9)
    world.time.passes(1)
    world.work()

    desk.decide(looked_at)
    state = desk.send()

    assert state["notices"] == [
        "Not recorded: a as PASS. It was uploaded anew meanwhile; if it has to be looked at, it comes again."
    ]
    assert world.stored("a").verdict is Verdict.MANUAL_CHECK


def test_a_pair_that_was_replaced_is_at_the_desk_under_another_address(world: World, desk: Desk) -> None:
    before = {pair["pair_id"]: pair["address"] for pair in desk.pairs()["pairs"]}
    world.upload("a/first.jpg", shade=9)
    world.time.passes(1)
    world.work()

    after = {pair["pair_id"]: pair["address"] for pair in desk.pairs()["pairs"]}

    assert after["b"] == before["b"]
    assert after["a"] != before["a"]


def test_who_has_looked_at_a_pair_that_was_erased_is_told(world: World, desk: Desk) -> None:
    looked_at = decided(world, "a")
    del world.verdicts.items["a"]

    desk.decide(looked_at)

    assert desk.send()["notices"] == ["Not recorded: a as PASS. Its row is gone: it was erased."]


def test_a_decision_about_a_pair_that_is_not_here_is_told(world: World, desk: Desk) -> None:
    state = desk.decide(Decided("nobody", "f", "PASS", [], "seen"))

    assert state["notices"] == ["Not recorded: nobody is not at this desk any more."]
    assert state["pending"] is None


def test_a_pair_that_is_skipped_is_for_others(world: World, desk: Desk) -> None:
    state = desk.skip("a")

    assert ids(state) == ["b", "c"]
    assert ids(Desk(StackOf(world, reviewer=BO)).pairs()) == ["a"]


def test_two_reviewers_share_the_queue_without_meeting(world: World, stack: StackOf) -> None:
    for number in range(2 * AHEAD):
        world.upload_pair(f"more {number}")
        world.work()

    rita, bo = Desk(stack).pairs(), Desk(StackOf(world, reviewer=BO)).pairs()

    assert len(rita["pairs"]) == len(bo["pairs"]) == AHEAD
    assert not set(ids(rita)) & set(ids(bo))


# --- pictures --------------------------------------------------------------------------------------------------------


def handle(desk: Desk) -> str:
    return str(desk.pairs()["pairs"][0]["address"]).rpartition("/")[2]


def test_a_picture_is_shown_as_it_was_sent_to_be_compared(desk: Desk) -> None:
    shown = desk.picture(handle(desk), "first")

    assert (shown.content, shown.shown_size) == (picture(), (256, 256))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((404, b""), "is not in the bucket any more. Press T"),
        ((200, b"a letter"), "cannot be shown: .* are not a picture that can be read"),
        ((403, b""), r"S3 does not give this picture \(HTTP 403\). Press A to try again"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_told_with_what_to_do(
    stack: StackOf, desk: Desk, answer: tuple[int, bytes], sentence: str
) -> None:
    stack.pictures["second.jpg"] = answer

    with pytest.raises(Unseen, match=sentence):
        desk.picture(handle(desk), "second")


def test_a_link_that_has_expired_is_asked_for_anew(stack: StackOf, desk: Desk) -> None:
    address, fetch, links = handle(desk), stack.fetch, list[str]()

    def expired_at_first(link: str) -> tuple[int, bytes]:
        links.append(link)
        return (403, b"Request has expired") if len(links) == 1 else fetch(link)

    stack.fetch = expired_at_first  # type: ignore[method-assign]
    stack.asked.clear()

    desk.picture(address, "first")

    assert (len(links), stack.asked) == (2, ["pairs"])


def test_nobody_sees_a_picture_by_another_address(desk: Desk) -> None:
    for address, role in (("guessed", "first"), (handle(desk), "third")):
        with pytest.raises(Unseen, match="not at this desk"):
            desk.picture(address, role)
