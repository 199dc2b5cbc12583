"""For tests that open no connection: one that tries fails, and says so."""

import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest


@pytest.fixture(scope="module", autouse=True)
def no_sockets() -> Iterator[None]:
    def refuse(*arguments: Any, **keywords: Any) -> NoReturn:
        raise AssertionError("a test that should open no connection opened one")

    def refuse_and_close(connecting: socket.socket, *arguments: Any) -> NoReturn:
        connecting.close()  # a socket refused by an assertion would stay open, and be reported in another test
        refuse()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse_and_close)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield
