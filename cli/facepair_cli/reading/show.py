"""`facepair show`: a pair's history."""

import click
from rich.console import Console

from facepair.domain import clock
from facepair.domain.history import pair_among
from facepair_cli.output import json_option, print_json
from facepair_cli.pair_ids import PAIR
from facepair_cli.reading.pair_history import PairHistory, rendered
from facepair_cli.stack import Stack, stack_option


@click.command()
@click.argument("pair_id", metavar="PAIR", type=PAIR)
@json_option
@stack_option
def show(pair_id: str, as_json: bool, stack: Stack) -> None:
    """Show a pair's history: uploads, calls, verdict, next step.

    In the order of events: uploads, each call with its charge, the row, and what the pair waits for.

    \b
    Examples:
      facepair show customers/4711
      facepair show customers/4711 --json | jq .calls
    """
    found = _found(pair_id, stack)
    if not (found.row or found.calls or found.versions):
        raise click.ClickException(f"There is no row of {pair_id}; `facepair list` shows all rows.")
    if as_json:
        print_json(found.document())
    else:
        Console(highlight=False).print(rendered(found, clock.now()))
    if not found.row:
        raise click.ClickException(
            f"There is no row of {pair_id}: the pair is still in the queue, or its row has expired or was erased."
        )


def _found(pair_id: str, stack: Stack) -> PairHistory:
    listed_at = clock.now()
    versions = stack.uploads.versions(pair_id)
    pair = pair_among(pair_id, versions, stack.names, listed_at)
    return PairHistory(
        pair_id=pair_id,
        row=next(stack.written.of([pair_id]), None),
        calls=stack.calls.rows_of_pair(pair_id),
        versions=versions,
        mark=stack.in_flight.mark(pair.objects) if pair.uploads else None,
        gate=stack.gate.read(),
    )
