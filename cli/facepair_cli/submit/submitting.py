"""The steps of `facepair submit`, with progress and a summary if interrupted."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import click
from botocore.exceptions import BotoCoreError, ClientError
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

from facepair.domain import clock
from facepair.domain.pair import Pair
from facepair.domain.retry import Unavailable
from facepair.domain.row import Row
from facepair.use_cases.ports import Verdicts
from facepair_cli.csv_cells import CellWriter
from facepair_cli.errors import Interrupted, is_passing, sentence
from facepair_cli.output_file import OutputFile
from facepair_cli.parallel import FailuresInARow, for_each
from facepair_cli.submit.pairs import Input
from facepair_cli.submit.pictures import LocalPictures
from facepair_cli.submit.plan_text import pairs
from facepair_cli.submit.submission import Considered, LeftOut, Plan, Submission
from facepair_cli.submit.submitter import REPLACED, Drop, Followed, Submitter
from facepair_cli.submit.verdicts_coming import VerdictsComing

THREADS = 16
"""Parallel requests to S3: saturates any line and keeps all checking processes busy."""
POLICY = "SubmitterPolicy"
COLUMNS = ("pair_id", "verdict", "code", "message", "similarity", "transaction_id", "updated_at")


def consider(found: Input, drop: Drop, pictures: LocalPictures, progress: Console) -> Plan:
    """Check every pair, locally and in the bucket. A pair that fails is left out and named."""
    submitter = Submitter(drop, pictures)
    seen: dict[str, Considered | LeftOut] = {pair.pair_id: pair for pair in found.pairs if isinstance(pair, LeftOut)}
    complete = [pair for pair in found.pairs if isinstance(pair, Submission)]
    failures = _Failures(lambda: "Nothing was sent.")
    with _interruptible(lambda: "Nothing was sent."), _progress(progress, MofNCompleteColumn()) as bar:
        task = bar.add_task("Checking", total=len(complete))

        def note(checked: tuple[Submission, Considered | LeftOut | AwsFailure]) -> None:
            submission, pair = checked
            seen[submission.pair_id] = failures.note(submission.pair_id, pair)
            bar.advance(task)

        for_each(lambda each: (each, _tried(submitter.consider, each)), complete, note, threads=THREADS)
    plan = Plan()
    for pair in found.pairs:
        plan.add(seen[pair.pair_id])
    return plan


def send(plan: Plan, drop: Drop, pictures: LocalPictures, progress: Console) -> Mapping[str, Pair]:
    """Upload what the bucket lacks. Return the pairs as they are in the bucket now, by pair id.

    A pair that fails is added to `plan.left_out`; the others continue.
    """
    submitter = Submitter(drop, pictures)
    in_bucket = {pair.pair_id: pair.in_bucket for pair in plan.there}
    new, done = plan.new, 0

    def so_far() -> str:
        return f"{done:,} of {pairs(len(new))} sent. Run the command again for the rest: nothing is sent twice."

    failures = _Failures(so_far)
    with (
        _interruptible(so_far),
        _progress(progress, DownloadColumn(), TransferSpeedColumn()) as bar,
    ):
        task = bar.add_task("Uploading", total=plan.bytes_to_send)

        def note(sent: tuple[Considered, Pair | LeftOut | AwsFailure]) -> None:
            nonlocal done
            considered, outcome = sent
            pair: Pair | LeftOut = failures.note(considered.pair_id, outcome)
            if isinstance(pair, LeftOut):
                plan.add(pair)
            else:
                in_bucket[pair.pair_id] = pair
                done += 1
            bar.advance(task, considered.bytes_to_send)

        for_each(lambda each: (each, _tried(submitter.send, each)), new, note, threads=THREADS)
    return in_bucket


type AwsFailure = Unavailable | BotoCoreError | ClientError


def _tried[Thing, Result](work: Callable[[Thing], Result], thing: Thing) -> Result | AwsFailure:
    """Return the result, or the AWS error instead of raising it."""
    try:
        return work(thing)
    except (Unavailable, BotoCoreError, ClientError) as error:
        return error


class _Failures(FailuresInARow):
    """Turns AWS errors into left-out pairs, until too many come in a row."""

    def note[Result](self, pair_id: str, outcome: Result | AwsFailure) -> Result | LeftOut:
        """Return the result, or the pair as left out. Raises ClickException for one failure too many."""
        if not isinstance(outcome, (Unavailable, BotoCoreError, ClientError)):
            self.succeeded()
            return outcome
        why = sentence(outcome, POLICY)
        self.failed(why)
        return LeftOut(pair_id, why.removesuffix("."))


def follow(verdicts: Verdicts, sent: Iterable[Pair], console: Console) -> Followed:
    """Show verdicts as they arrive, until every pair has one for exactly these contents.

    Waits through lost connections; raises ClickException for lasting errors.
    """
    followed = Followed(verdicts, sent)

    def so_far() -> str:
        return (
            f"{pairs(followed.waiting)} without a verdict yet. Everything was sent; run the command again with --wait "
            "to see the rest: nothing is sent twice."
        )

    with _interruptible(so_far), VerdictsComing(console, followed) as coming:
        while True:
            try:
                coming.show(followed.look())
            except (Unavailable, BotoCoreError, ClientError) as error:
                if not is_passing(error):
                    raise click.ClickException(f"{sentence(error, POLICY)} {so_far()}") from error
                coming.show_lost(sentence(error, POLICY))
            if not followed.waiting:
                return followed
            time.sleep(followed.pause)


def write(output: OutputFile, found: Input, plan: Plan, followed: Followed) -> None:
    """Write the verdicts as CSV, in input order."""
    why = {pair.pair_id: pair.why for pair in plan.left_out}
    with output.open() as content:
        cells = CellWriter(content)
        cells.row(COLUMNS)
        for pair in found.pairs:
            verdicted = followed.settled.get(pair.pair_id)
            if verdicted and verdicted.row:
                cells.row(_cells(verdicted.row))
            else:
                cells.row([pair.pair_id, None, None, why.get(pair.pair_id, REPLACED), None, None, None])


def _cells(row: Row) -> list[object]:
    similarity = None if row.similarity is None else f"{row.similarity:f}"
    updated_at = clock.iso(row.updated_at) if row.updated_at else None
    return [row.pair_id, row.verdict.value, row.code, row.message, similarity, row.transaction_id, updated_at]


@contextmanager
def _progress(console: Console, *columns: ProgressColumn) -> Iterator[Progress]:
    """Yield a progress bar, shown only at a terminal and removed at the end."""
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
    """On Ctrl-C, report what was done."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. {so_far()}") from None
