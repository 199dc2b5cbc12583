"""The receipt of an erasure: what was deleted, what stays, and what remains elsewhere until when."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from console.escaping import json_text
from console.spool import Spool
from facepair.domain import clock
from facepair.domain.erasure import Erasure, remaining


@dataclass
class Receipt:
    """The sums over pairs; the lists are on disk, in the spools of whoever makes it."""

    by: str
    pair_ids: Spool
    transaction_ids: Spool
    erased_at: datetime | None = None
    versions: int = 0
    uploads: int = 0
    rows: int = 0
    calls: int = 0
    unanswered: int = 0
    incomplete: int = 0
    last_incomplete: str = ""

    def add(self, erasure: Erasure) -> None:
        """Count what was erased of a pair."""
        self.pair_ids.add([erasure.pair_id])
        self.transaction_ids.add(erasure.transaction_ids)
        self.erased_at = max(erasure.erased_at, self.erased_at or erasure.erased_at)
        self.versions += erasure.versions
        self.uploads += erasure.uploads
        self.rows += erasure.rows
        self.calls += erasure.calls
        self.unanswered += erasure.unanswered
        if not erasure.complete:
            self.incomplete += 1
            self.last_incomplete = erasure.pair_id

    def json(self, parameters: Mapping[str, str]) -> Iterator[str]:
        """One JSON object, piece by piece. `parameters` are the stack's."""
        erased_at = self.erased_at or clock.now()
        rest = remaining(
            erased_at,
            log_days=int(parameters["LogRetentionDays"]),
            webhook=bool(parameters.get("WebhookUrl")),
            transactions=len(self.transaction_ids) > 0,
            unanswered=self.unanswered > 0,
        )
        yield '{\n  "pair_ids": '
        yield from _array(self.pair_ids)
        for name, count in (
            ("versions_deleted", self.versions),
            ("uploads_aborted", self.uploads),
            ("rows_deleted", self.rows),
            ("ledger_rows_stripped", self.calls),
        ):
            yield f',\n  "{name}": {count}'
        yield ',\n  "transaction_ids": '
        yield from _array(self.transaction_ids)
        yield ',\n  "remaining": '
        yield from _array(rest)
        yield f',\n  "erased_at": {json_text(clock.iso(erased_at))},\n  "erased_by": {json_text(self.by)}\n}}\n'


def _array(members: Iterable[object]) -> Iterator[str]:
    separator = "["
    for member in members:
        yield f"{separator}\n    {json_text(member)}"
        separator = ","
    yield "[]" if separator == "[" else "\n  ]"
