"""Work in threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 8
"""Things that are done at the same time."""


class Threads:
    """A facepair.use_cases.ports.Parallel."""

    def map[Given, Made](self, act: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
        """What an act makes of each thing, in the order of the things. Raises what an act raises."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(act, given))
