"""Photographs of two persons, for an emulator that recognises faces. README.md beside this says where they are from.

What `python -m sandbox.advance_api --faces` says of `hopper()` against others:

| other | verdict | similarity |
|---|---|---|
| `another_day(hopper())` | PASS | 90 |
| `overlaid(BETWEEN)` | MANUAL_CHECK | 65 |
| `collins()` | REJECT | 48 |
"""

from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

HERE = Path(__file__).parent

BETWEEN = 0.6
COLLINS_ENLARGED = 1024  # pixels a side: then her face is as wide as Hopper's
COLLINS_ON_HOPPER = (
    178,
    19,
)  # where, on her picture enlarged, Hopper's begins, so that their faces lie upon each other


def collins() -> Image.Image:
    """Eileen Collins: 512 x 512 pixels, RGB, her face 90 wide."""
    return Image.open(HERE / "eileen-collins.jpg").convert("RGB")


def hopper() -> Image.Image:
    """Grace Hopper: 512 x 600 pixels, RGB, her face 180 wide."""
    return Image.open(HERE / "grace-hopper.jpg").convert("RGB")


def another_day(photograph: Image.Image) -> Image.Image:
    """As far from the photograph as the same one can be: mirrored, in less light, the camera held aslant."""
    return ImageEnhance.Brightness(ImageOps.mirror(photograph)).enhance(0.6).rotate(8, Image.Resampling.BICUBIC)


def overlaid(share: float) -> Image.Image:
    """Both faces in one: `share`, 0 to 1, of it is Collins, the rest Hopper."""
    underneath = hopper()
    left, top = COLLINS_ON_HOPPER
    enlarged = collins().resize((COLLINS_ENLARGED, COLLINS_ENLARGED), Image.Resampling.BICUBIC)
    return Image.blend(underneath, enlarged.crop((left, top, left + underneath.width, top + underneath.height)), share)
