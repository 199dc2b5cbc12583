"""The emulator that recognises faces, as a process over real HTTP."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image, ImageFilter

from sandbox.photographs import BETWEEN, another_day, collins, hopper, overlaid
from sandbox.portraits import blank, jpeg, png, portrait

ROOT = Path(__file__).parents[2]
CHECK = "/openapi/face-recognition/v4/check"
TOKEN = "/openapi/auth/ticket/v1/generate-token"

HOPPER_S_EYES = ((223, 195), (307, 189))  # pixels of her photograph
COLLINS_S_EYES = ((204, 102), (247, 104))
PATIENCE = 120  # seconds, on a busy machine

KEPT = """
import sys
from sandbox.advance_api.faces import Faces
from sandbox.photographs import hopper
from sandbox.portraits import jpeg
faces, upload = Faces(), jpeg(hopper())
before = sys.getrefcount(upload)
sight = faces.look(upload, "image/jpeg")
faces.look(jpeg(hopper(), 80), "image/jpeg")  # ends what the thread does with the first one
print(sys.getrefcount(upload) - before, sight is faces.look(upload, "image/jpeg"))
"""
"""Prints how many references to an upload remain, and whether its description is used again."""

type Point = tuple[float, float]


class Api:
    """A client with a token."""

    def __init__(self, url: str) -> None:
        self._check = url + CHECK
        self._http = urllib3.PoolManager(retries=False, timeout=PATIENCE, maxsize=8)
        timestamp = str(int(time.time() * 1000))
        signature = hashlib.sha256(f"sampleaccesskeysamplesecretkey{timestamp}".encode()).hexdigest()
        parameters = {"accessKey": "sampleaccesskey", "timestamp": timestamp, "signature": signature}
        self._token = self._http.request("POST", url + TOKEN, json=parameters).json()["data"]["token"]

    def answer(self, first: Image.Image | bytes, second: Image.Image | bytes) -> Any:
        """Images are sent as JPEG; bytes are a PNG."""
        fields = {"firstImage": _part(first), "secondImage": _part(second)}
        return self._http.request("POST", self._check, fields=fields, headers={"X-ACCESS-TOKEN": self._token}).json()

    def code(self, first: Image.Image | bytes, second: Image.Image | bytes) -> str:
        return str(self.answer(first, second)["code"])

    def similarity(self, first: Image.Image | bytes, second: Image.Image | bytes) -> float:
        return float(self.answer(first, second)["data"]["similarity"])

    def face(self, picture: Image.Image | bytes) -> dict[str, Any]:
        face: dict[str, Any] = self.answer(picture, hopper())["data"]["firstFace"]
        return face


def _part(picture: Image.Image | bytes) -> tuple[str, bytes, str]:
    return ("a", picture, "image/png") if isinstance(picture, bytes) else ("a", jpeg(picture), "image/jpeg")


@contextmanager
def emulator(root: Path = ROOT, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the emulator with the project's interpreter; it enters its own environment."""
    command = [sys.executable, "-m", "sandbox.advance_api", "--faces", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=root,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with emulator() as (process, url):
        yield Api(url)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE) == ("", "")
        assert process.returncode == 0


def holds(face: Mapping[str, float], *points: Point) -> bool:
    return all(face["left"] < x < face["right"] and face["top"] < y < face["bottom"] for x, y in points)


# --- identity ---------------------------------------------------------------------------------------------------------


def test_the_same_photograph_is_the_same_person_and_the_face_is_where_the_eyes_are(api: Api) -> None:
    answer = api.answer(hopper(), collins())

    assert holds(answer["data"]["firstFace"], *HOPPER_S_EYES)
    assert holds(answer["data"]["secondFace"], *COLLINS_S_EYES)
    assert not holds(answer["data"]["firstFace"], (20, 20))
    assert api.similarity(hopper(), hopper()) == 100


def test_one_person_passes_two_are_rejected_and_a_blend_is_for_review(api: Api) -> None:
    similarities = [api.similarity(hopper(), other) for other in (another_day(hopper()), overlaid(BETWEEN), collins())]

    assert similarities == pytest.approx([88, 64, 47], abs=3)
    assert similarities[0] > 70 > similarities[1] > 55 > similarities[2]


def test_the_more_of_another_face_the_less_similar(api: Api) -> None:
    overlays = [overlaid(share) for share in (0, 0.3, 0.5, 0.7, 1)]

    to_hopper = [api.similarity(hopper(), overlay) for overlay in overlays]

    assert to_hopper == sorted(to_hopper, reverse=True)
    assert len(set(to_hopper)) == len(to_hopper)


def test_it_does_not_matter_which_picture_is_the_first(api: Api) -> None:
    assert api.similarity(hopper(), overlaid(0.5)) == api.similarity(overlaid(0.5), hopper())


# --- presentation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_picture_is_recognised_and_the_face_is_in_pixels_of_what_was_sent(api: Api, degrees: int) -> None:
    turned = hopper().rotate(degrees, expand=True)
    width, height = hopper().size
    eyes = {
        90: [(y, width - x) for x, y in HOPPER_S_EYES],
        180: [(width - x, height - y) for x, y in HOPPER_S_EYES],
        270: [(height - y, x) for x, y in HOPPER_S_EYES],
    }

    answer = api.answer(turned, another_day(hopper()))

    assert answer["data"]["similarity"] > 80
    assert holds(answer["data"]["firstFace"], *eyes[degrees])


def test_a_small_face_is_found_upright_only(api: Api) -> None:
    """So turning pictures upright before sending them pays off."""
    from_afar = Image.new("RGB", (1500, 2000), "white")
    from_afar.paste(hopper(), (400, 600))

    assert api.code(from_afar, hopper()) == "SUCCESS"
    assert api.code(from_afar.rotate(90, expand=True), hopper()) == "NO_FACE_DETECTED_FROM_FIRST_IMAGE"


def test_of_several_faces_the_largest_counts(api: Api) -> None:
    both = Image.new("RGB", (1024, 600), "white")
    both.paste(collins(), (0, 44))
    both.paste(hopper(), (512, 0))

    answer = api.answer(both, hopper())

    assert answer["data"]["similarity"] > 90
    assert holds(answer["data"]["firstFace"], *((x + 512, y) for x, y in HOPPER_S_EYES))


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA"])
def test_a_gray_or_transparent_png_is_seen(api: Api, mode: str) -> None:
    assert api.similarity(png(hopper().convert("L").convert(mode)), hopper()) > 85


def test_the_largest_and_the_smallest_picture_that_the_api_takes_are_seen(api: Api) -> None:
    large, small = hopper().resize((4096, 4096)), hopper().crop((92, 86, 444, 438)).resize((256, 256))

    assert api.similarity(large, hopper()) > 70
    assert api.similarity(small, hopper()) > 85
    assert holds(api.face(large), *((x * 4096 / 512, y * 4096 / 600) for x, y in HOPPER_S_EYES))


# --- unusable pictures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "picture",
    [blank(), portrait(1), Image.effect_noise((600, 800), 90).convert("RGB"), blank(256, 4096)],
    ids=["a wall", "a drawing", "noise", "a narrow wall"],
)
def test_without_a_face_it_says_so_and_charges(api: Api, picture: Image.Image) -> None:
    assert api.code(picture, hopper()) == "NO_FACE_DETECTED_FROM_FIRST_IMAGE"
    answer = api.answer(hopper(), picture)

    assert (answer["code"], answer["pricingStrategy"]) == ("NO_FACE_DETECTED_FROM_SECOND_IMAGE", "PAY")


@pytest.mark.parametrize(("share", "code"), [(0.25, "SUCCESS"), (0.18, "FIRST_IMAGE_LOW_QUALITY_FACE")])
def test_a_face_of_fewer_than_40_pixels_is_of_low_quality(api: Api, share: float, code: str) -> None:
    """Her face is 180 pixels wide; the paper makes the picture large enough to send."""
    small = Image.new("RGB", (300, 300), "white")
    small.paste(hopper().resize((round(512 * share), round(600 * share))), (80, 70))

    assert api.code(small, collins()) == code


@pytest.mark.parametrize(("radius", "code"), [(2, "SUCCESS"), (5, "SECOND_IMAGE_LOW_QUALITY_FACE")])
def test_a_blurred_face_is_of_low_quality_however_many_pixels_it_has(api: Api, radius: float, code: str) -> None:
    blurry = hopper().filter(ImageFilter.GaussianBlur(radius)).resize((1536, 1800))

    assert api.code(collins(), blurry) == code


def test_a_sharp_background_does_not_make_up_for_a_blurred_face(api: Api) -> None:
    blurry = hopper().filter(ImageFilter.GaussianBlur(5))
    sharp = Image.effect_noise((1024, 600), 90).convert("RGB")
    sharp.paste(blurry, (0, 0))

    assert api.code(sharp, collins()) == "FIRST_IMAGE_LOW_QUALITY_FACE"


def test_a_damaged_picture_is_refused_for_free_and_the_next_one_is_answered(api: Api) -> None:
    answer = api.answer(png(hopper())[:5000], hopper())

    assert (answer["code"], answer["pricingStrategy"]) == ("IMAGE_INVALID_FORMAT", "FREE")
    assert api.code(hopper(), hopper()) == "SUCCESS"


def test_many_at_once_are_all_answered_as_each_alone(api: Api) -> None:
    pairs = [(hopper(), collins()), (hopper(), blank()), (collins(), collins())] * 2
    alone = [_outcome(api.answer(*pair)) for pair in pairs[:3]]

    with ThreadPoolExecutor(max_workers=len(pairs)) as callers:
        together = list(callers.map(lambda pair: _outcome(api.answer(*pair)), pairs))

    assert together == alone * 2


def _outcome(answer: dict[str, Any]) -> tuple[str, Any]:
    return answer["code"], answer["data"]


# --- environment ------------------------------------------------------------------------------------------------------


def another_root(folder: Path, recipe: str) -> Path:
    """Create a project folder with another Makefile and nothing installed."""
    (folder / "sandbox").symlink_to(ROOT / "sandbox")
    (folder / "Makefile").write_text(f".tools/faces/installed:\n\t{recipe}\n")
    return folder


def test_what_it_needs_is_installed_at_the_first_use_and_once_by_many(tmp_path: Path) -> None:
    recipe = f"@echo made >> made; sleep 1; mkdir -p .tools; ln -s {ROOT}/.tools/faces .tools/faces"
    root = another_root(tmp_path, recipe)

    with emulator(root) as (first, url), emulator(root) as (_, other):
        assert urllib3.request("GET", f"{url}/control/calls").status == 200
        assert urllib3.request("GET", f"{other}/control/calls").status == 200
        first.terminate()
        _, errors = first.communicate(timeout=PATIENCE)

    assert errors.startswith("Installing")
    assert (root / "made").read_text() == "made\n"


def test_if_it_cannot_be_installed_it_says_what_is_missing(tmp_path: Path) -> None:
    root = another_root(tmp_path, "@echo no network >&2; false")

    with emulator(root) as (process, url):
        _, errors = process.communicate(timeout=PATIENCE)

    assert (url, process.returncode) == ("", 1)
    assert "no network" in errors
    assert "cannot recognise faces: `make .tools/faces/installed`" in errors
    assert "Traceback" not in errors


def test_neither_a_picture_nor_its_description_is_kept_after_an_answer() -> None:
    python = ROOT / ".tools" / "faces" / "bin" / "python"

    ran = subprocess.run([python, "-c", KEPT], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)

    assert ran.stdout == "0 False\n"


def test_only_freely_usable_weights_are_installed() -> None:
    (models,) = (ROOT / ".tools" / "faces" / "lib").glob("python*/site-packages/face_recognition_models/models")

    assert {path.name for path in models.iterdir()} == {
        "shape_predictor_5_face_landmarks.dat",
        "dlib_face_recognition_resnet_model_v1.dat",
    }
