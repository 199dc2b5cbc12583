"""Ctrl-C between two steps that belong together."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

STATUS = 130
"""The exit status of an interrupted command: 128 + SIGINT, as in shells."""


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C until the block ends, so that it cannot come between two steps of it.

    A second Ctrl-C is not delayed, as the block may hang. An exception of the block ends the command without it.
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
