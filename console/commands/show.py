"""`facepair show`: a pair's row, its calls, its pictures."""

import click
from rich.console import Console

from console.output import json_option, print_json
from console.stack import Stack, stack_option
from console.verdict_table import entry, heading


@click.command()
@click.argument("pair_id", metavar="PAIR")
@json_option
@stack_option
def show(pair_id: str, as_json: bool, stack: Stack) -> None:
    """Tell what happened to a pair.

    Example: facepair show customers/4711
    """
    row = stack.verdicts.row(pair_id)
    if row is None:
        raise click.ClickException(f"There is no row of {pair_id}; `facepair list` has those that exist.")
    if as_json:
        print_json(row.item())
        return
    console = Console()
    console.print(heading())
    console.print(entry(row))
