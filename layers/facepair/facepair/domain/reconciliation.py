"""The ledger against an invoice: every charge of a month, on either side, ends in exactly one class."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge
from facepair.domain.month import Month, Place


class Class(StrEnum):
    """What becomes of a row of the invoice, or of a charged call of the ledger."""

    MATCHED = "matched"  # one of each
    BILLED_UNKNOWN = "billed_unknown"  # on the invoice; the ledger has no such call
    CHARGED_NOT_BILLED = "charged_not_billed"  # in the ledger; not on the invoice
    BILLED_FREE = "billed_free"  # on the invoice; the call was not charged
    BILLED_TWICE = "billed_twice"  # on the invoice once more than in the ledger


DIFFERENCES = tuple(each for each in Class if each is not Class.MATCHED)


@dataclass(frozen=True)
class Billed:
    """A row of the invoice; `at` is None where it tells no time, and then it is of the month that the invoice is of."""

    transaction_id: str
    line: int
    at: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """A class, and what ended in it.

    One side of what is MATCHED may lie beyond the month's ends, within a day. The entry of a row that is billed
    unknown is one of another month, if the ledger has any.
    """

    kind: Class
    billed: Billed | None = None
    entry: Entry | None = None


def reconcile(billed: Sequence[Billed], charges: Sequence[Entry], month: Month) -> Iterator[Finding]:
    """The findings of one transaction id, from all its rows of both sides.

    What lies within a day of the month's ends may be on either month's invoice, so it can match; but it is of the
    neighbouring month, so it is no finding by itself, and what matches there is used up.

    A call that the API stated FREE under a paid code may be billed or not: it can match, but is no finding by itself.
    """

    def placed(charge: Entry) -> Place:
        return month.place(charge.at)

    def dated(row: Billed) -> Place:
        return month.place(row.at) if row.at else Place.INSIDE

    rows = sorted((row for row in billed if dated(row) is not Place.ELSEWHERE), key=lambda row: row.line)
    near = [charge for charge in charges if placed(charge) is not Place.ELSEWHERE]
    charged = [charge for charge in near if charge.charge is Charge.CHARGED and not charge.is_stated_free]
    stated_free = [charge for charge in near if charge.charge is Charge.CHARGED and charge.is_stated_free]
    free = [charge for charge in near if charge.charge is Charge.FREE]
    known = bool(charged or stated_free or free)

    left = [*rows]
    for may_be_billed in (charged, stated_free):
        for row, charge in _pairs(left, may_be_billed, dated, placed):
            if Place.INSIDE in (dated(row), placed(charge)):
                yield Finding(Class.MATCHED, row, charge)
    for row, charge in _pairs(left, free, dated, placed):
        if dated(row) is Place.INSIDE:
            yield Finding(Class.BILLED_FREE, row, charge)
    for row in left:
        if dated(row) is Place.INSIDE:
            unknown = not known and row is rows[0]
            yield Finding(
                Class.BILLED_UNKNOWN if unknown else Class.BILLED_TWICE, row, next(iter(near or charges), None)
            )
    for charge in charged:
        if placed(charge) is Place.INSIDE:
            yield Finding(Class.CHARGED_NOT_BILLED, entry=charge)


NEAREST_FIRST = (
    (Place.INSIDE, Place.INSIDE),
    (Place.BESIDE, Place.BESIDE),
    (Place.INSIDE, Place.BESIDE),
    (Place.BESIDE, Place.INSIDE),
)


def _pairs(
    rows: list[Billed],
    charges: list[Entry],
    dated: Callable[[Billed], Place],
    placed: Callable[[Entry], Place],
) -> Iterator[tuple[Billed, Entry]]:
    """Takes pairs out of both, one of each, those of the same month first."""
    for of_row, of_charge in NEAREST_FIRST:
        pairs = list(
            zip(
                [row for row in rows if dated(row) is of_row],
                [charge for charge in charges if placed(charge) is of_charge],
                strict=False,
            )
        )
        for row, charge in pairs:
            rows.remove(row)
            charges.remove(charge)
            yield row, charge
