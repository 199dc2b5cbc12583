"""Parallel work that can be interrupted."""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
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
    finished: SimpleQueue[Future[Result]] = SimpleQueue()  # an interrupted `wait` may keep a future's lock

    def begin(thing: Thing) -> None:
        with _interrupts_held():
            future = pool.submit(work, thing)
            under_way.add(future)
            future.add_done_callback(finished.put)

    def hand_over(future: Future[Result]) -> None:
        with _interrupts_held():
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
            with _interrupts_held(), ExitStack() as others:  # each is handed over, even if `done` fails for another
                for future in wait([each for each in under_way if not each.cancel()]).done:
                    if future.exception() is None:
                        others.callback(hand_over, future)
            raise


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C until the block ends, so that no begun item and no half-recorded result is lost.

    A second Ctrl-C is not delayed: the block may hang.
    """
    if current_thread() is not main_thread():  # Python handles signals only in the main thread
        yield
        return
    interrupts: list[int] = []

    def hold(number: int, _: object) -> None:
        if interrupts:
            raise KeyboardInterrupt
        interrupts.append(number)

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupts:
        signal.raise_signal(signal.SIGINT)
