"""Waiting for what happens elsewhere."""

import time
from collections.abc import Callable

import pytest


def eventually[T](look: Callable[[], T], *, within: float = 15) -> T:
    """What `look` gives as soon as it is true. Fails the test with its last value when the seconds are over."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s; last seen: {seen!r}")
        time.sleep(0.02)
    return seen


def next_second() -> None:
    """Wait for the next second: S3 lists times in whole seconds, and of two uploads the newer one counts."""
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.01)
