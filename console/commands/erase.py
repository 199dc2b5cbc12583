"""`facepair erase`: delete a pair and everything stored about it."""

from contextlib import ExitStack
from datetime import datetime

import click

from console.confirmation import confirm, yes_option
from console.cost import price_of_bytes
from console.output import counted, json_option, note, say
from console.output_file import OutputFile, OutputPath
from console.pair_ids import PAIR
from console.receipt import Receipt
from console.spool import Spool
from console.stack import Stack, stack_option
from facepair.aws.erasable import ErasableCalls, ErasableRecords, ErasableRows, PictureVersions
from facepair.aws.erasure_marks import ErasureMarks
from facepair.domain import clock
from facepair.domain.erasure import Erasure
from facepair.stories.erase import Eraser


@click.command()
@click.argument("pair_or_prefix", metavar="PAIR|PREFIX/", type=PAIR)
@yes_option
@click.option("--receipt", metavar="FILE.json", type=OutputPath(), help="Write the receipt, in JSON.")
@json_option
@stack_option
def erase(pair_or_prefix: str, yes: bool, receipt: OutputFile | None, as_json: bool, stack: Stack) -> None:
    """Delete a pair and everything stored about it.

    With PREFIX/, all pairs whose ids begin with it. Deleted are the pictures with all their versions, the row, the
    idempotency records, and the face data in the ledger; charges stay. Workers that still process a pair save nothing
    more, and a later upload is a new submission. The receipt lists what was deleted, and what remains elsewhere and
    until when.

    \b
    Examples:
      facepair erase customers/4711 --receipt 4711.json
      facepair erase customers/ --yes
    """
    with ExitStack() as spools:
        pair_ids, erased, transactions = (spools.enter_context(Spool()) for _ in range(3))
        _find(stack, pair_or_prefix, pair_ids, yes)
        done = Receipt(stack.caller, erased, transactions)
        for erasure in _eraser(stack).erase(pair_ids):
            if erasure.known:
                done.add(erasure)
                _tell(erasure)
        if not len(erased):
            raise click.ClickException(f"Nothing is stored about {pair_or_prefix}: no picture, row or call.")
        if receipt:
            with receipt.open() as file:
                file.writelines(done.json(stack.parameters))
        if as_json:
            for piece in done.json(stack.parameters):
                click.echo(piece, nl=False)
        else:
            say(_sentence(done))
        if done.incomplete:
            raise click.ClickException(
                f"A worker may still save something about {counted(done.incomplete, 'pair')}, {done.last_incomplete} "
                "the last of them: run the command again in some minutes."
            )


def _find(stack: Stack, pair_or_prefix: str, pair_ids: Spool, yes: bool) -> None:
    """Which pairs to erase, after a question. Raises click.ClickException if there are none."""
    if pair_or_prefix.endswith("/"):
        verdicts, calls = stack.table("VerdictsTable"), stack.table("CallsTable")
        size = verdicts.table_size_bytes + calls.table_size_bytes
        note(
            f"Looking for pairs below {pair_or_prefix} in the bucket, {counted(verdicts.item_count, 'row')} and "
            f"{counted(calls.item_count, 'call')}{price_of_bytes(size)}."
        )
        for source in (_pictures(stack),
                       ErasableRows(verdicts), ErasableCalls(calls)):  # fmt: skip
            pair_ids.add(source.pair_ids(pair_or_prefix))
    else:
        pair_ids.add([pair_or_prefix])
    if not len(pair_ids):
        raise click.ClickException(f"There is no pair below {pair_or_prefix}.")
    if not yes:
        below = pair_or_prefix.endswith("/")
        pairs = f"{counted(len(pair_ids), 'pair')} below {pair_or_prefix}" if below else pair_or_prefix
        confirm(f"Erase {pairs}? This cannot be undone.", otherwise="Nothing was erased.")


def _eraser(stack: Stack) -> Eraser:
    return Eraser(
        marks=ErasureMarks(stack.tables, stack.outputs["IdempotencyTable"]),
        pictures=_pictures(stack),
        rows=ErasableRows(stack.table("VerdictsTable")),
        ledger=ErasableCalls(stack.table("CallsTable")),
        records=ErasableRecords(stack.table("IdempotencyTable")),
        names=stack.names,
        waits=_waits,
    )


def _pictures(stack: Stack) -> PictureVersions:
    return PictureVersions(stack.client("s3"), stack.outputs["ImagesBucket"], stack.names)


def _waits(pair_id: str, until: datetime) -> None:
    note(f"{pair_id}: waiting for a worker that may still process it, at most until {clock.iso(until)}.")


def _tell(erasure: Erasure) -> None:
    nothing = not (erasure.versions or erasure.uploads or erasure.rows or erasure.calls)
    if nothing and erasure.complete:
        note(f"{erasure.pair_id}: nothing left to erase; it was erased before.")


def _sentence(done: Receipt) -> str:
    return (
        f"Erased {counted(len(done.pair_ids), 'pair')}: deleted {counted(done.versions, 'version')} of pictures and "
        f"{counted(done.rows, 'row')}, and removed face data from {counted(done.calls, 'call')}."
    )
