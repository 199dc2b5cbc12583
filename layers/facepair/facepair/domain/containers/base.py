"""What reading any container returns."""

from dataclasses import dataclass

UPLOAD_AGAIN = "upload it again"

ZEROS_OF_A_HOLE = 64
"""Bytes. Arithmetic coding never writes longer runs of zeros; an interrupted upload leaves blocks of 512 and more."""


class Damaged(Exception):
    """Part of the picture is missing or broken. The message includes the remedy."""


@dataclass(frozen=True)
class Picture:
    """The picture in a file: `content` for decoders, and the `changes` made to the upload.

    `damage` says what is missing, if anything. It is not raised at once, so that a picture that is also too large is
    refused for its size.
    """

    content: bytes
    changes: tuple[str, ...] = ()
    damage: str | None = None
    icc_profile: bytes | None = None
    """The colour profile, if left out of `content`."""
    curve: tuple[int, int] | None = None
    """Colour primaries and transfer characteristics (H.273), if the container names them."""
    crop: tuple[int, int, int, int] | None = None
    """What viewers show of the upright picture: left, top, right, bottom. None: all of it."""


def incomplete(arrived: float | None) -> str:
    """Return the message for a picture of which this share (0 to 1, None if unknown) arrived."""
    share = "a part" if arrived is None else f"{min(99, int(arrived * 100))}%"
    return f"the upload is incomplete: {share} of the picture arrived; {UPLOAD_AGAIN}"


def damaged(why: str) -> str:
    """Return the message for a broken picture."""
    return f"the picture is damaged ({why}); {UPLOAD_AGAIN}"


def zeros_in(data: bytes | memoryview, most: int = ZEROS_OF_A_HOLE) -> str | None:
    """Return a message if compressed data has a run of at least `most` zeros."""
    at = bytes(data).find(bytes(most))  # far faster than a regular expression
    return damaged(f"a hole of zeros at {at / len(data):.0%} of its data") if at >= 0 else None
