"""Parallel work: all items are processed, or those started before an interrupt."""

import os
import random
import select
import signal
import subprocess
import sys
import time
from threading import Barrier, Event, Lock, Thread, Timer

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


INTERRUPTED_AGAIN_AND_AGAIN = """
import itertools
from facepair_cli.parallel import for_each

def work(number):
    begun.append(number)
    return number

def done(number):
    results.append(number)
    sum(range(1000))
    finished.append(number)

print("ready", flush=True)
while True:
    begun, results, finished = [], [], []
    try:
        for_each(work, itertools.count(), done, threads=8)
    except KeyboardInterrupt:
        print(sorted(begun) == sorted(results) and results == finished, flush=True)
"""


def test_an_interrupt_at_any_moment_loses_no_result_and_hangs_nothing() -> None:
    """The signal comes from outside, wherever the command happens to be: as an item begins, in a wait, in `done`."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    command = [sys.executable, "-c", INTERRUPTED_AGAIN_AND_AGAIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as interrupted:
        assert interrupted.stdout
        try:
            assert interrupted.stdout.readline() == "ready\n"
            for number in range(500):
                time.sleep(moments.uniform(0.002, 0.01))
                interrupted.send_signal(signal.SIGINT)
                answered, _, _ = select.select([interrupted.stdout], [], [], 30)
                assert answered, f"interrupt {number} hangs"
                assert interrupted.stdout.readline() == "True\n", f"interrupt {number} loses a result"
        finally:
            interrupted.kill()


def test_an_error_loses_no_other_result_despite_ctrl_c_and_a_second_error() -> None:
    results: list[int] = []
    all_begun, others_may_end = Barrier(4), Event()

    def work(number: int) -> int:
        all_begun.wait(10)
        if number == 0:
            raise ValueError("zero")
        others_may_end.wait(10)
        return number

    def done(number: int) -> None:
        results.append(number)
        if len(results) == 1:
            raise RuntimeError("the first result")

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        others_may_end.set()

    Timer(0.2, interrupt).start()
    with pytest.raises(RuntimeError, match="the first result"):
        for_each(work, range(4), done, threads=4)

    assert sorted(results) == [1, 2, 3]


def test_it_works_in_any_thread() -> None:
    results: list[str] = []

    thread = Thread(target=for_each, args=(str, range(20), results.append), kwargs={"threads": 4})
    thread.start()
    thread.join(10)

    assert sorted(results) == sorted(map(str, range(20)))
