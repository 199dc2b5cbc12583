"""From an outcome to a verdict."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from facepair.domain.outcome import Face, Outcome, Policy, Seen, verdict
from facepair.domain.pair import Role
from facepair.domain.verdict import CERTAINTY, FINAL, Verdict, is_charged

POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
similarities = st.decimals(0, 100, allow_nan=False, places=4)


def success(similarity: str) -> Outcome:
    return Outcome(code="SUCCESS", message="OK", similarity=Decimal(similarity))


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("100", Verdict.PASS),
        ("70.0001", Verdict.PASS),
        ("70.00000000000000000000000000000000001", Verdict.PASS),
        ("70", Verdict.MANUAL_CHECK),
        ("70.0", Verdict.MANUAL_CHECK),
        ("69.0", Verdict.MANUAL_CHECK),
        ("55", Verdict.MANUAL_CHECK),
        ("54.999", Verdict.REJECT),
        ("54.99999999999999999999999999999999999", Verdict.REJECT),
        ("0", Verdict.REJECT),
    ],
)
def test_thresholds_separate_the_verdicts_and_manual_check_includes_both_ends(
    similarity: str, expected: Verdict
) -> None:
    assert verdict(success(similarity), POLICY) == (expected, ())


@given(similarities, similarities, similarities)
def test_a_higher_similarity_never_gets_a_worse_verdict(one: Decimal, other: Decimal, third: Decimal) -> None:
    low, middle, high = sorted((one, other, third))
    order = [Verdict.REJECT, Verdict.MANUAL_CHECK, Verdict.PASS]
    policy = Policy(pass_above=high, reject_below=low)

    judged = [order.index(policy.judge(similarity)) for similarity in (low, middle, high)]

    assert judged == [1, 1, 1]
    assert policy.judge(high + Decimal("0.0001")) is Verdict.PASS
    assert policy.judge(low - Decimal("0.0001")) is Verdict.REJECT


def test_equal_thresholds_leave_one_similarity_to_reviewers() -> None:
    policy = Policy(pass_above=Decimal(60), reject_below=Decimal(60))

    assert [policy.judge(Decimal(each)) for each in ("59.9", "60", "60.1")] == [
        Verdict.REJECT,
        Verdict.MANUAL_CHECK,
        Verdict.PASS,
    ]


def test_thresholds_that_cross_are_refused_by_name() -> None:
    with pytest.raises(ValidationError, match=r"RejectBelow \(71\) must not be above PassAbove \(70\)"):
        Policy(pass_above=Decimal(70), reject_below=Decimal(71))


@pytest.mark.parametrize("threshold", ["-0.1", "100.1", "NaN", "Infinity"])
def test_a_threshold_off_the_api_s_scale_is_refused(threshold: str) -> None:
    with pytest.raises(ValidationError, match="pass_above"):
        Policy(pass_above=Decimal(threshold), reject_below=Decimal(0))


@pytest.mark.parametrize(
    ("code", "retake"),
    [
        ("NO_FACE_DETECTED_FROM_FIRST_IMAGE", ("first",)),
        ("NO_FACE_DETECTED_FROM_SECOND_IMAGE", ("second",)),
        ("FIRST_IMAGE_LOW_QUALITY_FACE", ("first",)),
        ("SECOND_IMAGE_LOW_QUALITY_FACE", ("second",)),
        ("IMAGE_INVALID_FORMAT", ("first", "second")),
        ("IMAGE_INVALID_SIZE", ("first", "second")),
    ],
)
def test_a_picture_that_the_api_cannot_use_is_a_retake(code: str, retake: tuple[Role, ...]) -> None:
    assert verdict(Outcome(code=code, message=""), POLICY) == (Verdict.RETAKE, retake)


@pytest.mark.parametrize(
    "code", ["OUTCOME_UNKNOWN", "BAD_ANSWER", "CLIENT_ERROR", "PARAMETER_ERROR", "EMPTY_PARAMETER_ERROR"]
)
def test_an_error_that_needs_an_operator_is_undetermined(code: str) -> None:
    assert verdict(Outcome(code=code, message=""), POLICY) == (Verdict.UNDETERMINED, ())


def test_a_success_without_a_similarity_is_undetermined() -> None:
    assert verdict(Outcome(code="SUCCESS", message="OK"), POLICY) == (Verdict.UNDETERMINED, ())


@given(st.text().filter(lambda code: code != "SUCCESS"), similarities)
def test_no_error_is_judged_by_a_similarity(code: str, similarity: Decimal) -> None:
    judged, _ = verdict(Outcome(code=code, message="", similarity=similarity), POLICY)

    assert judged in (Verdict.UNDETERMINED, Verdict.RETAKE)


@pytest.mark.parametrize(
    ("code", "answered", "charged"),
    [
        ("SUCCESS", None, True),
        ("SUCCESS", "FREE", True),
        ("NO_FACE_DETECTED_FROM_FIRST_IMAGE", None, True),
        ("NO_FACE_DETECTED_FROM_FIRST_IMAGE", "FREE", True),
        ("SERVICE_BUSY", None, False),
        ("SERVICE_BUSY", "PAY", True),
        ("SERVICE_BUSY", "pay ", True),
        ("SERVICE_BUSY", "SOMETHING_NEW", False),
        ("OUTCOME_UNKNOWN", None, True),
        ("BAD_ANSWER", "FREE", True),
        ("NETWORK_ERROR", None, False),
        ("A_CODE_OF_TOMORROW", None, True),
        ("A_CODE_OF_TOMORROW", "SOMETHING_NEW", True),
        ("A_CODE_OF_TOMORROW", "FREE", False),
        ("A_CODE_OF_TOMORROW", " free", False),
    ],
)
def test_the_documented_tag_decides_whether_a_call_was_charged(code: str, answered: str | None, charged: bool) -> None:
    assert Outcome(code=code, message="", pricing_strategy=answered).charged is charged


def test_a_call_without_a_code_may_have_been_charged() -> None:
    assert is_charged(None, None)


@pytest.mark.parametrize(
    ("code", "answered", "expected"),
    [
        ("SUCCESS", "FREE", True),
        ("BAD_ANSWER", "FREE", True),
        ("SUCCESS", "PAY", False),
        ("SUCCESS", None, False),
        ("SERVICE_BUSY", "FREE", False),
        ("A_CODE_OF_TOMORROW", "FREE", False),
    ],
)
def test_a_paid_code_that_is_stated_free_is_noticed(code: str, answered: str | None, expected: bool) -> None:
    assert Outcome(code=code, message="", pricing_strategy=answered).paid_but_stated_free is expected


def test_an_outcome_survives_json_with_every_digit() -> None:
    edge = Decimal("618.25")
    face = Face(id="1", left=edge, top=edge, right=edge, bottom=edge)
    outcome = Outcome(
        code="SUCCESS",
        message="OK",
        similarity=Decimal("69.00000000000000000000000000000000001"),
        first=Seen(face=face, adjusted=("rotated 90",)),
        call="000001",
    )

    assert Outcome.model_validate_json(outcome.model_dump_json()) == outcome
    assert Outcome.model_validate(outcome.model_dump(mode="json")) == outcome


def test_only_verdicts_on_the_pictures_themselves_are_final() -> None:
    assert {Verdict.PASS, Verdict.MANUAL_CHECK, Verdict.REJECT, Verdict.RETAKE} == FINAL
    assert set(CERTAINTY) == set(Verdict)
    assert (
        CERTAINTY[Verdict.WAITING]
        < CERTAINTY[Verdict.PENDING]
        < CERTAINTY[Verdict.UNDETERMINED]
        < CERTAINTY[Verdict.PASS]
    )


def test_an_outcome_of_swapped_pictures_keeps_only_its_own_fingerprint() -> None:
    outcome = Outcome(code="SUCCESS", message="OK", similarity=Decimal(80), pricing_strategy="PAY")

    assert (outcome.settled, outcome.turned_round().settled) == (True, False)
