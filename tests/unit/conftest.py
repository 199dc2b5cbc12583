"""Unit tests: in memory, in milliseconds each, without a connection or a process."""

import pytest

from facepair.domain import clock
from tests.offline import no_sockets as no_sockets
from tests.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world of fakes, whose clock everybody goes by."""
    world = World()
    monkeypatch.setattr(clock, "now", world.time.now)
    return world
