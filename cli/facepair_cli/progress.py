"""Announce how many rows will be read, then show progress, on stderr."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import track

from facepair_cli import cost
from facepair_cli.output import counted, note


def announced[T](rows: Iterable[T], what: str, size: tuple[int, int], *, part: bool = False) -> Iterator[T]:
    """Yield the rows after announcing their number and price; at a terminal, show a progress bar.

    `what` is the singular noun; `size` is the table's (rows, bytes) by DynamoDB's last count. `part`: fewer rows may be
    read.
    """
    count, total = size
    note(f"Reading {'at most ' if part else ''}about {counted(count, what)}{cost.price_of_bytes(total)}.")
    console = Console(stderr=True)
    yield from track(
        rows, f"Reading {what}s", total=max(count, 1), console=console, transient=True, disable=not console.is_terminal
    )
