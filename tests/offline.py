"""For tests that open no connection: one that tries fails, and says so."""

import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_sockets() -> Iterator[None]:
    def refuse(*arguments: Any, **keywords: Any) -> NoReturn:
        raise AssertionError("a test that should open no connection opened one")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield
