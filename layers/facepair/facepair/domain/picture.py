"""Fit a picture to what the API accepts: JPEG or PNG, below 2 MB, 256 to 4096 pixels a side, upright.

A picture that already fits is sent byte for byte. Anything else a phone makes is turned upright, reduced and
re-encoded as JPEG, without its metadata; what cannot be made to fit is refused before a call is paid for.

Memory is bounded by the header: a picture of more than MAX_MEGAPIXELS (a JPEG: MAX_JPEG_MEGAPIXELS) is refused before
a pixel is decoded. At these limits a process peaks at 1 GB resident (a transparent WebP; a progressive JPEG: 0.8 GB);
with a phone's 48-megapixel JPEG or 25-megapixel PNG it stays near 0.4 GB, as `python -m benchmarks.fit` shows.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError

from facepair.domain import containers
from facepair.domain.colours import has_filled_tiles, in_srgb, is_of_one_colour, is_see_through, plain
from facepair.domain.containers import Damaged, Jpeg, Picture
from facepair.domain.jpeg import Size, encode_below
from facepair.domain.pair import MEGABYTE, Role

# The API's limits, from its Image Quality Requirements. "Below 2 MB" is read as the decimal megabyte, the stricter of
# its two meanings: 5 % fewer bytes cost less than a call that fails.
MAX_BYTES = 2_000_000
MIN_SIDE = 256
MAX_SIDE = 4096

# Our own limits on what is decoded. A decoded pixel takes 4 bytes, and a conversion holds two or three copies of the
# picture; a JPEG is decoded at a reduced scale, so that 108-megapixel phones are welcome.
MAX_MEGAPIXELS = 51  # a phone's 50 are up to 8192 x 6144
MAX_JPEG_MEGAPIXELS = 120
# Every scan of a progressive JPEG walks the whole picture, and an empty one takes few bytes; encoders write about ten.
MAX_SCANS = 50

# Nothing else of what Pillow can open is ever reached, least of all EPS, which runs Ghostscript.
READABLE = ("JPEG", "PNG", "AVIF", "WEBP", "TIFF", "BMP", "GIF")
HEIF_OR_AVIF = ("HEIF", "AVIF")
# A phone's MPO begins as a plain JPEG: its further pictures (a depth map, the other eye) trail behind the first.
CONTENT_TYPES: dict[str | None, Literal["image/jpeg", "image/png"]] = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
}
# What every reader of JPEG and PNG shows alike. CMYK and 16-bit gray are not among them: common readers show the one
# inverted and the other white.
UNMISTAKABLE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")

# EXIF orientation -> what turns the stored pixels upright, and its name. Pillow turns counter-clockwise, people don't.
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

type UnusableCode = Literal["IMAGE_INVALID_FORMAT", "IMAGE_INVALID_SIZE", "NO_FACE_DETECTED"]
NO_FACE: UnusableCode = "NO_FACE_DETECTED"


class Box(NamedTuple):
    """A rectangle in pixels from a picture's left and top edges."""

    left: float
    top: float
    right: float
    bottom: float


class Unusable(Exception):
    """The picture cannot be sent: it has to be taken again. `message` does not say which picture it is."""

    def __init__(self, code: UnusableCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message

    def api_code(self, role: Role) -> str:
        """Return the code that the API would answer if the picture had this role."""
        return f"{self.code}_FROM_{role.upper()}_IMAGE" if self.code == NO_FACE else self.code


@dataclass(frozen=True)
class Fitted:
    """A picture within the API's limits, upright."""

    content: bytes
    content_type: Literal["image/jpeg", "image/png"]
    adjusted: tuple[str, ...]  # what was changed to fit, in plain words; empty if sent as uploaded
    sent_size: Size
    shown_size: Size  # of the upload as a viewer shows it: upright, not reduced

    def on_upload(self, box: Box) -> Box:
        """Map a box on what was sent to the uploaded picture as a viewer shows it.

        Both are upright, so only the scale differs, by its own ratio on each axis.
        """
        across = self.shown_size[0] / self.sent_size[0]
        down = self.shown_size[1] / self.sent_size[1]
        return Box(box.left * across, box.top * down, box.right * across, box.bottom * down)


def check_size_of_upload(size: int, max_megabytes: int) -> None:
    """Refuse a picture by its size alone, before it is downloaded (stack parameter MaxUploadMegabytes).

    Raises Unusable.
    """
    if size > max_megabytes * MEGABYTE:
        raise Unusable(
            "IMAGE_INVALID_SIZE", f"it has {size / MEGABYTE:.1f} MB; at most {max_megabytes} MB are looked at"
        )


def fit(content: bytes) -> Fitted:
    """Make a picture fit the API's limits, or say why it cannot.

    Raises Unusable and nothing else, whatever the bytes; but ImportError in an incomplete installation.
    """
    # Pillow warns of oddities in a file; we decide for ourselves, by error or by limit.
    with warnings.catch_warnings(action="ignore"), _refusing(content):
        picture = containers.read(content)
        with _open(picture) as image:
            _check_size(image, _shown(image, picture))
            _check_scans(picture)
            if picture.damage:
                raise Damaged(picture.damage)
            return _as_it_is(image, picture, content) or _adjusted(image, picture)


def _open(picture: Picture) -> Image.Image:
    """Open a picture by its header."""
    formats: tuple[str, ...] = READABLE
    if picture.content[4:8] == b"ftyp":
        import pi_heif  # takes 4 MB of memory, which a JPEG does not need

        pi_heif.register_heif_opener()
        formats = HEIF_OR_AVIF
    image = Image.open(BytesIO(picture.content), formats=formats)
    image.info.pop("xmp", None)  # Pillow would turn a TIFF as its XMP says
    if getattr(image, "default_image", False):
        image.seek(1)  # of an animated PNG: before it comes the picture for readers that do not know animations
    return image


@contextmanager
def _refusing(content: bytes) -> Iterator[None]:
    """Refuse a picture for whatever goes wrong while it is read."""
    try:
        yield
    except (Unusable, ImportError):  # a decoder that is missing says nothing about the picture
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
    except Exception as error:  # Pillow raises whatever a malformed file makes it stumble over
        raise Unusable(
            "IMAGE_INVALID_FORMAT",
            f"{len(content)} bytes of a damaged or truncated picture ({error}); upload it again",
        ) from error


def _shown(image: Image.Image, picture: Picture) -> Size:
    """Return the size that is shown, before a turn by EXIF."""
    left, top, right, bottom = picture.crop or (0, 0, *image.size)
    return right - left, bottom - top


def _check_size(image: Image.Image, shown: Size) -> None:
    """Refuse by the header's numbers, before a pixel is decoded."""
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
    """Refuse a progressive JPEG that takes no memory but hours."""
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
    """The largest size of the same shape within the API's limit."""
    return _scaled(size, min(1.0, MAX_SIDE / max(size)))


def _scaled(size: Size, scale: float) -> Size:
    return round(size[0] * scale), round(size[1] * scale)


def _as_it_is(image: Image.Image, picture: Picture, content: bytes) -> Fitted | None:
    """Send the upload byte for byte if it fits, proven intact by one decode. Only what is no picture is fixed."""
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
        image.load()  # a PNG's EXIF may come after its pixels
    if _orientation(image) in TURNS:
        return None
    size = image.size
    if isinstance(picture, Jpeg):
        # An eighth of its scale, in gray, takes every block, and little time.
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
    """Return the EXIF orientation. Pillow's own way would also take one from XMP, which browsers do not.

    A TIFF is upright already: Pillow turns it while it decodes. A viewer shows a picture with unreadable EXIF as it is
    stored.
    """
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif") or b"")
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # as above: anything may be in there
        return 1


def _pixels(image: Image.Image, picture: Picture) -> Image.Image:
    """Decode a picture: a JPEG at the smallest scale that is still large enough. Raises Damaged."""
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
    """Make it plain, reduce it, and only then do what costs most a pixel: its colours, its turn, its encoding."""
    adjusted = [] if _is_jpeg(image) else [f"converted from {_name(image.format)}"]
    decoded = _pixels(image, picture)
    stored_size = _shown(image, picture)
    profile = picture.icc_profile or image.info.get("icc_profile")
    orientation = _orientation(image)

    pixels, how = plain(decoded)
    adjusted += how
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
