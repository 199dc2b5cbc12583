"""Any picture is either fitted and upright, or refused with a reason."""

import re
from io import BytesIO

from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from facepair.advance.limits import MAX_BYTES, MAX_SIDE, MIN_SIDE
from facepair.domain.fitted import Box, Fitted, Unusable
from facepair.domain.jpeg import LOWEST_QUALITY
from facepair.domain.picture import fit
from tests.pictures.heic import heic
from tests.pictures.pictures import ORIENTATIONS, encoded, exif, face_in, find_face, noise, scene, stored

# Modes in which the face stays red enough to be found.
MODES = {
    "JPEG": ("RGB", "CMYK"),
    "MPO": ("RGB",),
    "PNG": ("RGB", "RGBA", "P"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "RGBA", "CMYK", "P"),
    "AVIF": ("RGB", "RGBA"),
    "BMP": ("RGB", "P"),
    "GIF": ("P",),
    "HEIC": ("RGB",),
}
ORIENTED = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "AVIF")

sides = st.integers(200, 900) | st.sampled_from([1, 8, 255, 256, 257, 4095, 4096, 4097, 6000])
sizes = st.tuples(sides, sides).filter(lambda size: size[0] * size[1] <= 3_000_000)
kinds = st.sampled_from([(picture_format, mode) for picture_format, modes in MODES.items() for mode in modes])


def fitted_or_refused(content: bytes) -> Fitted | Unusable:
    try:
        return fit(content)
    except Unusable as refused:
        return refused


def assert_fits(fitted: Fitted) -> Image.Image:
    assert len(fitted.content) < MAX_BYTES
    image = Image.open(BytesIO(fitted.content))
    image.load()
    assert fitted.content_type == Image.MIME[image.format or ""].replace("image/mpo", "image/jpeg")
    assert image.size == fitted.sent_size
    assert min(image.size) >= MIN_SIDE
    assert max(image.size) <= MAX_SIDE
    assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return image


def assert_named_reason(refused: Unusable) -> None:
    assert refused.code in ("IMAGE_INVALID_FORMAT", "IMAGE_INVALID_SIZE")
    assert re.search(r"\d", refused.message), "the reason has no number in it"


@settings(max_examples=80, deadline=None, derandomize=True)
@given(size=sizes, kind=kinds, orientation=st.sampled_from(ORIENTATIONS))
@example(size=(4096, 257), kind=("JPEG", "RGB"), orientation=6)
@example(size=(257, 6000), kind=("PNG", "RGB"), orientation=8)
@example(size=(6000, 480), kind=("TIFF", "CMYK"), orientation=5)
def test_any_picture_fits_upright_with_its_face_where_it_was(
    size: tuple[int, int], kind: tuple[str, str], orientation: int
) -> None:
    picture_format, mode = kind
    if picture_format == "HEIC":
        size = (size[0] + size[0] % 2, size[1] + size[1] % 2)
    image = scene(size) if min(size) >= 8 else Image.new("RGB", size)
    if picture_format == "HEIC":
        content = heic(image)
    elif picture_format in ORIENTED:
        content = encoded(stored(image, orientation).convert(mode), picture_format, exif=exif(orientation))
    else:
        content = encoded(image.convert(mode), picture_format)
    reducible = min(size) * min(1, MAX_SIDE / max(size)) >= MIN_SIDE - 0.5 and min(size) >= MIN_SIDE

    outcome = fitted_or_refused(content)

    if isinstance(outcome, Unusable):
        event("refused")
        assert not reducible
        assert_named_reason(outcome)
        assert outcome.code == "IMAGE_INVALID_SIZE"
    else:
        event("adjusted" if outcome.adjusted else "sent as it is")
        assert reducible
        sent = assert_fits(outcome)
        assert outcome.shown_size == size
        on_upload = outcome.on_upload(find_face(sent))
        assert all(abs(a - b) <= 4 for a, b in zip(on_upload, face_in(size), strict=True))
        assert outcome.on_upload(Box(0, 0, *sent.size)) == Box(0, 0, *size)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(256, 2500), st.integers(256, 2500)).filter(lambda size: size[0] * size[1] <= 3_000_000),
    amount=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
def test_however_much_detail_there_is_the_picture_stays_below_2_mb(
    size: tuple[int, int], amount: float, seed: int
) -> None:
    picture = Image.blend(scene(size), noise(size, seed), amount)

    fitted = fit(encoded(picture, "BMP"))

    assert_fits(fitted)
    assert int(fitted.adjusted[-1].split()[-1]) >= LOWEST_QUALITY


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    start=st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF"]),
    rest=st.binary(max_size=300),
)
def test_any_bytes_are_refused_with_a_reason(start: bytes, rest: bytes) -> None:
    outcome = fitted_or_refused(start + rest)

    if isinstance(outcome, Unusable):
        assert_named_reason(outcome)
    else:
        assert_fits(outcome)
