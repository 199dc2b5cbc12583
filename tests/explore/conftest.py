"""Explorations run in memory, without connections or processes, from a printed seed."""

import os
import subprocess
from collections.abc import Iterator
from functools import cache

import pytest

from tests.explore.search import prepared
from tests.offline import no_sockets as no_sockets
from tests.support import ROOT


@pytest.fixture(autouse=True)
def _prepared() -> Iterator[None]:
    with prepared():
        yield


@cache
def seed_of_commit() -> int:
    """Return EXPLORE_SEED, or else a number per commit; 0 outside a repository."""
    if said := os.environ.get("EXPLORE_SEED"):
        return int(said)
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(git.stdout[:8], 16) if git.returncode == 0 else 0


@pytest.fixture
def seed() -> int:
    """This run's seed, printed on failure. EXPLORE_SEED repeats it."""
    print(f"EXPLORE_SEED={seed_of_commit()}")
    return seed_of_commit()
