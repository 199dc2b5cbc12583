"""`facepair erase`: delete a pair and everything stored about it."""

from contextlib import ExitStack
from datetime import datetime

import click

from facepair.aws.erasable import ErasableCalls, ErasableRecords, ErasableRows, PictureVersions
from facepair.aws.erasure_marks import ErasureMarks
from facepair.domain import clock
from facepair.domain.erasure import Erasure
from facepair.use_cases.erase import Eraser
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.cost import price_of_bytes
from facepair_cli.erase.receipt import Receipt
from facepair_cli.erase.spool import Spool
from facepair_cli.errors import Interrupted
from facepair_cli.output import counted, json_option, note, say
from facepair_cli.output_file import OutputFile, OutputPath
from facepair_cli.pair_ids import PAIR
from facepair_cli.stack import Stack, stack_option


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
    more, and a later upload is a new submission.

    The receipt lists what was deleted, and what remains elsewhere and until when. It is written after every pair; if
    the command is interrupted, run it again with the same receipt, which is then added to.

    \b
    Examples:
      facepair erase customers/4711 --receipt 4711.json
      facepair erase customers/ --yes
    """
    with ExitStack() as spools:
        pair_ids, erased, transactions, unconfirmed = (spools.enter_context(Spool()) for _ in range(4))
        done = Receipt(stack.caller, stack.parameters, erased, transactions, unconfirmed, receipt)
        _find(stack, pair_or_prefix, pair_ids, done)
        if not yes:
            confirm(f"Erase {_named(pair_or_prefix, pair_ids)}? It cannot be undone.", otherwise="Nothing was erased.")
        if not _erase(stack, pair_ids, done):
            raise click.ClickException(f"Nothing is stored about {pair_or_prefix}: no picture, row or call.")
        if as_json:
            for piece in done.json():
                click.echo(piece, nl=False)
        else:
            show = note if receipt and receipt.is_stdout else say
            show(_sentence(done))
        if not done.complete:
            left = counted(len(unconfirmed), "pair")
            raise click.ClickException(
                f"A worker may still save something about {left}, such as {next(iter(unconfirmed))}: run the same "
                "command again in some minutes."
            )


def _erase(stack: Stack, pair_ids: Spool, done: Receipt) -> int:
    """Erase pairs and return how many there were. The receipt has each as soon as it is erased, and the others as
    unconfirmed."""
    erased = 0
    done.unconfirmed.add(pair_ids)
    if len(pair_ids) > 1:
        done.write()
    try:
        for erasure in _eraser(stack).erase(pair_ids):
            if erasure.known:
                erased += 1
                done.add(erasure)
                _tell(erasure)
            else:
                done.unconfirmed.discard(erasure.pair_id)
    except KeyboardInterrupt:
        left = counted(len(done.unconfirmed), "pair")
        raise Interrupted(f"Interrupted. {left} not erased for good; run the same command again.") from None
    if erased:
        done.write(last=True)
    return erased


def _named(pair_or_prefix: str, pair_ids: Spool) -> str:
    below = pair_or_prefix.endswith("/")
    return f"{counted(len(pair_ids), 'pair')} below {pair_or_prefix}" if below else pair_or_prefix


def _find(stack: Stack, pair_or_prefix: str, pair_ids: Spool, done: Receipt) -> None:
    """Find the pairs to erase: those that are there, and those that an earlier run of the receipt has not confirmed.

    Raises click.ClickException if there are none.
    """
    if pair_or_prefix.endswith("/"):
        verdicts, calls = stack.table("VerdictsTable"), stack.table("CallsTable")
        size = verdicts.table_size_bytes + calls.table_size_bytes
        note(
            f"Looking for pairs below {pair_or_prefix} in the bucket, {counted(verdicts.item_count, 'row')} and "
            f"{counted(calls.item_count, 'call')}{price_of_bytes(size)}."
        )
        for source in (_pictures(stack), ErasableRows(verdicts), ErasableCalls(calls)):
            pair_ids.add(source.pair_ids(pair_or_prefix))
        pair_ids.add(each for each in done.unconfirmed if each.startswith(pair_or_prefix))
    else:
        pair_ids.add([pair_or_prefix])
    if not len(pair_ids):
        raise click.ClickException(f"There is no pair below {pair_or_prefix}.")


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
    versions, rows, calls = (
        counted(done.counts[name], what)
        for name, what in (("versions_deleted", "version"), ("rows_deleted", "row"), ("ledger_rows_stripped", "call"))
    )
    pairs = counted(len(done.pair_ids), "pair")
    return f"Erased {pairs}: deleted {versions} of pictures and {rows}, and removed face data from {calls}."
