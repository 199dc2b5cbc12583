"""The picture in a JPEG file (ITU-T T.81), decoded only if every block is there.

libjpeg fills what is missing with gray and only warns; simplejpeg turns its warnings into errors. Progressive JPEGs are
also decoded by jpegli, which finds runs that leave their band. To refuse nothing harmless, libjpeg gets the picture
alone: no stray bytes between headers, no trailer, and an end marker where the picture ends.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal, NamedTuple

from PIL import Image

from facepair.domain.containers.base import ZEROS_OF_A_HOLE, Damaged, Picture, damaged, incomplete

type Colours = Literal["GRAY", "RGB", "CMYK"]

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_DHT, _SOS, _APP0 = 0xC4, 0xDA, 0xE0
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

_MARKER = re.compile(rb"\xff+([^\0\xff])")
_END_OF_DATA = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")  # stuffed bytes and restart markers belong to the data
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")

# libjpeg reads up to 8 bytes ahead and does not report these as extraneous.
_READ_AHEAD = 8

# Longest run of zeros in progressive scans with more than mean colours: twice the measured one.
_ZEROS_OF_PROGRESSIVE = 256

_OUT_OF_BAND = "Failed to decode DCT block"  # jpegli's message

# Recognises a trailer without an end marker before it: text, or a video's box.
_TRAILER = re.compile(rb"[A-Za-z0-9_ .:/-]{6}|\0\0\0.ftyp", re.DOTALL)
_TRAILER_BEGINNING = 64


class _Scan(NamedTuple):
    components: tuple[int, ...]
    first: int  # coefficients, in zigzag order
    last: int
    high: int  # bits that earlier scans left out; 0 in the first
    low: int  # bits that this scan leaves out


@dataclass(frozen=True)
class Jpeg(Picture):
    """A JPEG. `content` ends with the picture. `has_end`: the upload had an end marker."""

    scans: int = 0
    components: int = 3
    progressive: bool = False
    has_end: bool = True
    trailer: bytes = b""  # the start of what follows, if there was no end marker

    def decoded(self, colours: Colours, smallest: tuple[int, int]) -> tuple[Image.Image, "Jpeg"]:
        """Decode at the smallest scale with both sides at least this long. Raises Damaged.

        Return the pixels, and the JPEG whose every block was decoded, without any padding before its end.
        """
        # First, so that the two decoders' memory does not add up.
        has_broken_scan = self.progressive and self._has_run_out_of_band()
        try:
            whole, pixels = self, _decode(self.content, colours, smallest)
        except ValueError as warning:
            whole = self._ended_properly(str(warning))
            pixels = _decode(whole.content, colours, smallest)
        if has_broken_scan:
            raise Damaged(damaged("a scan of its data is broken"))
        return pixels, whole

    def _has_run_out_of_band(self) -> bool:
        """Return whether jpegli finds a coefficient beyond the last one of its scan.

        After a cut within a scan, a decoder reads the wrong blocks and may still end with the right number of them, but
        nearly always leaves the band. Only that error counts: jpegli also refuses pictures that viewers show (rare
        samplings). Its warnings on stderr are harmless.
        """
        import ajpegli

        try:
            # In colours that it cannot convert to: it refuses them after reading all scans, which saves drawing pixels.
            ajpegli.imdecode(self.content, mode="L" if self.components == 4 else "CMYK")
        except ajpegli.AjpegliError as error:
            return _OUT_OF_BAND in str(error)
        return False

    def _ended_properly(self, warning: str) -> "Jpeg":
        """Return the JPEG without padding after its last block. Raises Damaged if that is picture data."""
        found = _EXTRANEOUS.search(warning)
        if "remature end" in warning:
            raise Damaged(incomplete(None if self.progressive else self._share_of_rows()))
        if not found:
            raise Damaged(damaged(warning))
        end = self._end_of_blocks(int(found[1]))
        data, rest = self.content[:end], self.content[end:-2]
        is_padding = not rest.strip(b"\0") and data[-_READ_AHEAD:].strip(b"\0")
        if not (is_padding or (not self.has_end and _TRAILER.search((rest + self.trailer)[:_TRAILER_BEGINNING]))):
            raise Damaged(damaged(f"{found[1]} bytes of its data belong to no block"))
        return replace(self, content=data + _EOI, changes=(*self.changes, "its end marker put where the picture ends"))

    def _end_of_blocks(self, extraneous: int) -> int:
        """Return where the last block ends: the shortest data that libjpeg accepts as complete."""
        end = len(self.content) - len(_EOI) - extraneous
        for candidate in range(end - 2 * _READ_AHEAD, end):
            try:
                _decode(self.content[:candidate] + _EOI, "GRAY" if self.components < 4 else "CMYK", (1, 1))
            except ValueError:
                continue
            return candidate
        return end

    def _share_of_rows(self) -> float | None:
        """Return the share of rows that decode (0 to 1), or None."""
        with Image.open(BytesIO(self.content[:-2])) as image:  # without an end marker Pillow stops where the data does
            image.draft("L", (1, 1))
            try:
                image.load()
            except OSError:
                box = image.im.getbbox()
                return box[3] / image.height if box else 0
        return None


def read_jpeg(content: bytes) -> Jpeg:
    """Find the picture in a JPEG file: from the start to the end of the last scan."""
    try:
        return _Reader(content).jpeg()
    except (IndexError, ValueError):
        return Jpeg(content, damage=incomplete(None))


class _Reader:
    """Walks through a file's segments to the end of the picture."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._parts: list[bytes | memoryview] = [_SOI]
        self._frame = 0
        self._ids: tuple[int, ...] = ()
        self._scans: list[_Scan] = []
        self._changes: list[str] = []
        self._has_end = False
        self._has_hole = False
        self._meaning_of_zeros: dict[int, int] = {}  # by AC table: the symbol whose code is all zeros
        self._end = len(_SOI)

    def jpeg(self) -> Jpeg:
        for code, start, end in self._segments():
            self._take(code, start, end)
        if not self._scans:
            return Jpeg(self._content, damage=incomplete(0))
        if not self._has_end:
            self._changes.append("an end marker added")
        content = self._content
        if self._changes:
            content = b"".join([*self._parts, _EOI])
        elif len(content) > self._end + len(_EOI):
            content = content[: self._end + len(_EOI)]
        progressive = self._frame in _PROGRESSIVE
        return Jpeg(
            content,
            tuple(self._changes),
            self._damage(progressive),
            scans=len(self._scans),
            components=len(self._ids),
            progressive=progressive,
            has_end=self._has_end,
            trailer=b"" if self._has_end else self._content[self._end : self._end + _TRAILER_BEGINNING],
        )

    def _segments(self) -> Iterator[tuple[int, int, int]]:
        """Yield each segment's marker, start and end, up to the end of the picture."""
        at = len(_SOI)
        while marker := _MARKER.search(self._content, at):
            code = marker[1][0]
            is_adjacent = marker.start() == at
            if code == _EOI[1] and self._scans and is_adjacent:
                self._has_end = True
                return
            if code in _WITHOUT_LENGTH or code == _EOI[1]:
                end = marker.end()
            else:
                end = marker.end() + int.from_bytes(self._content[marker.end() : marker.end() + 2])
            is_segment = marker.end() + 2 <= end <= len(self._content)
            if self._scans and not (is_adjacent and is_segment):
                return  # a trailer
            if not is_adjacent:
                self._change("stray bytes between its headers left out")
            if is_segment:
                yield code, marker.end() - 2, end
            elif code not in _WITHOUT_LENGTH:
                raise IndexError
            at = self._end if code == _SOS else end

    def _take(self, code: int, start: int, end: int) -> None:
        segment = self._content[start:end]
        if code in _FRAMES:
            self._frame = code
            self._ids = tuple(segment[10::3])
        elif code == _APP0 and segment[4:9] == b"JFIF\0" and segment[9] != 1:
            segment = segment[:9] + b"\1\2" + segment[11:]
            self._change("the version of its headers corrected")
        elif code == _DHT:
            self._note_tables(segment[4:])
        elif code == _SOS:
            tables = {table & 15 for table in segment[6 : 6 + 2 * segment[4] : 2]}
            segment = self._scan(segment)
            found = _END_OF_DATA.search(self._content, end)
            self._end = found.start() if found else len(self._content)
            self._has_hole |= self._is_hole_in(end, tables)
            self._parts += [segment, memoryview(self._content)[end : self._end]]
            return
        self._parts.append(segment)

    def _scan(self, segment: bytes) -> bytes:
        """Record a scan. Some phones write invalid parameters in sequential JPEGs; correct them."""
        count = segment[4]
        ids = tuple(segment[5 : 5 + 2 * count : 2])
        parameters = segment[5 + 2 * count :]
        if len(parameters) != 3 or not set(ids) <= set(self._ids):
            raise ValueError
        if self._frame not in _PROGRESSIVE and parameters != b"\0\x3f\0":
            segment = segment[:-3] + b"\0\x3f\0"
            self._change("invalid parameters of its headers corrected")
        first, last, bits = segment[-3:]
        self._scans.append(_Scan(ids, first, last, bits >> 4, bits & 15))
        return segment

    def _note_tables(self, tables: bytes) -> None:
        """Read Huffman tables (B.2.4.2): class and number, codes per length, symbols."""
        while tables:
            size = 17 + sum(tables[1:17])
            if tables[0] >> 4:
                self._meaning_of_zeros[tables[0] & 15] = tables[17]
            tables = tables[size:]

    def _is_hole_in(self, start: int, tables: set[int]) -> bool:
        """Return whether the scan's data has zeros where they cannot mean blocks of one colour.

        libjpeg does not warn if their number happens to fit. Zeros at the end are judged by where the last block ends.
        """
        if self._frame in _PROGRESSIVE:
            if self._scans[-1].first == 0:
                return False
            zeros = _ZEROS_OF_PROGRESSIVE
        elif any(self._meaning_of_zeros.get(table) for table in tables):
            zeros = ZEROS_OF_A_HOLE
        else:
            return False
        hole = self._content.find(bytes(zeros), start, self._end)
        return hole >= 0 and bool(self._content[hole : self._end].strip(b"\0"))

    def _damage(self, progressive: bool) -> str | None:
        if self._has_hole:
            return damaged("a hole of zeros in its data")
        return None if self._is_complete(progressive) else incomplete(None)

    def _change(self, change: str) -> None:
        if change not in self._changes:
            self._changes.append(change)

    def _is_complete(self, progressive: bool) -> bool:
        """Return whether the scans have every bit of every coefficient; a file cut between scans does not."""
        for component in self._ids:
            scans = [scan for scan in self._scans if component in scan.components]
            for coefficient in range(64 if progressive else 1):
                bits = [scan.low for scan in scans if scan.first <= coefficient <= scan.last]
                if not bits or bits[-1] != 0:
                    return False
        return True


def _decode(content: bytes, colours: Colours, smallest: tuple[int, int]) -> Image.Image:
    """Raises ValueError for any warning of libjpeg."""
    import simplejpeg  # imports numpy, which only decoding needs

    # Four bytes per pixel are Pillow's layout, so it uses the decoder's memory without a copy.
    colourspace, mode = ("RGBX", "RGBX") if colours == "RGB" else (colours, "L" if colours == "GRAY" else colours)
    pixels = simplejpeg.decode_jpeg(
        content, colourspace, min_width=smallest[0], min_height=smallest[1], min_factor=1, strict=True
    )
    height, width = pixels.shape[:2]
    return Image.frombuffer(mode, (width, height), pixels, "raw", mode, 0, 1)
