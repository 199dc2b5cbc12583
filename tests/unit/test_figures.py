"""Shares with their intervals, flows between verdicts, and monthly figures."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from facepair.domain import clock
from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge, State
from facepair.domain.outcome import Policy
from facepair.domain.verdict import Verdict
from facepair_cli.figures.figures import SECONDS, ChargeCounts, Durations, VerdictCounts, band
from facepair_cli.figures.flows import JUDGED, Flows
from facepair_cli.figures.judgement import Judgement, judgements
from facepair_cli.figures.share import Share, Z
from facepair_cli.month import Month

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
DEPLOYED = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
HOSTILE = "\N{RIGHT-TO-LEFT OVERRIDE}\x1b[2J<script>"
STRICTER = Policy(pass_above=Decimal(80), reject_below=Decimal(60))
similarities = st.decimals(0, 100, allow_nan=False, places=2)


def row(similarity: Decimal | str | None, *, decided: str | None = None, **said: Any) -> Judgement:
    """Return a row judged by the deployed thresholds; `decided` is the reviewer's verdict."""
    judged = None if similarity is None else DEPLOYED.judge(Decimal(similarity))
    review = {"by": "anna", "at": clock.iso(NOON + timedelta(hours=3)), "reason": "beard", "from": judged}
    return Judgement.of(
        {
            "pair_id": "p",
            "verdict": decided or judged or "WAITING",
            "similarity": None if similarity is None else Decimal(similarity),
            "uploaded_at": clock.iso(NOON),
            "updated_at": clock.iso(NOON + timedelta(seconds=3)),
            "policy": DEPLOYED.model_dump(),
            "review": review if decided else None,
        }
        | said
    )


# --- shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_s_interval_matches_published_tables(count: int, of: int, low: float, high: float) -> None:
    assert Share(count, of).interval == pytest.approx((low, high), abs=0.0001)


counts = st.integers(1, 10**7).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(counts)
def test_an_interval_is_within_the_scale_and_contains_the_observed_share(counted: tuple[int, int]) -> None:
    share = Share(*counted)

    low, high = share.interval

    assert 0 <= low <= share.fraction + 1e-12
    assert share.fraction - 1e-12 <= high <= 1


@given(counts)
def test_interval_ends_have_the_stated_confidence(counted: tuple[int, int]) -> None:
    share = Share(*counted)

    for end in share.interval:
        away = abs(share.fraction - end)
        assert away == pytest.approx(Z * (end * (1 - end) / share.of) ** 0.5, abs=1e-6)


@given(counts)
def test_a_larger_sample_has_a_narrower_interval(counted: tuple[int, int]) -> None:
    count, of = counted

    def width(share: Share) -> float:
        low, high = share.interval
        return high - low

    assert width(Share(2 * count, 2 * of)) < width(Share(count, of))


def test_a_sample_is_too_small_if_its_interval_is_over_twenty_points() -> None:
    assert Share(46, 92).too_few
    assert not Share(46, 93).too_few
    assert Share(0, 0).too_few


def test_a_share_is_shown_with_its_count_and_interval() -> None:
    assert str(Share(34, 934)) == "34 of 934, 3.6 % (2.6 to 5.0 %)"
    assert str(Share(0, 0)) == "0 of 0"


# --- flows -----------------------------------------------------------------------------------------------------------


def test_rows_flow_from_their_stored_verdict_to_the_new_one() -> None:
    flows = Flows(STRICTER)
    for similarity in ("90", "80", "75", "70", "59.9", "55", "20"):
        flows.add(row(similarity))

    assert flows.table() == {
        "PASS": {"PASS": 1, "MANUAL_CHECK": 2, "REJECT": 0},
        "MANUAL_CHECK": {"PASS": 0, "MANUAL_CHECK": 1, "REJECT": 2},
        "REJECT": {"PASS": 0, "MANUAL_CHECK": 0, "REJECT": 1},
    }
    assert flows.changed == Share(4, 7)


def test_a_reviewer_s_decision_is_shown_beside_the_flow_from_manual_check() -> None:
    flows = Flows(STRICTER)
    flows.add(row("65", decided="PASS"))
    flows.add(row("58", decided="RETAKE"))

    assert flows.table()[Verdict.MANUAL_CHECK] == {"PASS": 0, "MANUAL_CHECK": 1, "REJECT": 1}
    assert flows.decided == Counter({("MANUAL_CHECK", "PASS"): 1, ("REJECT", "RETAKE"): 1})


def test_a_row_without_a_similarity_is_in_no_flow() -> None:
    flows = Flows(STRICTER)
    flows.add(row(None))
    flows.add(row(None, verdict="RETAKE"))

    assert flows.total == 0


@given(st.lists(similarities), similarities, similarities)
def test_every_similarity_flows_once_and_to_the_verdict_of_the_policy(
    stored: list[Decimal], one: Decimal, other: Decimal
) -> None:
    policy = Policy(pass_above=max(one, other), reject_below=min(one, other))
    flows = Flows(policy)

    for similarity in stored:
        flows.add(row(similarity))

    assert flows.total == flows.similarities.total() == len(stored)
    for verdict in JUDGED:
        assert flows.then(verdict).count == sum(policy.judge(each) is verdict for each in stored)
        assert flows.now(verdict).count == sum(DEPLOYED.judge(each) is verdict for each in stored)


@given(st.lists(similarities))
def test_the_deployed_thresholds_change_nothing(stored: list[Decimal]) -> None:
    flows = Flows(DEPLOYED)

    for similarity in stored:
        flows.add(row(similarity))

    assert flows.changed.count == 0


def test_an_unreadable_row_is_reported_and_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    whole = row("90").model_dump(mode="json") | {"similarity": Decimal(90)}

    read = list(judgements([{"pair_id": "odd", "verdict": "PASS"}, whole]))

    assert [each.pair_id for each in read] == ["p"]
    assert capsys.readouterr().err == "The row of odd cannot be read and is left out.\n"


# --- a month ---------------------------------------------------------------------------------------------------------


def test_a_row_counts_on_the_day_it_was_written() -> None:
    verdicts = VerdictCounts(DEPLOYED)
    verdicts.add(row("90"))
    verdicts.add(row("90", updated_at="2026-10-31T23:59:59.999Z"))
    verdicts.add(row(None))

    assert verdicts.by_day == {
        (date(2026, 10, 5), Verdict.PASS): 1,
        (date(2026, 10, 31), Verdict.PASS): 1,
        (date(2026, 10, 5), Verdict.WAITING): 1,
    }
    assert verdicts.of(Verdict.PASS) == Share(2, 3)


@pytest.mark.parametrize(
    ("similarity", "point", "verdict"),
    [
        ("0", 0, Verdict.REJECT),
        ("54.99", 54, Verdict.REJECT),
        ("55", 55, Verdict.MANUAL_CHECK),
        ("69.99", 69, Verdict.MANUAL_CHECK),
        ("70", 70, Verdict.MANUAL_CHECK),
        ("70.01", 70, Verdict.PASS),
        ("99", 99, Verdict.PASS),
        ("100", 99, Verdict.PASS),
    ],
)
def test_a_similarity_at_a_boundary_counts_with_its_verdict(similarity: str, point: int, verdict: Verdict) -> None:
    verdicts = VerdictCounts(DEPLOYED)

    verdicts.add(row(similarity))

    assert verdicts.similarities == {(point, verdict): 1}


def test_the_page_escapes_untrusted_text() -> None:
    verdicts, month = VerdictCounts(DEPLOYED), Month.parse("2026-10")
    verdicts.add(row("60", decided="PASS", review={"by": HOSTILE, "at": clock.iso(NOON), "from": "MANUAL_CHECK"}))

    from facepair_cli.figures.page import Report  # takes half a second

    page = Report("stack", month, NOON, verdicts, ChargeCounts(month)).html()

    assert r"\u202e\x1b[2J&lt;script&gt;" in page
    assert all(line.isprintable() for line in page.splitlines())


def test_durations_count_only_verdicts_without_a_review() -> None:
    verdicts = VerdictCounts(DEPLOYED)
    verdicts.add(row("90"))
    verdicts.add(row(None))
    verdicts.add(row("60", decided="PASS"))

    assert verdicts.seconds.counts == {SECONDS.index(5): 1}


def test_decisions_are_counted_by_reviewer_similarity_and_duration() -> None:
    verdicts = VerdictCounts(DEPLOYED)
    verdicts.add(row("60", decided="PASS"))
    verdicts.add(row("64.9", decided="REJECT"))
    verdicts.add(row("65", decided="PASS", updated_at=clock.iso(NOON + timedelta(hours=3))))

    decisions = verdicts.decisions
    assert decisions.by_person == {"anna": {"PASS": 2, "REJECT": 1}}
    assert (decisions.passed(60), decisions.passed(65)) == (Share(1, 2), Share(1, 1))
    assert [decisions.hours.within(number).count for number in range(3)] == [0, 3, 3]


@given(st.lists(st.floats(0, 10**6)))
def test_each_duration_is_counted_once_in_steps_that_grow(seconds: list[float]) -> None:
    durations = Durations((1, 10, 100), timedelta(seconds=1))

    for each in seconds:
        durations.add(timedelta(seconds=each))

    assert durations.total == len(seconds)
    assert [durations.within(number).count for number in range(3)] == [
        sum(timedelta(seconds=each) <= timedelta(seconds=step) for each in seconds) for step in (1, 10, 100)
    ]


@given(similarities)
@example(Decimal(100))
def test_a_band_holds_its_similarities_and_the_last_includes_one_hundred(similarity: Decimal) -> None:
    lowest = band(similarity)

    assert lowest in range(0, 100, 5)
    assert lowest <= similarity
    assert similarity < lowest + 5 or (similarity == 100 and lowest == 95)


@pytest.mark.parametrize(
    ("state", "code", "pricing", "charge"),
    [
        (State.ANSWERED, "SUCCESS", "PAY", Charge.CHARGED),
        (State.ANSWERED, "SUCCESS", "FREE", Charge.CHARGED),
        (State.ANSWERED, "A_CODE_OF_TOMORROW", "FREE", Charge.FREE),
        (State.ANSWERED, "SUCCESS", None, Charge.CHARGED),
        (State.ANSWERED, "BAD_ANSWER", None, Charge.CHARGED),
        (State.ANSWERED, "A_CODE_OF_TOMORROW", None, Charge.CHARGED),
        (State.REFUSED, "SERVICE_BUSY", None, Charge.FREE),
        (State.UNKNOWN, "OUTCOME_UNKNOWN", None, Charge.PERHAPS),
        (State.SENT, None, None, Charge.PERHAPS),
    ],
)
def test_a_call_was_charged_free_or_unknown(
    state: State, code: str | None, pricing: str | None, charge: Charge
) -> None:
    assert Entry("p", "000001", state, NOON, None, code, "t1", pricing).charge is charge


def test_charges_are_counted_in_the_month_and_on_the_day_of_their_answer() -> None:
    charges = ChargeCounts(Month.parse("2026-10"))
    midnight = datetime(2026, 11, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    for sent_at, answered_at in [
        (NOON, NOON),
        (midnight - 2 * second, midnight - second),
        (midnight - second, midnight),
    ]:
        charges.add(Entry("p", "000001", State.ANSWERED, sent_at, answered_at, "SUCCESS", "t", "PAY"))

    assert charges.by_day == {(date(2026, 10, 5), Charge.CHARGED): 1, (date(2026, 10, 31), Charge.CHARGED): 1}
    assert (charges.of(Charge.CHARGED), charges.of(Charge.FREE)) == (2, 0)


def test_the_report_has_reviewers_agreement_and_compares_who_saw_the_similarity() -> None:
    verdicts, month = VerdictCounts(DEPLOYED), Month.parse("2026-10")

    def reviewed(verdict: str, *before: str, saw: bool | None) -> None:
        opinions = [{"by": "bo", "verdict": each, "reason": "seen"} for each in before]
        review = {"by": "anna", "at": clock.iso(NOON), "from": "MANUAL_CHECK", "opinions": opinions}
        verdicts.add(row("60", decided=verdict, review=review | {"saw_similarity": saw}))

    reviewed("PASS", "PASS", saw=True)
    reviewed("PASS", "PASS", "REJECT", saw=True)
    reviewed("REJECT", "REJECT", saw=False)
    reviewed("PASS", saw=None)

    decisions = verdicts.decisions
    from facepair_cli.figures.page import Report  # takes half a second

    page = Report("stack", month, NOON, verdicts, ChargeCounts(month)).html()

    assert (decisions.agreement.count, decisions.agreement.of) == (2, 3)
    assert decisions.passed_by_sight(True).fraction == 1
    assert decisions.passed_by_sight(False).fraction == 0
    assert "66.7 %" in page
    assert "Agreement of the first two reviewers" in page
    assert "By whether the reviewer saw the similarity" in page
