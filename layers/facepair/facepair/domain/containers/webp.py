"""The picture in a WebP file (RFC 9649): a chunk of a RIFF container."""

from facepair.domain.containers.base import ZEROS_OF_A_HOLE, Picture, incomplete, zeros_in

_PICTURES = (b"VP8 ", b"VP8L")
_FIRST_CHUNK = 12

# Lossy WebP (VP8) writes zeros for wide areas of one colour: 1 byte per 40 blocks of 16 x 16 pixels, measured. Allow
# twice that, but where blocks take a byte or more on average, always fewer than a hole has.
_BLOCKS_A_ZERO = 20
_FEWER_THAN_A_HOLE = 448


def read_webp(content: bytes) -> Picture:
    """Find the picture in a WebP file and check that it is complete."""
    size = int.from_bytes(content[4:8], "little") + 8
    at = _FIRST_CHUNK
    damage = None
    while at + 8 <= min(size, len(content)):
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if kind in (*_PICTURES, b"ALPH", b"ANMF"):
            if min(end, size) > len(content):
                return Picture(content, damage=incomplete((len(content) - at) / (end - at)))
            data = memoryview(content)[at + 8 : at + 8 + length]
            damage = damage or zeros_in(data, _zeros_of_one_colour(data) if kind == b"VP8 " else ZEROS_OF_A_HOLE)
        elif not kind.strip().isalnum():
            return Picture(content, damage=incomplete(min(0.99, len(content) / size)))
        at = end
    # Viewers do not need metadata cut off behind the picture, but the chunks before it must line up.
    return Picture(content, damage=damage)


def _zeros_of_one_colour(frame: memoryview) -> int:
    """Return the longest allowed run of zeros in a lossy picture (RFC 6386, 9.1)."""
    width, height = (int.from_bytes(frame[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    blocks = width * height // 256
    most = max(ZEROS_OF_A_HOLE, blocks // _BLOCKS_A_ZERO)
    return most if len(frame) < blocks else min(most, _FEWER_THAN_A_HOLE)
