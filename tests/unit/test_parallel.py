"""Parallel work: all items are processed, or those started before an interrupt."""

import itertools
import os
import random
import signal
import time
from collections.abc import Iterator
from threading import Event, Lock, Timer

import pytest

from facepair_cli.parallel import for_each


def test_every_item_is_processed_and_handed_over_once() -> None:
    results: list[int] = []

    for_each(lambda number: number * 2, range(100), results.append, threads=4)

    assert sorted(results) == list(range(0, 200, 2))


def test_as_many_items_run_at_a_time_as_there_are_threads() -> None:
    lock, under_way, most = Lock(), 0, 0
    all_at_once = Event()

    def work(_: int) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            if under_way == 4:
                all_at_once.set()
        all_at_once.wait(10)
        with lock:
            under_way -= 1

    for_each(work, range(20), lambda _: None, threads=4)

    assert most == 4


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_after_an_interrupt_started_items_finish_and_no_others_start(
    interruption: type[BaseException],
) -> None:
    begun: list[int] = []
    results: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    def done(number: int) -> None:
        results.append(number)
        if len(results) == 3:
            raise interruption

    with pytest.raises(interruption):
        for_each(work, range(1000), done, threads=4)

    assert sorted(results) == sorted(begun)
    assert len(begun) < 20


def test_an_error_ends_the_work_and_other_results_are_kept() -> None:
    results: list[int] = []

    def work(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        return number

    with pytest.raises(ValueError, match="five"):
        for_each(work, range(1000), results.append, threads=1)

    assert {0, 1, 2, 3, 4} <= set(results)
    assert len(results) < 20


def numbers_until_an_interrupt(after: float) -> Iterator[int]:
    """Yield numbers without end; Ctrl-C comes some seconds after the first."""
    Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()
    yield from itertools.count()


def test_an_interrupt_at_any_moment_loses_no_result() -> None:
    """The signal comes wherever the command happens to be: as an item begins, in a wait, or in `done`."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)

    for _ in range(300):
        begun: list[int] = []
        results: list[int] = []
        finished: list[int] = []

        def work(number: int, begun: list[int] = begun) -> int:
            begun.append(number)
            return number

        def done(number: int, results: list[int] = results, finished: list[int] = finished) -> None:
            results.append(number)
            time.sleep(0.0001)
            finished.append(number)

        with pytest.raises(KeyboardInterrupt):
            for_each(work, numbers_until_an_interrupt(moments.uniform(0.001, 0.01)), done, threads=4)

        assert sorted(results) == sorted(begun)
        assert finished == results
