"""Parallel work that can be interrupted."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

import click

from facepair_cli.interrupts import interrupts_held

FAILURES_IN_A_ROW = 20
"""So many failures in a row have a common cause; a single one does not stop the others."""


class FailuresInARow:
    """Counts failed pairs until another succeeds. `so_far` returns what was done and what to do next."""

    def __init__(self, so_far: Callable[[], str]) -> None:
        self._so_far = so_far
        self._number = 0

    def succeeded(self) -> None:
        self._number = 0

    def failed(self, why: str) -> None:
        """Count a failure. Raises ClickException for one too many."""
        self._number += 1
        if self._number == FAILURES_IN_A_ROW:
            raise click.ClickException(f"{FAILURES_IN_A_ROW} pairs in a row failed. {why} {self._so_far()}")


def for_each[Thing, Result](
    work: Callable[[Thing], Result], things: Iterable[Thing], done: Callable[[Result], None], *, threads: int
) -> None:
    """Process items in parallel and pass each result to `done` in this thread.

    After Ctrl-C or an error, nothing new starts; work in progress finishes and reaches `done` before the exception is
    raised.
    """
    under_way: set[Future[Result]] = set()
    finished: SimpleQueue[Future[Result]] = SimpleQueue()  # an interrupted futures.wait may keep a lock

    def begin(thing: Thing) -> None:
        with interrupts_held():
            future = pool.submit(work, thing)
            under_way.add(future)
            future.add_done_callback(finished.put)

    def hand_over(future: Future[Result]) -> None:
        with interrupts_held():
            under_way.discard(future)
            done(future.result())

    with ThreadPoolExecutor(threads) as pool:
        try:
            for thing in things:
                begin(thing)
                if len(under_way) >= 2 * threads:
                    hand_over(finished.get())
            while under_way:
                hand_over(finished.get())
        except BaseException:
            with interrupts_held(), ExitStack() as others:  # each is handed over, even if `done` fails for another
                pool.shutdown(cancel_futures=True)  # waits for what has begun
                for future in under_way:
                    if not future.cancelled() and future.exception() is None:
                        others.callback(hand_over, future)
            raise
