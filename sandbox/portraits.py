"""Sample portraits, drawn from a number: no real faces, and always the same bytes for the same number.

What the sandbox's ADVANCE emulator says of `portrait(n)` against `portrait(n, variation=v)`:

| v | verdict | similarity |
|---|---|---|
| 0 to `PASSES` | PASS | over 80 |
| `NEEDS_A_LOOK` | MANUAL_CHECK | 57 to 68 (persons 0 to 23: 59 to 66) |
| 1, or another person | REJECT | under 51 |
"""

import io
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFilter

PASSES = 0.1
NEEDS_A_LOOK = 0.455

type Colour = tuple[float, float, float]
type HairStyle = Literal["short", "long", "curly", "bun", "fringe"]

SKINS: tuple[Colour, ...] = ((255, 224, 196), (241, 194, 155), (214, 158, 116), (168, 112, 76), (122, 78, 52))
HAIRS: tuple[Colour, ...] = ((44, 34, 32), (92, 58, 36), (156, 98, 48), (222, 184, 108), (176, 72, 40), (150, 150, 158))
STYLES: tuple[HairStyle, ...] = ("short", "long", "curly", "bun", "fringe")
SHIRTS: tuple[Colour, ...] = (
    (236, 94, 84),
    (52, 110, 190),
    (62, 156, 112),
    (246, 190, 74),
    (122, 92, 176),
    (38, 60, 92),
)

BLUSH: Colour = (238, 120, 104)

BACKDROP_COLUMNS, BACKDROP_ROWS = 5, 6
LEAN = 0.2  # head widths
ENLARGEMENT, CANVAS_SIDE = 3, 2400  # Pillow draws without antialiasing, so draw larger and reduce


@dataclass(frozen=True)
class Traits:
    """What stays with a person."""

    skin: Colour
    hair: Colour
    shirt: Colour
    style: HairStyle
    glasses: bool
    lean: float  # centre of the head, in head widths right of the picture's centre
    scale: float

    @classmethod
    def of(cls, person: int) -> "Traits":
        chance = random.Random(f"person {person}")
        return cls(
            skin=chance.choice(SKINS),
            hair=chance.choice(HAIRS),
            shirt=chance.choice(SHIRTS),
            style=chance.choice(STYLES),
            glasses=chance.random() < 0.3,
            lean=chance.uniform(-0.3, 0.3),
            scale=chance.uniform(0.95, 1.3),
        )


@dataclass(frozen=True)
class Look:
    """What changes from one picture of a person to another."""

    backdrop: tuple[Colour, ...]  # BACKDROP_COLUMNS x BACKDROP_ROWS soft patches, row by row
    smile: float  # 0 to 1
    lean: float  # to the right, in head widths

    @classmethod
    def of(cls, person: int, day: Literal[0, 1]) -> "Look":
        chance = random.Random(f"person {person}, day {day}")
        return cls(
            backdrop=tuple(_pastel(chance) for _ in range(BACKDROP_COLUMNS * BACKDROP_ROWS)),
            smile=chance.random(),
            lean=LEAN * day,
        )

    def towards(self, other: "Look", share: float) -> "Look":
        return Look(
            backdrop=tuple(_mix(a, b, share) for a, b in zip(self.backdrop, other.backdrop, strict=True)),
            smile=self.smile + (other.smile - self.smile) * share,
            lean=self.lean + (other.lean - self.lean) * share,
        )


def portrait(person: int, *, variation: float = 0.0, width: int = 900, height: int = 1200) -> Image.Image:
    """Return a person's portrait of `width` x `height` pixels, RGB.

    `variation`, 0 to 1, moves backdrop, pose and smile towards those of another day.
    """
    if not 0 <= variation <= 1:
        raise ValueError(f"variation is {variation}: give a number from 0 to 1")
    look = Look.of(person, 0).towards(Look.of(person, 1), variation)

    enlargement = min(ENLARGEMENT, CANVAS_SIDE / max(width, height))
    canvas = _backdrop(look.backdrop, (round(width * enlargement), round(height * enlargement)))
    _Figure(canvas, Traits.of(person), look).draw()
    return canvas.resize((width, height), Image.Resampling.LANCZOS)


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return red, green, blue


def _pastel(chance: random.Random) -> Colour:
    return chance.uniform(150, 245), chance.uniform(150, 245), chance.uniform(150, 245)


def _backdrop(patches: Iterable[Colour], size: tuple[int, int]) -> Image.Image:
    mesh = Image.new("RGB", (BACKDROP_COLUMNS, BACKDROP_ROWS))
    mesh.putdata([_rgb(patch) for patch in patches])
    return mesh.resize(size, Image.Resampling.BICUBIC)


def _rgb(colour: Colour, light: float = 1.0) -> tuple[int, int, int]:
    red, green, blue = (min(255, round(channel * light)) for channel in colour)
    return red, green, blue


class _Figure:
    """A person on a canvas, in head widths from the centre of the head."""

    def __init__(self, canvas: Image.Image, traits: Traits, look: Look) -> None:
        self.pen = ImageDraw.Draw(canvas)
        self.traits, self.look = traits, look
        self.unit = min(canvas.width / 3, canvas.height / 4) * traits.scale
        self.x = canvas.width / 2 + (traits.lean + look.lean) * self.unit
        self.y = canvas.height - 2.0 * self.unit

    def draw(self) -> None:
        self._hair_behind()
        self._body()
        self._head()
        self._face()
        self._hair_in_front()

    def _at(self, *coordinates: float) -> list[float]:
        origin = (self.x, self.y)
        return [origin[i % 2] + value * self.unit for i, value in enumerate(coordinates)]

    def _ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, light: float = 1.0) -> None:
        self.pen.ellipse(self._at(x - rx, y - ry, x + rx, y + ry), fill=_rgb(colour, light))

    def _hair_behind(self) -> None:
        match self.traits.style:
            case "long":
                self.pen.rounded_rectangle(
                    self._at(-0.62, -0.5, 0.62, 0.95), radius=0.4 * self.unit, fill=_rgb(self.traits.hair, 0.85)
                )
            case "curly":
                for x, y in ((-0.5, -0.1), (-0.52, 0.2), (0.5, -0.1), (0.52, 0.2), (-0.45, -0.4), (0.45, -0.4)):
                    self._ellipse(x, y, 0.25, 0.25, self.traits.hair, 0.9)
            case "bun":
                self._ellipse(0, -0.82, 0.24, 0.22, self.traits.hair, 0.9)
            case "short" | "fringe":
                pass

    def _body(self) -> None:
        self.pen.rounded_rectangle(
            self._at(-1.2, 0.98, 1.2, 3.2), radius=0.55 * self.unit, fill=_rgb(self.traits.shirt)
        )
        self.pen.rounded_rectangle(
            self._at(-0.2, 0.3, 0.2, 1.15), radius=0.18 * self.unit, fill=_rgb(self.traits.skin, 0.88)
        )
        self.pen.chord(self._at(-0.32, 0.66, 0.32, 1.3), 0, 180, fill=_rgb(self.traits.skin, 0.88))

    def _head(self) -> None:
        for side in (-1, 1):
            self._ellipse(side * 0.49, 0.08, 0.08, 0.13, self.traits.skin, 0.93)
        self._ellipse(0, 0, 0.5, 0.64, self.traits.skin)

    def _face(self) -> None:
        for side in (-1, 1):
            self._ellipse(side * 0.3, 0.24, 0.1, 0.07, _mix(self.traits.skin, BLUSH, 0.45))
            self._ellipse(side * 0.2, 0.02, 0.085, 0.06, (252, 252, 250))
            self._ellipse(side * 0.2, 0.02, 0.048, 0.052, (52, 44, 46))
            self._ellipse(side * 0.2 + 0.015, 0.0, 0.014, 0.014, (255, 255, 255))
            brow = self._at(side * 0.2 - 0.11, -0.16, side * 0.2 + 0.11, -0.04)
            self.pen.arc(brow, 200, 340, fill=_rgb(self.traits.hair, 0.7), width=round(0.03 * self.unit))
            if self.traits.glasses:
                rim = self._at(side * 0.2 - 0.15, -0.1, side * 0.2 + 0.15, 0.15)
                self.pen.ellipse(rim, outline=(46, 46, 58), width=round(0.022 * self.unit))
        if self.traits.glasses:
            self.pen.line(self._at(-0.05, 0.0, 0.05, 0.0), fill=(46, 46, 58), width=round(0.022 * self.unit))
        self.pen.arc(
            self._at(-0.07, 0.06, 0.07, 0.22),
            20,
            160,
            fill=_rgb(self.traits.skin, 0.75),
            width=round(0.022 * self.unit),
        )
        depth = 0.08 + 0.1 * self.look.smile
        self.pen.chord(self._at(-0.18, 0.34 - depth, 0.18, 0.34 + depth), 0, 180, fill=(186, 62, 66))

    def _hair_in_front(self) -> None:
        hair = _rgb(self.traits.hair)
        self.pen.chord(self._at(-0.54, -0.7, 0.54, 0.5), 200, 340, fill=hair)
        if self.traits.style == "fringe":
            self.pen.rounded_rectangle(self._at(-0.5, -0.42, 0.5, -0.16), radius=0.1 * self.unit, fill=hair)
        if self.traits.style == "curly":
            for x in (-0.36, -0.18, 0.0, 0.18, 0.36):
                self._ellipse(x, -0.52, 0.16, 0.16, self.traits.hair)


def blank(width: int = 900, height: int = 1200) -> Image.Image:
    """Return a picture of a wall, lit from above."""
    light = Image.linear_gradient("L").resize((width, height)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return Image.merge("RGB", [light.point(lambda level, by=by: by + level // 16) for by in (211, 213, 217)])


def blurred(image: Image.Image) -> Image.Image:
    """Return the picture out of focus."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 30))


def jpeg(image: Image.Image, quality: int = 90, exif_orientation: int | None = None) -> bytes:
    """Return the picture as JPEG, with this EXIF orientation (1 to 8); the pixels stay unchanged."""
    exif = Image.Exif()
    if exif_orientation is not None:
        exif[0x0112] = exif_orientation
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality, exif=exif)
    return encoded.getvalue()


def png(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    return encoded.getvalue()
