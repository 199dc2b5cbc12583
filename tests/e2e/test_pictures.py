"""What is sent of an upload, and where its face is."""

from collections.abc import Callable
from functools import cache, partial
from io import BytesIO

import pytest
from PIL import Image

from facepair.domain.picture import fit
from sandbox import portraits
from sandbox.advance_api.models import Part
from tests.support.deployed import SIZE, Deployed, Row, sha256

CAMERA, COMMENT = "Camera of a person", b"taken at home"
# Turns an upright picture into the pixels that a camera stores with this EXIF orientation.
STORED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
ENLARGED = 10


@cache
def upright() -> Image.Image:
    return portraits.portrait(1, width=SIZE[0], height=SIZE[1])


def photograph(orientation: int) -> bytes:
    """Return a phone's picture: the sensor's pixels with EXIF, GPS position and a comment."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, CAMERA
    exif.get_ifd(0x8825)[1] = "N"
    encoded = BytesIO()
    upright().transpose(STORED[orientation]).save(encoded, "JPEG", quality=90, exif=exif, comment=COMMENT)
    return encoded.getvalue()


UPLOADS: dict[str, Callable[[], bytes]] = {
    **{f"orientation {orientation}": partial(photograph, orientation) for orientation in STORED},
    "six thousand pixels high": lambda: portraits.jpeg(upright().resize((SIZE[0] * ENLARGED, SIZE[1] * ENLARGED)), 80),
    "a PNG": lambda: portraits.png(upright()),
    "a JPEG": lambda: portraits.jpeg(upright()),
}


@cache
def content_of(name: str) -> bytes:
    return UPLOADS[name]()


@pytest.fixture(scope="module", autouse=True)
def uploaded(deployed: Deployed) -> None:
    """Upload each as a first picture, with a second one that is sent unchanged."""
    for name in UPLOADS:
        deployed.upload_pair(name, content_of(name))


def sent(deployed: Deployed, name: str) -> tuple[Part, Part]:
    row = deployed.settled(name)
    [call] = [call for call in deployed.control.calls("check") if call.transaction_id == row["transaction_id"]]
    assert call.first is not None
    assert call.second is not None
    return call.first, call.second


def edges(row: Row, role: str = "first") -> list[float]:
    return [float(row[role]["face"][edge]) for edge in ("left", "top", "right", "bottom")]


@pytest.mark.parametrize("name", [name for name in UPLOADS if name.startswith("orientation")])
def test_a_face_on_a_turned_photograph_is_where_a_viewer_shows_it(deployed: Deployed, name: str) -> None:
    row = deployed.settled(name)

    assert row["verdict"] == "PASS"
    assert edges(row) == pytest.approx(edges(deployed.settled("a JPEG")), abs=6)
    assert row["first"]["adjusted"][0].startswith("rotated ")
    assert row["second"]["adjusted"] == []


def test_a_face_on_a_reduced_photograph_is_in_the_uploads_own_pixels(deployed: Deployed) -> None:
    name = "six thousand pixels high"

    row, (first, _) = deployed.settled(name), sent(deployed, name)

    assert row["verdict"] == "PASS"
    assert "reduced from 4500x6000 to 3072x4096" in row["first"]["adjusted"]
    assert (first.width, first.height) == (3072, 4096)
    expected = [edge * ENLARGED for edge in edges(deployed.settled("a JPEG"))]
    assert edges(row) == pytest.approx(expected, abs=6 * ENLARGED)


@pytest.mark.parametrize(("name", "content_type"), [("a JPEG", "image/jpeg"), ("a PNG", "image/png")])
def test_a_picture_that_fits_is_sent_byte_for_byte(deployed: Deployed, name: str, content_type: str) -> None:
    first, _ = sent(deployed, name)

    assert (first.sha256, first.content_type) == (sha256(content_of(name)), content_type)
    assert deployed.settled(name)["first"]["adjusted"] == []


@pytest.mark.parametrize("name", [name for name in UPLOADS if name.startswith("orientation")])
def test_the_metadata_of_an_adjusted_photograph_never_leaves(deployed: Deployed, name: str) -> None:
    first, _ = sent(deployed, name)

    # The emulator stores no pictures; the digest identifies what it got.
    content = fit(content_of(name)).content
    assert sha256(content) == first.sha256
    assert CAMERA.encode() in content_of(name)
    assert COMMENT in content_of(name)
    with Image.open(BytesIO(content)) as image:
        assert not image.getexif()
        assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    assert CAMERA.encode() not in content
    assert COMMENT not in content


@pytest.mark.parametrize("name", UPLOADS)
def test_the_names_of_the_files_sent_say_nothing_of_the_upload(deployed: Deployed, name: str) -> None:
    first, second = sent(deployed, name)

    assert (first.file_name, second.file_name) == (f"first.{first.content_type.removeprefix('image/')}", "second.jpeg")
