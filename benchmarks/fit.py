"""Fit large photographs with `fit` and simpler alternatives.

`python -m benchmarks.fit` creates the pictures, runs each way in its own processes, and prints the ratios of time, peak
memory, output size and PSNR against the original. A table shows what proving that a picture is complete costs, by kind.
"""

import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from PIL import ExifTags, Image, ImageChops, ImageFilter, ImageOps

from facepair.advance.limits import MAX_BYTES, MAX_SIDE
from facepair.domain.jpeg import encode_below
from facepair.domain.picture import fit

ROUNDS = 5
CALLS_OF_A_PROCESS = 3  # at least, after a first one
SECONDS_OF_A_PROCESS = 0.1  # at least


class Run(NamedTuple):
    """What one process measured."""

    seconds: float  # of CPU, median of its calls
    peak_megabytes: float  # resident, with the interpreter and its modules
    path: Path  # its output


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        photo = photograph((4000, 3000))
        largest = photo.resize((8000, 6000), Image.Resampling.BICUBIC)
        compare(saved(photo, here / "12-megapixel.jpg", quality=94))
        compare(saved(largest, here / "48-megapixel.jpg", quality=95))
        square = photo.resize((5000, 5000), Image.Resampling.BICUBIC)
        weigh(saved(square, here / "25-megapixel.png", compress_level=1))
        square.putalpha(Image.linear_gradient("L").resize(square.size))
        weigh(saved(square, here / "25-megapixel-transparent.png", compress_level=1))
        weigh_proofs(here, photo, largest)


def weigh_proofs(here: Path, photo: Image.Image, largest: Image.Image) -> None:
    """Print, by kind of picture, what `fit` takes of the time and memory of Pillow alone."""
    print(f"\n{'fit against Pillow alone':>40} {'time':>20} {'peak':>18}")
    small = photo.resize((450, 600), Image.Resampling.LANCZOS)
    medium = photo.resize((1800, 1350), Image.Resampling.LANCZOS)
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    for kind, progressive in (("JPEG", False), ("progressive JPEG", True)):
        weigh_proof(saved(small, here / f"{kind}, 450 x 600.jpg", quality=90, progressive=progressive))
        weigh_proof(saved(medium, here / f"{kind}, sent as it is.jpg", quality=90, progressive=progressive))
        weigh_proof(saved(photo, here / f"{kind}, 12 megapixels.jpg", quality=94, progressive=progressive))
        weigh_proof(saved(largest, here / f"{kind}, 48 megapixels.jpg", quality=95, progressive=progressive))
    weigh_proof(saved(photo, here / "JPEG, 12 megapixels, to be turned.jpg", quality=94, exif=turned))
    weigh_proof(saved(photo, here / "PNG, 12 megapixels.png", compress_level=1))
    weigh_proof(saved(photo, here / "WebP, 12 megapixels.webp", quality=85, method=2))
    weigh_proof(saved(photo, here / "AVIF, 12 megapixels.avif", quality=75, speed=9))
    weigh_proof(saved(photo, here / "BMP, 12 megapixels.bmp"))
    weigh_proof(saved(photo, here / "TIFF, 12 megapixels.tif"))


def weigh_proof(upload: Path) -> None:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(measured("fit", upload))
        theirs.append(measured("unchecked, by Pillow", upload))
    times = median(our.seconds / their.seconds for our, their in zip(ours, theirs, strict=True))
    peaks = median(our.peak_megabytes / their.peak_megabytes for our, their in zip(ours, theirs, strict=True))
    seconds, peak = median(run.seconds for run in ours), median(run.peak_megabytes for run in ours)
    print(f"{upload.stem:>40} {seconds * 1000:7.1f} ms {times:6.2f} of it {peak:7.0f} MB {peaks:6.2f} of it")


def compare(upload: Path) -> None:
    """Print the cost and result of each way for this upload."""
    runs: dict[str, list[Run]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, of_this_way in runs.items():
            of_this_way.append(measured(way, upload))

    print(f"{upload.name}, {megabytes(upload)}: median of {ROUNDS} processes a way, {CALLS_OF_A_PROCESS} calls each")
    print(f"{'':>22} {'seconds':>8} {'peak':>8} {'output':>8} {'PSNR':>9}  fit takes, pair by pair, of its time")
    for way, of_this_way in runs.items():
        made = of_this_way[0].path
        seconds = median(run.seconds for run in of_this_way)
        peak = median(run.peak_megabytes for run in of_this_way)
        ratios = [ours.seconds / theirs.seconds for ours, theirs in zip(runs["fit"], of_this_way, strict=True)]
        print(
            f"{way:>22} {seconds:8.3f} {peak:5.0f} MB {megabytes(made)} {psnr(made, upload):6.2f} dB"
            f"  {median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})"
        )
    print()


def weigh(upload: Path) -> None:
    """Print the cost of fitting this upload."""
    run = measured("fit", upload)
    made = f"{megabytes(run.path)} of JPEG"
    print(f"{upload.name}, {megabytes(upload)}: {run.seconds:.2f} s, peak {run.peak_megabytes:.0f} MB, made {made}")


def megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:5.2f} MB"


def psnr(made: Path, upload: Path) -> float:
    """Return the peak signal-to-noise ratio in dB against the upload, reduced to the same size."""
    result = Image.open(made).convert("RGB")
    original = Image.open(upload).convert("RGB")
    if original.size != result.size:
        original = original.resize(result.size, Image.Resampling.LANCZOS)
    counts = ImageChops.difference(original, result).histogram()  # 256 per band
    squares = sum(count * (value % 256) ** 2 for value, count in enumerate(counts))
    return 10 * math.log10(255**2 * sum(counts) / squares)


# --- in its own process -----------------------------------------------------------------------------------------------


def straightforward(content: bytes, step: int) -> bytes:
    """The obvious way: open, exif_transpose, thumbnail, and save with decreasing quality.

    Step 1 finds the highest quality that fits, like `fit`; step 5 is faster and may miss it.
    """
    image = ImageOps.exif_transpose(Image.open(BytesIO(content))).convert("RGB")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    for quality in range(95, 0, -step):
        encoded = BytesIO()
        image.save(encoded, "JPEG", quality=quality)
        if len(encoded.getvalue()) < MAX_BYTES:
            break
    return encoded.getvalue()


def unchecked(content: bytes) -> bytes:
    """`fit` without the proof of completeness: Pillow decodes despite libjpeg's warnings."""
    image = Image.open(BytesIO(content))
    scale = min(1.0, MAX_SIDE / max(image.size))
    if image.format == "JPEG" and scale == 1 and len(content) < MAX_BYTES:
        image.draft("L", (1, 1))
        image.load()
        return content
    size = round(image.width * scale), round(image.height * scale)
    image.draft(None, size)
    image.load()
    picture = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
    ImageOps.exif_transpose(picture, in_place=True)  # copies nothing if there is nothing to turn
    return encode_below(picture, MAX_BYTES)[0]


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "fit": lambda content: fit(content).content,
    "unchecked, by Pillow": unchecked,
    "straightforward, by 5": lambda content: straightforward(content, step=5),
    "straightforward, by 1": lambda content: straightforward(content, step=1),
}


def measured(way: str, upload: Path) -> Run:
    command = [sys.executable, "-m", "benchmarks.fit", way, str(upload)]
    environment = {"PYTHONPATH": ":".join(sys.path), "OPENBLAS_NUM_THREADS": "1"}  # as in template.yaml
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    seconds, peak, path = json.loads(printed)
    return Run(seconds, peak, Path(path))


def measure(way: str, upload: Path) -> Run:
    content = upload.read_bytes()
    result = WAYS[way](content)  # imports the decoders
    times: list[float] = []
    while len(times) < CALLS_OF_A_PROCESS or sum(times) < SECONDS_OF_A_PROCESS:
        begin = time.process_time()
        result = WAYS[way](content)
        times.append(time.process_time() - begin)
    made = upload.with_name(f"{upload.stem}, {way}.jpg")
    made.write_bytes(result)
    return Run(median(times), peak_megabytes(), made)


def peak_megabytes() -> float:
    """Return the process's peak memory, from Linux: `getrusage` includes the parent's at its start."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].removesuffix("kB")) / 1024


# --- pictures -------------------------------------------------------------------------------------------------------


def photograph(size: tuple[int, int]) -> Image.Image:
    """Detail of equal contrast at every scale, like photographs, with coarser colours and sensor noise."""
    rng = random.Random(12)

    def detail(finest: int, coarsest: int) -> Image.Image:
        layer = Image.new("L", size, 128)
        for scale in range(finest, coarsest):
            small = size[0] >> scale, size[1] >> scale
            octave = Image.frombytes("L", small, rng.randbytes(small[0] * small[1]))
            layer = ImageChops.add(layer, octave.resize(size, Image.Resampling.BICUBIC), 1, -128).point(quieter)
        return layer

    sensor = Image.frombytes("L", size, rng.randbytes(size[0] * size[1])).filter(ImageFilter.GaussianBlur(0.7))
    luma = ImageChops.add(detail(2, 10), sensor.point(lambda level: 128 + (level - 128) / 4), 1, -128)
    return Image.merge("YCbCr", [luma, detail(5, 10), detail(5, 10)]).convert("RGB")


def quieter(level: float) -> float:
    """Reduce the contrast to 60 %, so that the sum of octaves stays within range."""
    return 128 + (level - 128) * 0.6


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2])), default=str))
    else:
        main()
