"""Function logs: a group per function, with a stream per environment."""

import itertools
import time
from pathlib import Path
from typing import IO


class LogGroup:
    """A folder with a file per environment, like CloudWatch's streams.

    In a shared file lines would mix, as Python writes a printed line's end separately.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._read: dict[Path, int] = {}
        self._lines: list[str] = []

    def new_stream(self) -> IO[bytes]:
        """Open the log file of a new environment. Names sort by start, also across hosts."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return (self._folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{next(self._numbers):04d}.log").open("ab")

    def lines(self) -> list[str]:
        """Return every complete line so far; later calls append to earlier results."""
        for stream in sorted(self._folder.glob("*.log")):
            with stream.open("rb") as file:
                file.seek(self._read.get(stream, 0))
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read[stream] = self._read.get(stream, 0) + len(whole) + len(newline)
            self._lines += whole.decode(errors="replace").splitlines()
        return self._lines[:]
