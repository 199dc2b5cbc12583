"""Threads for use cases."""

from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 8
"""Threads per pool."""


class Threads:
    """The `Parallel` port over threads of this process."""

    def pool(self) -> ThreadPoolExecutor:
        """Return a pool whose threads end with the `with` block."""
        return ThreadPoolExecutor(AT_ONCE)
