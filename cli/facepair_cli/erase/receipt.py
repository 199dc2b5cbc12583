"""The receipt of an erasure: what was deleted, what stays, and what remains elsewhere until when."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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

    `unconfirmed` are pairs that were found but are not yet erased for good. `parameters` are the stack's.
    """

    by: str
    parameters: Mapping[str, str]
    pair_ids: Spool
    transaction_ids: Spool
    unconfirmed: Spool
    output: OutputFile | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    unanswered: int = 0
    erased_at: str = ""
    earlier_remaining: list[Mapping[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take over what an earlier run has written into the same file."""
        text = self.output.read() if self.output else ""
        if not text:
            return
        try:
            self._take_over(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            name = self.output.name if self.output else ""
            raise click.UsageError(f"--receipt: {name} exists and is not a receipt; name another file.") from error

    def _take_over(self, earlier: Mapping[str, Any]) -> None:
        self.pair_ids.add(earlier["pair_ids"])
        self.transaction_ids.add(earlier["transaction_ids"])
        self.unconfirmed.add(earlier.get("unconfirmed", ()))
        self.counts = {name: int(earlier[name]) for name in COUNTS}
        self.erased_at = str(earlier["erased_at"])
        self.earlier_remaining = [{"where": each["where"], "until": each["until"]} for each in earlier["remaining"]]
        persons = str(earlier["erased_by"]).split(", ")
        self.by = ", ".join(dict.fromkeys([*persons, self.by]))

    @property
    def complete(self) -> bool:
        """Whether all pairs are erased for good."""
        return not len(self.unconfirmed)

    def add(self, erasure: Erasure) -> None:
        """Count what was erased of a pair, and write the receipt."""
        self.pair_ids.add([erasure.pair_id])
        self.transaction_ids.add(erasure.transaction_ids)
        self.erased_at = max(clock.iso(erasure.erased_at), self.erased_at)
        for name, count in zip(COUNTS, (erasure.versions, erasure.uploads, erasure.rows, erasure.calls), strict=True):
            self.counts[name] += count
        self.unanswered += erasure.unanswered
        if erasure.complete:
            self.unconfirmed.discard(erasure.pair_id)
        self.write()

    def write(self, *, last: bool = False) -> None:
        """Replace the file, if there is one; what cannot be replaced is written at last."""
        if self.output and (last or not self.output.is_direct):
            with self.output.open() as file:
                file.writelines(self.json())

    def json(self) -> Iterator[str]:
        """Yield one JSON object, piece by piece."""
        erased_at = self.erased_at or clock.iso(clock.now())
        yield '{\n  "pair_ids": '
        yield from _array(self.pair_ids)
        for name, count in self.counts.items():
            yield f',\n  "{name}": {count}'
        yield ',\n  "transaction_ids": '
        yield from _array(self.transaction_ids)
        yield ',\n  "remaining": '
        yield from _array(self._remaining(erased_at))
        yield ',\n  "unconfirmed": '
        yield from _array(self.unconfirmed)
        yield f',\n  "complete": {json_text(self.complete)}'
        yield f',\n  "erased_at": {json_text(erased_at)},\n  "erased_by": {json_text(self.by)}\n}}\n'

    def _remaining(self, erased_at: str) -> list[Mapping[str, str | None]]:
        """Return what remains of all runs: of the same place the later time."""
        now = remaining(
            clock.parse(erased_at),
            log_days=int(self.parameters["LogRetentionDays"]),
            webhook=bool(self.parameters.get("WebhookUrl")),
            transactions=len(self.transaction_ids) > 0,
            unanswered=self.unanswered > 0,
        )
        return [*({each["where"]: each for each in (*self.earlier_remaining, *now)}.values())]


def _array(members: Iterable[object]) -> Iterator[str]:
    separator = "["
    for member in members:
        yield f"{separator}\n    {json_text(member)}"
        separator = ","
    yield "[]" if separator == "[" else "\n  ]"
