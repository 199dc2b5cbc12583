"""`facepair erase`: nothing of a pair's pictures and faces stays in the stack."""

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click

from console.cost import of_bytes
from console.output import json_option
from console.receipt import Receipt
from console.spool import Spool
from console.stack import Stack, stack_option
from facepair.aws.erasable import ErasableCalls, ErasableRecords, ErasableRows, PictureVersions
from facepair.aws.erasure_marks import ErasureMarks
from facepair.domain import clock
from facepair.domain.erasure import Erasure
from facepair.stories.erase import Eraser


@click.command()
@click.argument("pair_or_prefix", metavar="PAIR|PREFIX/")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--receipt", type=click.Path(path_type=Path, dir_okay=False), help="Write the receipt, in JSON.")
@json_option
@stack_option
def erase(pair_or_prefix: str, yes: bool, receipt: Path | None, as_json: bool, stack: Stack) -> None:
    """Erase a pair, or all pairs whose ids begin with PREFIX/.

    Deleted are the pictures with all their versions, the row, the idempotency records, and in the ledger similarity,
    positions and whatever else describes the faces. What was charged stays. Workers that are still at it write nothing
    more; what is uploaded after it is a new submission. In the end it is looked through again. The receipt says what
    remains elsewhere, and until when.

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
            raise click.ClickException(f"There is nothing of {pair_or_prefix}: no picture, no row, no call.")
        if receipt:
            with receipt.open("w", encoding="utf-8") as file:
                file.writelines(done.json(stack.parameters))
        if as_json:
            for piece in done.json(stack.parameters):
                click.echo(piece, nl=False)
        else:
            click.echo(_sentence(done))
        if done.incomplete:
            raise click.ClickException(
                f"{done.incomplete} pair(s) are not erased for good, {done.last_incomplete} the last of them, because "
                "a worker may still be at them: erase them again in some minutes."
            )


def _find(stack: Stack, pair_or_prefix: str, pair_ids: Spool, yes: bool) -> None:
    """Which pairs to erase, after a question. Raises click.ClickException if there are none."""
    if pair_or_prefix.endswith("/"):
        verdicts, calls = stack.table("VerdictsTable"), stack.table("CallsTable")
        size = verdicts.table_size_bytes + calls.table_size_bytes
        click.echo(
            f"Looks for pairs below {pair_or_prefix} among the versions in the bucket, and scans "
            f"{verdicts.item_count} rows and {calls.item_count} calls for it: {of_bytes(size)}.",
            err=True,
        )
        for source in (PictureVersions(stack.client("s3"), stack.outputs["ImagesBucket"]),
                       ErasableRows(verdicts), ErasableCalls(calls)):  # fmt: skip
            pair_ids.add(source.pair_ids(pair_or_prefix))
    else:
        pair_ids.add([pair_or_prefix])
    if not len(pair_ids):
        raise click.ClickException(f"There is no pair below {pair_or_prefix}.")
    if not yes:
        whom = pair_or_prefix if not pair_or_prefix.endswith("/") else f"{len(pair_ids)} pairs below {pair_or_prefix}"
        if not sys.stdin.isatty():
            click.echo("It is asked first; --yes asks nothing.", err=True)
        click.confirm(f"Erase {whom}? Nobody can take it back.", abort=True, err=True)


def _eraser(stack: Stack) -> Eraser:
    return Eraser(
        marks=ErasureMarks(stack.tables, stack.outputs["IdempotencyTable"]),
        pictures=PictureVersions(stack.client("s3"), stack.outputs["ImagesBucket"]),
        rows=ErasableRows(stack.table("VerdictsTable")),
        ledger=ErasableCalls(stack.table("CallsTable")),
        records=ErasableRecords(stack.table("IdempotencyTable")),
        names=stack.names,
        waits=_waits,
    )


def _waits(pair_id: str, until: datetime) -> None:
    click.echo(f"{pair_id}: a worker may still be at it, at most until {clock.iso(until)}; waiting for it …", err=True)


def _tell(erasure: Erasure) -> None:
    nothing = not (erasure.versions or erasure.uploads or erasure.rows or erasure.calls)
    if nothing and erasure.complete:
        click.echo(f"{erasure.pair_id}: there was nothing left to erase; it had been erased before.", err=True)


def _sentence(done: Receipt) -> str:
    return (
        f"Erased {len(done.pair_ids)} pair(s): {done.versions} versions of pictures and {done.rows} rows deleted, "
        f"{done.calls} calls stripped of what describes faces."
    )
