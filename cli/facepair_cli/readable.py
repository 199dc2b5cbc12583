"""Rows that can be read, so that a damaged one does not hide the others."""

from collections.abc import Callable, Iterable, Iterator

from facepair.domain.stored_row import StoredRow
from facepair_cli.output import note

UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
"""Raised for an attribute that is missing, or of another type or form."""


def readable[Result](images: Iterable[StoredRow], read: Callable[[StoredRow], Result]) -> Iterator[Result]:
    """Yield what `read` returns for each row. An unreadable row is skipped, with a note on stderr."""
    for image in images:
        try:
            result = read(image)
        except UNREADABLE:
            note(f"The row of {image.get('pair_id')} cannot be read and is left out.")
        else:
            yield result
