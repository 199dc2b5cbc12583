"""Fit photographs of a face in every way that pictures are fitted, and see whether it stays the same face.

`make bench` runs it where faces are recognised. Each photograph is enlarged to a phone's size, uploaded as phones and
people do it, fitted, and compared with four others before and after: what changes is fitting's doing. With `--json`,
one line for each comparison.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image, ImageChops, ImageCms, ImageOps

from facepair.domain.fitted import Fitted
from facepair.domain.picture import fit
from sandbox.advance_api.faces import Faces
from sandbox.advance_api.sight import Sight
from sandbox.photographs import BETWEEN, another_day, collins, hopper, overlaid

PHONE, FINEST_PHONE, SELFIE = 12_000_000, 48_000_000, 3_000_000  # pixels


@dataclass(frozen=True)
class Upload:
    """An upload, and what a viewer shows of it."""

    content: bytes
    shown: Image.Image

    @classmethod
    def of(cls, stored: Image.Image, shown: Image.Image | None = None, /, **options: Any) -> "Upload":
        """Save with Pillow's `options`; shown as Pillow reads it, unless viewers differ."""
        content = BytesIO()
        stored.save(content, **options)
        shown = shown or ImageOps.exif_transpose(Image.open(content))
        return cls(content.getvalue(), shown.convert("RGB"))


@dataclass(frozen=True)
class Comparison:
    """A way of fitting, another picture, and the similarity before and after."""

    way: str
    other: str
    before: float
    after: float
    adjusted: tuple[str, ...]
    astray: float  # shift of the face's centre on the upload, in face widths

    @property
    def change(self) -> float:
        return self.after - self.before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    if not as_json:
        print(f"{'Hopper, uploaded as':>24}  similarity to {', '.join(OTHERS)}: before -> after")
    for comparisons in measured():
        if as_json:
            print(*(json.dumps(asdict(each)) for each in comparisons), sep="\n", flush=True)
        else:
            figures = ", ".join(f"{each.before:5.1f} -> {each.after:5.1f}" for each in comparisons)
            print(f"{comparisons[0].way:>24}  {figures}  {'; '.join(comparisons[0].adjusted)}", flush=True)


def measured() -> Iterator[list[Comparison]]:
    """Yield the comparisons of every way in `WAYS` with each of `OTHERS`."""
    faces = Faces()
    others = {name: faces.look_at(picture()) for name, picture in OTHERS.items()}
    for way, upload in WAYS.items():
        made = upload()
        fitted = fit(made.content)
        before, after = faces.look_at(made.shown), faces.look(fitted.content, fitted.content_type)
        yield [
            Comparison(
                way=way,
                other=name,
                before=faces.similarity(before, other),
                after=faces.similarity(after, other),
                adjusted=fitted.adjusted,
                astray=_astray(before, after, fitted),
            )
            for name, other in others.items()
        ]


def _astray(before: Sight, after: Sight, fitted: Fitted) -> float:
    assert before.face is not None
    assert after.face is not None
    was, now = before.face, fitted.on_upload(after.face)  # type: ignore[arg-type]  # a box like any other
    across = abs((was.left + was.right) - (now.left + now.right)) / 2
    down = abs((was.top + was.bottom) - (now.top + now.bottom)) / 2
    return max(across, down) / (was.right - was.left)


# --- uploads ---------------------------------------------------------------------------------------------------------


@cache
def enlarged(pixels: int = SELFIE) -> Image.Image:
    """Return Hopper's photograph with this many pixels."""
    photograph = hopper()
    scale = (pixels / (photograph.width * photograph.height)) ** 0.5
    size = round(photograph.width * scale), round(photograph.height * scale)
    return photograph.resize(size, Image.Resampling.LANCZOS)


def grainy() -> Image.Image:
    """Return a picture so noisy that even the lowest quality needs fewer pixels."""
    picture = enlarged(PHONE)
    noise = Image.frombytes("L", picture.size, random.Random(1).randbytes(picture.width * picture.height))
    grain = noise.point(lambda level: 128 + (level - 128) // 3)
    return ImageChops.add(picture, Image.merge("RGB", [grain] * 3), 1, -128)


def from_a_phone(picture: Image.Image, orientation: int = 6) -> Upload:
    """Store the picture as a camera held that way does (EXIF orientation)."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return Upload.of(picture.transpose(STORED_BY[orientation]), format="JPEG", quality=95, exif=exif)


def selfie(orientation: int) -> Upload:
    return from_a_phone(enlarged(), orientation)


def on_white_paper() -> Upload:
    """Cut out the person on transparency, which viewers show white."""
    picture = enlarged()
    shape = Image.radial_gradient("L").resize(picture.size).point(lambda level: 255 if level < 200 else 0)
    cut_out = picture.copy()
    cut_out.putalpha(shape)
    shown = Image.new("RGB", picture.size, "white")
    shown.paste(picture, mask=shape)
    return Upload.of(cut_out, shown, format="PNG", compress_level=1)


def deep_gray() -> Upload:
    gray = enlarged().convert("L")
    levels = bytearray(2 * gray.width * gray.height)
    levels[1::2] = gray.tobytes()  # little-endian
    deep = Image.frombytes("I;16", gray.size, bytes(levels))
    return Upload.of(deep, gray, format="PNG", compress_level=1)


def with_colours_of_its_own() -> Upload:
    """Swap red and blue, with a profile that says so."""
    red, green, blue = enlarged().split()
    exchanged = Image.merge("RGB", (blue, green, red))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    profile = profile.replace("sRGB".encode("utf-16-be"), "Mine".encode("utf-16-be"))
    return Upload.of(exchanged, enlarged(), format="PNG", compress_level=1, icc_profile=profile)


# How a camera stores the scene for an EXIF orientation; inverse of what viewers do.
STORED_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

OTHERS: dict[str, Callable[[], Image.Image]] = {
    "her photograph": hopper,
    "another day": lambda: another_day(hopper()),
    "both overlaid": lambda: overlaid(BETWEEN),
    "Collins": collins,
}

WAYS: dict[str, Callable[[], Upload]] = {
    "12 megapixels, sharp": lambda: Upload.of(enlarged(PHONE), format="JPEG", quality=100),
    "48 megapixels": lambda: Upload.of(enlarged(FINEST_PHONE), format="JPEG", quality=90),
    "full of noise": lambda: Upload.of(grainy(), format="JPEG", quality=95),
    **{f"EXIF orientation {tag}": partial(selfie, tag) for tag in STORED_BY},
    "12 megapixels, turned": lambda: from_a_phone(enlarged(PHONE)),
    "AVIF": lambda: Upload.of(enlarged(), format="AVIF", speed=10),
    "WebP": lambda: Upload.of(enlarged(), format="WEBP", quality=90, method=0),
    "TIFF": lambda: Upload.of(enlarged(), format="TIFF"),
    "BMP": lambda: Upload.of(enlarged(), format="BMP"),
    "PNG": lambda: Upload.of(enlarged(), format="PNG", compress_level=1),
    "GIF": lambda: Upload.of(enlarged().quantize(256, Image.Quantize.FASTOCTREE), format="GIF"),
    "transparent PNG": on_white_paper,
    "16-bit gray PNG": deep_gray,
    "profile of its own": with_colours_of_its_own,
    "CMYK": lambda: Upload.of(enlarged().convert("CMYK"), format="JPEG", quality=95),
}


if __name__ == "__main__":
    main()
