"""Pictures checked in processes of their own, which may crash."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from facepair_cli.submit.pictures import LocalPictures
from facepair_cli.submit.submission import Problem
from tests.fakes import picture
from tests.support.waiting import eventually

PATIENCE = 60.0


@pytest.fixture
def pictures() -> Iterator[LocalPictures]:
    with LocalPictures(max_upload_megabytes=1, processes=1) as pictures:
        yield pictures


@pytest.fixture
def reading(tmp_path: Path) -> Path:
    """A file whose readers block."""
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


def end_the_one_that_looks() -> None:
    [process] = eventually(multiprocessing.active_children, within=PATIENCE)
    process.kill()
    process.join()


def test_a_picture_that_ends_every_process_is_its_own_problem_and_no_one_else_s(
    pictures: LocalPictures, reading: Path, tmp_path: Path
) -> None:
    (tmp_path / "good").write_bytes(picture())
    with ThreadPoolExecutor() as threads:
        looked = threads.submit(pictures.problem, reading)

        end_the_one_that_looks()
        end_the_one_that_looks()

        assert looked.result() == Problem("WORKER_DIED", "it crashes every process that opens it; take it again")
    assert pictures.problem(tmp_path / "good") is None


def test_a_picture_whose_neighbour_ended_the_process_is_looked_at_again(pictures: LocalPictures, reading: Path) -> None:
    with ThreadPoolExecutor() as threads:
        looked = threads.submit(pictures.problem, reading)
        end_the_one_that_looks()

        reading.write_bytes(b"hello")

        problem = looked.result()
    assert problem is not None
    assert problem.code == "IMAGE_INVALID_FORMAT"


def test_ctrl_c_is_not_for_the_processes(pictures: LocalPictures, reading: Path) -> None:
    with ThreadPoolExecutor() as threads:
        looked = threads.submit(pictures.problem, reading)
        with reading.open("wb") as picture_that_is_read:
            [process] = multiprocessing.active_children()

            os.kill(process.pid or 0, signal.SIGINT)
            picture_that_is_read.write(b"hello")

        problem = looked.result()
    assert problem is not None
    assert process.is_alive()
