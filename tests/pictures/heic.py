"""Write HEIC files like an iPhone's, uncompressed, which no library here does.

HEVC (ITU-T H.265) can carry plain samples (I_PCM), which needs only a few bins of its arithmetic coder; HEIF (ISO/IEC
23008-12) wraps it in boxes.
"""

import re
from struct import pack

from PIL import Image

BLOCK = 16

# Table 9-52 of H.265, last column; enough if every block starts with a fresh coder.
RANGE_OF_LEAST_PROBABLE = (
    *(240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89, 85, 80, 76, 72),
    *(69, 65, 62, 59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21, 20, 19, 18, 17),
    *(16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9),
)
MAIN_PROFILE = "00000001" + f"{0x60000000:032b}" + "1001" + "0" * 44 + f"{186:08b}"


type Size = tuple[int, int]


def heic(
    image: Image.Image,
    quarter_turns_left: int = 0,
    *,
    grid: Size = (1, 1),
    crop: tuple[int, int, int, int] | None = None,
    mirrored: bool = False,
    exif: bytes = b"",
    transfer: int = 13,
) -> bytes:
    """Return a HEIC that viewers crop (left, top, right, bottom), turn by 90 degrees to the left, and mirror.

    With a `grid` of columns and rows it consists of tiles, like a phone's, with even sides. `transfer` is the transfer
    characteristic (H.273).
    """
    columns, rows = grid
    width, height = image.width // columns, image.height // rows
    corners = [(width * column, height * row) for row in range(rows) for column in range(columns)]
    tiles = [_coded(image.crop((left, top, left + width, top + height))) for left, top in corners]
    shown = [_crop(crop, image.size)] if crop else []
    shown.append(_box(b"irot", bytes([quarter_turns_left])))
    shown += [_box(b"imir", b"\1")] if mirrored else []
    shown.append(_box(b"colr", b"nclx" + pack(">HHHB", 1, transfer, 6, 0x80)))
    codec = _box(b"hvcC", _decoder_configuration(_parameters((width, height))))
    size, tile_size = (_full_box(b"ispe", pack(">II", *each)) for each in (image.size, (width, height)))
    if len(tiles) == 1:
        items = [(b"hvc1", tiles[0], [codec, size, *shown])]
    else:
        layout = pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *image.size)
        items = [(b"grid", layout, [size, *shown]), *((b"hvc1", tile, [codec, tile_size]) for tile in tiles)]
    if exif:
        items.append((b"Exif", pack(">I", 0) + exif, []))
    return _file(items, len(tiles) if len(tiles) > 1 else 0)


def _coded(image: Image.Image) -> bytes:
    coded = _slice(image)
    return pack(">I", len(coded)) + coded


def _crop(box: tuple[int, int, int, int], size: Size) -> bytes:
    """Return the property `clap`: the crop's size, and its centre's offset in halves."""
    left, top, right, bottom = box
    across, down = left + right - size[0], top + bottom - size[1]
    return _box(b"clap", pack(">8i", right - left, 1, bottom - top, 1, across, 2, down, 2))


def _file(items: list[tuple[bytes, bytes, list[bytes]]], tiles: int) -> bytes:
    """Return a file of items by kind, data and properties; the first is shown, made of the `tiles` after it."""
    ftyp = _box(b"ftyp", b"heic" + pack(">I", 0) + b"mif1heic")
    properties = list(dict.fromkeys(each for _, _, of_item in items for each in of_item))
    ids = range(1, len(items) + 1)
    entries = [
        _full_box(b"infe", pack(">HH", item_id, 0) + kind + b"\0", version=2)
        for item_id, (kind, _, _) in zip(ids, items, strict=True)
    ]
    associations = b"".join(
        pack(">HB", item_id, len(of_item)) + bytes(0x80 | properties.index(each) + 1 for each in of_item)
        for item_id, (_, _, of_item) in zip(ids, items, strict=True)
        if of_item
    )
    with_properties = sum(1 for _, _, of_item in items if of_item)
    made_of = _box(b"dimg", pack(f">HH{tiles}H", 1, tiles, *range(2, tiles + 2)))

    def meta(offset: int) -> bytes:
        places = b""
        for item_id, (_, data, _) in zip(ids, items, strict=True):
            places += pack(">HHHII", item_id, 0, 1, offset, len(data))
            offset += len(data)
        return _full_box(
            b"meta",
            _full_box(b"hdlr", pack(">I", 0) + b"pict" + bytes(13)),
            _full_box(b"pitm", pack(">H", 1)),
            _full_box(b"iloc", pack(">BBH", 0x44, 0, len(items)) + places),
            _full_box(b"iinf", pack(">H", len(items)), *entries),
            *([_full_box(b"iref", made_of)] if tiles else []),
            _box(
                b"iprp",
                _box(b"ipco", *properties),
                _full_box(b"ipma", pack(">I", with_properties) + associations),
            ),
        )

    begin = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(begin) + _box(b"mdat", *(data for _, data, _ in items))


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return pack(">I", 8 + len(content)) + kind + content


def _full_box(kind: bytes, *contents: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *contents)


def _parameters(size: Size) -> dict[int, bytes]:
    return {32: _video_parameters(), 33: _sequence_parameters(size), 34: _picture_parameters()}


def _decoder_configuration(units: dict[int, bytes]) -> bytes:
    profile = int(MAIN_PROFILE, 2).to_bytes(12)
    arrays = b"".join(pack(">BHH", 0x80 | kind, 1, len(unit)) + unit for kind, unit in units.items())
    return b"\1" + profile + pack(">HBBBBHBB", 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F, len(units)) + arrays


def _unit(kind: int, payload: bytes) -> bytes:
    """Return a NAL unit; its payload must not contain a start code."""
    return pack(">H", kind << 9 | 1) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _whole_bytes(bits: str) -> bytes:
    """Append a one and zeros up to a whole byte, as in every payload and slice header."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def _ue(number: int) -> str:
    """Return an unsigned Exp-Golomb code."""
    binary = f"{number + 1:b}"
    return "0" * (len(binary) - 1) + binary


def _video_parameters() -> bytes:
    return _unit(32, _whole_bytes("0000110000000001" + "1" * 16 + MAIN_PROFILE + "1111000000100"))


def _sequence_parameters(size: Size) -> bytes:
    padding = [-side % BLOCK for side in size]
    bits = "00000001" + MAIN_PROFILE + _ue(0) + _ue(1)
    bits += "".join(_ue(side + more) for side, more in zip(size, padding, strict=True))
    bits += "1" + _ue(0) + _ue(padding[0] // 2) + _ue(0) + _ue(padding[1] // 2)  # the visible window
    bits += "1111111"  # 8 bits; one picture in the buffer
    bits += _ue(1) + _ue(0) + _ue(0) + _ue(2) + "11"  # coding blocks of 16, transforms of 4 to 16
    bits += "000101110111" + _ue(1) + _ue(0) + "1"  # plain samples of 8 bits in blocks of 16, unfiltered
    return _unit(33, _whole_bytes(bits + "100000"))


def _picture_parameters() -> bytes:
    return _unit(34, _whole_bytes("11000000011100011000000010100100"))


def _slice(image: Image.Image) -> bytes:
    width, height = image.size
    padded = Image.new("YCbCr", (width + -width % BLOCK, height + -height % BLOCK))
    padded.paste(image.convert("YCbCr"))
    luma, *chroma = padded.split()
    halves = [plane.reduce(2) for plane in chroma]
    coded = bytearray(_whole_bytes("101" + _ue(2) + "1"))
    state = 0
    first = True
    for top in range(0, padded.height, BLOCK):
        for left in range(0, padded.width, BLOCK):
            coder = _Coder()
            if not first:
                coder.end(False)  # of the slice
            first = False
            coder.most_probable(RANGE_OF_LEAST_PROBABLE[state])  # not split
            state = min(state + 1, len(RANGE_OF_LEAST_PROBABLE) - 1)
            coder.end(True)  # of coding: plain samples follow
            coded += coder.flushed()
            coded += luma.crop((left, top, left + BLOCK, top + BLOCK)).tobytes()
            for half in halves:
                coded += half.crop((left // 2, top // 2, (left + BLOCK) // 2, (top + BLOCK) // 2)).tobytes()
    coder = _Coder()
    coder.end(True)
    return _unit(20, bytes(coded + coder.flushed()))


class _Coder:
    """The arithmetic encoder of H.265 9.3.4.5, on an integer of any length, which avoids carries."""

    def __init__(self) -> None:
        self._low, self._range, self._shifts = 0, 510, 0

    def most_probable(self, range_of_other: int) -> None:
        self._range -= range_of_other
        self._renormalize()

    def end(self, is_end: bool) -> None:
        self._range -= 2
        if is_end:
            self._low += self._range
            self._range = 2
        self._renormalize()

    def flushed(self) -> bytes:
        """Return the bits shifted out, without the first, always zero; then two more and a one."""
        bits = f"{self._low:0{self._shifts + 10}b}"[1 : self._shifts + 2]
        return _whole_bytes(bits)

    def _renormalize(self) -> None:
        while self._range < 256:
            self._range <<= 1
            self._low <<= 1
            self._shifts += 1
