"""Explorations: in memory, without a connection or a process, each from a seed that is printed."""

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
    """EXPLORE_SEED, or a number that each commit has of its own; 0 outside a repository."""
    if said := os.environ.get("EXPLORE_SEED"):
        return int(said)
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(git.stdout[:8], 16) if git.returncode == 0 else 0


@pytest.fixture
def seed() -> int:
    """The seed of this run. It is printed with a failure: EXPLORE_SEED repeats it."""
    print(f"EXPLORE_SEED={seed_of_commit()}")
    return seed_of_commit()
