"""What every container is read as."""

import re
from dataclasses import dataclass

UPLOAD_AGAIN = "upload it again"

ZEROS_OF_A_HOLE = 64
"""Bytes. Arithmetic coding writes no longer run of zeros; an upload that stopped leaves blocks of 512 and more."""


class Damaged(Exception):
    """A part of the picture is missing or broken. The message says so, and what to do."""


@dataclass(frozen=True)
class Picture:
    """A file's picture: `content` is what decoders shall see, `changes` says how it differs from the upload.

    `damage` says what is missing, if anything. A picture that is too large is refused for that first, so that its
    message does not ask for the same upload again.
    """

    content: bytes
    changes: tuple[str, ...] = ()
    damage: str | None = None
    icc_profile: bytes | None = None
    """The colour profile, if it had to be left out of `content`."""
    curve: tuple[int, int] | None = None
    """The code points of its colour primaries and transfer characteristics (H.273), if the container names them."""
    crop: tuple[int, int, int, int] | None = None
    """What a viewer shows of the decoded, upright picture: left, top, right, bottom. None: all of it."""


def incomplete(arrived: float | None) -> str:
    """Return the message for a picture of which this share arrived, from 0 to 1; None if that is not known."""
    share = "a part" if arrived is None else f"{min(99, int(arrived * 100))}%"
    return f"the upload is incomplete: {share} of the picture arrived; {UPLOAD_AGAIN}"


def damaged(why: str) -> str:
    """Return the message for a picture that is broken."""
    return f"the picture is damaged ({why}); {UPLOAD_AGAIN}"


def zeros_in(data: bytes | memoryview, most: int = ZEROS_OF_A_HOLE) -> str | None:
    """Return a message if compressed data has a hole: at least so many zeros in a row."""
    hole = re.search(rb"\0{%d}" % most, data)
    return damaged(f"a hole of zeros at {hole.start() / len(data):.0%} of its data") if hole else None
