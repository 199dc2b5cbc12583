"""Serves a desk's page on this machine until it is closed, or Ctrl-C."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from console.review.app import Presence, make
from console.review.desk import Decided, Desk
from console.review.guard import Keys

ADDRESS = "127.0.0.1"


class _Server(uvicorn.Server):
    """Ends the page's connection with itself, instead of waiting for it; Ctrl-C is how it is meant to end."""

    presence: Presence

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal again when all is done."""
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.presence.ending = True
        super().handle_exit(sig, frame)

    def end(self) -> None:
        """The page is closed for good."""
        self.should_exit = True


def serve(desk: Desk, opens: Callable[[str], None]) -> list[Decided]:
    """Serve the page, whose one-time address `opens` is told, until it is closed for good. Then everything is sent, and
    pairs are given back; the decisions that could not be sent."""
    with socket.create_server((ADDRESS, 0)) as listener:
        port = listener.getsockname()[1]
        host, keys = f"{ADDRESS}:{port}", Keys(port)
        unsent: list[Decided] = []
        presence = Presence(lambda: server.end())
        app = make(desk, keys, host, presence, lambda: unsent.extend(desk.close()))
        server = _Server(
            uvicorn.Config(
                app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=10
            )
        )
        server.presence = presence
        opens(f"http://{host}/?token={keys.once}")
        server.run(sockets=[listener])
        return unsent
