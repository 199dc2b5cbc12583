"""Recognise faces: a stand-in for development. It is not ADVANCE's algorithm; never decide about people with it.

dlib's detector finds the faces, its 5-point predictor aligns the largest one, and its ResNet describes it by 128
numbers: the closer two descriptions, the more alike the faces (scale.py). docs/faces.md has its accuracy and the basis
of the limits below. No data leaves the machine or is stored.

Runs in its own environment (environment.py).
"""

import math
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import dlib
import numpy
from PIL import Image, ImageChops, ImageFilter, ImageStat

from sandbox.advance_api.scale import BY_DISTANCE, on_scale
from sandbox.advance_api.sight import Area, Sight, decode

# A picture is searched upright and, until a face is sure, turned by quarters, at half the size.
SEARCHES = ((1024, 0), (512, 1), (512, 2), (512, 3))  # pixels of the longer side, quarters counter-clockwise

# Detector scores. Upside-down pictures gave false faces of up to 0.84.
SURE = 1.0
LEAST_SCORE = 0.2

# Faces below these limits have low quality: persons begin to be confused.
LEAST_WIDTH = 40  # pixels of the picture as sent
LEAST_DETAIL = 0.06

MARGIN = 0.75  # around a face, in its widths
CLOSE_UP_SIDE = 500  # pixels, of a face with its margin
ALIGNED_SIDE, ALIGNED_PADDING = 150, 0.25  # pixels, and share of them: what the ResNet was trained on

SLIGHT_BLUR = ImageFilter.GaussianBlur(1.5)


class DetectedFace(NamedTuple):
    """A detected face, after `quarter_turns` counter-clockwise turns of the picture."""

    box: Area  # in the unturned picture; may extend beyond its edges
    score: float
    quarter_turns: int

    @property
    def width(self) -> float:
        return self.box.right - self.box.left


class Faces:
    """A thread-safe recogniser of faces."""

    def __init__(self) -> None:
        models = _models()
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._describer = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))
        # dlib's objects are not thread-safe; requests run in order.
        self._one_at_a_time = ThreadPoolExecutor(max_workers=1)

    def look(self, content: bytes, content_type: str) -> Sight:
        """Decode a picture and describe its largest face. Raises NotThePictureItClaims."""
        return self._one_at_a_time.submit(lambda: self._look_at(decode(content, content_type))).result()

    def look_at(self, picture: Image.Image) -> Sight:
        """Describe the largest face of an RGB picture."""
        return self._one_at_a_time.submit(self._look_at, picture).result()

    def similarity(self, first: Sight, second: Sight) -> float:
        """Return how alike two faces are: 0 to 100."""
        return on_scale(distance(first, second), BY_DISTANCE)

    def _look_at(self, picture: Image.Image) -> Sight:
        face = self._find(picture)
        if face is None:
            return Sight(description=(), face=None, usable=False)
        aligned = self._align(picture, face)
        return Sight(
            description=tuple(self._describer.compute_face_descriptor(numpy.asarray(aligned))),
            face=_within(face.box, picture.size),
            usable=face.width >= LEAST_WIDTH and detail(aligned) >= LEAST_DETAIL,
        )

    def _find(self, picture: Image.Image) -> DetectedFace | None:
        """Return the largest sure face; without one, the surest of all, including turned pictures."""
        faces: list[DetectedFace] = []
        for side, quarter_turns in SEARCHES:
            faces += self._detect(picture, side, quarter_turns)
            if sure := [face for face in faces if face.score >= SURE]:
                return max(sure, key=lambda face: face.width)
        return max(faces, key=lambda face: face.score, default=None)

    def _detect(self, picture: Image.Image, side: int, quarter_turns: int) -> list[DetectedFace]:
        scale = side / max(picture.size)
        width, height = (max(1, round(each * scale)) for each in picture.size)
        searched = picture.resize((width, height)).rotate(90 * quarter_turns, expand=True)
        found, scores, _ = self._detector.run(numpy.asarray(searched), 0, LEAST_SCORE)
        faces = []
        for edges, score in zip(found, scores, strict=True):
            box = Area(edges.left(), edges.top(), edges.right() + 1, edges.bottom() + 1)
            box = _turned_back(box, searched.size, quarter_turns)
            faces.append(DetectedFace(Area(*(edge / scale for edge in box)), score, quarter_turns))
        return faces

    def _align(self, picture: Image.Image, face: DetectedFace) -> Image.Image:
        """Return the face upright and aligned at the eyes, in full resolution."""
        margin = MARGIN * face.width
        left, top, right, bottom = face.box
        around = (round(left - margin), round(top - margin), round(right + margin), round(bottom + margin))
        close_up = picture.crop(around).resize((CLOSE_UP_SIDE, CLOSE_UP_SIDE)).rotate(90 * face.quarter_turns)
        pixels = numpy.asarray(close_up)
        begin = round(CLOSE_UP_SIDE * MARGIN / (1 + 2 * MARGIN))
        end = CLOSE_UP_SIDE - begin
        landmarks = self._predictor(pixels, dlib.rectangle(begin, begin, end, end))
        return Image.fromarray(dlib.get_face_chip(pixels, landmarks, ALIGNED_SIDE, ALIGNED_PADDING))


def distance(first: Sight, second: Sight) -> float:
    """Return the distance of two descriptions: 0 for the same picture, about 0.9 for different persons."""
    return math.dist(first.description, second.description)


def detail(aligned: Image.Image) -> float:
    """Return the share of an aligned face's contrast that a slight blur removes: less if it was blurred before."""
    edge = round(ALIGNED_SIDE * ALIGNED_PADDING / 2)
    face = aligned.convert("L")
    fine = ImageChops.subtract(face, face.filter(SLIGHT_BLUR), scale=1, offset=128)
    without_hair = (edge, edge, ALIGNED_SIDE - edge, ALIGNED_SIDE - edge)
    taken, contrast = (ImageStat.Stat(each.crop(without_hair)).stddev[0] for each in (fine, face))
    return taken / contrast if contrast else 0.0


def _models() -> Path:
    """Return the folder of the weights. Importing their package needs a module that setuptools has dropped."""
    package = find_spec("face_recognition_models")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "models"


def _turned_back(box: Area, size: tuple[int, int], quarter_turns: int) -> Area:
    """Turn a box back clockwise; the turned picture had this width and height."""
    width, height = size
    for _ in range(quarter_turns):
        box = Area(height - box.bottom, box.left, height - box.top, box.right)
        width, height = height, width
    return box


def _within(box: Area, size: tuple[int, int]) -> Area:
    width, height = size
    limits = (width, height, width, height)
    return Area(*(round(min(max(edge, 0.0), float(limit)), 1) for edge, limit in zip(box, limits, strict=True)))
