"""Verdicts as they come, of a few pairs or of thousands: in a terminal a table that stays in its place, in a log a line
for each."""

from collections import Counter, deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from console.plan_text import pairs
from console.verdict_table import STYLES, entry, heading
from facepair.domain import clock
from facepair.domain.verdict import Verdict
from facepair.stories.submit import REPLACED, Followed, Verdicted

LATEST = 10
"""Entries that stay in a terminal: with what is above and below them they fit into 24 lines, most of the time."""


class VerdictsComing:
    """Shows what comes; a context manager."""

    def __init__(self, console: Console, followed: Followed) -> None:
        self._console = console
        self._followed = followed
        self._latest: deque[Verdicted] = deque(maxlen=LATEST)
        self._counts: Counter[Verdict] = Counter()
        self._told = ""
        self._live = Live(console=console, get_renderable=self._table) if console.is_terminal else None

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
        """What one look has brought."""
        self._counts.update(each.row.verdict for each in new if each.row)
        self._latest.extend(new)
        if self._live is None:
            for each in new:
                self._console.print(_entry(each))
            self._say_once(waiting(self._followed, only_known=True))

    def _say_once(self, sentence: str) -> None:
        if sentence and sentence != self._told:
            self._console.print(Text(sentence))
        self._told = sentence

    def _table(self) -> RenderableType:
        return Group(heading(), *map(_entry, self._latest), Text(), self._sums(), Text(waiting(self._followed)))

    def _sums(self) -> Text:
        sums = Text(f"{pairs(len(self._followed.settled))} with a verdict")
        for verdict in Verdict:
            if count := self._counts[verdict]:
                sums.append("  ").append(f"{verdict} {count:,}", STYLES[verdict])
        return sums


def waiting(followed: Followed, *, only_known: bool = False) -> str:
    """What the others wait for; `only_known`: nothing, unless a row says why."""
    states = followed.states
    known = [f"{count:,} {verdict}" + (f" ({code})" if code else "") for (verdict, code), count in states.items()]
    if not followed.waiting or (only_known and not known):
        return ""
    unknown = followed.waiting - sum(states.values())
    parts = known + ([f"{unknown:,} not compared yet"] if unknown else [])
    next_try = f"; next try at {clock.iso(followed.next_try)}" if followed.next_try else ""
    return f"{pairs(followed.waiting)} without a verdict: {', '.join(parts)}{next_try}"


def _entry(verdicted: Verdicted) -> RenderableType:
    row = verdicted.row
    if row is None:
        return Text(f"{verdicted.pair_id}: {REPLACED}")
    seconds = (row.updated_at - row.uploaded_at).total_seconds() if row.updated_at else None
    return entry(row, seconds=seconds)
