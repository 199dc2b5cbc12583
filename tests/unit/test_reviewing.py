"""The review use case: reviewers share a queue, and the first decision about two contents is final."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from facepair.domain.metric import Metric
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Unavailable
from facepair.domain.review_request import LEASE, AskForPairs, Decide, GiveBack, Misunderstood, asked
from facepair.domain.row import Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.ask import Concluded, Question
from tests.fakes import SUCCESS
from tests.world import World

RITA, BO = "arn:aws:iam::123456789012:user/rita", "arn:aws:iam::123456789012:user/bo"
UNSURE = SUCCESS.model_copy(update={"similarity": Decimal("61.5")})


def manual_checks(world: World, *pair_ids: str, shade: int = 0) -> None:
    """Create pairs compared one second after another."""
    world.api.answers(UNSURE)
    for pair_id in pair_ids:
        world.upload(f"{pair_id}/first.jpg", shade=shade)
        world.upload(f"{pair_id}/second.jpg")
        world.time.passes(1)
        world.work()
    assert {world.stored(pair_id).verdict for pair_id in pair_ids} == {Verdict.MANUAL_CHECK}


def pairs(world: World, reviewer: str, count: int = 1, **more: Any) -> list[dict[str, Any]]:
    request = {"action": "pairs", "desk": "one", "count": count} | more
    given: list[dict[str, Any]] = world.reviewing().pairs(reviewer, ask(request, AskForPairs))["pairs"]
    return given


def names(given: list[dict[str, Any]]) -> list[str]:
    return [each["pair_id"] for each in given]


def decide(world: World, reviewer: str = RITA, pair_id: str = "anna", **more: Any) -> dict[str, Any]:
    """Decide about the row's contents, unless another `fingerprint` is given."""
    fingerprint = world.item(pair_id)["fingerprint"] if "fingerprint" not in more else None
    request = {"action": "decide", "desk": "one", "pair_id": pair_id, "fingerprint": fingerprint, "verdict": "PASS"}
    return world.reviewing().decide(reviewer, ask(request | {"reason": "Same person"} | more, Decide))


def ask[T](request: dict[str, Any], kind: type[T]) -> T:
    understood = asked(request)
    assert isinstance(understood, kind)
    return understood


# --- the queue -------------------------------------------------------------------------------------------------------


def test_an_unreadable_row_does_not_keep_other_pairs_from_reviewers(world: World) -> None:
    manual_checks(world, "anna")
    poison = {"pair_id": "poison", "verdict": "MANUAL_CHECK", "fingerprint": "f", "updated_at": "2020-01-01T00:00:00Z"}
    world.verdicts.items["poison"] = poison

    assert names(pairs(world, RITA, 4)) == ["anna"]
    assert names(pairs(world, BO, 4)) == []
    assert world.metrics.values[Metric.UNREADABLE_ROWS] == [1, 1]


def test_damaged_opinions_do_not_keep_other_pairs_from_reviewers(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    manual_checks(world, "anna", "bea")
    world.opinions.at("of", ValueError("damaged"))

    assert names(pairs(world, RITA, 4)) == ["bea"]
    assert [getattr(each, "pair_id", None) for each in caplog.records if each.levelname == "ERROR"] == ["anna"]


def test_pairs_are_handed_out_oldest_first_with_what_a_reviewer_needs(world: World) -> None:
    manual_checks(world, "zoe", "anna")

    given = pairs(world, RITA, count=2)

    assert names(given) == ["zoe", "anna"]
    row = world.stored("anna")
    assert given[1] == {
        "pair_id": "anna",
        "fingerprint": row.fingerprint,
        "policy": {"pass_above": 70.0, "reject_below": 55.0},
        "notes": [],
        "uploaded_at": world.item("anna")["uploaded_at"],
        "updated_at": world.item("anna")["updated_at"],
        "first": {"file": "first.jpg", "adjusted": [], "face": None, "url": link(row, "first")},
        "second": {"file": "second.jpg", "adjusted": [], "face": None, "url": link(row, "second")},
    }


def link(row: Row, role: str) -> str:
    version = getattr(row, role).version_id
    return f"https://s3.test/{row.pair_id}/{role}.jpg?versionId={version}"


def test_reviewers_and_desks_get_different_pairs(world: World) -> None:
    manual_checks(world, "a", "b", "c")

    assert names(pairs(world, RITA)) == ["a"]
    assert names(pairs(world, BO)) == ["b"]
    assert names(pairs(world, RITA, desk="another window")) == ["c"]
    assert pairs(world, BO, desk="another window") == []


def test_a_reviewer_who_asks_again_keeps_their_pairs(world: World) -> None:
    manual_checks(world, "a", "b", "c")
    pairs(world, BO, count=2)

    world.time.passes(LEASE.total_seconds() - 1)
    kept = pairs(world, BO, count=2, holding=["b", "a"])
    world.time.passes(LEASE.total_seconds() - 1)

    assert names(kept) == ["b", "a"]
    assert names(pairs(world, RITA, count=3)) == ["c"]


def test_a_pair_goes_to_another_reviewer_when_its_lease_ends_or_is_released(world: World) -> None:
    manual_checks(world, "a", "b")
    pairs(world, BO, count=2)

    world.reviewing().give_back(BO, GiveBack(action="give_back", desk="one", pair_ids=("b",)))

    assert names(pairs(world, RITA, count=2)) == ["b"]
    world.time.passes(LEASE.total_seconds())
    assert names(pairs(world, RITA, count=2, desk="two")) == ["a", "b"]


def test_a_reviewer_cannot_release_another_s_lease(world: World) -> None:
    manual_checks(world, "a")
    pairs(world, BO)

    world.reviewing().give_back(RITA, GiveBack(action="give_back", desk="one", pair_ids=("a", "not there")))

    assert pairs(world, RITA) == []


def test_a_skipped_pair_stays_for_others(world: World) -> None:
    manual_checks(world, "a", "b")

    assert names(pairs(world, RITA, count=2, skip=["a"])) == ["b"]
    assert names(pairs(world, BO, count=2)) == ["a"]


def test_a_decided_pair_is_not_handed_out_by_a_stale_index(world: World) -> None:
    manual_checks(world, "a", "b")
    decide(world, pair_id="a")
    world.item("a")["verdict"] = "MANUAL_CHECK"  # as a stale index has it

    assert names(pairs(world, BO, count=2)) == ["b"]
    assert "a" not in world.leases.held


def test_a_new_upload_ends_a_pair_s_lease(world: World) -> None:
    manual_checks(world, "anna")
    pairs(world, RITA)
    world.time.passes(1)
    world.api.answers(SUCCESS)
    world.upload("anna/first.jpg", shade=9)
    world.work()

    assert pairs(world, RITA, holding=["anna"]) == []
    assert "anna" not in world.leases.held


def test_the_number_of_waiting_pairs_is_returned_with_the_pairs(world: World) -> None:
    manual_checks(world, "a", "b", "c")

    result = world.reviewing().pairs(RITA, AskForPairs(action="pairs", desk="one", count=1))

    assert (result["waiting"], result["at_least"], result["reviewer"]) == (3, False, RITA)


# --- a decision ------------------------------------------------------------------------------------------------------


def test_a_decision_becomes_the_verdict_with_reviewer_time_and_reason(world: World) -> None:
    manual_checks(world, "anna")
    world.time.passes(60)

    result = decide(world, verdict="REJECT", reason="  Different persons ")

    row = world.stored()
    assert result["decided"] is True
    assert (row.verdict, row.similarity, row.code) == (Verdict.REJECT, Decimal("61.5"), "SUCCESS")
    assert row.updated_at == world.time.now()
    assert world.item()["review"] == {
        "by": RITA,
        "at": world.item()["updated_at"],
        "reason": "Different persons",
        "from": "MANUAL_CHECK",
        "saw_similarity": False,
    }
    assert world.metrics.values[Metric.DECISIONS] == [1]
    assert world.metrics.values[Metric.SECONDS_TO_DECISION] == [60]


def test_a_retake_names_the_picture(world: World) -> None:
    manual_checks(world, "anna")

    decide(world, verdict="RETAKE", retake=["second"], reason="Blurred")

    assert (world.stored().verdict, world.stored().retake) == (Verdict.RETAKE, ("second",))


def test_the_second_of_two_decisions_gets_the_one_that_stands(world: World) -> None:
    manual_checks(world, "anna")
    decide(world, RITA, verdict="PASS")

    result = decide(world, BO, verdict="REJECT")

    assert result["decided"] is False
    assert (result["stands"]["verdict"], result["stands"]["review"]["by"]) == ("PASS", RITA)
    assert world.stored().verdict is Verdict.PASS
    assert world.metrics.sums()[Metric.DECISIONS_TOO_LATE] == 1


def test_only_one_of_two_decisions_at_the_same_moment_is_recorded(world: World) -> None:
    manual_checks(world, "anna")
    world.decisions.at("decide", lambda: decide(world, BO, verdict="REJECT"))

    result = decide(world, RITA, verdict="PASS")

    assert (result["decided"], result["stands"]["verdict"]) == (False, "REJECT")
    assert world.item()["review"]["by"] == BO


def test_a_decision_that_is_sent_again_is_recorded_once(world: World) -> None:
    manual_checks(world, "anna")
    decide(world, RITA)
    world.time.passes(5)
    before = world.item()

    result = decide(world, RITA)

    assert result["decided"] is True
    assert world.item() == before


def test_a_decision_about_other_contents_is_refused(world: World) -> None:
    manual_checks(world, "anna")
    seen = world.item()["fingerprint"]
    world.time.passes(1)
    manual_checks(world, "anna", shade=9)

    result = decide(world, fingerprint=seen)

    assert result["decided"] is False
    assert result["stands"]["verdict"] == "MANUAL_CHECK"
    assert result["stands"]["fingerprint"] != seen
    assert world.stored().review is None


@pytest.mark.parametrize("similarity", ["87.3", "12"])
def test_only_a_manual_check_can_be_decided(world: World, similarity: str) -> None:
    world.api.answers(SUCCESS.model_copy(update={"similarity": Decimal(similarity)}))
    world.upload_pair()
    world.work()
    before = world.item()

    result = decide(world, verdict="RETAKE", retake=["first"])

    assert result["decided"] is False
    assert world.item() == before


def test_a_pair_that_does_not_exist_cannot_be_decided(world: World) -> None:
    result = decide(world, pair_id="unknown", fingerprint="f" * 64)

    assert result == {"decided": False, "stands": None}


def test_a_decided_pair_has_no_lease(world: World) -> None:
    manual_checks(world, "anna")
    pairs(world, RITA)

    decide(world, RITA)

    assert world.leases.held == {}


# --- a decision belongs to its contents ------------------------------------------------------------------------------


def again(world: World, pair_id: str = "anna", shade: int = 0) -> None:
    """Upload both pictures again."""
    world.time.passes(10)
    world.upload(f"{pair_id}/first.jpg", shade=shade)
    world.upload(f"{pair_id}/second.jpg")


def test_an_identical_upload_keeps_the_decision(world: World) -> None:
    manual_checks(world, "anna")
    decide(world, verdict="RETAKE", retake=["first"])
    decided = world.stored()

    again(world)
    world.work()

    row = world.stored()
    assert row.uploaded_at > decided.uploaded_at
    assert row.decision == decided.decision
    assert world.api.posts == 1


def test_a_new_picture_voids_the_decision(world: World) -> None:
    manual_checks(world, "anna")
    decide(world)

    again(world, shade=9)
    world.work()

    assert (world.stored().verdict, world.stored().review) == (Verdict.MANUAL_CHECK, None)


def test_contents_that_come_back_after_others_are_still_decided(world: World) -> None:
    manual_checks(world, "anna")
    decide(world, verdict="REJECT")
    again(world, shade=9)
    world.work()

    again(world)
    world.work()

    assert world.stored().verdict is Verdict.REJECT
    assert world.item()["review"]["by"] == RITA


def test_contents_that_come_again_while_the_gate_is_closed_are_still_decided(world: World) -> None:
    manual_checks(world, "anna")
    decide(world)
    world.idempotency.forget()
    world.api.answers(Outcome(code="INSUFFICIENT_BALANCE", message="pay", pricing_strategy="FREE"), UNSURE)
    world.upload("ben/first.jpg", "ben/second.jpg")
    world.work()

    again(world)
    world.work()
    waits = world.stored()
    world.time.passes(10_000)
    world.work()

    assert waits.verdict is Verdict.PENDING
    assert (world.stored().verdict, world.item()["review"]["by"]) == (Verdict.PASS, RITA)


def test_a_decision_during_a_comparison_of_the_same_contents_is_kept(world: World) -> None:
    manual_checks(world, "anna")
    again(world)

    class Slow:
        """Call the API, and record a decision during the call."""

        def is_new(self, pair_id: str) -> bool:
            return world.asker().is_new(pair_id)

        def ask(self, question: Question) -> Concluded:
            answer = world.asker().ask(question)
            assert decide(world)["decided"]
            return answer

    row = world.comparer(Slow()).compare("anna", world.attempt())

    assert row is not None
    assert (world.stored().verdict, world.item()["review"]["by"]) == (Verdict.PASS, RITA)
    assert world.stored().uploaded_at == world.time.now()


def test_a_decision_just_before_the_row_of_the_same_contents_is_written_is_kept(world: World) -> None:
    manual_checks(world, "anna")
    again(world)
    world.verdicts.at("write", lambda: decide(world))

    world.comparer().compare("anna", world.attempt())

    assert (world.stored().verdict, world.item()["review"]["by"]) == (Verdict.PASS, RITA)
    assert world.stored().uploaded_at == world.time.now()


def test_a_deferred_comparison_does_not_replace_a_decision(world: World) -> None:
    """Process the contents in a worker that was thought dead and gets SERVICE_BUSY."""
    manual_checks(world, "anna")
    decide(world)
    row = world.stored()
    busy = row.model_copy(update={"verdict": Verdict.PENDING, "review": None, "retry_at": world.time.now()})

    later = busy.model_copy(update={"uploaded_at": row.uploaded_at + timedelta(seconds=9)})
    assert not world.verdicts.write(later, None)


# --- malformed requests ----------------------------------------------------------------------------------------------

DECISION = {"action": "decide", "desk": "one", "pair_id": "a", "fingerprint": "f", "verdict": "PASS", "reason": "same"}


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (None, "the request cannot be understood"),
        ({"action": "erase"}, "the request cannot be understood"),
        ({"action": "pairs", "desk": "one", "count": 1000}, "count cannot be understood"),
        (DECISION | {"verdict": "MANUAL_CHECK"}, "verdict cannot be understood"),
        (DECISION | {"verdict": "RETAKE"}, "retake names first, second or both with RETAKE"),
        (DECISION | {"retake": ["first"]}, "retake names first, second or both with RETAKE"),
        (DECISION | {"verdict": "RETAKE", "retake": ["first", "first"]}, "retake names first, second or both"),
        (DECISION | {"reason": "   "}, "reason cannot be understood"),
        (DECISION | {"reason": "x" * 501}, "reason cannot be understood"),
        (DECISION | {"by": "arn:aws:iam::1:user/the-boss"}, "by cannot be understood: Extra inputs are not permitted"),
    ],
)
def test_a_malformed_request_gets_one_sentence_of_explanation(request_: object, sentence: str) -> None:
    with pytest.raises(Misunderstood, match=sentence):
        asked(request_)


def test_a_decision_that_fails_can_be_sent_again(world: World) -> None:
    manual_checks(world, "anna")
    world.decisions.at("decide", Unavailable("ThrottlingException"))

    with pytest.raises(Unavailable):
        decide(world)

    assert decide(world)["decided"] is True
