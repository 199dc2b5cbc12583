"""Show verdicts as they arrive: a live table in a terminal, one line each in a log."""

from collections import Counter, deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from facepair.domain import clock
from facepair.domain.verdict import Verdict
from facepair_cli.escaping import escaped
from facepair_cli.submit.plan_text import pairs
from facepair_cli.submit.submitter import REPLACED, Followed, Verdicted
from facepair_cli.verdict_table import STYLES, entry, heading

LATEST = 10
"""Entries shown in a terminal."""


class VerdictsComing:
    def __init__(self, console: Console, followed: Followed) -> None:
        self._console = console
        self._followed = followed
        self._latest: deque[Verdicted] = deque(maxlen=LATEST)
        self._counts: Counter[Verdict] = Counter()
        self._told: frozenset[str | None] = frozenset()
        self._lost = False
        # Drawn on changes only: a timer thread would read `followed` while it changes.
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        else:
            self._console.print(heading())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
        else:
            self._console.print(self._sums())

    def show(self, new: Sequence[Verdicted]) -> None:
        self._lost = False
        self._counts.update(each.row.verdict for each in new if each.row)
        self._latest.extendleft(new)
        if self._live:
            self._live.update(self._table(), refresh=True)
        else:
            for each in new:
                self._console.print(_entry(each))
            self._tell_what_keeps_them()

    def show_lost(self, why: str) -> None:
        """Report once, until AWS answers again, that it does not."""
        if not self._lost:
            self._console.print(Text(escaped(f"{why} Still waiting: everything was sent.")))
        self._lost = True

    def _tell_what_keeps_them(self) -> None:
        """In a log, report only changes."""
        codes = frozenset(code for verdict, code in self._followed.states if verdict is Verdict.PENDING)
        if codes - self._told:
            self._console.print(Text(waiting(self._followed)))
        self._told = codes

    def _table(self) -> RenderableType:
        """Most important first: a small terminal cuts off the rest."""
        return Group(self._sums(), Text(waiting(self._followed)), heading(), *map(_entry, self._latest))

    def _sums(self) -> Text:
        sums = Text(f"{pairs(len(self._followed.settled))} with a verdict")
        for verdict in Verdict:
            if count := self._counts[verdict]:
                sums.append("  ").append(f"{verdict} {count:,}", STYLES[verdict])
        return sums


def waiting(followed: Followed) -> str:
    """Return how many pairs wait, and for what."""
    if not followed.waiting:
        return ""
    states = followed.states
    known = [f"{count:,} {verdict}" + (f" ({code})" if code else "") for (verdict, code), count in states.items()]
    unknown = followed.waiting - sum(states.values())
    parts = [*known, *([f"{unknown:,} not compared yet"] if unknown else [])]
    next_try = f"; next try at {clock.iso(followed.next_try)}" if followed.next_try else ""
    return escaped(f"{pairs(followed.waiting)} without a verdict: {', '.join(parts)}{next_try}")


def _entry(verdicted: Verdicted) -> RenderableType:
    row = verdicted.row
    if row is None:
        return Text(escaped(f"{verdicted.pair_id}: {REPLACED}"))
    seconds = max(0.0, (row.updated_at - row.uploaded_at).total_seconds()) if row.updated_at else None
    return entry(row.item(), seconds=seconds)
