"""Reduce pixels to 8-bit sRGB without transparency, and detect blank pictures."""

from collections.abc import Iterable, Iterator
from functools import reduce
from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageChops, ImageCms

from facepair.domain import hdr
from facepair.domain.fitted import Size

# ICC colour space -> modes of the pictures it can describe.
PROFILED_MODES = {"RGB": ("RGB", "RGBX"), "GRAY": ("L",), "CMYK": ("CMYK",)}

# A picture is blank if the averages of its cells differ by at most this many of 255 levels in every channel. A cell is
# 1/64 of each side, at least 16 pixels: a covered lens with noise (standard deviation 15) is blank, a pale face in
# front of a pale wall is not.
ONE_COLOUR = 8
MOST_CELLS = 64
SMALLEST_CELL = 16

# What libheif fills in for a tile that does not decode (YCbCr zeros), and the share of the picture that proves it.
FILL = (0, 136, 0)
SHARE_OF_FILL = 0.002


def is_of_one_colour(picture: Image.Image, shown_size: Size) -> bool:
    """Return whether a picture is blank, so that it cannot show a face."""
    across, down = (max(1, min(MOST_CELLS, side // SMALLEST_CELL)) for side in shown_size)
    extremes = [(255, 0)] * 3  # the darkest and brightest cell so far, by channel
    for strip in _strips(picture, down):
        cells = strip.resize((across, 1), Image.Resampling.BOX).convert("RGB")
        of_strip: Iterable[tuple[int, int]] = cells.getextrema()  # type: ignore[assignment]
        extremes = [(min(a, c), max(b, d)) for (a, b), (c, d) in zip(extremes, of_strip, strict=True)]
        if any(most - least > ONE_COLOUR for least, most in extremes):
            return False
    return True


def has_filled_tiles(picture: Image.Image) -> bool:
    """Return whether part of a HEIC did not decode."""
    filled = pixels = 0
    for strip in _strips(picture, MOST_CELLS):
        is_filled = [
            channel.point([255 * (level == fill) for level in range(256)])
            for channel, fill in zip(strip.convert("RGB").split(), FILL, strict=True)
        ]
        filled += reduce(ImageChops.darker, is_filled).histogram()[255]
        pixels += strip.width * strip.height
    return filled > SHARE_OF_FILL * pixels


def _strips(picture: Image.Image, count: int) -> Iterator[Image.Image]:
    """Yield a sample of each of `count` strips, as gray or RGB: one at a time takes little memory."""
    tops = [number * picture.height // count for number in range(count + 1)]
    for top, bottom in pairwise(tops):
        size = min(MOST_CELLS * SMALLEST_CELL, picture.width), min(SMALLEST_CELL, bottom - top)
        strip = picture.resize(size, Image.Resampling.NEAREST, (0, top, picture.width, bottom))
        yield strip if strip.mode in ("L", "RGB", "RGBX") else strip.convert("RGB")


def is_see_through(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    opacity: tuple[int, int] = image.convert("RGBA").getchannel("A").getextrema()  # type: ignore[assignment]
    return opacity[0] < 255


def plain(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return the picture as 8-bit gray, RGB or CMYK without transparency, and the changes made."""
    if image.mode.startswith(("I", "F")):
        return _scaled_to_8_bits(image), ["scaled to 8 bits"]
    if is_see_through(image):
        on_white = Image.new("RGB", image.size, "white")
        see_through = image.convert("RGBA")
        on_white.paste(see_through, mask=see_through)
        return on_white, ["put on white"]
    if image.mode in ("L", "RGB", "RGBX", "CMYK"):
        return image, []
    return image.convert("L" if image.mode in ("1", "LA") else "RGB"), []


def _scaled_to_8_bits(image: Image.Image) -> Image.Image:
    """Scale deep gray to 8 bits (`convert` alone clips levels above 255).

    White is defined for 16 bits. 32-bit integers and floats are scaled between their extremes.
    """
    if image.mode.startswith("I;16"):
        black, white = 0.0, 65535.0
    else:
        black, white = image.getextrema()  # type: ignore[assignment]
    scale = 255 / ((white - black) or 1.0)
    # Add half a level: the conversion to 8 bits truncates.
    return image.convert("F").point(lambda level: level * scale + (0.5 - black * scale)).convert("L")


def in_srgb(
    picture: Image.Image, profile: bytes | None, curve: tuple[int, int] | None = None
) -> tuple[Image.Image, list[str]]:
    """Convert from an embedded ICC profile, or else from high dynamic range, to sRGB.

    A picture with neither is taken as sRGB.
    """
    if curve and curve[1] in hdr.NAMES and not profile:
        return hdr.tone_mapped(picture, *curve), [f"converted from {hdr.NAMES[curve[1]]} to sRGB"]
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            name = (source.profile.profile_description or "its colour profile").strip()
            if "sRGB" not in name and picture.mode in PROFILED_MODES.get(source.profile.xcolor_space.strip(), ()):
                converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                assert converted is not None  # None only with `inPlace=True`
                return converted, [f"converted from {name} to sRGB"]
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # viewers ignore a broken profile, too
    if picture.mode == "CMYK":
        return picture.convert("RGB"), ["converted from CMYK"]
    return picture, []
