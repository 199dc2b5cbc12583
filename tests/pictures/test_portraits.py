"""The sample portraits, judged by the emulator's measure of likeness."""

import io
from itertools import combinations

import pytest
from PIL import Image

from sandbox.advance_api.likeness import look, similarity
from sandbox.advance_api.sight import Area, Sight
from sandbox.portraits import NEEDS_A_LOOK, PASSES, blank, blurred, jpeg, png, portrait

PERSONS = range(24)
SMALL = {"width": 300, "height": 400}


def sight(image: Image.Image) -> Sight:
    return look(png(image), "image/png")


@pytest.fixture(scope="module")
def usual() -> dict[int, Sight]:
    return {person: sight(portrait(person, **SMALL)) for person in PERSONS}


def test_a_portrait_is_the_same_whenever_it_is_drawn() -> None:
    assert png(portrait(7, **SMALL)) == png(portrait(7, **SMALL))
    assert png(portrait(7, **SMALL)) != png(portrait(8, **SMALL))


@pytest.mark.parametrize(("width", "height"), [(900, 1200), (1200, 900), (256, 256), (3000, 4000)])
def test_a_portrait_has_the_size_asked_for(width: int, height: int) -> None:
    image = portrait(1, width=width, height=height)

    assert (image.size, image.mode) == ((width, height), "RGB")


@pytest.mark.parametrize("variation", [-0.1, 1.1])
def test_a_variation_out_of_range_is_refused(variation: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        portrait(1, variation=variation)


def test_unrelated_portraits_are_clearly_below_the_rejection_threshold(usual: dict[int, Sight]) -> None:
    assert max(similarity(a, b) for a, b in combinations(usual.values(), 2)) <= 51


@pytest.mark.parametrize(
    ("variation", "low", "high"), [(0, 99, 100), (PASSES, 80, 100), (NEEDS_A_LOOK, 59, 66), (1, 0, 51)]
)
def test_each_documented_variation_gives_its_verdict_with_a_margin(
    variation: float, low: float, high: float, usual: dict[int, Sight]
) -> None:
    similarities = [
        similarity(usual[person], sight(portrait(person, variation=variation, **SMALL))) for person in PERSONS
    ]

    assert low <= min(similarities) <= max(similarities) <= high


@pytest.mark.parametrize("person", range(4))
def test_the_same_picture_stays_alike_through_re_encoding_and_resizing(person: int) -> None:
    original = portrait(person)
    seen = sight(original)

    for scale in (1 / 4, 1 / 3, 1, 2):
        for quality in (60, 92):
            resized = original.resize((round(900 * scale), round(1200 * scale)))
            assert similarity(seen, look(jpeg(resized, quality), "image/jpeg")) >= 95


def test_likeness_does_not_depend_on_which_picture_is_first(usual: dict[int, Sight]) -> None:
    assert similarity(usual[0], usual[1]) == similarity(usual[1], usual[0])


def test_the_face_moves_scales_and_turns_with_the_picture() -> None:
    def face(left: int, top: int, scale: int = 1, quarter_turns: int = 0) -> Area | None:
        image = Image.new("RGB", (800 * scale, 600 * scale), "white")
        image.paste((30, 60, 90), (left * scale, top * scale, (left + 200) * scale, (top + 320) * scale))
        return sight(image.rotate(90 * quarter_turns, expand=True)).face

    # One pixel of the picture in which the emulator finds contours is 800 / 256 pixels wide.
    assert face(100, 200) == pytest.approx((100, 200, 300, 520), abs=6)
    assert face(350, 80) == pytest.approx((350, 80, 550, 400), abs=6)
    assert face(100, 200, scale=3) == pytest.approx((300, 600, 900, 1560), abs=18)
    assert face(100, 200, quarter_turns=1) == pytest.approx((200, 500, 520, 700), abs=6)


def test_a_portrait_has_a_sharp_face_a_blank_none_and_a_blurred_one_is_not_sharp() -> None:
    clear, empty, soft = sight(portrait(3)), sight(blank()), sight(blurred(portrait(3)))

    assert (clear.face is not None, clear.usable) == (True, True)
    assert empty.face is None
    assert (soft.face is not None, soft.usable) == (True, False)


def test_a_jpeg_carries_the_orientation_it_is_given() -> None:
    turned, plain = (Image.open(io.BytesIO(jpeg(portrait(1, **SMALL), exif_orientation=value))) for value in (6, None))

    assert turned.getexif().get(0x0112) == 6
    assert 0x0112 not in plain.getexif()
    assert turned.tobytes() == plain.tobytes()
