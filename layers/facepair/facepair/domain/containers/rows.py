"""Pictures in BMP and TIFF files, whose pixels are often uncompressed: only its shape reveals a hole."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO

from PIL import TiffImagePlugin

from facepair.domain.containers.base import Picture, damaged, incomplete, zeros_in

_WIDTH, _BITS, _COMPRESSION, _SAMPLES, _PLANAR, _TILE_WIDTH = 256, 258, 259, 277, 284, 322
_STRIPS, _TILES = (273, 279), (324, 325)  # tags of their offsets and lengths
_PLAIN, _DEFLATE = 1, (8, 32946)
_PLAIN_BMP = (0, 3)
_NOT_ZERO = re.compile(rb"[^\0]")


def read_bmp(content: bytes) -> Picture:
    """Look for a hole in a BMP; Pillow finds other damage."""
    start, width, bits = (_little(content, at, size) for at, size in ((10, 4), (18, 4), (28, 2)))
    if _little(content, 14, 4) < 40 or bits < 8 or not width or _little(content, 30, 4) not in _PLAIN_BMP:
        return Picture(content)
    return Picture(content, damage=_hole(content, (width * bits + 31) // 32 * 4, start, len(content)))


def read_tiff(content: bytes) -> Picture:
    """Look for holes in the strips or tiles of a TIFF's first picture."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(content[:8])
        file = BytesIO(content)
        file.seek(tags.next)
        tags.load(file)
        return Picture(content, damage=_damage(content, tags))
    except Exception:  # Pillow raises many kinds of errors for malformed files, and reports them better later
        return Picture(content)


def _damage(content: bytes, tags: TiffImagePlugin.ImageFileDirectory_v2) -> str | None:
    offsets, lengths = _TILES if _TILES[0] in tags else _STRIPS
    parts = [memoryview(content)[at : at + length] for at, length in zip(tags[offsets], tags[lengths], strict=True)]
    arrived, claimed = sum(map(len, parts)), sum(tags[lengths])
    if arrived < claimed:
        return incomplete(arrived / claimed)
    if tags[_COMPRESSION] in _DEFLATE:
        return next((damaged("its data cannot be inflated") for part in parts if not _inflates(part)), None)
    if tags[_COMPRESSION] != _PLAIN:
        return next((hole for part in parts if (hole := zeros_in(part))), None)
    if tags[_BITS][0] < 8:
        return None
    bits = tags[_BITS][0] * (1 if tags.get(_PLANAR, 1) == 2 else tags.get(_SAMPLES, 1))
    row = ((tags[_TILE_WIDTH] if offsets == _TILES[0] else tags[_WIDTH]) * bits + 7) // 8
    ends = [at + length for at, length in zip(tags[offsets], tags[lengths], strict=True)]
    if list(tags[offsets][1:]) == ends[:-1]:  # usual, and needs no copy of the pixels
        return _hole(content, row, tags[offsets][0], ends[-1])
    return _hole(b"".join(parts), row, 0, arrived)


def _inflates(part: memoryview) -> bool:
    try:
        stream = zlib.decompressobj()
        data: bytes | memoryview = part
        while data and not stream.eof:
            stream.decompress(data, 1_000_000)
            data = stream.unconsumed_tail
        return stream.eof
    except zlib.error:
        return False


def _hole(data: bytes, row: int, first: int, last: int) -> str | None:
    """Return a message if zeros start or end straight within a row of `row` bytes. Rows lie between `first` and `last`.

    Black areas end at about the same place in neighbouring rows; holes do not. Zeros up to the end of the data are an
    interrupted upload, unless the data starts with a black row as well: then the picture has black bars.
    """
    has_bars = not any(data[first : min(first + row, last)])
    for start, end in runs_of_zeros(data, row, first, last):
        before, behind = (start - first) % row, (end - first) % row
        above = data[start - row : start - before] if start - row >= first else data[first : first + before]
        below = data[end + row - behind : min(end + row, last)]
        may_begin_here = not before and (has_bars or end < last)
        may_end_here = len(below) != behind or not behind
        if (not may_begin_here and _is_mostly_set(above)) or (not may_end_here and _is_mostly_set(below)):
            return damaged(f"a hole of zeros at {(start - first) / (last - first):.0%} of its data")
    return None


def runs_of_zeros(data: bytes, least: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each run of at least `least` zeros.

    Such a run includes every `least`-th byte, so only those are searched first.
    """
    samples = data[first:last:least]
    zeros = bytes(min(least, len(data) + 1))  # headers may claim rows of gigabytes
    number = samples.find(0)
    while number >= 0:
        at = first + number * least
        start = data.find(zeros, max(first, at - least + 1), min(at + least, last))
        end = at
        if start >= 0:
            found = _NOT_ZERO.search(data, start + least, last)
            end = found.start() if found else last
            yield start, end
        number = samples.find(0, (end - first) // least + 1)


def _is_mostly_set(data: bytes) -> bool:
    return data.count(0) < len(data) / 2


def _little(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size], "little")
