"""Output files: checked before the work starts, replaced atomically at the end."""

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
"""Written by the check: a full disk still allows empty files."""


class OutputFile:
    """A file to write.

    The text goes into a file next to the target, which then replaces it, so readers never see half of it. If the name
    is a link, its target is replaced. `-`, devices, pipes and files opened by the shell (`/dev/stdout`) are written
    directly. Raises OSError if the file cannot be written.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._target = Path(name).resolve(strict=False)
        self._descriptor = _direct(name)
        if self._descriptor is not None:
            os.write(self._descriptor, b"")  # fails for a full device or a read-only descriptor
        else:
            self._check()

    @property
    def is_direct(self) -> bool:
        """Return whether the file is written directly instead of replaced."""
        return self._descriptor is not None

    @property
    def is_stdout(self) -> bool:
        """Return whether it is standard output; then messages go to stderr."""
        return self._descriptor == 1

    def is_same(self, path: Path) -> bool:
        """Return whether writing would overwrite the file at `path`."""
        return self._descriptor is None and self._target.exists() and path.exists() and self._target.samefile(path)

    def read(self) -> str:
        """Return the current text; empty if there is no file or it is written directly."""
        return self._target.read_text("utf-8") if self._descriptor is None and self._target.exists() else ""

    @contextmanager
    def open(self) -> Iterator[IO[str]]:
        """Yield a UTF-8 text file. If the block fails, the target stays unchanged.

        Raises ClickException if writing fails.
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
        """Yield a new file next to the target, with its descriptor; it is removed at the end."""
        part = self._target.with_name(f".facepair-{secrets.token_hex(8)}.part")
        try:
            yield part, os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
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
    """An option that names a file to write."""

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
    """Return the descriptor to write to directly, or None for a file to be replaced."""
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
    """Return the first writable descriptor that this process already has on the file, or None."""
    if sys.platform == "win32":  # has no /dev/stdout
        return None
    import fcntl

    for descriptor in sorted(int(each) for each in os.listdir("/dev/fd")):  # noqa: PTH208 - names, not paths
        with suppress(OSError):  # the listing's own descriptor is closed by now
            writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            if writable and os.path.samestat(os.fstat(descriptor), found):
                return descriptor
    return None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
