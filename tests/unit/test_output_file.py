"""Output files: problems show before the work starts, and only the named file is replaced."""

import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import pytest

from facepair_cli.output_file import OutputFile


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "verdicts.csv"


def write(output: OutputFile, text: str) -> None:
    with output.open() as file:
        file.write(text)


def test_a_file_is_written_as_a_whole_and_the_check_leaves_nothing(target: Path) -> None:
    output = OutputFile(str(target))
    assert list(target.parent.iterdir()) == []

    write(output, "é\r\n")

    assert target.read_bytes() == "é\r\n".encode()
    assert list(target.parent.iterdir()) == [target]


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path, target: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link, real = target, tmp_path / "elsewhere" / "real.csv"
    real.write_text("old")
    link.symlink_to("elsewhere/real.csv")

    write(OutputFile(str(link)), "new")

    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_dangling_link_creates_its_target(tmp_path: Path, target: Path) -> None:
    target.symlink_to(tmp_path / "to be made.csv")

    write(OutputFile(str(target)), "new")

    assert target.is_symlink()
    assert (tmp_path / "to be made.csv").read_text() == "new"


def test_a_replaced_file_keeps_its_mode_and_a_new_one_follows_the_umask(target: Path) -> None:
    before = os.umask(0o027)
    try:
        write(OutputFile(str(target)), "new")
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.chmod(0o604)
        write(OutputFile(str(target)), "newer")
    finally:
        os.umask(before)

    assert stat.S_IMODE(target.stat().st_mode) == 0o604


def test_an_interrupted_write_leaves_the_file_as_it_was(target: Path) -> None:
    target.write_text("old")
    output = OutputFile(str(target))

    with suppress(KeyboardInterrupt), output.open() as file:
        file.write("half")
        raise KeyboardInterrupt

    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("name", ["missing/verdicts.csv", ".", "", "/proc/verdicts.csv", "/dev/full", "x" * 300])
def test_a_path_that_cannot_be_written_is_an_error_at_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OSError, match=r"."):
        OutputFile(name)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_read_only_file_or_folder_is_an_error_at_once(target: Path) -> None:
    target.write_text("old")
    target.chmod(0o444)
    with pytest.raises(PermissionError):
        OutputFile(str(target))

    target.parent.chmod(0o555)
    with pytest.raises(PermissionError):
        OutputFile(str(target.with_name("new.csv")))
    target.parent.chmod(0o755)


@contextmanager
def disk_of_a_kilobyte() -> Iterator[None]:
    """Make writes fail as on a full disk, by a limit on file sizes.

    It applies to the whole process, also to pytest's own output: keep the block short.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_an_error_at_once(target: Path) -> None:
    with pytest.raises(OSError, match="File too large"), disk_of_a_kilobyte():
        OutputFile(str(target))

    assert list(target.parent.iterdir()) == []


def test_a_disk_that_fills_up_later_is_an_error_that_names_the_file(target: Path) -> None:
    target.write_text("old")
    output = OutputFile(str(target))

    full = r"verdicts\.csv could not be written: file too large\."
    with pytest.raises(click.ClickException, match=full), disk_of_a_kilobyte():
        write(output, "x" * 10_000)

    assert target.read_text() == "old"


def test_a_pipe_or_an_open_file_is_written_directly(target: Path) -> None:
    reader, writer = os.pipe()
    write(OutputFile(f"/dev/fd/{writer}"), "through the pipe")
    assert os.read(reader, 100) == b"through the pipe"
    os.close(reader)
    os.close(writer)

    with target.open("w") as opened:
        opened.write("before, ")
        opened.flush()
        node = target.stat().st_ino
        write(OutputFile(f"/dev/fd/{opened.fileno()}"), "the answer")
    assert target.read_text() == "before, the answer"
    assert target.stat().st_ino == node


def test_a_device_is_written_and_stays_a_device() -> None:
    write(OutputFile("/dev/null"), "x")

    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_the_input_is_recognised_by_any_name(tmp_path: Path, target: Path) -> None:
    target.write_text("pair_id")
    (tmp_path / "link").symlink_to(target)

    assert OutputFile(str(tmp_path / "link")).is_same(target)
    assert not OutputFile(str(tmp_path / "other")).is_same(target)


def test_an_interrupt_just_after_the_file_is_created_leaves_nothing(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = os.open

    def interrupted(*arguments: Any) -> int:
        descriptor = opens(*arguments)
        signal.raise_signal(signal.SIGINT)
        return descriptor

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        OutputFile(str(target))

    assert list(target.parent.iterdir()) == []
