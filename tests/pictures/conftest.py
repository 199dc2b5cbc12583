"""Tests of pictures: hundreds of encodings, too slow for unit tests. No connections."""

from tests.offline import no_sockets as no_sockets
