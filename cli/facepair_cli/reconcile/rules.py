"""Reconciliation: every charge of a month, on either side, ends in exactly one class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge
from facepair_cli.month import Month, Place


class Class(StrEnum):
    """The outcome for an invoice row or a charged call."""

    MATCHED = "matched"  # on both sides
    BILLED_UNKNOWN = "billed_unknown"  # on the invoice only
    CHARGED_NOT_BILLED = "charged_not_billed"  # in the ledger only
    BILLED_FREE = "billed_free"  # on the invoice, but the call was free
    BILLED_TWICE = "billed_twice"  # on the invoice once more than in the ledger


DIFFERENCES = tuple(each for each in Class if each is not Class.MATCHED)


@dataclass(frozen=True)
class Billed:
    """An invoice row. It counts for the invoice's month, whatever else it says."""

    transaction_id: str
    line: int


@dataclass(frozen=True)
class Finding:
    """A class, with its invoice row and call.

    The call of a MATCHED row may lie up to a day outside the month. The entry of a BILLED_UNKNOWN row is a call of
    another month, if the ledger has one.
    """

    kind: Class
    billed: Billed | None = None
    entry: Entry | None = None


def reconcile(billed: Sequence[Billed], charges: Sequence[Entry], month: Month) -> Iterator[Finding]:
    """Yield the findings for one transaction id, given all its rows of both sides.

    Two kinds of calls can match but are no finding by themselves: those within a day of the month's ends, which may be
    on either month's invoice, and those stated FREE under a paid code, which may be billed or not.
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
    """Yield pairs until either side is empty."""
    while rows and calls:
        yield rows.pop(0), calls.pop(0)
