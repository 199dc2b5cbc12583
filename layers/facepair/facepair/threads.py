"""Work in threads."""

from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 8
"""Things that are done at the same time."""


class Threads:
    """A facepair.use_cases.ports.Parallel."""

    def pool(self) -> ThreadPoolExecutor:
        """Threads that have ended when the `with` block ends."""
        return ThreadPoolExecutor(AT_ONCE)
