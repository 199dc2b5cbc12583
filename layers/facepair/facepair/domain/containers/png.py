"""The picture in a PNG file (W3C PNG, third edition): all chunks it needs, with valid checksums."""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from facepair.domain.containers.base import Picture, damaged, incomplete

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_IEND = b"\0\0\0\0IEND\xaeB`\x82"
_COMPRESSED = {b"iCCP", b"zTXt", b"iTXt"}

_MAX_INFLATED = 1_000_000
"""Bytes. Readers such as Pillow refuse a picture with a chunk that inflates to more."""
_MAX_PROFILE = 32_000_000
"""Bytes of an inflated colour profile."""


class _Chunk(NamedTuple):
    kind: bytes
    data: memoryview
    whole: memoryview  # with length and checksum
    is_right: bool  # by its checksum

    @property
    def is_needed(self) -> bool:
        return not self.kind[0] & 0x20  # upper case: critical

    @property
    def is_odd(self) -> bool:
        """Whether readers may refuse the picture for a chunk that it does not need."""
        if self.is_needed:
            return False
        return not self.is_right or len(self.data) > _MAX_INFLATED or _inflates_too_far(self)


def read_png(content: bytes) -> Picture:
    """Find the picture in a PNG file, without ancillary chunks that readers may refuse."""
    chunks = list(_chunks(content))
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].data) != 13:
        return Picture(content, damage=incomplete(0))
    if chunks[-1].kind == b"IEND" and not any(chunk.is_odd for chunk in chunks):
        return Picture(content, damage=_damage(chunks, content))
    kept = [chunk for chunk in chunks if not chunk.is_odd and chunk.kind != b"IEND"]
    profiles = [_profile(chunk) for chunk in chunks if chunk.kind == b"iCCP" and chunk.is_odd and chunk.is_right]
    changes = ["a damaged or oversized part of its metadata left out"] if any(chunk.is_odd for chunk in chunks) else []
    if chunks[-1].kind != b"IEND":
        changes.append("an end added")
    return Picture(
        b"".join([_SIGNATURE, *(chunk.whole for chunk in kept), _IEND]),
        tuple(changes),
        _damage(chunks, content),
        next(iter(profiles), None),
    )


def _chunks(content: bytes) -> Iterator[_Chunk]:
    """Yield chunks up to the end of the picture or the first incomplete one."""
    view = memoryview(content)
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(view[at : at + 4]), bytes(view[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(content) or not kind.isalpha():
            return
        is_right = zlib.crc32(view[at + 4 : end - 4]) == int.from_bytes(view[end - 4 : end])
        yield _Chunk(kind, view[at + 8 : end - 4], view[at:end], is_right)
        if kind == b"IEND":
            return
        at = end


def _damage(chunks: list[_Chunk], content: bytes) -> str | None:
    """Return what is missing or broken in the visible picture, if anything."""
    shown = [chunk for chunk in chunks if chunk.is_needed or chunk in _first_frame(chunks)]
    if wrong := next((chunk for chunk in shown if not chunk.is_right), None):
        return damaged(f"the checksum of its part {wrong.kind.decode()} is wrong")
    if chunks[-1].kind == b"IEND":
        return None
    share = _share_of_pixels(chunks, content)
    return incomplete(share) if share < 1 else None


def _first_frame(chunks: list[_Chunk]) -> list[_Chunk]:
    """Return the first frame of an animation that hides the picture for readers without animations."""
    kinds = [chunk.kind for chunk in chunks]
    if b"fcTL" not in kinds or b"IDAT" not in kinds or kinds.index(b"fcTL") < kinds.index(b"IDAT"):
        return []
    begin = kinds.index(b"fcTL")
    end = kinds.index(b"fcTL", begin + 1) if kinds.count(b"fcTL") > 1 else len(kinds)
    return chunks[begin:end]


def _share_of_pixels(chunks: list[_Chunk], content: bytes) -> float:
    """Return the share of pixels that arrived, 0 to 1; 1 only if the compressed stream is complete."""
    header = chunks[0].data
    width, height, depth = int.from_bytes(header[:4]), int.from_bytes(header[4:8]), header[8]
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(header[9], 1)
    arrived = len(_SIGNATURE) + sum(len(chunk.whole) for chunk in chunks)
    rest = [content[arrived + 8 :]] if content[arrived + 4 : arrived + 8] == b"IDAT" else []
    stream, inflated = zlib.decompressobj(), 0
    with suppress(zlib.error):
        for data in [*(bytes(chunk.data) for chunk in chunks if chunk.kind == b"IDAT"), *rest]:
            while data and not stream.eof:
                inflated += len(stream.decompress(data, _MAX_INFLATED))
                data = stream.unconsumed_tail
    return 1 if stream.eof and not rest else min(0.99, inflated / (height * (1 + (width * channels * depth + 7) // 8)))


def _inflates_too_far(chunk: _Chunk) -> bool:
    return chunk.kind in _COMPRESSED and _inflated(chunk, _MAX_INFLATED) is None


def _profile(chunk: _Chunk) -> bytes | None:
    return _inflated(chunk, _MAX_PROFILE)


def _inflated(chunk: _Chunk, at_most: int) -> bytes | None:
    """Return a chunk's inflated data; None if too large or broken, empty if uncompressed."""
    _, _, rest = bytes(chunk.data).partition(b"\0")
    if chunk.kind == b"iTXt":
        if rest[:1] != b"\1":
            return b""
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        rest = rest[1:]
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(rest, at_most)
    except zlib.error:
        return None
    return data if stream.eof else None
