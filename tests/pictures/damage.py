"""Damage copies of a picture in each format, and count what is sent and refused.

`make damage COPIES=2000 SEED=1` prints the table of tests/pictures/damage.md.

A copy is *sent damaged* if more than 2% of the face's box differs visibly from the undamaged picture's.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from io import BytesIO
from typing import NamedTuple

from PIL import Image, ImageChops

from facepair.domain.fitted import Unusable
from facepair.domain.picture import fit
from tests.pictures.heic import heic
from tests.pictures.pictures import encoded, face_in, noise, photo

SIZE = (480, 360)
MOST_OF_THE_FACE = 0.02
VISIBLE = 24  # of 255 levels, in any channel
SMALLEST = 512  # bytes cut out or zeroed
BLOCK = 4096
KINDS = ("cut", "zeroed", "flipped")
SENT_WHOLE, SENT_DAMAGED, REFUSED = "sent whole", "sent damaged", "refused"


def _photo(mode: str = "RGB") -> Image.Image:
    return photo(SIZE).convert(mode)


FORMATS: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(_photo(), "JPEG", quality=88),
    "JPEG of high quality": lambda: encoded(_photo(), "JPEG", quality=97, subsampling=0, optimize=True),
    "JPEG with restart markers": lambda: encoded(_photo(), "JPEG", quality=88, restart_marker_rows=1),
    "progressive JPEG": lambda: encoded(_photo(), "JPEG", quality=88, progressive=True),
    "progressive JPEG of noise": lambda: encoded(
        Image.blend(_photo(), noise(SIZE), 0.5), "JPEG", quality=88, progressive=True
    ),
    "CMYK JPEG": lambda: encoded(_photo("CMYK"), "JPEG", quality=88),
    "PNG": lambda: encoded(_photo(), "PNG", compress_level=1),
    "HEIC": lambda: heic(_photo()),
    "HEIC of tiles": lambda: heic(_photo(), grid=(3, 2)),
    "AVIF": lambda: encoded(_photo(), "AVIF", quality=90),
    "WebP": lambda: encoded(_photo(), "WEBP", quality=90),
    "lossless WebP": lambda: encoded(_photo(), "WEBP", lossless=True, quality=20, method=1),
    "TIFF": lambda: encoded(_photo(), "TIFF"),
    "TIFF, LZW": lambda: encoded(_photo(), "TIFF", compression="tiff_lzw"),
    "TIFF, deflate": lambda: encoded(_photo(), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG": lambda: encoded(_photo(), "TIFF", compression="jpeg"),
    "BMP": lambda: encoded(_photo(), "BMP"),
    "GIF": lambda: encoded(photo(SIZE).quantize(128), "GIF"),
}


class Result(NamedTuple):
    """The outcome of a copy; `number` is its position."""

    picture_format: str
    kind: str
    number: int
    outcome: str


@cache
def whole(picture_format: str) -> bytes:
    """Return the undamaged picture in this format."""
    return FORMATS[picture_format]()


@cache
def face_as_sent(picture_format: str) -> Image.Image:
    """Return the face's box of the sent undamaged picture."""
    return _face(fit(whole(picture_format)).content)


def _face(sent: bytes) -> Image.Image:
    with Image.open(BytesIO(sent)) as image:
        left, top, right, bottom = face_in(SIZE)
        box = (int(left), int(top), int(right), int(bottom))
        return image.convert("RGB").crop(box) if image.size == SIZE else Image.new("RGB", (box[2] - box[0], 1))


def damaged(content: bytes, kind: str, rng: random.Random) -> bytes:
    """Cut bytes out, zero them, or flip a bit."""
    length = rng.choice([SMALLEST, BLOCK, rng.randint(SMALLEST, max(SMALLEST, len(content) // 2)), len(content)])
    at = rng.randrange(len(content))
    if kind == "zeroed" and length == BLOCK:
        at -= at % BLOCK  # as left by an upload in blocks
    if kind == "flipped":
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if at + length > len(content) and at + SMALLEST > len(content):
        at = max(0, len(content) - SMALLEST)  # keeps the damage's size
    filler = b"" if kind == "cut" else bytes(min(length, len(content) - at))
    return content[:at] + filler + content[at + length :]


def copy(picture_format: str, kind: str, number: int, seed: int) -> bytes:
    return damaged(whole(picture_format), kind, random.Random(f"{seed} {picture_format} {kind} {number}"))


def outcome(picture_format: str, content: bytes) -> str:
    """Return a copy's outcome."""
    try:
        sent = fit(content).content
    except Unusable:
        return REFUSED
    before, after = face_as_sent(picture_format), _face(sent)
    if before.size != after.size:
        return SENT_DAMAGED
    channels = ImageChops.difference(before, after).split()
    most = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    changed = sum(most.histogram()[VISIBLE + 1 :]) / (before.width * before.height)
    return SENT_DAMAGED if changed > MOST_OF_THE_FACE else SENT_WHOLE


def results(picture_format: str, copies: int, seed: int) -> list[Result]:
    """Return the outcomes of this many copies, alternating the kinds of damage."""
    kinds = [(KINDS[number % len(KINDS)], number) for number in range(copies)]
    return [
        Result(picture_format, kind, number, outcome(picture_format, copy(picture_format, kind, number, seed)))
        for kind, number in kinds
    ]


def table(found: list[Result]) -> str:
    """Return the table: copies sent whole, sent damaged and refused, by format and damage."""
    outcomes = (SENT_WHOLE, SENT_DAMAGED, REFUSED)
    counts = Counter((each.picture_format, each.kind, each.outcome) for each in found)
    lines = [
        "| format | " + " | ".join(f"{kind}: {each}" for kind in KINDS for each in outcomes) + " |",
        "|---|" + "---:|" * len(KINDS) * len(outcomes),
    ]
    for name in FORMATS:
        numbers = (str(counts[name, kind, each]) for kind in KINDS for each in outcomes)
        lines.append(f"| {name} | " + " | ".join(numbers) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--copies", type=int, default=2000, help="of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS))
    parser.add_argument("--verbose", action="store_true", help="name each copy that was sent damaged")
    arguments = parser.parse_args()
    found: list[Result] = []
    with ProcessPoolExecutor() as processes:
        for of_format in processes.map(
            partial(results, copies=arguments.copies, seed=arguments.seed), arguments.formats
        ):
            found += of_format
    print(table(found))
    if arguments.verbose:
        for each in found:
            if each.outcome == SENT_DAMAGED:
                print(*each)


if __name__ == "__main__":
    main()
