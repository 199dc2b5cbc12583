"""A face stays the same face, however its picture was fitted."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

MOST = 6.0
"""Points of similarity by which a comparison may change. Half of it is the detector's own variation."""

type Comparison = dict[str, Any]


@pytest.fixture(scope="module")
def comparisons() -> list[Comparison]:
    """Comparisons of a face, fitted in each way, with four others, before and after."""
    command = [str(ROOT / ".tools" / "faces" / "bin" / "python"), "-m", "benchmarks.fitted_faces", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def verdict(similarity: float) -> str:
    return "PASS" if similarity > 70 else "REJECT" if similarity < 55 else "MANUAL_CHECK"


def test_every_way_of_fitting_is_tried_on_every_verdict(comparisons: list[Comparison]) -> None:
    adjusted = "; ".join(done for each in comparisons for done in each["adjusted"])

    assert all(each["adjusted"] for each in comparisons)
    for way in ("reduced from", "re-encoded", "put on white", "scaled to 8 bits", "to sRGB", "from CMYK", "mirrored"):
        assert way in adjusted
    for degrees in (90, 180, 270):
        assert f"rotated {degrees}" in adjusted
    assert {verdict(each["before"]) for each in comparisons} == {"PASS", "MANUAL_CHECK", "REJECT"}


def test_no_verdict_flips(comparisons: list[Comparison]) -> None:
    flipped = [each for each in comparisons if verdict(each["before"]) != verdict(each["after"])]

    assert flipped == []


def test_no_similarity_changes_much(comparisons: list[Comparison]) -> None:
    changed = [each for each in comparisons if abs(each["after"] - each["before"]) > MOST]

    assert changed == []


def test_the_face_is_where_it_was_on_the_upload_as_a_viewer_shows_it(comparisons: list[Comparison]) -> None:
    astray = [each for each in comparisons if each["astray"] > 0.15]

    assert astray == []
