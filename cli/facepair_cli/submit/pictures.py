"""Check local pictures with the code that runs in Lambda, one process per CPU."""

import hashlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from facepair.domain.fitted import Unusable, check_size_of_upload
from facepair.domain.picture import fit
from facepair.domain.verdict import WORKER_DIED
from facepair_cli.submit.submission import Content, Problem


def problem(file: Path, max_upload_megabytes: int) -> Problem | None:
    """Return why CompareFunction could not use a picture, or None. Raises OSError."""
    try:
        check_size_of_upload(file.stat().st_size, max_upload_megabytes)
        fit(file.read_bytes())
    except Unusable as unusable:
        return Problem(unusable.code, unusable.message)
    return None


class LocalPictures:
    """Thread-safe PictureFiles, as a context manager.

    A picture that crashes its process fails alone.
    """

    def __init__(self, max_upload_megabytes: int, processes: int | None = None) -> None:
        self._max_upload_megabytes = max_upload_megabytes
        self._processes = processes or os.process_cpu_count() or 1
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def content(self, file: Path) -> Content:
        with file.open("rb") as content:
            return Content(hashlib.file_digest(content, "sha256").hexdigest(), os.fstat(content.fileno()).st_size)

    def problem(self, file: Path) -> Problem | None:
        pool = self._running()
        try:
            return self._found(pool, file)
        except BrokenProcessPool:
            self._give_up(pool)
            return self._problem_alone(file)

    def _problem_alone(self, file: Path) -> Problem | None:
        """Check in a process of its own, as a neighbouring picture may have crashed the pool."""
        with _processes(1) as alone:
            try:
                return self._found(alone, file)
            except BrokenProcessPool:
                return Problem(WORKER_DIED, "it crashes every process that opens it; take it again")

    def _found(self, pool: ProcessPoolExecutor, file: Path) -> Problem | None:
        with _deaf_to_interrupts():  # the first task starts the processes
            found = pool.submit(problem, file, self._max_upload_megabytes)
        return found.result()

    def _running(self) -> ProcessPoolExecutor:
        with self._lock:
            self._pool = self._pool or _processes(self._processes)
            return self._pool

    def _give_up(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None


def _processes(count: int) -> ProcessPoolExecutor:
    """Spawn: forking a process with threads may hang."""
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Block SIGINT for processes started inside: only the command handles Ctrl-C."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
