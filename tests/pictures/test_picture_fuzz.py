"""Mutated headers and truncations: no crash, no hang, no memory blow-up.

Pictures are fitted in a child process with the memory that the function has in Lambda. To use another seed:
`.venv/bin/python -m tests.pictures.test_picture_fuzz SEED`.
"""

import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

from PIL import Image

from facepair.domain.fitted import Unusable
from facepair.domain.picture import fit
from tests.pictures.heic import heic
from tests.pictures.pictures import encoded, exif, scene

SEED = 20
MUTATIONS_OF_EACH = 60
MEMORY = 2048 * 1024 * 1024  # bytes of address space, like the function's memory
SECONDS = 60
SIZE = (300, 280)
HEADER = 700  # bytes: most of a picture's structure
TEMPTING = [
    bytes(4),
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\xff\xff",
    b"\xff\xff\0\0",
    b"\0\0\0\1",
]


def whole_pictures() -> dict[str, bytes]:
    image = scene(SIZE)
    return {
        "JPEG": encoded(image, "JPEG", exif=exif(6)),
        "progressive JPEG": encoded(image, "JPEG", progressive=True),
        "CMYK JPEG": encoded(image.convert("CMYK"), "JPEG"),
        "MPO": encoded(image, "MPO", save_all=True, append_images=[image]),
        "PNG": encoded(image, "PNG", exif=exif(3)),
        "16-bit PNG": encoded(Image.new("I;16", SIZE, 30000), "PNG"),
        "palette PNG": encoded(image.quantize(16), "PNG", transparency=0),
        "WebP": encoded(image, "WEBP", exif=exif(8)),
        "lossless WebP": encoded(image.convert("RGBA"), "WEBP", lossless=True),
        "AVIF": encoded(image, "AVIF"),
        "HEIC": heic(image, 1),
        "TIFF": encoded(image, "TIFF", exif=exif(5)),
        "compressed TIFF": encoded(image, "TIFF", compression="tiff_lzw"),
        "BMP": encoded(image, "BMP"),
        "GIF": encoded(image, "GIF"),
    }


def mutated(content: bytes, rng: random.Random) -> bytes:
    mutant = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(min(HEADER, len(mutant)))
        match rng.randrange(8):
            case 0:
                del mutant[rng.randrange(len(mutant)) :]
                mutant += b"\0"
            case 1:
                del mutant[at : at + rng.randint(1, 16)]
            case 2 | 3:
                mutant[at : at + 4] = rng.choice(TEMPTING)
            case 4 | 5:
                mutant[at : at + 2] = rng.randbytes(2)
            case _:
                mutant[at] ^= 1 << rng.randrange(8)
    return bytes(mutant)


def mutants(seed: int) -> Iterator[tuple[str, bytes]]:
    rng = random.Random(seed)
    for name, content in whole_pictures().items():
        for number in range(MUTATIONS_OF_EACH):
            yield f"{name} {number}", mutated(content, rng)


def run(seed: int) -> Counter[str]:
    """Fit every mutant, printing its name first, so that the last one printed is the one that crashed."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    outcomes = Counter[str]()
    for name, content in mutants(seed):
        print(name, flush=True)
        try:
            fitted = fit(content)
            outcomes["fitted" if fitted.adjusted else "as it is"] += 1
        except Unusable as refused:
            outcomes[refused.code] += 1
    return outcomes


def test_no_mutated_picture_crashes_hangs_or_takes_more_memory_than_the_function_has() -> None:
    command = [sys.executable, "-m", "tests.pictures.test_picture_fuzz", str(SEED)]

    child = subprocess.run(
        command, env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, timeout=SECONDS, check=False
    )

    assert child.returncode == 0, f"seed {SEED}: {child.stdout[-200:]}\n{child.stderr[-2000:]}"
    outcomes = child.stdout.splitlines()[-1]
    assert all(outcome in outcomes for outcome in ("fitted", "IMAGE_INVALID_FORMAT", "IMAGE_INVALID_SIZE")), outcomes


if __name__ == "__main__":
    print(dict(run(int(sys.argv[1]))))
