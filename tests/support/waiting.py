"""Wait for asynchronous results."""

import time
from collections.abc import Callable

import pytest


def eventually[T](look: Callable[[], T], *, within: float = 15) -> T:
    """Return the first true value of `look`. Fails with the last value after `within` seconds."""
    deadline = time.monotonic() + within
    while not (seen := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s; last seen: {seen!r}")
        time.sleep(0.02)
    return seen


def next_second() -> None:
    """Wait for the next second: S3 lists whole seconds, and the newer of two uploads counts."""
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.01)
