"""Output files: checked before the work starts and replaced atomically at the end."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import click
from click.shell_completion import CompletionItem

PROBE = b"\0" * 65536
"""Written and removed again by the check: a full disk still creates empty files."""


class OutputFile:
    """A file to write. Links are resolved, so a link's target is replaced and not the link.

    The text goes into a file beside the target, which then replaces it: readers see the old text or the new one, never
    a part. `-`, devices, pipes and files that the shell has opened (`/dev/stdout`) are written directly.

    Raises OSError if it cannot be written.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._target = Path(name).resolve(strict=False)
        self._descriptor = _direct(name)
        if self._descriptor is not None:
            os.write(self._descriptor, b"")  # fails for a full device and for a descriptor that is only read
        else:
            self._check()

    @property
    def is_direct(self) -> bool:
        """Whether it is written directly and cannot be replaced."""
        return self._descriptor is not None

    @property
    def is_stdout(self) -> bool:
        """Whether it is standard output, so that messages must go to stderr."""
        return self._descriptor == 1

    def is_same(self, path: Path) -> bool:
        """Return whether a path leads to this file, so that writing would overwrite it."""
        return self._descriptor is None and self._target.exists() and path.exists() and self._target.samefile(path)

    def read(self) -> str:
        """Return the file's current text; empty if it does not exist or is written directly."""
        return self._target.read_text("utf-8") if self._descriptor is None and self._target.exists() else ""

    @contextmanager
    def open(self) -> Iterator[IO[str]]:
        """Yield a text file in UTF-8. If the block or the writing fails, the target stays as it was.

        Raises click.ClickException if the text cannot be written.
        """
        try:
            with self._opened() as file:
                yield file
        except OSError as error:
            raise click.ClickException(f"{self.name} could not be written: {_reason(error)}.") from error

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        if self._descriptor is not None:
            with os.fdopen(os.dup(self._descriptor), "w", encoding="utf-8", newline="") as file:
                yield file
            return
        with self._part() as (part, descriptor):
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileNotFoundError):
                part.chmod(stat.S_IMODE(self._target.stat().st_mode))
            part.replace(self._target)

    @contextmanager
    def _part(self) -> Iterator[tuple[Path, int]]:
        """Yield a new file beside the target and its open descriptor; the file is gone afterwards."""
        part = self._target.with_name(f".facepair-{secrets.token_hex(8)}.part")
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            yield part, descriptor
        finally:
            part.unlink(missing_ok=True)

    def _check(self) -> None:
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if self._target.exists() and not os.access(self._target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with self._part() as (_, descriptor), os.fdopen(descriptor, "wb") as file:
            file.write(PROBE)


class OutputPath(click.ParamType[OutputFile]):
    """An option's value that names a file to write."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> OutputFile:
        if isinstance(value, OutputFile):
            return value
        try:
            return OutputFile(value)
        except OSError as error:
            folder = Path(value).resolve(strict=False).parent
            if not folder.is_dir():
                self.fail(f"there is no folder {folder}: create it first, or name another file.", param, ctx)
            self.fail(f"{value} cannot be written: {_reason(error)}. Name another file.", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


def _direct(name: str) -> int | None:
    """Return the descriptor to write directly to; None for a file that is to be replaced."""
    if name == "-":
        return 1
    try:
        found = os.stat(name)  # noqa: PTH116 - follows links, as Path.stat does; an empty name stays an error
    except FileNotFoundError:
        return None
    if (opened := _open_for_writing(found)) is not None:
        return opened
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        return None
    return os.open(name, os.O_WRONLY)


def _open_for_writing(found: os.stat_result) -> int | None:
    """Return the first descriptor by which this process can write to a file already, if there is one."""
    if sys.platform == "win32":  # which has no /dev/stdout
        return None
    import fcntl

    for descriptor in sorted(int(each) for each in os.listdir("/dev/fd")):  # noqa: PTH208 - names, not paths
        with suppress(OSError):  # listing the folder has a descriptor of its own, closed by now
            writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            if writable and os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
