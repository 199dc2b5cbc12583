"""The ledger against an invoice: every charge of a month, on either side, ends in exactly one class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge
from facepair_cli.month import Month, Place


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
    """A row of the invoice, which is the month's whatever else it says."""

    transaction_id: str
    line: int


@dataclass(frozen=True)
class Finding:
    """A class, and what ended in it.

    The call of what is MATCHED may lie beyond the month's ends, within a day. The entry of a row that is billed unknown
    is one of another month, if the ledger has any.
    """

    kind: Class
    billed: Billed | None = None
    entry: Entry | None = None


def reconcile(billed: Sequence[Billed], charges: Sequence[Entry], month: Month) -> Iterator[Finding]:
    """Yield the findings of one transaction id, from all its rows of both sides.

    A call within a day of the month's ends may be on either month's invoice, so it can match; but it belongs to the
    neighbouring month, so it is no finding by itself.

    A call that the API stated FREE under a paid code may be billed or not: it can match, but is no finding by itself.
    """
    near = sorted(
        (each for each in charges if month.place(each.at) is not Place.ELSEWHERE),
        key=lambda each: month.place(each.at) is Place.BESIDE,
    )
    charged = [each for each in near if each.charge is Charge.CHARGED and not each.is_stated_free]
    stated_free = [each for each in near if each.charge is Charge.CHARGED and each.is_stated_free]
    free = [each for each in near if each.charge is Charge.FREE]
    known = bool(charged or stated_free or free)

    left = sorted(billed, key=lambda row: row.line)
    first = left[0] if left else None
    for calls, kind in ((charged, Class.MATCHED), (stated_free, Class.MATCHED), (free, Class.BILLED_FREE)):
        for row, call in _taken(left, calls):
            yield Finding(kind, row, call)
    for row in left:
        unknown = not known and row is first
        yield Finding(Class.BILLED_UNKNOWN if unknown else Class.BILLED_TWICE, row, next(iter(near or charges), None))
    for call in charged:
        if month.place(call.at) is Place.INSIDE:
            yield Finding(Class.CHARGED_NOT_BILLED, entry=call)


def _taken(rows: list[Billed], calls: list[Entry]) -> Iterator[tuple[Billed, Entry]]:
    """Take pairs out of both, as many as there are."""
    while rows and calls:
        yield rows.pop(0), calls.pop(0)
