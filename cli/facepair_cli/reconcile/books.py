"""Ledger and invoice side by side in a temporary file, so that memory stays flat for millions of rows."""

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Self

from facepair.domain import clock
from facepair.domain.entry import Entry
from facepair.domain.ledger import Charge, State
from facepair_cli.month import Month, Place
from facepair_cli.reconcile.rules import Billed, Class, Finding, reconcile

COLUMNS = ("class", "transaction_id", "line", "pair_id", "call", "at", "code", "pricing_strategy")
"""Columns of a finding."""
TABLES = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA temp_store = FILE;
    CREATE TABLE ledger (transaction_id, pair_id, call, state, sent_at, answered_at, code, pricing_strategy,
        charged);
    CREATE INDEX by_id ON ledger (transaction_id);
    CREATE TABLE invoice (transaction_id, line);
    CREATE TABLE findings ({", ".join(COLUMNS)});
    CREATE INDEX by_class ON findings (class, transaction_id);
"""
INSERT_FINDING = f"INSERT INTO findings VALUES ({', '.join('?' * len(COLUMNS))})"
SIDE_BY_SIDE = """
    SELECT transaction_id, 'ledger', pair_id, call, state, sent_at, answered_at, code, pricing_strategy, charged
        FROM ledger WHERE transaction_id IS NOT NULL
    UNION ALL SELECT transaction_id, 'invoice', line, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM invoice
    ORDER BY transaction_id
"""


class Books:
    """A temporary SQLite database, deleted on exit.

    Beyond a 2 MB cache it lives on disk: about 400 bytes per call and invoice row.
    """

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript(TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def enter(self, entries: Iterable[Entry]) -> int:
        """Store the ledger's entries and return their number."""
        return self._insert("ledger", map(_of_entry, entries))

    def bill(self, rows: Iterable[Billed]) -> int:
        """Store the invoice's rows and return their number."""
        return self._insert("invoice", ((row.transaction_id, row.line) for row in rows))

    def settle(self, month: Month) -> dict[Class, int]:
        """Classify every row of both sides and return the count per class. `findings` has the differences."""
        counts = dict.fromkeys(Class, 0)
        self._file.execute("BEGIN")
        for _, rows in groupby(self._file.execute(SIDE_BY_SIDE), key=lambda row: row[0]):
            billed, entries = _sides(rows)
            for finding in reconcile(billed, entries, month):
                counts[finding.kind] += 1
                if finding.kind is not Class.MATCHED:
                    self._file.execute(INSERT_FINDING, _of_finding(finding))
        self._file.execute("COMMIT")
        return counts

    def findings(self, kind: Class) -> Iterator[dict[str, Any]]:
        """Yield a class's findings, by transaction id."""
        found = self._file.execute("SELECT * FROM findings WHERE class = ? ORDER BY transaction_id, line", (kind,))
        return (dict(zip(COLUMNS, row, strict=True)) for row in found)

    def transaction_ids(self, kind: Class) -> Iterator[str]:
        """Yield a class's transaction ids, one per row."""
        return (found["transaction_id"] for found in self.findings(kind))

    def without_id(self, month: Month) -> Iterator[Entry]:
        """Yield the month's calls that may be on the invoice under an id that the ledger lacks."""
        for row in self._file.execute("SELECT * FROM ledger WHERE transaction_id IS NULL ORDER BY sent_at"):
            entry = _entry(*row)
            if entry.charge is not Charge.FREE and month.place(entry.at) is Place.INSIDE:
                yield entry

    def _insert(self, table: str, rows: Iterable[tuple[object, ...]]) -> int:
        columns = len(self._file.execute(f"SELECT * FROM {table} LIMIT 0").description)
        self._file.execute("BEGIN")
        inserted = self._file.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})", rows).rowcount
        self._file.execute("COMMIT")
        return max(0, inserted)


def _of_entry(entry: Entry) -> tuple[object, ...]:
    return (
        entry.transaction_id,
        entry.pair_id,
        entry.call,
        entry.state,
        clock.iso(entry.sent_at),
        _text(entry.answered_at),
        entry.code,
        entry.pricing_strategy,
        entry.charged,
    )


def _entry(
    transaction_id: str | None,
    pair_id: str,
    call: str,
    state: str,
    sent_at: str,
    answered_at: str | None,
    code: str | None,
    pricing_strategy: str | None,
    charged: int | None,
) -> Entry:
    return Entry(
        pair_id=pair_id,
        call=call,
        state=State(state),
        sent_at=clock.parse(sent_at),
        answered_at=clock.parse(answered_at) if answered_at else None,
        code=code,
        transaction_id=transaction_id,
        pricing_strategy=pricing_strategy,
        charged=None if charged is None else bool(charged),
    )


def _sides(rows: Iterable[tuple[Any, ...]]) -> tuple[list[Billed], list[Entry]]:
    billed, entries = [], []
    for transaction_id, side, *values in rows:
        if side == "ledger":
            entries.append(_entry(transaction_id, *values))
        else:
            billed.append(Billed(transaction_id, values[0]))
    return billed, entries


def _of_finding(finding: Finding) -> tuple[object, ...]:
    row, entry = finding.billed, finding.entry
    return (
        finding.kind,
        row.transaction_id if row else entry and entry.transaction_id,
        row and row.line,
        entry and entry.pair_id,
        entry and entry.call,
        entry and clock.iso(entry.at),
        entry and entry.code,
        entry and entry.pricing_strategy,
    )


def _text(moment: datetime | None) -> str | None:
    return clock.iso(moment) if moment else None
