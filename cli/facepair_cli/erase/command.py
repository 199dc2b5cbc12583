"""`facepair erase`: delete a pair and everything stored about it."""

from contextlib import ExitStack

import click

from facepair.domain.erasure import Erasure
from facepair_cli.confirmation import confirm, require_terminal, yes_option
from facepair_cli.erase.receipt import Receipt
from facepair_cli.erase.remote_eraser import RemoteEraser
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
    idempotency records, decisions, and the face data in the ledger; charges stay. Then the command waits once, usually
    for a second and at most for about two minutes, until no worker can save anything about the pictures, checks again
    and confirms. A later upload is a new submission.

    The receipt lists what was deleted, and what remains elsewhere and until when. It is written after every pair, and
    is complete after the confirmation. A pair that fails is named and stays unconfirmed, and the others continue. If
    the command is interrupted or a pair fails, run it again with the same receipt, which is then added to.

    \b
    Examples:
      facepair erase customers/4711 --receipt 4711.json
      facepair erase customers/ --yes
    """
    with ExitStack() as spools:
        pair_ids, erased, transactions, unconfirmed = (spools.enter_context(Spool()) for _ in range(4))
        done = Receipt(stack.arn, stack.parameters, erased, transactions, unconfirmed, receipt)
        eraser = RemoteEraser(stack.function_url("EraseUrl", policy="EraserPolicy"))
        if not yes:  # before a potentially long listing
            require_terminal(otherwise="Nothing was erased.")
        _find(eraser, pair_or_prefix, pair_ids, done)
        if not yes:
            confirm(f"Erase {_named(pair_or_prefix, pair_ids)}? It cannot be undone.", otherwise="Nothing was erased.")
        erased_pairs = _erase(eraser, pair_ids, done)
        left = [each for each in unconfirmed if each in pair_ids]
        if not (erased_pairs or left):
            raise click.ClickException(f"Nothing is stored about {pair_or_prefix}: no picture, row or call.")
        if as_json:
            for piece in done.json():
                click.echo(piece, nl=False)
        elif erased_pairs:
            show = note if receipt and receipt.is_stdout else say
            show(_sentence(done))
        if left:
            raise click.ClickException(
                f"The erasure of {counted(len(left), 'pair')}, such as {left[0]}, is not confirmed: run the same "
                "command again in some minutes."
            )
        if len(unconfirmed):
            earlier = f"{counted(len(unconfirmed), 'pair')}, such as {next(iter(unconfirmed))}"
            note(f"The receipt is not complete: {earlier}, erased by an earlier run, not confirmed.")


def _erase(eraser: RemoteEraser, pair_ids: Spool, done: Receipt) -> int:
    """Erase pairs and confirm it. Return how many were found.

    The receipt names all as unconfirmed before anything is deleted, and each as soon as it is erased.
    """
    erased = Spool()
    done.unconfirmed.add(pair_ids)
    done.write()

    def note_erased(erasure: Erasure) -> None:
        if erasure.known:
            erased.add([erasure.pair_id])
            done.add(erasure)
            _note_if_nothing_was_left(erasure)
        else:
            done.unconfirmed.discard(erasure.pair_id)
            done.write()

    with erased:
        try:
            eraser.erase(pair_ids, len(pair_ids), note_erased)
            eraser.confirm(lambda: [each for each in done.unconfirmed if each in erased], done.add)
        except KeyboardInterrupt:
            if not (left := [each for each in done.unconfirmed if each in pair_ids]):
                raise Interrupted("Interrupted. The erasure is confirmed.") from None
            pairs = counted(len(left), "pair")
            raise Interrupted(
                f"Interrupted. The erasure of {pairs} is not confirmed; run the same command again."
            ) from None
        finally:
            if len(erased) or len(done.unconfirmed):
                done.write(last=True)
        return len(erased)


def _named(pair_or_prefix: str, pair_ids: Spool) -> str:
    below = pair_or_prefix.endswith("/")
    return f"{counted(len(pair_ids), 'pair')} below {pair_or_prefix}" if below else pair_or_prefix


def _find(eraser: RemoteEraser, pair_or_prefix: str, pair_ids: Spool, done: Receipt) -> None:
    """Find the pairs to erase: the existing ones, and those that the receipt still lists as unconfirmed.

    Raises click.ClickException if there are none.
    """
    if pair_or_prefix.endswith("/"):
        note(f"Looking for pairs below {pair_or_prefix} in the bucket and both tables.")
        pair_ids.add(eraser.below(pair_or_prefix))
        pair_ids.add(each for each in done.unconfirmed if each.startswith(pair_or_prefix))
    else:
        pair_ids.add([pair_or_prefix])
    if not len(pair_ids):
        raise click.ClickException(f"There is no pair below {pair_or_prefix}.")


def _note_if_nothing_was_left(erasure: Erasure) -> None:
    if not (erasure.versions or erasure.uploads or erasure.rows or erasure.calls):
        note(f"{erasure.pair_id}: nothing left to erase; it was erased before.")


def _sentence(done: Receipt) -> str:
    versions, rows, calls = (
        counted(done.counts[name], what)
        for name, what in (("versions_deleted", "version"), ("rows_deleted", "row"), ("ledger_rows_stripped", "call"))
    )
    pairs = counted(len(done.pair_ids), "pair")
    return f"Erased {pairs}: deleted {versions} of pictures and {rows}, and removed face data from {calls}."
