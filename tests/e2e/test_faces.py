"""The sandbox with an emulator that recognises faces."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sandbox.cloud import Sandbox
from sandbox.photographs import another_day, collins, hopper
from sandbox.portraits import jpeg
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(ROOT, logs=tmp_path_factory.mktemp("faces"), faces=True) as sandbox:
        yield sandbox


def row_of(sandbox: Sandbox, pair_id: str, first: bytes, second: bytes) -> dict[str, Any]:
    """Upload a pair and return its final row."""
    for name, content in (("first.jpg", first), ("second.jpg", second)):
        sandbox.aws("s3").put_object(Bucket=sandbox.outputs["ImagesBucket"], Key=f"{pair_id}/{name}", Body=content)

    def look() -> dict[str, Any] | None:
        key = {"pair_id": {"S": pair_id}}
        table = sandbox.outputs["VerdictsTable"]
        row: dict[str, Any] = sandbox.aws("dynamodb").get_item(TableName=table, Key=key).get("Item", {})
        return row if row.get("verdict", {}).get("S") not in (None, "WAITING", "PENDING") else None

    row = eventually(look, within=90)
    assert row is not None
    return row


def test_one_person_passes_and_the_face_is_located_on_the_upload_as_viewed(
    sandbox: Sandbox,
) -> None:
    """The picture is stored on its side with 6 times the pixels; the eyes must be in the same place."""
    sensor = hopper().resize((3072, 3600)).transpose(Image.Transpose.ROTATE_90)

    row = row_of(sandbox, "one person", jpeg(sensor, exif_orientation=6), jpeg(another_day(hopper())))

    face = {edge: float(row["first"]["M"]["face"]["M"][edge]["N"]) for edge in ("left", "top", "right", "bottom")}
    assert row["verdict"] == {"S": "PASS"}
    assert face["left"] < 6 * 223 < 6 * 307 < face["right"]
    assert face["top"] < 6 * 189 < 6 * 195 < face["bottom"]


def test_a_small_face_in_a_picture_on_its_side_is_found_after_turning(
    sandbox: Sandbox,
) -> None:
    """The emulator alone would not find it: tests/integration/test_faces.py."""
    from_afar = Image.new("RGB", (1500, 2000), "white")
    from_afar.paste(hopper(), (400, 600))
    sensor = from_afar.transpose(Image.Transpose.ROTATE_90)

    row = row_of(sandbox, "from afar", jpeg(sensor, exif_orientation=6), jpeg(hopper()))

    assert row["verdict"] == {"S": "PASS"}
    assert row["first"]["M"]["adjusted"]["L"][0] == {"S": "rotated 90"}


def test_two_persons_are_rejected(sandbox: Sandbox) -> None:
    assert row_of(sandbox, "two persons", jpeg(hopper()), jpeg(collins()))["verdict"] == {"S": "REJECT"}


def test_faces_and_another_api_at_once_are_refused_as_wrong_use() -> None:
    command = [sys.executable, "-m", "sandbox", "--faces", "--parameter", "AdvanceBaseUrl=https://api.advance.ai"]

    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 2
    assert "AdvanceBaseUrl=https://api.advance.ai" in ran.stderr
