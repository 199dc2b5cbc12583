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

import pi_heif
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from facepair.domain.jpeg import Size, encode_below

# The API's limits, from its Image Quality Requirements. "Below 2 MB" is read as the decimal megabyte, the stricter of
# its two meanings: 5 % fewer bytes cost less than a call that fails.
MAX_BYTES = 2_000_000
MIN_SIDE = 256
MAX_SIDE = 4096
MEGABYTE = 1_000_000

# Our own limits on what is decoded. A decoded pixel takes 4 bytes, and a conversion holds two or three copies of the
# picture; a JPEG is decoded at a reduced scale, so that 108-megapixel phones are welcome.
MAX_MEGAPIXELS = 50
MAX_JPEG_MEGAPIXELS = 120
# Every scan of a progressive JPEG walks the whole picture, and an empty one takes few bytes; encoders write about ten.
MAX_SCANS = 50

# Nothing else of what Pillow can open is ever reached, least of all EPS, which runs Ghostscript.
READABLE = ("JPEG", "PNG", "HEIF", "AVIF", "WEBP", "TIFF", "BMP", "GIF")
# A phone's MPO begins as a plain JPEG: its further pictures (a depth map, the other eye) trail behind the first.
CONTENT_TYPES: dict[str | None, Literal["image/jpeg", "image/png"]] = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
}
# What every reader of JPEG and PNG shows alike. CMYK and 16-bit gray are not among them: common readers show the one
# inverted and the other white.
UNMISTAKABLE_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")

# A PNG's last chunk, always these bytes. Pillow reads the pixels of a PNG that lost its end, other readers refuse it.
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"

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

# An ICC profile's colour space -> the mode of the pictures that it describes.
PROFILED_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}

pi_heif.register_heif_opener()


class Box(NamedTuple):
    """A rectangle in pixels from a picture's left and top edges."""

    left: float
    top: float
    right: float
    bottom: float


class Unusable(Exception):
    """The picture cannot be sent: it has to be taken again. `message` does not say which picture it is."""

    def __init__(self, code: Literal["IMAGE_INVALID_FORMAT", "IMAGE_INVALID_SIZE"], message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


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
    """Refuse a picture by its bytes alone, before anybody reads them (stack parameter MaxUploadMegabytes).

    Raises Unusable.
    """
    if size > max_megabytes * MEGABYTE:
        raise Unusable(
            "IMAGE_INVALID_SIZE", f"it has {size / MEGABYTE:.1f} MB; at most {max_megabytes} MB are looked at"
        )


def fit(content: bytes) -> Fitted:
    """Make a picture fit the API's limits, or say why it cannot.

    Raises Unusable and nothing else, whatever the bytes.
    """
    # Pillow warns of oddities in a file; we decide for ourselves, by error or by limit.
    with warnings.catch_warnings(action="ignore"), _open(content) as image:
        _check_size(image)
        _check_scans(image, content)
        return _as_it_is(image, content) or _adjusted(image)


@contextmanager
def _open(content: bytes) -> Iterator[Image.Image]:
    """Open a picture by its header; whatever goes wrong while it is read refuses it."""
    try:
        with Image.open(BytesIO(content), formats=READABLE) as image:
            yield image
    except Unusable:
        raise
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


def _check_size(image: Image.Image) -> None:
    """Refuse by the header's numbers, before a pixel is decoded."""
    width, height = image.size
    limit = MAX_JPEG_MEGAPIXELS if _is_jpeg(image) else MAX_MEGAPIXELS
    if width * height > limit * 1_000_000:
        raise _too_many_pixels(f"{width}x{height} pixels, {limit} megapixels are the limit")
    if min(width, height) < MIN_SIDE:
        raise Unusable(
            "IMAGE_INVALID_SIZE",
            f"{width}x{height} pixels; at least {MIN_SIDE} a side are needed: take a larger picture",
        )
    if min(_largest(image.size)) < MIN_SIDE:
        raise Unusable(
            "IMAGE_INVALID_SIZE",
            f"{width}x{height} pixels, too long and narrow: with {MAX_SIDE} on the long side, fewer than {MIN_SIDE} "
            "are left on the short one; crop it to the face",
        )


def _check_scans(image: Image.Image, content: bytes) -> None:
    """Refuse a progressive JPEG that takes no memory but hours."""
    if "progressive" in image.info and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
        raise Unusable(
            "IMAGE_INVALID_FORMAT",
            f"a progressive JPEG of {scans} scans, {MAX_SCANS} are the limit; save it as a baseline JPEG",
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


def _as_it_is(image: Image.Image, content: bytes) -> Fitted | None:
    """Send the upload byte for byte if it fits, proven intact by one decode."""
    content_type = CONTENT_TYPES.get(image.format)
    if (
        content_type is None
        or len(content) >= MAX_BYTES
        or max(image.size) > MAX_SIDE
        or image.mode not in UNMISTAKABLE_MODES
    ):
        return None
    if not _is_jpeg(image):
        image.load()  # a PNG's EXIF may come after its pixels
    if _orientation(image) in TURNS:
        return None
    size = image.size
    # A JPEG proves itself intact at an eighth of its scale, in gray; a PNG takes no notice.
    image.draft("L", (1, 1))
    image.load()
    if image.format == "PNG" and PNG_END not in content:
        raise OSError("PNG file is truncated")
    return None if _is_see_through(image) else Fitted(content, content_type, (), size, size)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation; a viewer shows a picture with unreadable EXIF as it is stored."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as above: anything may be in there
        return 1


def _is_see_through(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    opacity: tuple[int, int] = image.convert("RGBA").getchannel("A").getextrema()  # type: ignore[assignment]
    return opacity[0] < 255


def _adjusted(image: Image.Image) -> Fitted:
    """Make it plain, reduce it, and only then do what costs most a pixel: its colours, its turn, its encoding."""
    adjusted = [] if _is_jpeg(image) else [f"converted from {_name(image.format)}"]
    stored_size = image.size
    # Decodes a JPEG at a half, a quarter or an eighth where that is still large enough.
    image.draft(None, _largest(stored_size))
    image.load()
    profile = image.info.get("icc_profile")
    orientation = _orientation(image)

    picture, how = _plain(image)
    adjusted += how
    if picture.size != _largest(stored_size):
        picture = picture.resize(_largest(stored_size), Image.Resampling.LANCZOS)
    picture, how = _in_srgb(picture, profile)
    adjusted += how
    shown_size = stored_size
    if orientation in TURNS:
        turn, name = TURNS[orientation]
        picture = picture.transpose(turn)
        adjusted.append(name)
        if orientation in SWAPPING_SIDES:
            shown_size = stored_size[1], stored_size[0]

    content, quality, sent_size = encode_below(picture, MAX_BYTES)
    if sent_size != shown_size:
        adjusted.append(f"reduced from {shown_size[0]}x{shown_size[1]} to {sent_size[0]}x{sent_size[1]}")
    adjusted.append(f"re-encoded at quality {quality}")
    return Fitted(content, "image/jpeg", tuple(adjusted), sent_size, shown_size)


def _name(pillow_format: str | None) -> str:
    return "HEIC" if pillow_format == "HEIF" else str(pillow_format)


def _plain(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Make it an 8-bit gray, RGB or CMYK picture without transparency."""
    if image.mode.startswith(("I", "F")):
        return _scaled_to_8_bits(image), ["scaled to 8 bits"]
    if _is_see_through(image):
        on_white = Image.new("RGB", image.size, "white")
        see_through = image.convert("RGBA")
        on_white.paste(see_through, mask=see_through)
        return on_white, ["put on white"]
    if image.mode in ("L", "RGB", "CMYK"):
        return image, []
    return image.convert("L" if image.mode in ("1", "LA") else "RGB"), []


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray to 8 bits: `convert` alone clips everything above 255 to white.

    16-bit pictures have a defined white. 32-bit integers and floats have none: their own extremes become black
    and white.
    """
    if image.mode.startswith("I;16"):
        black, white = 0.0, 65535.0
    else:
        black, white = image.getextrema()  # type: ignore[assignment]
    scale = 255 / ((white - black) or 1.0)
    # Half a level more, since the conversion to 8 bits cuts the fraction off.
    return image.convert("F").point(lambda level: level * scale + (0.5 - black * scale)).convert("L")


def _in_srgb(picture: Image.Image, profile: bytes | None) -> tuple[Image.Image, list[str]]:
    """Bring the colours of an embedded ICC profile to sRGB, which a picture without a profile is taken for."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            name = (source.profile.profile_description or "its colour profile").strip()
            if "sRGB" not in name and PROFILED_MODES.get(source.profile.xcolor_space.strip()) == picture.mode:
                converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                assert converted is not None  # only `inPlace=True` returns none
                return converted, [f"converted from {name} to sRGB"]
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a viewer ignores a broken profile, too
    if picture.mode == "CMYK":
        return picture.convert("RGB"), ["converted from CMYK"]
    return picture, []
