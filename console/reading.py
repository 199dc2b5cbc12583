"""Reading many rows: what it takes is said before, how far it has come meanwhile, both on stderr."""

from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.progress import track

from console import cost
from facepair.domain.change import Image
from facepair.domain.judgement import Judgement


def told[T](rows: Iterable[T], what: str, size: tuple[int, int], *, part: bool = False) -> Iterator[T]:
    """The rows; before them it is said how many there are of `what` and what reading them costs, and a bar is shown
    where somebody watches.

    `size` is that of the table, in rows and bytes, as DynamoDB last counted it; with `part` not all of it is read.
    """
    count, total = size
    most = "at most " if part else ""
    click.echo(f"Reading {what}, {most}about {count:,}: {most}{cost.of_bytes(total)}.", err=True)
    console = Console(stderr=True)
    yield from track(
        rows, f"Reading {what}", total=max(count, 1), console=console, transient=True, disable=not console.is_terminal
    )


def judgements(images: Iterable[Image]) -> Iterator[Judgement]:
    """The rows as figures need them. One that cannot be read is told on stderr, and left out."""
    for image in images:
        try:
            yield Judgement.of(image)
        except ValueError:
            click.echo(f"The row of {image.get('pair_id')} cannot be read, and is left out.", err=True)
