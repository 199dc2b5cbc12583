"""Reading many rows: what it takes is said before, how far it has come meanwhile, both on stderr."""

from collections.abc import Iterable, Iterator

import click
from rich.console import Console
from rich.filesize import decimal
from rich.progress import track

from facepair.aws.reading import Extent
from facepair.domain.change import Image
from facepair.domain.judgement import Judgement


def announce(extent: Extent, *, part: bool = False) -> None:
    """Say what is about to be read and what it costs; of a `part` of it, what all of it would."""
    click.echo(
        f"Reads {'a part of ' if part else ''}{extent.name}: {'at most ' if part else ''}about {extent.items:,} rows, "
        f"{decimal(extent.bytes)}, {extent.read_units:,} read units, US$ {extent.us_dollars:.4f} "
        "(as DynamoDB last counted it, up to six hours ago).",
        err=True,
    )


def with_progress[T](rows: Iterable[T], extent: Extent, what: str) -> Iterator[T]:
    """The rows, with a bar while they are read where somebody watches."""
    console = Console(stderr=True)
    yield from track(
        rows, what, total=max(extent.items, 1), console=console, transient=True, disable=not console.is_terminal
    )


def judgements(images: Iterable[Image]) -> Iterator[Judgement]:
    """The rows as figures need them. One that cannot be read is told on stderr, and left out."""
    for image in images:
        try:
            yield Judgement.of(image)
        except ValueError:
            click.echo(f"The row of {image.get('pair_id')} cannot be read, and is left out.", err=True)
