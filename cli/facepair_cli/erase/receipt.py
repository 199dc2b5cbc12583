"""The receipt of an erasure: what was deleted, what stays, and what remains elsewhere until when."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import click

from facepair.domain import clock
from facepair.domain.erasure import Erasure, remaining
from facepair_cli.erase.spool import Spool
from facepair_cli.escaping import json_text
from facepair_cli.output_file import OutputFile

COUNTS = ("versions_deleted", "uploads_aborted", "rows_deleted", "ledger_rows_stripped")


@dataclass
class Receipt:
    """Sums over pairs. Its lists are on disk, in spools of the caller.

    `unconfirmed` are pairs whose erasure is not confirmed yet. `stack` is the stack's ARN, `parameters` its parameters.
    Raises click.UsageError for a file that is no receipt, or one of another stack.
    """

    stack: str
    parameters: Mapping[str, str]
    pair_ids: Spool
    transaction_ids: Spool
    unconfirmed: Spool
    output: OutputFile | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    by: list[str] = field(default_factory=list)
    unanswered: bool = False
    expired: bool = False
    erased_at: str = ""
    earlier_remaining: list[Mapping[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Load what an earlier run wrote into the same file."""
        text = self.output.read() if self.output else ""
        if not text:
            return
        name = self.output.name if self.output else ""
        try:
            earlier = json.loads(text)
            stack = str(earlier.get("stack", self.stack))  # receipts of earlier releases do not name it
            if stack == self.stack:
                self._take_over(earlier)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise click.UsageError(f"--receipt: {name} exists and is not a receipt; name another file.") from error
        if stack != self.stack:
            raise click.UsageError(f"--receipt: {name} belongs to another stack, {stack}; name another file.")

    def _take_over(self, earlier: Mapping[str, Any]) -> None:
        self.pair_ids.add(earlier["pair_ids"])
        self.transaction_ids.add(earlier["transaction_ids"])
        self.unconfirmed.add(earlier.get("unconfirmed", ()))
        self.counts = {name: int(earlier[name]) for name in COUNTS}
        self.erased_at = str(earlier["erased_at"])
        self.earlier_remaining = [{"where": each["where"], "until": each["until"]} for each in earlier["remaining"]]
        self.by = [each for each in str(earlier["erased_by"]).split(", ") if each]

    @property
    def complete(self) -> bool:
        """Whether there is an erasure, and all are confirmed."""
        return len(self.pair_ids) > 0 and not len(self.unconfirmed)

    def add(self, erasure: Erasure) -> None:
        """Add what was erased of a pair, and write the receipt."""
        self.pair_ids.add([erasure.pair_id])
        self.transaction_ids.add(erasure.transaction_ids)
        self.erased_at = max(clock.iso(erasure.erased_at), self.erased_at)
        self.by = [*dict.fromkeys([*self.by, erasure.erased_by])]
        for name, count in zip(COUNTS, (erasure.versions, erasure.uploads, erasure.rows, erasure.calls), strict=True):
            self.counts[name] += count
        self.expired |= erasure.expired
        if erasure.complete:
            self.unanswered |= erasure.unanswered > 0
            self.unconfirmed.discard(erasure.pair_id)
        self.write()

    def write(self, *, last: bool = False) -> None:
        """Replace the file; an output that cannot be replaced is written once at the end."""
        if self.output and (last or not self.output.is_direct):
            with self.output.open() as file:
                file.writelines(self.json())

    def json(self) -> Iterator[str]:
        """Yield one JSON object, piece by piece."""
        yield '{\n  "pair_ids": '
        yield from _array(self.pair_ids)
        for name, count in self.counts.items():
            yield f',\n  "{name}": {count}'
        yield ',\n  "transaction_ids": '
        yield from _array(self.transaction_ids)
        yield ',\n  "remaining": '
        yield from _array(self._remaining())
        yield ',\n  "unconfirmed": '
        yield from _array(self.unconfirmed)
        yield f',\n  "complete": {json_text(self.complete)}'
        yield f',\n  "erased_at": {json_text(self.erased_at)},\n  "erased_by": {json_text(", ".join(self.by))}'
        yield f',\n  "stack": {json_text(self.stack)}\n}}\n'

    def _remaining(self) -> list[Mapping[str, str | None]]:
        """Merge the remains of all runs, keeping the later time for each place."""
        if not self.erased_at:  # nothing is erased yet
            return self.earlier_remaining
        days = max(int(self.parameters["VerdictRetentionDays"]), int(self.parameters["ImageRetentionDays"]) + 7)
        now = remaining(
            clock.parse(self.erased_at),
            log_days=int(self.parameters["LogRetentionDays"]),
            webhook=bool(self.parameters.get("WebhookUrl")),
            transactions=len(self.transaction_ids) > 0,
            unanswered=self.unanswered,
            expired=timedelta(days=days) if self.expired else None,
        )
        return [*({each["where"]: each for each in (*self.earlier_remaining, *now)}.values())]


def _array(members: Iterable[object]) -> Iterator[str]:
    separator = "["
    for member in members:
        yield f"{separator}\n    {json_text(member)}"
        separator = ","
    yield "[]" if separator == "[" else "\n  ]"
