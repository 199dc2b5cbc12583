"""How well faces are recognised: `.tools/faces/bin/python -m benchmarks.faces FOLDER`.

FOLDER has a folder for each person, with pictures of one face each; none comes with this project. Each picture is
changed in each of the ways below and compared with every other picture as it is. docs/faces.md has what came out.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from io import BytesIO
from itertools import combinations
from pathlib import Path
from statistics import mean

from PIL import Image, ImageFilter

from benchmarks.fitted_faces import PHONE, from_a_phone
from facepair.domain.picture import fit
from sandbox.advance_api.faces import Faces, distance
from sandbox.advance_api.sight import Sight

type Change = Callable[[Image.Image, float], Image.Image]  # second argument: the face's width in pixels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    paths = sorted(path for path in parser.parse_args().folder.glob("*/*") if path.is_file())

    faces = Faces()
    sights = {path: faces.look_at(opened(path)) for path in paths}
    unseen = [path for path, sight in sights.items() if sight.face is None]
    seen = {path: sight for path, sight in sights.items() if sight.face is not None}
    print(f"{len(paths)} pictures of {len({path.parent for path in paths})} persons; no face in {unseen or 'none'}")
    closeness(seen)

    print(
        f"\n{'changed':>26} {'no face':>8} {'low':>4} {'moved: mean':>12} {'most':>6}  same person, different persons"
    )
    for name, change in CHANGES.items():
        changed = {path: faces.look_at(change(opened(path), width(sight))) for path, sight in seen.items()}
        row(name, faces, seen, changed)


def opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def width(sight: Sight) -> float:
    assert sight.face is not None
    return sight.face.right - sight.face.left


def closeness(sights: Mapping[Path, Sight]) -> None:
    """Print the distances between unchanged faces."""
    same: list[float] = []
    different: list[float] = []
    for a, b in combinations(sights, 2):
        (same if a.parent == b.parent else different).append(distance(sights[a], sights[b]))
    print(f"same person: {len(same)} pairs, distance {mean(same):.3f}, at most {max(same):.3f}")
    print(f"different persons: {len(different)} pairs, distance {mean(different):.3f}, at least {min(different):.3f}")


def row(name: str, faces: Faces, sights: Mapping[Path, Sight], changed: Mapping[Path, Sight]) -> None:
    """Print what became of the faces, and the verdicts of those still usable."""
    usable = {path: sight for path, sight in changed.items() if sight.usable}
    moved = [distance(sight, sights[path]) for path, sight in changed.items() if sight.face is not None]
    same: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for a, sight in usable.items():
        for b in sights.keys() - {a}:
            (same if a.parent == b.parent else different)[verdict(faces.similarity(sight, sights[b]))] += 1
    unseen = len(changed) - len(moved)
    low = len(moved) - len(usable)
    print(
        f"{name:>26} {unseen:8} {low:4} {mean(moved):12.3f} {max(moved):6.3f}  {shares(same)}, {shares(different)}",
        flush=True,
    )


def verdict(similarity: float) -> str:
    return "pass" if similarity > 70 else "reject" if similarity < 55 else "check"


def shares(verdicts: Counter[str]) -> str:
    return " ".join(f"{name} {verdicts[name]}" for name in ("pass", "check", "reject"))


# --- changes to a picture ---------------------------------------------------------------------------------------------


def as_it_is(picture: Image.Image, face_width: float) -> Image.Image:
    return picture


def turned(degrees: int) -> Change:
    return lambda picture, face_width: picture.rotate(degrees, expand=True)


def small(pixels: int) -> Change:
    """Reduce the face to at most this width."""
    return lambda picture, face_width: scaled(picture, min(1.0, pixels / face_width))


def blurred(share: float) -> Change:
    """Blur by this share of the face's width."""
    return lambda picture, face_width: picture.filter(ImageFilter.GaussianBlur(share * face_width))


def fitted(picture: Image.Image, face_width: float) -> Image.Image:
    """Enlarge to a phone's size, store on its side with an EXIF tag, and fit."""
    enlarged = scaled(picture, (PHONE / (picture.width * picture.height)) ** 0.5)
    return Image.open(BytesIO(fit(from_a_phone(enlarged).content).content))


def scaled(picture: Image.Image, scale: float) -> Image.Image:
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


CHANGES: dict[str, Change] = {
    "as it is": as_it_is,
    "turned by 90": turned(90),
    "turned by 180": turned(180),
    "turned by 270": turned(270),
    "fitted from 12 megapixels": fitted,
    **{f"face {pixels} pixels wide": small(pixels) for pixels in (80, 60, 50, 40, 30, 20)},
    **{f"blurred by {share:.1%}": blurred(share) for share in (0.005, 0.01, 0.015, 0.02, 0.03)},
}


if __name__ == "__main__":
    main()
