"""Tests of pictures: they decode and encode by the hundred, which takes longer than a unit test may. No connections."""

from tests.offline import no_sockets as no_sockets
