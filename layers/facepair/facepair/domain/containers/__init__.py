"""Find the bytes of a picture in a file, and check that all of them are there.

Decoders silently fill what is missing with gray, green or black. So each container is read here as far as its structure
proves completeness. What viewers ignore (metadata, trailers, broken ancillary chunks) is left out rather than refused.
"""

from facepair.domain.containers.base import Damaged, Picture
from facepair.domain.containers.heif import read_heif
from facepair.domain.containers.jpeg import Jpeg, read_jpeg
from facepair.domain.containers.png import read_png
from facepair.domain.containers.rows import read_bmp, read_tiff
from facepair.domain.containers.webp import read_webp

__all__ = ["Damaged", "Jpeg", "Picture", "read"]


def read(content: bytes) -> Picture:
    """Return the picture in a file; an unknown format is returned as it is."""
    if content.startswith(b"\xff\xd8"):
        return read_jpeg(content)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return read_png(content)
    if content[4:8] == b"ftyp":
        return read_heif(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return read_webp(content)
    if content.startswith(b"BM"):
        return read_bmp(content)
    if content.startswith((b"II*\0", b"MM\0*")):
        return read_tiff(content)
    return Picture(content)
