"""Parallel work that can be interrupted."""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from threading import current_thread, main_thread

import click

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

    def begin(thing: Thing) -> None:
        with _interrupts_held():
            under_way.add(pool.submit(work, thing))

    def hand_over(future: Future[Result]) -> None:
        with _interrupts_held():
            under_way.discard(future)
            done(future.result())

    def hand_over_finished() -> None:
        for future in wait(under_way, return_when=FIRST_COMPLETED).done:
            hand_over(future)

    with ThreadPoolExecutor(threads) as pool:
        try:
            for thing in things:
                begin(thing)
                if len(under_way) >= 2 * threads:
                    hand_over_finished()
            while under_way:
                hand_over_finished()
        except BaseException:
            begun = [future for future in under_way if not future.cancel()]
            for future in wait(begun).done:
                if future.exception() is None:
                    hand_over(future)
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends: it cannot lose an item that has begun, or half a result."""
    if current_thread() is not main_thread():  # no signal is handled here
        yield
        return
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        signal.raise_signal(signal.SIGINT)
