"""The picture in a HEIC or AVIF file: all bytes of its primary item and tiles.

libheif fills a tile that does not decode with green, and libde265 continues after errors. So the structure is checked
first: each tile lies within the file and is a chain of the codec's units.
"""

import re
from collections.abc import Iterator

from facepair.domain.containers.base import Picture, damaged, incomplete, zeros_in
from facepair.domain.containers.boxes import Item, Meta, read_meta
from facepair.domain.containers.crop import uncropped

_PICTURES = (b"hvc1", b"av01")

# Bytes that no NAL unit contains, as encoders insert a 3 (H.265, 7.4.2). A hole of zeros does.
_FORBIDDEN = re.compile(rb"\0\0[\0-\2]")
_LENGTH_SIZE_IN_HVCC = 21
_ZEROS_AT_ITS_END = 3  # appended to units by some encoders


def read_heif(content: bytes) -> Picture:
    """Find the picture in a HEIC or AVIF file and check that it is complete."""
    try:
        meta = read_meta(content)
        damage = _missing(content, meta) or next(_broken(content, meta), None)
        content, crop = uncropped(content, meta)
        return Picture(_filled_up(content, meta), damage=damage, curve=_curve(content, meta), crop=crop)
    except (ValueError, IndexError):
        return Picture(content, damage=incomplete(None))


def _curve(content: bytes, meta: Meta) -> tuple[int, int] | None:
    """Return the code points in the first `colr` box of kind nclx, of the picture or its tiles."""
    boxes = (box for item in meta.needed() for box in item.properties if box.kind == b"colr")
    for box in boxes:
        if content[box.start : box.start + 4] == b"nclx":
            primaries, transfer = (int.from_bytes(content[at : at + 2]) for at in (box.start + 4, box.start + 6))
            return primaries, transfer
    return None


def _missing(content: bytes, meta: Meta) -> str | None:
    """Return a message if part of the picture lies beyond the end of the file."""
    claimed = arrived = 0
    for item in meta.needed():
        for start, length in item.extents if item.in_file else ():
            claimed += length
            arrived += max(0, min(length, len(content) - start))
    return incomplete(arrived / claimed) if arrived < claimed else None


def _filled_up(content: bytes, meta: Meta) -> bytes:
    """Replace cut-off metadata by zeros: without it libheif refuses a picture that viewers show."""
    ends = [start + length for item in meta.items.values() if item.in_file for start, length in item.extents]
    end = max(ends, default=0)
    return content.ljust(end, b"\0") if end <= 2 * len(content) else content


def _broken(content: bytes, meta: Meta) -> Iterator[str]:
    """Yield a message for each picture item whose data is invalid.

    Thumbnails and depth maps are checked, too: bytes lost in the picture shift what follows.
    """
    needed = list(map(id, meta.needed()))
    for item in meta.items.values():
        if item.kind not in _PICTURES or not item.in_file:
            continue
        data = b"".join(content[start : start + length] for start, length in item.extents)
        if len(data) < sum(length for _, length in item.extents) and item.kind == b"hvc1":
            continue  # a thumbnail cut off at the end of the file
        is_broken = _is_no_chain_of_nal_units if item.kind == b"hvc1" else _is_no_chain_of_obus
        if is_broken(data, content, item):
            yield damaged("its data is no chain of units as its codec wants it")
        elif id(item) in needed and item.kind == b"av01" and (hole := zeros_in(data)):
            yield hole


def _is_no_chain_of_nal_units(data: bytes, content: bytes, item: Item) -> bool:
    configuration = item.property(b"hvcC")
    size = (content[configuration.start + _LENGTH_SIZE_IN_HVCC] & 3) + 1 if configuration else 4
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + size])
        unit = data[at + size : at + size + length]
        if length < 2 or len(unit) < length or unit[0] & 0x80:
            return True
        found = _FORBIDDEN.search(unit)
        if found and (found.start() < len(unit.rstrip(b"\0")) or len(unit) - found.start() > _ZEROS_AT_ITS_END):
            return True
        at += size + length
    return not data


def _is_no_chain_of_obus(data: bytes, content: bytes, item: Item) -> bool:
    """AV1, 5.3: each unit states its length; the last one may omit it."""
    at = 0
    while at < len(data):
        header = data[at]
        if header & 0x81:
            return True
        at += 2 if header & 4 else 1
        if not header & 2:
            return False
        length, shift = 0, 0
        while True:
            if at >= len(data) or shift > 28:
                return True
            length |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 0x80:
                break
        at += length
    return at != len(data) or not data
