"""How alike two pictures are, measured without any notion of a face.

A picture is described by how its colours change from each patch to the next on a grid of GRID x GRID patches; small
and large changes count almost alike, so that the backdrop weighs as much as the figure. The likeness of two pictures
is the cosine of their descriptions (1 for the same picture, about 0 for unrelated ones) on the API's scale, on which
55 and 70 are the thresholds. It survives re-encoding and resizing, because the patches do.

The "face" is the rectangle around everything that has a contour. EXIF is not applied: pixels are taken as sent.
"""

import io
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageChops, ImageFilter

GRID = 12
NOISE = 8  # of 255: changes well below it count little, changes well above it count as 1
SCALE = ((-1.0, 0.0), (0.0, 0.0), (0.64, 55.0), (0.95, 70.0), (1.0, 100.0))  # cosine, similarity

WORKING_SIDE = 256  # pixels; the smallest picture that the API takes
LEAST_CONTRAST = 24  # of 255, between neighbouring pixels
LEAST_SHARPNESS = 0.3  # share of the whole contrast that the sharpest contour has between neighbouring pixels
CONTOUR = 0.25  # share of the sharpest contour's contrast

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}


class NotThePictureItClaims(ValueError):
    """The bytes are not a whole picture of the declared content type."""


class Box(NamedTuple):
    """Pixels from the left and top edges of the picture."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Sight:
    """What the emulator sees in one picture."""

    description: tuple[float, ...]
    face: Box | None
    sharp: bool


def dimensions(content: bytes, content_type: str) -> tuple[int, int]:
    """Width and height in pixels, from the header. Raises NotThePictureItClaims."""
    return _open(content, content_type).size


def look(content: bytes, content_type: str) -> Sight:
    """Decode and describe a picture. Raises NotThePictureItClaims."""
    image = _open(content, content_type)
    width, height = image.size
    try:
        image.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # a JPEG is decoded no larger than needed
        pixels = image.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise NotThePictureItClaims(str(error)) from error

    reduction = WORKING_SIDE / max(width, height)
    working = pixels.resize((max(3, round(width * reduction)), max(3, round(height * reduction))), Image.Resampling.BOX)
    grey = working.convert("L")
    contours = ImageChops.subtract(grey.filter(ImageFilter.MaxFilter(3)), grey.filter(ImageFilter.MinFilter(3)))
    sharpest, contrast = _strongest(contours), _contrast(grey)
    return Sight(
        description=_describe(working),
        face=_outline(contours, sharpest, (width, height)) if contrast >= LEAST_CONTRAST else None,
        sharp=sharpest >= LEAST_SHARPNESS * contrast,
    )


def similarity(first: Sight, second: Sight) -> float:
    """The likeness of two pictures, 0 to 100."""
    cosine = _cosine(first.description, second.description)
    for (low, at_low), (high, at_high) in pairwise(SCALE):
        if cosine <= high:
            return round(at_low + (at_high - at_low) * (cosine - low) / (high - low), 2)
    return 100.0


def _open(content: bytes, content_type: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=[FORMATS[content_type]])
    except KeyError:
        raise NotThePictureItClaims(f"{content_type} is neither image/jpeg nor image/png") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise NotThePictureItClaims(str(error)) from error


def _describe(image: Image.Image) -> tuple[float, ...]:
    grid = image.resize((GRID, GRID), Image.Resampling.BILINEAR)
    changes = []
    for band in grid.split():
        patches = band.tobytes()
        changes += [patches[i + 1] - patches[i] for i in range(GRID * GRID - 1) if (i + 1) % GRID]
        changes += [below - patch for patch, below in zip(patches, patches[GRID:], strict=False)]
    return tuple(change / (abs(change) + NOISE) for change in changes)


def _cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    lengths = math.hypot(*a) * math.hypot(*b)
    return math.sumprod(a, b) / lengths if lengths else 0.0


def _strongest(contours: Image.Image) -> int:
    return _extremes(contours)[1]


def _contrast(grey: Image.Image) -> int:
    darkest, lightest = _extremes(grey)
    return lightest - darkest


def _extremes(grey: Image.Image) -> tuple[int, int]:
    levels = [level for level, count in enumerate(grey.histogram()) if count]
    return levels[0], levels[-1]


def _outline(contours: Image.Image, sharpest: int, size: tuple[int, int]) -> Box | None:
    outline = contours.point([255 * (level >= CONTOUR * sharpest) for level in range(256)]).getbbox()
    if outline is None:
        return None
    left, top, right, bottom = outline
    across, down = size[0] / contours.width, size[1] / contours.height
    # A contour shows on both of its sides: the figure begins one pixel further in.
    return Box(
        *(round(edge, 1) for edge in ((left + 1) * across, (top + 1) * down, (right - 1) * across, (bottom - 1) * down))
    )
