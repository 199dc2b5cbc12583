"""How alike two pictures are, without recognising faces.

A picture is described by how its colours change between neighbouring patches of a GRID x GRID grid; small and large
changes count almost alike, so the backdrop weighs as much as the figure. The likeness is the cosine of two descriptions
(1 for the same picture, about 0 for unrelated ones) on the API's scale. It survives re-encoding and resizing. The
"face" is the rectangle around everything with a contour.
"""

import math

from PIL import Image, ImageChops, ImageFilter

from sandbox.advance_api.scale import BY_LIKENESS, on_scale
from sandbox.advance_api.sight import Area, Sight, decode, dimensions

GRID = 12
NOISE = 8  # of 255: smaller changes count little, larger ones count as 1

WORKING_SIDE = 256  # pixels; the smallest picture that the API accepts
LEAST_CONTRAST = 24  # of 255, between neighbouring pixels
LEAST_SHARPNESS = 0.3  # share of the whole contrast between neighbouring pixels at the sharpest contour
CONTOUR = 0.25  # share of the sharpest contour's contrast


def look(content: bytes, content_type: str) -> Sight:
    """Decode and describe a picture. Raises NotThePictureItClaims."""
    width, height = dimensions(content, content_type)
    pixels = decode(content, content_type, least_side=WORKING_SIDE)
    reduction = WORKING_SIDE / max(width, height)
    working = pixels.resize((max(3, round(width * reduction)), max(3, round(height * reduction))), Image.Resampling.BOX)
    grey = working.convert("L")
    contours = ImageChops.subtract(grey.filter(ImageFilter.MaxFilter(3)), grey.filter(ImageFilter.MinFilter(3)))
    sharpest, contrast = _strongest(contours), _contrast(grey)
    return Sight(
        description=_describe(working),
        face=_outline(contours, sharpest, (width, height)) if contrast >= LEAST_CONTRAST else None,
        usable=sharpest >= LEAST_SHARPNESS * contrast,
    )


def similarity(first: Sight, second: Sight) -> float:
    """Return the likeness of two pictures, 0 to 100."""
    return on_scale(_cosine(first.description, second.description), BY_LIKENESS)


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


def _outline(contours: Image.Image, sharpest: int, size: tuple[int, int]) -> Area | None:
    outline = contours.point([255 * (level >= CONTOUR * sharpest) for level in range(256)]).getbbox()
    if outline is None:
        return None
    left, top, right, bottom = outline
    across, down = size[0] / contours.width, size[1] / contours.height
    # Contours show on both sides, so the figure starts one pixel further in.
    return Area(
        *(round(edge, 1) for edge in ((left + 1) * across, (top + 1) * down, (right - 1) * across, (bottom - 1) * down))
    )
