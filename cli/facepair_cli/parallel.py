"""Parallel work that can be interrupted."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait


def for_each[Thing, Result](
    work: Callable[[Thing], Result], things: Iterable[Thing], done: Callable[[Result], None], *, threads: int
) -> None:
    """Process items in parallel and pass each result to `done` in this thread.

    After Ctrl-C or an error, nothing new starts; work in progress finishes and reaches `done` before the exception is
    raised.
    """
    under_way: set[Future[Result]] = set()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for thing in things:
                under_way.add(pool.submit(work, thing))
                if len(under_way) >= 2 * threads:
                    _hand_over(under_way, done)
            while under_way:
                _hand_over(under_way, done)
        except BaseException:
            begun = [future for future in under_way if not future.cancel()]
            for future in wait(begun).done:
                if future.exception() is None:
                    done(future.result())
            raise


def _hand_over[Result](under_way: set[Future[Result]], done: Callable[[Result], None]) -> None:
    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
        under_way.discard(future)
        done(future.result())
