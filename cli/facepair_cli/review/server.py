"""Serve a desk's page on this machine until the page closes or a signal arrives."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import uvicorn

from facepair_cli.review import courier
from facepair_cli.review.app import Presence, make
from facepair_cli.review.decisions import Lost
from facepair_cli.review.desk import Desk
from facepair_cli.review.guard import Keys
from facepair_cli.review.pictures import stop_decoding
from facepair_cli.review.ports import ReviewBackend

ADDRESS = "127.0.0.1"
END_SECONDS = 15.0
"""Time limit for sending the last decisions."""
GOODBYE_SECONDS = 2.0
"""Time limit for the page to receive the last state."""
QUIET_SECONDS = 1.0
"""Sending that takes longer is announced."""
ENDS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a shutdown, a closed terminal. Windows has no SIGHUP."""


@dataclass(frozen=True)
class Ended:
    """How the page ended: decisions that may not be recorded, and the problem, if any."""

    lost: list[Lost]
    problem: str | None
    is_interrupted: bool
    """Ctrl-C was pressed again while decisions were being sent."""


type Events = SimpleQueue[str]
"""Names of ENDS, CLOSED or SENT. A signal handler may use a SimpleQueue, but not an Event."""
CLOSED, SENT = "closed", "sent"


def serve(desk: Desk, stack: ReviewBackend, opens: Callable[[str, str], None], waits: Callable[[int], None]) -> Ended:
    """Serve the page until it closes or a signal arrives, then send the decisions and give the pairs back.

    `opens` gets the origin and the one-time token; `waits` gets the number of unsent decisions if sending takes long.
    Server and courier run in daemon threads, so nothing that hangs delays the exit.
    """
    events: Events = SimpleQueue()
    with socket.create_server((ADDRESS, 0)) as listener, _signals(events):
        host, keys = f"{ADDRESS}:{listener.getsockname()[1]}", Keys()
        app = make(desk, stack, keys, host, Presence(lambda: events.put(CLOSED)))
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off")
        server = uvicorn.Server(config)
        serving = _start(lambda: server.run(sockets=[listener]), lambda: events.put(CLOSED))
        _start(lambda: courier.carry(desk, stack), lambda: events.put(SENT))
        opens(f"http://{host}", keys.once)
        first = events.get()
        desk.end()
        is_interrupted = _is_interrupted(first, desk, events, waits)
        lost = desk.stop()
        server.should_exit = True
        serving.join(GOODBYE_SECONDS)
        stop_decoding()
        return Ended(lost, desk.problem, is_interrupted)


def _start(runs: Callable[[], None], ends: Callable[[], None]) -> threading.Thread:
    """Run in a thread; always call `ends` afterwards."""

    def run() -> None:
        try:
            runs()
        finally:
            ends()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _is_interrupted(first: str, desk: Desk, events: Events, waits: Callable[[int], None]) -> bool:
    """Wait until the last decisions are sent. Return whether Ctrl-C ended the wait.

    One Ctrl-C is a normal way to end, even just after the page was closed. The second ends the wait, and so does the
    first one after `waits` has offered it.
    """
    seen, has_said = [first], False
    quiet_until, until = (time.monotonic() + seconds for seconds in (QUIET_SECONDS, END_SECONDS))
    while not desk.ended and time.monotonic() < until:
        try:
            seen.append(events.get(timeout=max(0.0, (until if has_said else quiet_until) - time.monotonic())))
        except Empty:
            if not has_said:
                has_said = True
                waits(desk.unsent)
            continue
        if seen[-1] == "SIGINT" and (has_said or seen.count("SIGINT") > 1):
            return True
    return False


@contextmanager
def _signals(events: Events) -> Iterator[None]:
    """Turn signals into events.

    A signal that the parent ignores (nohup) stays ignored, except SIGINT, which shells ignore for background jobs.
    """
    before = {
        each: signal.getsignal(each)
        for each in (getattr(signal, name) for name in ENDS if hasattr(signal, name))
        if each == signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN
    }
    for each in before:
        signal.signal(each, lambda number, _: events.put(signal.Signals(number).name))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
