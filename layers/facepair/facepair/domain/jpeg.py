"""Encode a picture as JPEG at the highest quality below a number of bytes."""

import math
from bisect import bisect_left
from functools import cache
from io import BytesIO

from PIL import Image

from facepair.domain.fitted import Size

# Above 95 the extra bytes are invisible; below 70 blocks show, and fewer pixels do less harm.
BEST_QUALITY = 95
LOWEST_QUALITY = 70

# Qualities are tried on a sample of about this many pixels, in strips as high as a 4:2:0 coding unit.
SAMPLE_PIXELS = 500_000
STRIP_HEIGHT = 16


def encode_below(picture: Image.Image, most_bytes: int) -> tuple[bytes, int, Size]:
    """Return the encoded picture, its quality and its size.

    The quality is the highest that fits; if even the lowest does not, there are fewer pixels.
    """
    size = picture.size
    while True:
        scaled = picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)
        encoder = _Encoder(scaled, most_bytes)
        if best := encoder.best():
            return *best, size
        # Fewer pixels carry more detail each, so go slightly below the ratio of bytes.
        scale = 0.98 * math.sqrt(most_bytes / encoder.predicted(LOWEST_QUALITY))
        size = round(size[0] * scale), round(size[1] * scale)


class _Encoder:
    """Finds the highest fitting quality with few full encodings.

    A JPEG's size is the sum over its blocks, so a sample predicts it to a few per cent. One full encoding corrects the
    sample's error and is usually the result.
    """

    def __init__(self, picture: Image.Image, most_bytes: int) -> None:
        picture.info = {}  # Pillow would copy the upload's comment and XMP
        sample = _sample(picture)
        self._picture = picture
        self._most_bytes = most_bytes
        self._whole_per_sample = picture.height / sample.height
        # Without `self`: the cycle would keep the picture in memory until the next garbage collection.
        self._sample_bytes = cache(lambda quality: len(_jpeg(sample, quality)))

    def best(self) -> tuple[bytes, int] | None:
        """Return the encoded picture and its quality; None if LOWEST_QUALITY does not fit."""
        tried: dict[int, bytes] = {}
        while (quality := self._highest_that_should_fit()) not in tried:
            if quality < LOWEST_QUALITY:
                return None
            tried[quality] = _jpeg(self._picture, quality)
            self._whole_per_sample = len(tried[quality]) / self._sample_bytes(quality)
        best = max(quality for quality, content in tried.items() if len(content) < self._most_bytes)
        return tried[best], best

    def predicted(self, quality: int) -> float:
        """Return the expected bytes of the whole picture."""
        return self._sample_bytes(quality) * self._whole_per_sample

    def _highest_that_should_fit(self) -> int:
        qualities = range(BEST_QUALITY, LOWEST_QUALITY - 1, -1)
        fits = bisect_left(qualities, True, key=lambda quality: self.predicted(quality) < self._most_bytes)
        return BEST_QUALITY - fits


def _sample(picture: Image.Image) -> Image.Image:
    """Return evenly spread strips of full width; a small picture whole."""
    width, height = picture.size
    every = width * height // SAMPLE_PIXELS
    if every < 2:
        return picture
    tops = range(0, height - STRIP_HEIGHT + 1, STRIP_HEIGHT * every)
    sample = Image.new(picture.mode, (width, STRIP_HEIGHT * len(tops)))
    for row, top in enumerate(tops):
        sample.paste(picture.crop((0, top, width, top + STRIP_HEIGHT)), (0, row * STRIP_HEIGHT))
    return sample


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()
