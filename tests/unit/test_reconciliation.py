"""Reconciling an invoice with the ledger: every row of either side ends in exactly one class."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge, State
from facepair_cli.month import Month, Place
from facepair_cli.reconcile.rules import Billed, Class, Finding, reconcile

OCTOBER = Month.parse("2026-10")
MIDDLE = datetime(2026, 10, 15, 12, tzinfo=UTC)
LAST_SECOND = OCTOBER.end - timedelta(seconds=1)
JUST_AFTER = OCTOBER.end + timedelta(hours=2)
AUGUST = datetime(2026, 8, 3, tzinfo=UTC)


def billed(line: int = 2) -> Billed:
    return Billed("t1", line)


def entry(at: datetime = MIDDLE, pricing: str = "PAY", call: int = 1, code: str = "") -> Entry:
    """Return a call of a paid code, or of a free one if its price is FREE, unless `code` says otherwise."""
    code = code or ("SERVICE_BUSY" if pricing == "FREE" else "SUCCESS")
    state = State.REFUSED if code == "SERVICE_BUSY" else State.ANSWERED
    return Entry("anna", f"{call:06d}", state, at, at, code, "t1", pricing)


def stated_free(at: datetime = MIDDLE, call: int = 1) -> Entry:
    return entry(at, "FREE", call, "SUCCESS")


def classes(rows: Sequence[Billed], entries: Sequence[Entry]) -> list[Class]:
    return [finding.kind for finding in reconcile(rows, entries, OCTOBER)]


@pytest.mark.parametrize(
    ("rows", "entries", "expected"),
    [
        ([billed()], [entry()], [Class.MATCHED]),
        ([billed()], [], [Class.BILLED_UNKNOWN]),
        ([], [entry()], [Class.CHARGED_NOT_BILLED]),
        ([billed()], [entry(pricing="FREE")], [Class.BILLED_FREE]),
        ([], [entry(pricing="FREE")], []),
        ([billed(), billed(3)], [entry()], [Class.MATCHED, Class.BILLED_TWICE]),
        ([billed(), billed(3)], [], [Class.BILLED_UNKNOWN, Class.BILLED_TWICE]),
        ([billed(), billed(3)], [entry(pricing="FREE")], [Class.BILLED_FREE, Class.BILLED_TWICE]),
        ([billed()], [stated_free()], [Class.MATCHED]),
        ([], [stated_free()], []),
        ([billed(), billed(3)], [stated_free()], [Class.MATCHED, Class.BILLED_TWICE]),
        ([billed()], [stated_free(), entry(call=2)], [Class.MATCHED]),
    ],
)
def test_each_transaction_gets_its_class(rows: list[Billed], entries: list[Entry], expected: list[Class]) -> None:
    assert classes(rows, entries) == expected


@pytest.mark.parametrize(
    ("rows", "entries", "expected"),
    [
        ([billed()], [entry(LAST_SECOND)], [Class.MATCHED]),
        ([billed()], [entry(JUST_AFTER)], [Class.MATCHED]),
        ([], [entry(JUST_AFTER)], []),
        ([billed()], [entry(AUGUST)], [Class.BILLED_UNKNOWN]),
        # The month's own call is matched first.
        ([billed()], [entry(JUST_AFTER), entry(MIDDLE, call=2)], [Class.MATCHED]),
        ([billed(), billed(3)], [entry(JUST_AFTER), entry(MIDDLE, call=2)], [Class.MATCHED, Class.MATCHED]),
    ],
)
def test_a_day_beyond_the_month_s_ends_is_searched_before_reporting_a_difference(
    rows: list[Billed], entries: list[Entry], expected: list[Class]
) -> None:
    assert classes(rows, entries) == expected


def test_a_row_that_the_ledger_has_in_another_month_says_which() -> None:
    [finding] = reconcile([billed()], [entry(AUGUST)], OCTOBER)

    assert finding == Finding(Class.BILLED_UNKNOWN, billed(), entry(AUGUST))


moments = st.sampled_from([MIDDLE, LAST_SECOND, JUST_AFTER, OCTOBER.start - timedelta(hours=1), AUGUST])
invoices = st.integers(0, 5).map(lambda rows: [billed(line) for line in range(2, 2 + rows)])
PRICES = [("PAY", ""), ("FREE", ""), ("FREE", "SUCCESS")]
ledgers = st.lists(st.tuples(moments, st.sampled_from(PRICES)), max_size=5).map(
    lambda calls: [entry(at, pricing, number, code) for number, (at, (pricing, code)) in enumerate(calls, 1)]
)


@given(invoices, ledgers)
def test_every_row_of_the_month_ends_in_exactly_one_class(rows: list[Billed], entries: list[Entry]) -> None:
    found = list(reconcile(rows, entries, OCTOBER))

    of_rows = Counter(finding.billed for finding in found if finding.billed)
    of_charges = Counter(
        finding.entry
        for finding in found
        if finding.entry and finding.kind in (Class.MATCHED, Class.CHARGED_NOT_BILLED)
    )
    charged = [
        each
        for each in entries
        if OCTOBER.place(each.at) is Place.INSIDE and each.charge is Charge.CHARGED and not each.is_stated_free
    ]
    assert all(of_rows[row] == 1 for row in rows)
    assert all(of_charges[each] == 1 for each in charged)
    assert max(of_rows.values(), default=1) == max(of_charges.values(), default=1) == 1


@given(invoices, ledgers, st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_the_order_of_rows(
    rows: list[Billed], entries: list[Entry], random: Random
) -> None:
    shuffled, mixed = [*rows], [*entries]
    random.shuffle(shuffled)
    random.shuffle(mixed)

    assert Counter(classes(rows, entries)) == Counter(classes(shuffled, mixed))


@given(st.lists(moments, max_size=6))
def test_a_ledger_billed_exactly_has_no_differences(times: list[datetime]) -> None:
    near = [at for at in times if OCTOBER.place(at) is not Place.ELSEWHERE]
    rows = [billed(line) for line, _ in enumerate(near, 2)]
    entries = [entry(at, call=number) for number, at in enumerate(times, 1)]

    assert classes(rows, entries) == [Class.MATCHED] * len(near)


# --- months ----------------------------------------------------------------------------------------------------------


def test_a_month_starts_and_ends_by_the_clock_of_its_zone() -> None:
    october = Month.parse("2026-10", ZoneInfo("Europe/Berlin"))

    assert october.start == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert october.end == datetime(2026, 10, 31, 23, tzinfo=UTC)  # summer time is over


def test_a_year_ends_with_december() -> None:
    december = Month.parse("2026-12")

    assert december.end == datetime(2027, 1, 1, tzinfo=UTC)
    assert len(december.days) == 31


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "october", "2026-10-01", ""])
def test_a_malformed_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 2026-10"):
        Month.parse(text)


@given(st.datetimes(datetime(2026, 9, 2), datetime(2026, 11, 29), timezones=st.just(UTC)))
def test_a_time_near_a_month_s_end_is_beside_another_month(moment: datetime) -> None:
    months = [Month.parse(text) for text in ("2026-09", "2026-10", "2026-11")]

    [home] = (month for month in months if month.place(moment) is Place.INSIDE)

    assert (Place.BESIDE in [month.place(moment) for month in months]) is home.is_at_an_end(moment)
