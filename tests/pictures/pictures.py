"""Generated pictures of every kind that phones or people upload."""

import random
from io import BytesIO
from typing import Any

from PIL import ExifTags, Image, ImageChops, ImageCms

from facepair.domain.fitted import Box, Size

ORIENTATIONS = range(1, 9)
FACE_COLOUR = (225, 40, 40)

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


def face_in(size: Size) -> Box:
    """Return the face's place in a scene of this size: off every axis of symmetry."""
    width, height = size
    return Box(round(width * 0.6), round(height * 0.1), round(width * 0.85), round(height * 0.45))


def scene(size: Size) -> Image.Image:
    """Return a red face on a gray background."""
    background = Image.linear_gradient("L").resize(size).point(lambda level: 60 + level // 2)
    image = Image.merge("RGB", [background] * 3)
    left, top, right, bottom = face_in(size)
    image.paste(FACE_COLOUR, (int(left), int(top), int(right), int(bottom)))
    return image


def photo(size: Size, seed: int = 0) -> Image.Image:
    """Return a scene with detail of every scale, like a camera's."""
    rng = random.Random(seed)
    image = scene(size)
    for scale in (4, 8, 16, 32):
        small = max(1, size[0] // scale), max(1, size[1] // scale)
        layer = Image.frombytes("RGB", small, rng.randbytes(3 * small[0] * small[1]))
        image = Image.blend(image, layer.resize(size, Image.Resampling.BICUBIC), 0.08)
    return image


def find_face(image: Image.Image) -> Box:
    """Return the bounding box of what is red."""
    red, green, _ = image.convert("RGB").split()
    redness = ImageChops.subtract(red, green).point(lambda level: 255 if level > 90 else 0)
    box = redness.getbbox()
    assert box, "no face in the picture"
    return Box(*box)


def noise(size: Size, seed: int = 0) -> Image.Image:
    """Return what compresses worst."""
    width, height = size
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(3 * width * height))


def stored(image: Image.Image, orientation: int) -> Image.Image:
    """Return the pixels that a camera stores with this EXIF orientation."""
    return image.transpose(STORED_BY[orientation]) if orientation in STORED_BY else image


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Orientation] = orientation
    return tags


def encoded(image: Image.Image, picture_format: str, **options: Any) -> bytes:
    content = BytesIO()
    image.save(content, picture_format, **options)
    return content.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def profile_that_swaps_red_and_blue() -> bytes:
    """Return sRGB under another name, with two primaries swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
