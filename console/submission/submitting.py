"""The steps of `facepair submit`, each with its progress, and what it says when somebody interrupts it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from console.csv_cells import CellWriter
from console.submission.pairs import Input
from console.submission.parallel import for_each
from console.submission.pictures import LocalPictures
from console.submission.plan_text import pairs
from console.submission.verdicts_coming import VerdictsComing
from facepair.domain import clock
from facepair.domain.pair import Pair
from facepair.domain.retry import Unavailable
from facepair.domain.row import Row
from facepair.domain.submission import Considered, LeftOut, Plan, Submission
from facepair.stories.ports import Verdicts
from facepair.stories.submit import REPLACED, Drop, Followed, Submitter

THREADS = 16
"""Requests to S3 at once: enough for any line, and for one thread to wait for each process that checks pictures."""
COLUMNS = ("pair_id", "verdict", "code", "message", "similarity", "transaction_id", "updated_at")


def consider(found: Input, drop: Drop, pictures: LocalPictures, progress: Console) -> Plan:
    """Look at every pair, here and in the bucket."""
    submitter = Submitter(drop, pictures)
    seen: dict[str, Considered | LeftOut] = {pair.pair_id: pair for pair in found.pairs if isinstance(pair, LeftOut)}
    complete = [pair for pair in found.pairs if isinstance(pair, Submission)]
    with _interruptible(lambda: "Interrupted: nothing was sent."), _progress(progress, MofNCompleteColumn()) as bar:
        task = bar.add_task("Checking", total=len(complete))

        def note(pair: Considered | LeftOut) -> None:
            seen[pair.pair_id] = pair
            bar.advance(task)

        for_each(submitter.consider, complete, note, threads=THREADS)
    plan = Plan()
    for pair in found.pairs:
        plan.add(seen[pair.pair_id])
    return plan


def send(plan: Plan, drop: Drop, pictures: LocalPictures, progress: Console) -> Mapping[str, Pair]:
    """Send what is lacking; the pairs as they count in the bucket now, by pair id. What could not be sent is added to
    what the plan leaves out."""
    submitter = Submitter(drop, pictures)
    standing = {pair.pair_id: pair.standing for pair in plan.there}
    new, done = plan.new, 0

    def so_far() -> str:
        return f"{done:,} of {pairs(len(new))} sent. Run it again: it goes on with the rest, and sends nothing twice."

    with (
        _interruptible(lambda: f"Interrupted: {so_far()}"),
        _progress(progress, DownloadColumn(), TransferSpeedColumn()) as bar,
    ):
        task = bar.add_task("Uploading", total=plan.bytes_to_send)

        def note(sent: tuple[Considered, Pair | LeftOut]) -> None:
            nonlocal done
            considered, pair = sent
            if isinstance(pair, LeftOut):
                plan.add(pair)
            else:
                standing[pair.pair_id] = pair
                done += 1
            bar.advance(task, considered.bytes_to_send)

        try:
            for_each(lambda considered: (considered, submitter.send(considered)), new, note, threads=THREADS)
        except Unavailable as error:
            raise click.ClickException(f"AWS did not do it: {error}. {so_far()}") from error
    return standing


def follow(verdicts: Verdicts, standing: Iterable[Pair], console: Console) -> Followed:
    """Show verdicts as they come, until every pair has one for exactly these contents."""
    followed = Followed(verdicts, standing)

    def so_far() -> str:
        return (
            f"Interrupted: {pairs(followed.waiting)} without a verdict yet. Everything is sent and goes on; to see the "
            "rest, run it again with --wait: nothing is sent twice."
        )

    with _interruptible(so_far), VerdictsComing(console, followed) as coming:
        coming.show(followed.look())
        while followed.waiting:
            time.sleep(followed.pause)
            coming.show(followed.look())
    return followed


def write(file: Path, found: Input, plan: Plan, followed: Followed) -> None:
    """The verdicts as CSV, in the order of the input: the whole file, or none."""
    why = {pair.pair_id: pair.why for pair in plan.left_out}
    new = file.with_name(f"{file.name}.part")
    with new.open("w", encoding="utf-8", newline="") as content:
        cells = CellWriter(content)
        cells.row(COLUMNS)
        for pair in found.pairs:
            verdicted = followed.settled.get(pair.pair_id)
            if verdicted and verdicted.row:
                cells.row(_cells(verdicted.row))
            else:
                cells.row([pair.pair_id, None, None, why.get(pair.pair_id, REPLACED), None, None, None])
    new.replace(file)


def _cells(row: Row) -> list[object]:
    similarity = None if row.similarity is None else f"{row.similarity:f}"
    updated_at = clock.iso(row.updated_at) if row.updated_at else None
    return [row.pair_id, row.verdict.value, row.code, row.message, similarity, row.transaction_id, updated_at]


@contextmanager
def _progress(console: Console, *columns: ProgressColumn) -> Iterator[Progress]:
    """A bar that leaves nothing behind, in a terminal alone."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        yield bar


@contextmanager
def _interruptible(so_far: Callable[[], str]) -> Iterator[None]:
    """Ctrl-C is an answer: it ends the command with a sentence about what was done. Raises click.ClickException."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.ClickException(so_far()) from None
