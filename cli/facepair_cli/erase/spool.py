"""A sorted set of texts on disk, for more than fits into memory."""

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self


class Spool:
    """A context manager: a set of texts in a private temporary file."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file
        self._database.execute("CREATE TABLE texts (text TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, texts: Iterable[str]) -> None:
        self._database.executemany("INSERT OR IGNORE INTO texts VALUES (?)", ((text,) for text in texts))

    def discard(self, text: str) -> None:
        self._database.execute("DELETE FROM texts WHERE text = ?", (text,))

    def __contains__(self, text: object) -> bool:
        return self._database.execute("SELECT 1 FROM texts WHERE text = ?", (text,)).fetchone() is not None

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM texts").fetchone()[0])

    def __iter__(self) -> Iterator[str]:
        """In the order of their code points."""
        for (text,) in self._database.execute("SELECT text FROM texts ORDER BY text"):
            yield text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
