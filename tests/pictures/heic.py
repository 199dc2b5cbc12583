"""Write HEIC files, which no library here does: the pictures of an iPhone, uncompressed.

HEVC (ITU-T H.265) can carry a block as plain samples (I_PCM). A still picture of such blocks needs only a few bins
of its arithmetic coder; HEIF (ISO/IEC 23008-12) wraps it in boxes.
"""

import re
from struct import pack

from PIL import Image

BLOCK = 16

# Table 9-52 of H.265, last column: all that is met when every block begins with a fresh coder.
RANGE_OF_LEAST_PROBABLE = (
    *(240, 227, 216, 205, 195, 185, 175, 166, 158, 150, 142, 135, 128, 122, 116, 110, 104, 99, 94, 89, 85, 80, 76, 72),
    *(69, 65, 62, 59, 56, 53, 50, 48, 45, 43, 41, 39, 37, 35, 33, 31, 30, 28, 27, 25, 24, 23, 22, 21, 20, 19, 18, 17),
    *(16, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9),
)
MAIN_PROFILE = "00000001" + f"{0x60000000:032b}" + "1001" + "0" * 44 + f"{186:08b}"


def heic(image: Image.Image, quarter_turns_left: int = 0) -> bytes:
    """A HEIC that a viewer shows turned so often by 90 degrees to the left; the image's sides are even."""
    video, sequence, picture = _video_parameters(), _sequence_parameters(image.size), _picture_parameters()
    coded = _slice(image)
    properties = [
        _box(b"hvcC", _decoder_configuration({32: video, 33: sequence, 34: picture})),
        _full_box(b"ispe", pack(">II", *image.size)),
        _box(b"colr", b"nclx" + pack(">HHHB", 1, 13, 6, 0x80)),
        _box(b"irot", bytes([quarter_turns_left])),
    ]
    ftyp = _box(b"ftyp", b"heic" + pack(">I", 0) + b"mif1heic")

    def meta(offset: int) -> bytes:
        return _full_box(
            b"meta",
            _full_box(b"hdlr", pack(">I", 0) + b"pict" + bytes(13)),
            _full_box(b"pitm", pack(">H", 1)),
            _full_box(b"iloc", pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, offset, len(coded) + 4)),
            _full_box(b"iinf", pack(">H", 1), _full_box(b"infe", pack(">HH", 1, 0) + b"hvc1\0", version=2)),
            _box(b"iprp", _box(b"ipco", *properties), _full_box(b"ipma", pack(">IHB4B", 1, 1, 4, 0x81, 2, 3, 0x84))),
        )

    begin = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(begin) + _box(b"mdat", pack(">I", len(coded)) + coded)


def _box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return pack(">I", 8 + len(content)) + kind + content


def _full_box(kind: bytes, *contents: bytes, version: int = 0) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]), *contents)


def _decoder_configuration(units: dict[int, bytes]) -> bytes:
    profile = int(MAIN_PROFILE, 2).to_bytes(12)
    arrays = b"".join(pack(">BHH", 0x80 | kind, 1, len(unit)) + unit for kind, unit in units.items())
    return b"\1" + profile + pack(">HBBBBHBB", 0xF000, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0x0F, len(units)) + arrays


def _unit(kind: int, payload: bytes) -> bytes:
    """A NAL unit; its payload must not contain a start code."""
    return pack(">H", kind << 9 | 1) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def _whole_bytes(bits: str) -> bytes:
    """Ended by a one and zeros up to the byte, as every payload and every slice header is."""
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def _ue(number: int) -> str:
    """An unsigned number in exponential Golomb code."""
    binary = f"{number + 1:b}"
    return "0" * (len(binary) - 1) + binary


def _video_parameters() -> bytes:
    return _unit(32, _whole_bytes("0000110000000001" + "1" * 16 + MAIN_PROFILE + "1111000000100"))


def _sequence_parameters(size: tuple[int, int]) -> bytes:
    padding = [-side % BLOCK for side in size]
    bits = "00000001" + MAIN_PROFILE + _ue(0) + _ue(1)
    bits += "".join(_ue(side + more) for side, more in zip(size, padding, strict=True))
    bits += "1" + _ue(0) + _ue(padding[0] // 2) + _ue(0) + _ue(padding[1] // 2)  # the window that is shown
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
    """The arithmetic encoder of H.265 9.3.4.5, on a number of any length: so no carry needs care."""

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
        """The bits shifted out, but for the first, which is always zero; two more, then a one to end them."""
        bits = f"{self._low:0{self._shifts + 10}b}"[1 : self._shifts + 2]
        return _whole_bytes(bits)

    def _renormalize(self) -> None:
        while self._range < 256:
            self._range <<= 1
            self._low <<= 1
            self._shifts += 1
