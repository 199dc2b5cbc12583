"""Two reviewers per decision: who has to agree, what each sees, and what is recorded."""

import itertools
import random
from typing import Any

import pytest

from facepair.domain import clock
from facepair.domain.decision import Opinion
from facepair.domain.opinions import Opinions, SecondReview
from facepair.domain.review_request import asked
from facepair.domain.verdict import Verdict
from facepair.use_cases.review import Reviewing
from tests.unit.test_reviewing import again, manual_checks
from tests.world import World

RITA, BO, CHI = (f"arn:aws:sts::123456789012:assumed-role/Reviewers/{name}" for name in ("rita", "bo", "chi"))
NONE, PASS, ALL = SecondReview.NONE, SecondReview.PASS, SecondReview.ALL


def ask(reviewing: Reviewing, who: str, action: str, **more: Any) -> dict[str, Any]:
    return reviewing.answer(who, asked({"action": action, "desk": "one"} | more))


def decide(
    world: World, who: str, verdict: str, mode: SecondReview = ALL, reason: str = "seen", **more: Any
) -> dict[str, Any]:
    about = {"pair_id": "anna", "fingerprint": world.item("anna")["fingerprint"]}
    return ask(world.reviewing(mode), who, "decide", **about | {"verdict": verdict, "reason": reason} | more)


def cannot_tell(world: World, who: str, note: str) -> dict[str, Any]:
    about = {"pair_id": "anna", "fingerprint": world.item("anna")["fingerprint"]}
    return ask(world.reviewing(), who, "cannot_tell", **about, note=note)


def reveal(world: World, who: str) -> float | None:
    about = {"pair_id": "anna", "fingerprint": world.item("anna")["fingerprint"]}
    similarity: float | None = ask(world.reviewing(), who, "reveal", **about)["similarity"]
    return similarity


def pairs(world: World, who: str, **more: Any) -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = ask(world.reviewing(), who, "pairs", count=5, **more)["pairs"]
    return given


@pytest.fixture(autouse=True)
def anna(world: World) -> None:
    manual_checks(world, "anna")


# --- when a decision is final ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "verdicts", "final"),
    [
        (NONE, ["PASS"], "PASS"),
        (PASS, ["REJECT"], "REJECT"),
        (PASS, ["RETAKE"], "RETAKE"),
        (PASS, ["PASS"], None),
        (PASS, ["PASS", "PASS"], "PASS"),
        (PASS, ["PASS", "REJECT"], None),
        (PASS, ["PASS", "REJECT", "PASS"], "PASS"),
        (PASS, ["PASS", "REJECT", "REJECT"], "REJECT"),
        (ALL, ["REJECT"], None),
        (ALL, ["REJECT", "REJECT"], "REJECT"),
        (ALL, ["REJECT", "PASS"], None),
        (ALL, ["REJECT", "PASS", "RETAKE"], "RETAKE"),
    ],
)
def test_a_decision_is_final_when_enough_reviewers_agree(
    world: World, mode: SecondReview, verdicts: list[str], final: str | None
) -> None:
    people = [RITA, BO, CHI][: len(verdicts)]
    for who, verdict in zip(people, verdicts, strict=True):
        assert "review" not in world.item("anna")
        retake = ["first"] if verdict == "RETAKE" else []
        answer = decide(world, who, verdict, mode, retake=retake)
        assert answer["decided"] is True

    assert world.item("anna")["verdict"] == (final or "MANUAL_CHECK")
    if final:
        review = world.item("anna")["review"]
        assert review["by"] == people[-1]
        assert tuple(review.get("also_by", ())) == tuple(people[:-1])
        assert [each["verdict"] for each in review.get("opinions", ())] == verdicts[:-1]
        assert world.opinions.known == {}
    else:
        assert "review" not in world.item("anna")


def test_retakes_of_different_pictures_do_not_agree(world: World) -> None:
    decide(world, RITA, "RETAKE", retake=["first"])
    decide(world, BO, "RETAKE", retake=["second"])

    assert world.item("anna")["verdict"] == "MANUAL_CHECK"


def test_the_same_reviewer_cannot_agree_with_themselves(world: World) -> None:
    decide(world, RITA, "PASS")

    again = decide(world, RITA, "PASS", desk="another window")
    other_reason = decide(world, RITA, "PASS", reason="another one")
    under_a_user = decide(world, "arn:aws:iam::123456789012:user/people/rita", "PASS")

    assert [each["decided"] for each in (again, other_reason, under_a_user)] == [True, False, False]
    assert world.item("anna")["verdict"] == "MANUAL_CHECK"


def test_an_opinion_cannot_be_changed_by_its_reviewer(world: World) -> None:
    decide(world, RITA, "PASS")

    assert decide(world, RITA, "REJECT")["decided"] is False
    decide(world, BO, "PASS")

    assert world.item("anna")["verdict"] == "PASS"


def test_a_changed_parameter_applies_from_the_next_decision(world: World) -> None:
    decide(world, RITA, "REJECT", ALL)
    assert world.item("anna")["verdict"] == "MANUAL_CHECK"

    decide(world, BO, "PASS", NONE)

    review = world.item("anna")["review"]
    assert (world.item("anna")["verdict"], review["by"], tuple(review["also_by"])) == ("PASS", BO, (RITA,))


def test_an_opinion_sent_again_is_recorded_once_before_and_after_the_decision(world: World) -> None:
    decide(world, RITA, "PASS")
    before = world.opinions.known
    repeated = decide(world, RITA, "PASS")
    assert world.opinions.known == before
    decide(world, BO, "PASS")
    after = decide(world, RITA, "PASS")

    assert (repeated["decided"], after["decided"]) == (True, True)
    assert after["stands"]["review"]["also_by"] == [RITA]


# --- what the second reviewer sees -----------------------------------------------------------------------------------


def test_the_second_reviewer_does_not_see_the_first_opinion(world: World) -> None:
    answer = decide(world, RITA, "REJECT", reason="her nose differs")
    [given] = pairs(world, BO)

    assert given["pair_id"] == "anna"
    for text in (str(given), str(answer["stands"])):
        assert "REJECT" not in text
        assert "rita" not in text
        assert "nose" not in text


def test_a_reviewer_does_not_get_a_pair_again_after_an_opinion(world: World) -> None:
    pairs(world, RITA)
    decide(world, RITA, "PASS")

    assert pairs(world, RITA) == []
    assert pairs(world, RITA, holding=["anna"]) == []
    assert world.leases.held == {}
    assert [each["pair_id"] for each in pairs(world, BO)] == ["anna"]


def test_pairs_that_need_another_reviewer_cost_no_leases(world: World) -> None:
    names = [f"pair/{number:02}" for number in range(30)]
    manual_checks(world, *names)
    for name in ("anna", *names):
        about = {"pair_id": name, "fingerprint": world.item(name)["fingerprint"]}
        ask(world.reviewing(ALL), RITA, "decide", **about, verdict="PASS", reason="seen")
    world.diary.clear()

    assert pairs(world, RITA) == []
    assert "leases.take" not in world.diary


def test_an_opinion_is_hidden_until_the_decision_is_final(world: World) -> None:
    before = dict(world.item("anna"))

    decide(world, RITA, "PASS")

    assert world.item("anna") == before


# --- contents --------------------------------------------------------------------------------------------------------


def test_an_opinion_is_void_when_a_picture_changes(world: World) -> None:
    decide(world, RITA, "PASS")
    again(world, shade=9)
    world.work()

    decide(world, BO, "PASS")

    assert world.item("anna")["verdict"] == "MANUAL_CHECK"
    assert [each["pair_id"] for each in pairs(world, RITA)] == ["anna"]


def test_an_identical_upload_keeps_an_opinion(world: World) -> None:
    decide(world, RITA, "PASS")
    again(world)
    world.work()

    decide(world, BO, "PASS")

    assert world.item("anna")["verdict"] == "PASS"


def test_an_opinion_is_erased_with_the_pair(world: World) -> None:
    fingerprint = world.item("anna")["fingerprint"]
    decide(world, RITA, "PASS")
    reveal(world, RITA)
    world.time.passes(10)

    world.eraser().erase("anna", "arn:eva")
    late = ask(
        world.reviewing(ALL), BO, "decide", pair_id="anna", fingerprint=fingerprint, verdict="PASS", reason="seen"
    )

    assert late["decided"] is False
    assert world.opinions.known == {}


# --- the similarity --------------------------------------------------------------------------------------------------


def test_the_similarity_is_returned_only_on_request_which_is_recorded(world: World) -> None:
    [given] = pairs(world, RITA)
    assert "similarity" not in given

    assert reveal(world, RITA) == 61.5
    decide(world, RITA, "PASS")
    decide(world, BO, "PASS")

    review = world.item("anna")["review"]
    assert (review["saw_similarity"], review["opinions"][0]["saw_similarity"]) == (False, True)


def test_a_similarity_seen_in_another_window_counts_as_seen(world: World) -> None:
    about = {"pair_id": "anna", "fingerprint": world.item("anna")["fingerprint"]}
    ask(world.reviewing(), RITA, "reveal", desk="another window", **about)

    decide(world, RITA, "PASS", NONE)

    assert world.item("anna")["review"]["saw_similarity"] is True


def test_the_similarity_of_other_contents_or_of_a_decided_pair_is_not_returned(world: World) -> None:
    stale = ask(world.reviewing(), RITA, "reveal", pair_id="anna", fingerprint="f" * 64)
    decide(world, RITA, "PASS", NONE)

    assert stale == {"similarity": None}
    assert reveal(world, BO) is None


# --- cannot tell -----------------------------------------------------------------------------------------------------


def test_a_reviewer_who_cannot_tell_leaves_the_pair_with_a_note_to_another(world: World) -> None:
    pairs(world, RITA)

    answer = cannot_tell(world, RITA, "too dark")

    assert (answer["decided"], answer["stands"]["verdict"]) == (True, "MANUAL_CHECK")
    assert pairs(world, RITA) == []
    [given] = pairs(world, BO)
    assert given["notes"] == [{"by": "rita", "at": clock.iso(world.time.now()), "note": "too dark"}]
    assert cannot_tell(world, RITA, "too dark")["decided"] is True
    assert len(world.opinions.known[world.item("anna")["fingerprint"]].notes) == 1


def test_a_reviewer_who_could_not_tell_is_no_second_reviewer(world: World) -> None:
    cannot_tell(world, RITA, "too dark")
    decide(world, BO, "PASS")
    assert world.item("anna")["verdict"] == "MANUAL_CHECK"

    decide(world, CHI, "PASS")

    assert tuple(world.item("anna")["review"]["also_by"]) == (BO,)


# --- at the same moment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["change", "of"])
def test_two_first_opinions_at_the_same_moment_are_both_kept(world: World, operation: str) -> None:
    world.opinions.at(operation, lambda: decide(world, BO, "PASS"))

    assert decide(world, RITA, "PASS")["decided"] is True

    review = world.item("anna")["review"]
    assert world.item("anna")["verdict"] == "PASS"
    assert {review["by"], *review["also_by"]} == {RITA, BO}


def test_two_third_opinions_at_the_same_moment_make_one_decision(world: World) -> None:
    fourth = "arn:aws:iam::123456789012:user/dana"
    decide(world, RITA, "PASS")
    decide(world, BO, "REJECT")
    world.decisions.at("decide", lambda: decide(world, fourth, "REJECT"))

    late = decide(world, CHI, "PASS")

    assert (late["decided"], late["stands"]["review"]["by"]) == (False, fourth)
    assert world.item("anna")["verdict"] == "REJECT"


def test_a_similarity_request_while_the_decision_is_written_is_recorded(world: World) -> None:
    world.decisions.at("decide", lambda: reveal(world, RITA))

    decide(world, RITA, "PASS", NONE)

    assert world.item("anna")["review"]["saw_similarity"] is True


def test_opinions_follow_the_rule_for_any_sequence() -> None:
    """Compare with a plain model, over random sequences of four reviewers and a changing parameter."""
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    choose = random.Random(seed)
    for _ in range(300):
        opinions, final = Opinions(), None
        for number in itertools.count():
            mode = choose.choice(list(SecondReview))
            verdict = choose.choice([Verdict.PASS, Verdict.REJECT])
            opinion = Opinion(by=f"user/{number}", at=clock.now(), verdict=verdict, reason="seen")
            given = [each.verdict for each in opinions.opinions]
            if opinions.are_settled_by(opinion, mode):
                final = verdict
                break
            assert mode is not NONE
            assert given in ([], [v for v in (Verdict.PASS, Verdict.REJECT) if v is not verdict])
            assert given or mode is ALL or verdict is Verdict.PASS
            opinions = opinions.with_opinion(opinion)
        assert len(opinions.opinions) < 3
        assert final
