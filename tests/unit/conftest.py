"""Unit tests run in memory, in milliseconds, without connections or processes."""

import pytest

from facepair.domain import clock
from tests.offline import no_sockets as no_sockets
from tests.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world of fakes with one shared clock."""
    world = World()
    monkeypatch.setattr(clock, "now", world.time.now)
    return world
