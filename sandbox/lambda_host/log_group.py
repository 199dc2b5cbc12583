"""What functions write: a log group for each function, in it a stream for each environment."""

import itertools
import time
from pathlib import Path
from typing import IO


class LogGroup:
    """A folder with a file for each environment, as CloudWatch has a stream.

    In one file for all of them a line would run into another's: Python writes the end of a printed line separately.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._read: dict[Path, int] = {}
        self._lines: list[str] = []

    def new_stream(self) -> IO[bytes]:
        """The file of an environment that is about to start. Names sort in that order, over several hosts too."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return (self._folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{next(self._numbers):04d}.log").open("ab")

    def lines(self) -> list[str]:
        """Every whole line written so far. What was there at an earlier look stays where it was: new ones come last."""
        for stream in sorted(self._folder.glob("*.log")):
            with stream.open("rb") as file:
                file.seek(self._read.get(stream, 0))
                whole, newline, _ = file.read().rpartition(b"\n")
            self._read[stream] = self._read.get(stream, 0) + len(whole) + len(newline)
            self._lines += whole.decode(errors="replace").splitlines()
        return self._lines[:]
