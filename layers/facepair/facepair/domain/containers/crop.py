"""Apply a HEIC's crop (`clap`, ISO/IEC 14496-12, 12.1.4).

libheif 1.23 refuses such pictures, as it checks the cropped size against limits for the full one. So it gets a crop
that keeps everything.
"""

from fractions import Fraction
from struct import pack, unpack

from facepair.domain.containers.boxes import Item, Meta

type Crop = tuple[int, int, int, int]

_CLAP_BYTES = 32


def uncropped(content: bytes, meta: Meta) -> tuple[bytes, Crop | None]:
    """Return the file with a crop that keeps everything, and its own crop, for the upright picture."""
    item = meta.items.get(meta.primary, Item())
    clap, ispe = item.property(b"clap"), item.property(b"ispe")
    if item.kind not in (b"hvc1", b"grid") or not clap or not ispe or clap.end - clap.start != _CLAP_BYTES:
        return content, None
    size: tuple[int, int] = unpack(">II", content[ispe.start + 4 : ispe.start + 12])
    crop = _crop(content[clap.start : clap.end], size)
    if crop is None:
        return content, None
    everything = pack(">8i", size[0], 1, size[1], 1, 0, 1, 0, 1)
    return content[: clap.start] + everything + content[clap.end :], _upright(crop, size, content, item)


def _crop(clap: bytes, size: tuple[int, int]) -> Crop | None:
    """Return a crop (around the centre) as left, top, right, bottom; None if invalid."""
    numbers = unpack(">8i", clap)
    if not all(numbers[1::2]):
        return None
    width, height, right_by, down_by = (Fraction(*numbers[at : at + 2]) for at in range(0, 8, 2))
    left = max(0, round(right_by + (size[0] - width) / 2))
    top = max(0, round(down_by + (size[1] - height) / 2))
    right, bottom = min(size[0], left + round(width)), min(size[1], top + round(height))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _upright(crop: Crop, size: tuple[int, int], content: bytes, item: Item) -> Crop:
    """Turn and mirror a crop by the properties that follow it."""
    left, top, right, bottom = crop
    width, height = size
    kinds = [box.kind for box in item.properties]
    for box in item.properties[kinds.index(b"clap") + 1 :]:
        if box.kind == b"irot":
            for _ in range(content[box.start] & 3):  # quarter turns counter-clockwise
                left, top, right, bottom = top, width - right, bottom, width - left
                width, height = height, width
        elif box.kind == b"imir":
            if content[box.start] & 1:  # swap left and right
                left, right = width - right, width - left
            else:
                top, bottom = height - bottom, height - top
    return left, top, right, bottom
