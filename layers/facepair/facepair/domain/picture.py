"""Fit a picture to the API's limits: JPEG or PNG, below 2 MB, sides of 256 to 4096 pixels, upright.

A fitting picture is sent byte for byte. Other formats of phones are turned upright, reduced and re-encoded as JPEG
without metadata. What cannot be made to fit is refused before a call is paid for.

Memory is bounded by the header: pictures above MAX_MEGAPIXELS (JPEG: MAX_JPEG_MEGAPIXELS) are refused before decoding.
At these limits a process peaks at 1 GB resident (transparent WebP; progressive JPEG: 0.8 GB); a phone's 48-megapixel
JPEG or 25-megapixel PNG takes 0.4 GB (`python -m benchmarks.fit`).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Literal

from PIL import ExifTags, Image, UnidentifiedImageError

from facepair.advance.limits import MAX_BYTES, MAX_SIDE, MIN_SIDE
from facepair.domain import containers
from facepair.domain.colours import has_filled_tiles, in_srgb, is_of_one_colour, is_see_through, plain
from facepair.domain.containers import Damaged, Jpeg, Picture
from facepair.domain.fitted import NO_FACE, Fitted, Size, Unusable
from facepair.domain.jpeg import encode_below

# Our own limits. A decoded pixel takes 4 bytes, and conversions hold two or three copies. JPEGs are decoded at a
# reduced scale, which admits 108-megapixel phones.
MAX_MEGAPIXELS = 51  # 50 megapixels of phones are up to 8192 x 6144
MAX_JPEG_MEGAPIXELS = 120
# Every scan of a progressive JPEG walks the whole picture, yet takes few bytes; encoders write about ten.
MAX_SCANS = 50

# Formats that may be opened. Pillow knows more, such as EPS, which runs Ghostscript.
READABLE = ("JPEG", "PNG", "AVIF", "WEBP", "TIFF", "BMP", "GIF")
HEIF_OR_AVIF = ("HEIF", "AVIF")
# A phone's MPO starts as a plain JPEG; its other pictures (depth map, other eye) follow.
CONTENT_TYPES: dict[str | None, Literal["image/jpeg", "image/png"]] = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
}
# Modes that all readers show alike. CMYK is often shown inverted, and 16-bit gray white.
UNMISTAKABLE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")

# EXIF orientation -> what turns the stored pixels upright, and its name. Pillow turns counter-clockwise.
TURNS = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
    3: (Image.Transpose.ROTATE_180, "rotated 180"),
    4: (Image.Transpose.FLIP_TOP_BOTTOM, "rotated 180 and mirrored"),
    5: (Image.Transpose.TRANSPOSE, "rotated 90 and mirrored"),
    6: (Image.Transpose.ROTATE_270, "rotated 90"),
    7: (Image.Transpose.TRANSVERSE, "rotated 270 and mirrored"),
    8: (Image.Transpose.ROTATE_90, "rotated 270"),
}
SWAPPING_SIDES = (5, 6, 7, 8)


def fit(content: bytes) -> Fitted:
    """Fit a picture to the API's limits.

    Raises Unusable, with the reason, for any bytes; ImportError if a decoder is not installed.
    """
    # Pillow warns about oddities in files; our checks decide instead.
    with warnings.catch_warnings(action="ignore"), _refusing(content):
        picture = containers.read(content)
        with _open(picture) as image:
            _check_size(image, _shown(image, picture))
            _check_scans(picture)
            if picture.damage:
                raise Damaged(picture.damage)
            return _as_it_is(image, picture, content) or _adjusted(image, picture)


def _open(picture: Picture) -> Image.Image:
    """Open a picture; only its header is read."""
    formats: tuple[str, ...] = READABLE
    if picture.content[4:8] == b"ftyp":
        import pi_heif  # takes 4 MB of memory, which JPEGs do not need

        pi_heif.register_heif_opener()
        formats = HEIF_OR_AVIF
    image = Image.open(BytesIO(picture.content), formats=formats)
    image.info.pop("xmp", None)  # Pillow would turn a TIFF by its XMP
    if getattr(image, "default_image", False):
        image.seek(1)  # skip an animated PNG's picture for readers without animation
    return image


@contextmanager
def _refusing(content: bytes) -> Iterator[None]:
    """Raise Unusable for whatever goes wrong while reading."""
    try:
        yield
    except (Unusable, ImportError):  # a missing decoder says nothing about the picture
        raise
    except Damaged as damaged:
        raise Unusable("IMAGE_INVALID_FORMAT", f"{damaged} ({len(content)} bytes)") from damaged
    except UnidentifiedImageError as error:
        beginning = f", beginning with {content[:8]!r}," if content else ""
        raise Unusable(
            "IMAGE_INVALID_FORMAT",
            f"{len(content)} bytes{beginning} are not a picture that can be read; upload a JPEG, PNG or HEIC",
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(str(error)) from error
    except Exception as error:  # Pillow raises many kinds of errors for malformed files
        raise Unusable(
            "IMAGE_INVALID_FORMAT",
            f"{len(content)} bytes of a damaged or truncated picture ({error}); upload it again",
        ) from error


def _shown(image: Image.Image, picture: Picture) -> Size:
    """Return the visible size, before a turn by EXIF."""
    left, top, right, bottom = picture.crop or (0, 0, *image.size)
    return right - left, bottom - top


def _check_size(image: Image.Image, shown: Size) -> None:
    """Check the header's size before decoding."""
    limit = MAX_JPEG_MEGAPIXELS if _is_jpeg(image) else MAX_MEGAPIXELS
    if image.width * image.height > limit * 1_000_000:
        raise _too_many_pixels(f"{image.width}x{image.height} pixels, {limit} megapixels are the limit")
    width, height = shown
    if min(width, height) < MIN_SIDE:
        raise Unusable(
            "IMAGE_INVALID_SIZE",
            f"{width}x{height} pixels; at least {MIN_SIDE} a side are needed: take a larger picture",
        )
    if min(_largest(shown)) < MIN_SIDE:
        raise Unusable(
            "IMAGE_INVALID_SIZE",
            f"{width}x{height} pixels, too long and narrow: with {MAX_SIDE} on the long side, fewer than {MIN_SIDE} "
            "are left on the short one; crop it to the face",
        )


def _check_scans(picture: Picture) -> None:
    """Refuse a progressive JPEG that would take hours to decode."""
    if isinstance(picture, Jpeg) and picture.progressive and picture.scans > MAX_SCANS:
        raise Unusable(
            "IMAGE_INVALID_FORMAT",
            f"a progressive JPEG of {picture.scans} scans, {MAX_SCANS} are the limit; save it as a baseline JPEG",
        )


def _too_many_pixels(how_many: str) -> Unusable:
    return Unusable("IMAGE_INVALID_SIZE", f"too many pixels: {how_many}; upload a smaller picture")


def _is_jpeg(image: Image.Image) -> bool:
    return CONTENT_TYPES.get(image.format) == "image/jpeg"


def _largest(size: Size) -> Size:
    """Return the largest size of the same shape within the API's limit."""
    return _scaled(size, min(1.0, MAX_SIDE / max(size)))


def _scaled(size: Size, scale: float) -> Size:
    return round(size[0] * scale), round(size[1] * scale)


def _as_it_is(image: Image.Image, picture: Picture, content: bytes) -> Fitted | None:
    """Return the upload byte for byte if it fits, after one decode proves it intact."""
    content_type = CONTENT_TYPES.get(image.format)
    if (
        content_type is None
        or len(picture.content) >= MAX_BYTES
        or max(image.size) > MAX_SIDE
        or image.mode not in UNMISTAKABLE_MODES
        or picture.icc_profile
        or image.tell()
    ):
        return None
    if not _is_jpeg(image):
        image.load()  # a PNG's EXIF may follow its pixels
    if _orientation(image) in TURNS:
        return None
    size = image.size
    if isinstance(picture, Jpeg):
        # Decoding in gray at 1/8 scale checks every block quickly.
        small, picture = picture.decoded("GRAY", (1, 1))
        if is_of_one_colour(small, size) and is_of_one_colour(picture.decoded("RGB", (1, 1))[0], size):
            raise _one_colour()
    elif is_see_through(image):
        return None
    elif is_of_one_colour(image, size):
        raise _one_colour()
    if not picture.changes and len(content) < MAX_BYTES:
        return Fitted(content, content_type, (), size, size)
    changes = picture.changes or ("what follows the picture left out",)
    return Fitted(picture.content, content_type, changes, size, size)


def _one_colour() -> Unusable:
    return Unusable(
        NO_FACE, "the picture is of one colour (a blank page, or a covered lens), so it shows no face; take another one"
    )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, without XMP's, which browsers ignore (Pillow would use it).

    Pillow turns TIFFs while decoding. Unreadable EXIF counts as none, as in viewers.
    """
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # malformed EXIF may raise anything
        return 1


def _pixels(image: Image.Image, picture: Picture) -> Image.Image:
    """Decode a picture; a JPEG at the smallest sufficient scale. Raises Damaged."""
    if isinstance(picture, Jpeg):
        if image.mode == "CMYK":
            _, picture = picture.decoded("CMYK", (1, 1))
            image = Image.open(BytesIO(picture.content))
        elif image.mode in ("L", "RGB"):
            return picture.decoded("GRAY" if image.mode == "L" else "RGB", _largest(image.size))[0]
    image.load()
    if image.format == "HEIF" and has_filled_tiles(image):
        raise Damaged("a part of the picture cannot be decoded; upload it again")
    return image.crop(picture.crop) if picture.crop else image


def _adjusted(image: Image.Image, picture: Picture) -> Fitted:
    """Convert to plain pixels and reduce first; then the steps that cost most per pixel: colours, turn, encoding."""
    adjusted = [] if _is_jpeg(image) else [f"converted from {_name(image.format)}"]
    pixels, how = plain(_pixels(image, picture))
    adjusted += how
    stored_size = _shown(image, picture)
    profile = picture.icc_profile or image.info.get("icc_profile")
    orientation = _orientation(image)

    if pixels.size != _largest(stored_size):
        pixels = pixels.resize(_largest(stored_size), Image.Resampling.LANCZOS)
    if is_of_one_colour(pixels, stored_size):
        raise _one_colour()
    pixels, how = in_srgb(pixels, profile, picture.curve)
    adjusted += how
    shown_size = stored_size
    if orientation in TURNS:
        turn, name = TURNS[orientation]
        pixels = pixels.transpose(turn)
        adjusted.append(name)
        if orientation in SWAPPING_SIDES:
            shown_size = stored_size[1], stored_size[0]

    content, quality, sent_size = encode_below(pixels, MAX_BYTES)
    if sent_size != shown_size:
        adjusted.append(f"reduced from {shown_size[0]}x{shown_size[1]} to {sent_size[0]}x{sent_size[1]}")
    adjusted.append(f"re-encoded at quality {quality}")
    return Fitted(content, "image/jpeg", tuple(adjusted), sent_size, shown_size)


def _name(pillow_format: str | None) -> str:
    return "HEIC" if pillow_format == "HEIF" else str(pillow_format)
