"""Erases pairs through EraseFunction: deletes all, waits once, and confirms all."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import click
from botocore.exceptions import ConnectionClosedError, HTTPClientError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from facepair.domain.erasure import Erasure
from facepair_cli.errors import sentence
from facepair_cli.function_url import Denied, FunctionUrl, TooManyRequests
from facepair_cli.output import counted, note
from facepair_cli.parallel import FailuresInARow, for_each

AT_ONCE = 8
"""Requests at once: a new AWS account has ten concurrent executions for all its functions."""
MOST_THROTTLES = 8
"""Retries of throttled requests. The pauses add up to a minute."""
MOST_ROUNDS = 3
"""Rounds of confirmation: confirming an interrupted erasure erases the pair again, which requires another wait."""
MOST_NAMED = 5
"""Pairs whose failure is reported at once; the command counts all in the end."""
WORTH_SAYING = 2.0
"""Shorter waits, in seconds, are not announced."""
SECONDS_BETWEEN_LINES = 10
"""Interval of progress lines where there is no terminal."""


@dataclass
class RemoteEraser:
    """Erases pairs, several at once. A pair that fails is reported on stderr, and the others continue.

    Times come from the function: `_ready` is when the last pair can be confirmed, on the monotonic clock of this
    process.
    """

    function: FunctionUrl
    at_once: int = AT_ONCE
    _ready: float = 0.0
    _failed: list[str] = field(default_factory=list)

    def below(self, prefix: str) -> Iterator[str]:
        """Yield pairs below a prefix that have anything stored, some more than once."""
        cursor: object = {}
        while cursor is not None:
            answer = _ask(self.function.post, {"action": "list", "prefix": prefix, "cursor": cursor})
            yield from answer["pair_ids"]
            cursor = answer["cursor"]

    def erase(self, pair_ids: Iterable[str], count: int, done: Callable[[Erasure], None]) -> None:
        """Delete what is stored about pairs. Calls `done` for each, in this thread."""
        self._each("erase", "Erasing", pair_ids, count, done)

    def confirm(self, unconfirmed: Callable[[], list[str]], done: Callable[[Erasure], None]) -> None:
        """Wait until no worker can save anything about the pictures, then confirm what is unconfirmed."""
        for _ in range(MOST_ROUNDS):
            if not (pair_ids := unconfirmed()):
                return
            seconds = self._ready - time.monotonic()
            if seconds > WORTH_SAYING:
                note(f"Waiting {seconds:.0f} s: until then a worker that still processes a pair may save something.")
            time.sleep(max(0.0, seconds))
            self._each("confirm", "Confirming", pair_ids, len(pair_ids), done)

    def _each(
        self, action: str, title: str, pair_ids: Iterable[str], count: int, done: Callable[[Erasure], None]
    ) -> None:
        failures = FailuresInARow(lambda: "Not everything is erased; run the same command again.")

        def ask(pair_id: str) -> Erasure | _Failure:
            try:
                erasure = Erasure.model_validate(_ask(post, {"action": action, "pair_id": pair_id}))
            except Denied:
                raise
            except click.ClickException as error:
                return _Failure(pair_id, error.message)
            except HTTPClientError as error:  # no answer, but there was a connection
                return _Failure(pair_id, sentence(error, None))
            if erasure.ask_again_in is not None:
                self._ready = max(self._ready, time.monotonic() + erasure.ask_again_in)
            return erasure

        with self.function.kept_open() as post, _progress(title, count) as advance:

            def answered(outcome: Erasure | _Failure) -> None:
                advance()
                if isinstance(outcome, _Failure):
                    self._report(outcome)
                    failures.failed(outcome.why)
                else:
                    failures.succeeded()
                    done(outcome)

            for_each(ask, pair_ids, answered, threads=self.at_once)

    def _report(self, failure: "_Failure") -> None:
        """Name each of the first few failing pairs once."""
        if failure.pair_id not in self._failed and len(self._failed) < MOST_NAMED:
            self._failed.append(failure.pair_id)
            note(f"{failure.pair_id}: {failure.why}")


@dataclass(frozen=True)
class _Failure:
    """A pair whose request failed. It stays unconfirmed."""

    pair_id: str
    why: str


def _ask(post: Callable[[dict[str, object]], Any], question: dict[str, object]) -> Any:
    """Repeat what is throttled, or meets a connection that was closed meanwhile: an erasure can be repeated."""
    for number in range(MOST_THROTTLES):
        try:
            return post(question)
        except (TooManyRequests, ConnectionClosedError):
            time.sleep(0.25 * 2**number)
    return post(question)


class _Rate(ProgressColumn):
    """Pairs a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def _progress(title: str, count: int) -> Iterator[Callable[[], None]]:
    """Yield what advances the progress by a pair: a bar at a terminal, otherwise a line on stderr now and then."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    began = said = time.monotonic()
    finished = 0
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal or count < 2) as bar:
        task = bar.add_task(title, total=count)

        def advance() -> None:
            nonlocal finished, said
            finished += 1
            bar.advance(task)
            now = time.monotonic()
            if not console.is_terminal and now - said >= SECONDS_BETWEEN_LINES:
                said, rate = now, finished / (now - began)
                left = (count - finished) / rate
                note(f"{title}: {finished:,} of {counted(count, 'pair')}, {rate:.1f} a second, {left:.0f} s left.")

        yield advance
