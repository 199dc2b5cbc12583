"""Convert high dynamic range (PQ, HLG) to sRGB as browsers do on an ordinary screen.

PQ and HLG extend above sRGB's white, so without conversion they look flat and dark. Chromium 156 halves the light up to
reference white (203 cd/m2) and compresses what is above.
"""

from bisect import bisect_left
from functools import cache
from math import exp, log

from PIL import Image, ImageFilter

PQ, HLG = 16, 18  # transfer characteristics of ITU-T H.273
NAMES = {PQ: "PQ", HLG: "HLG"}

_WHITE = 1000.0  # cd/m2: what becomes white. HLG's peak, and that of most PQ pictures.
# cd/m2 of the brightest channel -> share of white, measured in Chromium 156.
_CURVE = ((0.0, 0.0), (203, 0.5), (235, 0.565), (316, 0.665), (424, 0.76), (567, 0.847), (757, 0.922), (_WHITE, 1.0))

# Linear light: BT.2020 and P3 to sRGB.
_FROM_BT2020 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
_FROM_P3 = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))
_UNCHANGED = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_MATRICES = {9: _FROM_BT2020, 11: _FROM_P3, 12: _FROM_P3}  # by colour primaries of H.273

_STEPS = 33  # of the table, per axis

type LinearRgb = tuple[float, float, float]


def tone_mapped(picture: Image.Image, primaries: int, transfer: int) -> Image.Image:
    return picture.convert("RGB").filter(_table(primaries, transfer))


@cache
def _table(primaries: int, transfer: int) -> ImageFilter.Color3DLUT:
    in_light = _pq_in_light if transfer == PQ else _hlg_in_light
    matrix = _MATRICES.get(primaries, _UNCHANGED)

    def mapped(*signal: float) -> LinearRgb:
        light = in_light(*signal)
        scale = _compressed(max(light)) / (max(light) or 1.0)
        red, green, blue = (_in_srgb(sum(a * b for a, b in zip(row, light, strict=True)) * scale) for row in matrix)
        return red, green, blue

    return ImageFilter.Color3DLUT.generate(_STEPS, mapped)


def _pq_in_light(*signal: float) -> LinearRgb:
    """SMPTE ST 2084, in cd/m2."""
    powers = [value ** (32 / 2523) for value in signal]
    red, green, blue = (
        10_000 * (max(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (16384 / 2610) for power in powers
    )
    return red, green, blue


def _hlg_in_light(*signal: float) -> LinearRgb:
    """ITU-R BT.2100, for a screen of 1000 cd/m2."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * log(4 * a)
    red, green, blue = (value**2 / 3 if value <= 0.5 else (exp((value - c) / a) + b) / 12 for value in signal)
    scale = _WHITE * (0.2627 * red + 0.6780 * green + 0.0593 * blue) ** 0.2
    return red * scale, green * scale, blue * scale


def _compressed(light: float) -> float:
    """Return the share of white that this light becomes."""
    at = bisect_left(_CURVE, (light,))
    if at in (0, len(_CURVE)):
        return _CURVE[min(at, len(_CURVE) - 1)][1]
    (before, low), (behind, high) = _CURVE[at - 1 : at + 1]
    return low + (high - low) * (light - before) / (behind - before)


def _in_srgb(light: float) -> float:
    """IEC 61966-2-1."""
    light = min(max(light, 0.0), 1.0)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
