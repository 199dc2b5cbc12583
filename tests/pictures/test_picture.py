"""Every kind of picture, one behaviour each."""

import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from struct import pack
from zlib import crc32

import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from facepair.advance.limits import MAX_BYTES
from facepair.domain.fitted import Box, Fitted, Unusable
from facepair.domain.jpeg import LOWEST_QUALITY
from facepair.domain.picture import MAX_SCANS, fit
from tests.pictures.heic import heic
from tests.pictures.pictures import (
    FACE_COLOUR,
    ORIENTATIONS,
    encoded,
    exif,
    face_in,
    find_face,
    noise,
    opened,
    profile_that_swaps_red_and_blue,
    scene,
    stored,
)

SIZE = (640, 400)


def assert_same_box(found: Box, expected: Box, tolerance: float) -> None:
    assert all(abs(a - b) <= tolerance for a, b in zip(found, expected, strict=True)), f"{found} is not {expected}"


def face_on_upload(fitted: Fitted) -> Box:
    return fitted.on_upload(find_face(opened(fitted.content)))


def pixel(content: bytes, xy: tuple[int, int]) -> tuple[int, ...]:
    colour = opened(content).convert("RGB").getpixel(xy)
    assert isinstance(colour, tuple)
    return colour


def assert_close(colour: tuple[int, ...], expected: tuple[int, ...], tolerance: int = 6) -> None:
    assert all(abs(a - b) <= tolerance for a, b in zip(colour, expected, strict=True)), f"{colour} is not {expected}"


def opaque_but_for_the_left_half(mode: str) -> Image.Image:
    image = Image.new(mode, SIZE, (40, 255) if mode == "LA" else (40, 40, 40, 255))
    image.paste((0, 0) if mode == "LA" else (0, 0, 0, 0), (0, 0, SIZE[0] // 2, SIZE[1]))
    return image


def half_black(colour: tuple[int, int, int]) -> Image.Image:
    """Return a picture with this colour on the left."""
    image = Image.new("RGB", SIZE)
    image.paste(colour, (0, 0, SIZE[0] // 2, SIZE[1]))
    return image


# --- already fits ---------------------------------------------------------------------------------------------------

FITTING: dict[str, Callable[[], bytes]] = {
    "a JPEG": lambda: encoded(scene(SIZE), "JPEG"),
    "a progressive JPEG": lambda: encoded(scene(SIZE), "JPEG", progressive=True),
    "a gray JPEG": lambda: encoded(scene(SIZE).convert("L"), "JPEG"),
    "an upright JPEG with EXIF": lambda: encoded(scene(SIZE), "JPEG", exif=exif(1)),
    "a phone's JPEG of two pictures (MPO)": lambda: encoded(
        scene(SIZE), "MPO", save_all=True, append_images=[scene(SIZE)]
    ),
    "the smallest JPEG": lambda: encoded(scene((256, 256)), "JPEG"),
    "the largest JPEG": lambda: encoded(scene((4096, 4096)), "JPEG"),
    "a PNG": lambda: encoded(scene(SIZE), "PNG"),
    "a palette PNG": lambda: encoded(scene(SIZE).quantize(64), "PNG"),
    "an opaque PNG with alpha, as of a screenshot": lambda: encoded(scene(SIZE).convert("RGBA"), "PNG"),
}


@pytest.mark.parametrize("make", FITTING.values(), ids=FITTING)
def test_a_picture_that_fits_is_sent_byte_for_byte(make: Callable[[], bytes]) -> None:
    content = make()

    fitted = fit(content)

    assert fitted.content is content
    assert fitted.adjusted == ()
    assert fitted.content_type == ("image/png" if content.startswith(b"\x89PNG") else "image/jpeg")
    assert fitted.on_upload(Box(1.5, 2, 3, 4)) == Box(1.5, 2, 3, 4)


def test_the_limit_of_2_mb_is_exclusive() -> None:
    content = encoded(scene(SIZE), "JPEG")
    just_below, at_the_limit = (content.ljust(length, b"\0") for length in (1_999_999, 2_000_000))

    assert fit(just_below).content is just_below
    assert fit(at_the_limit).content == content
    assert fit(at_the_limit).adjusted == ("what follows the picture left out",)


# --- upright --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_every_exif_orientation_is_turned_upright(picture_format: str, orientation: int) -> None:
    content = encoded(stored(scene(SIZE), orientation), picture_format, exif=exif(orientation))
    assert_same_box(find_face(ImageOps.exif_transpose(opened(content))), face_in(SIZE), 3)  # what viewers show

    fitted = fit(content)

    sent = opened(fitted.content)
    assert sent.size == fitted.shown_size == SIZE
    assert ExifTags.Base.Orientation not in sent.getexif() or sent.getexif()[ExifTags.Base.Orientation] == 1
    assert_same_box(find_face(sent), face_in(SIZE), 3)
    assert_same_box(face_on_upload(fitted), face_in(SIZE), 3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("size", [(5000, 400), (400, 4801), (4097, 256)])
def test_a_face_maps_back_to_the_upload_from_any_orientation_and_scale(size: tuple[int, int], orientation: int) -> None:
    fitted = fit(encoded(stored(scene(size), orientation), "JPEG", exif=exif(orientation)))

    assert max(fitted.sent_size) == 4096
    assert opened(fitted.content).size == fitted.sent_size
    assert fitted.shown_size == size
    assert_same_box(face_on_upload(fitted), face_in(size), 4)


def test_a_box_is_scaled_on_each_axis_by_its_own_ratio() -> None:
    fitted = Fitted(b"", "image/jpeg", (), sent_size=(100, 50), shown_size=(200, 150))

    assert fitted.on_upload(Box(10, 10, 20.5, 20)) == Box(20, 30, 41, 60)


@pytest.mark.parametrize("quarter_turns_left", range(4))
def test_a_heic_is_turned_as_its_container_says(quarter_turns_left: int) -> None:
    fitted = fit(heic(scene(SIZE).rotate(-90 * quarter_turns_left, expand=True), quarter_turns_left))

    assert fitted.adjusted[0] == "converted from HEIC"
    assert_same_box(face_on_upload(fitted), face_in(SIZE), 3)


def test_a_turn_is_named_clockwise() -> None:
    assert "rotated 90" in fit(encoded(scene(SIZE), "JPEG", exif=exif(6))).adjusted


@pytest.mark.parametrize("unreadable", [b"MM\0*\xff\xff\xff\xff", b"neither byte order"])
def test_unreadable_exif_leaves_a_picture_as_it_is_stored(unreadable: bytes) -> None:
    content = encoded(scene(SIZE), "JPEG", exif=b"Exif\0\0" + unreadable)

    assert fit(content).content is content


# --- size, then quality ---------------------------------------------------------------------------------------------


def test_the_long_side_is_reduced_to_the_largest_that_is_allowed() -> None:
    fitted = fit(encoded(scene((6000, 3000)), "JPEG"))

    assert fitted.sent_size == (4096, 2048)
    assert fitted.adjusted == ("reduced from 6000x3000 to 4096x2048", "re-encoded at quality 95")


def test_a_picture_of_a_108_megapixel_phone_fits() -> None:
    content = encoded(scene((12000, 9000)).convert("L"), "JPEG")

    fitted = fit(content)

    assert fitted.sent_size == (4096, 3072)


def test_the_quality_is_the_highest_that_stays_under_the_limit() -> None:
    picture = Image.blend(noise((2000, 1500)), scene((2000, 1500)), 0.6)
    content = encoded(picture, "PNG")

    fitted = fit(content)

    quality = int(fitted.adjusted[-1].removeprefix("re-encoded at quality "))
    assert LOWEST_QUALITY < quality < 95
    assert fitted.sent_size == picture.size
    assert fitted.content == encoded(picture, "JPEG", quality=quality)
    assert len(fitted.content) < MAX_BYTES <= len(encoded(picture, "JPEG", quality=quality + 1))


def test_pixels_are_given_up_before_quality_falls_below_its_floor() -> None:
    fitted = fit(encoded(noise((2600, 2000)), "PNG", compress_level=1))

    assert fitted.sent_size < (2600, 2000)
    assert int(fitted.adjusted[-1].removeprefix("re-encoded at quality ")) >= LOWEST_QUALITY
    assert MAX_BYTES * 0.8 < len(fitted.content) < MAX_BYTES


def test_noise_in_the_narrowest_shape_still_fits() -> None:
    fitted = fit(encoded(noise((4096, 256)), "PNG", compress_level=1))

    assert fitted.sent_size == (4096, 256)
    assert len(fitted.content) < MAX_BYTES


# --- colours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture_format", ["HEIC", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_other_formats_become_jpeg(picture_format: str) -> None:
    content = heic(scene(SIZE)) if picture_format == "HEIC" else encoded(scene(SIZE), picture_format)

    fitted = fit(content)

    assert opened(fitted.content).format == "JPEG"
    assert fitted.content_type == "image/jpeg"
    assert fitted.adjusted == (f"converted from {picture_format}", "re-encoded at quality 95")
    left, top, right, bottom = face_in(SIZE)
    assert_close(pixel(fitted.content, (int(left + right) // 2, int(top + bottom) // 2)), FACE_COLOUR, 12)


def test_only_the_first_picture_of_an_animation_is_sent() -> None:
    content = encoded(scene(SIZE), "GIF", save_all=True, append_images=[Image.new("RGB", SIZE, "lime")])

    assert_same_box(find_face(opened(fit(content).content)), face_in(SIZE), 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("picture_format", ["PNG", "TIFF"])
def test_transparency_is_put_on_white(mode: str, picture_format: str) -> None:
    fitted = fit(encoded(opaque_but_for_the_left_half(mode), picture_format))

    assert "put on white" in fitted.adjusted
    assert_close(pixel(fitted.content, (100, 200)), (255, 255, 255))
    assert_close(pixel(fitted.content, (500, 200)), (40, 40, 40))


def test_a_transparent_colour_of_a_palette_is_put_on_white() -> None:
    image = Image.new("P", SIZE, 1)
    image.putpalette([0, 0, 0, 40, 40, 40])
    image.paste(0, (0, 0, SIZE[0] // 2, SIZE[1]))

    for picture_format in ("PNG", "GIF"):
        fitted = fit(encoded(image, picture_format, transparency=0))

        assert_close(pixel(fitted.content, (100, 200)), (255, 255, 255))
        assert_close(pixel(fitted.content, (500, 200)), (40, 40, 40))


@pytest.mark.parametrize("picture_format", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_and_not_clipped(picture_format: str) -> None:
    image = Image.new("I;16", SIZE, 65535 // 2)
    image.paste(65535, (0, 0, 200, 400))
    image.paste(257, (400, 0, 640, 400))

    fitted = fit(encoded(image, picture_format))

    assert "scaled to 8 bits" in fitted.adjusted
    assert [pixel(fitted.content, (x, 200))[0] for x in (100, 300, 500)] == pytest.approx([255, 127, 1], abs=2)


@pytest.mark.parametrize(("mode", "black", "gray", "white"), [("I", -70000, 0, 70000), ("F", 0.0, 0.5, 1.0)])
def test_deeper_gray_is_scaled_between_its_own_extremes(mode: str, black: float, gray: float, white: float) -> None:
    image = Image.new(mode, SIZE, gray)
    image.paste(white, (0, 0, 200, 400))
    image.paste(black, (400, 0, 640, 400))

    fitted = fit(encoded(image, "TIFF"))

    assert [pixel(fitted.content, (x, 200))[0] for x in (100, 300, 500)] == pytest.approx([255, 127, 0], abs=2)


def test_deep_gray_of_one_level_is_no_division_by_zero() -> None:
    with pytest.raises(Unusable, match="of one colour"):
        fit(encoded(Image.new("F", SIZE, 0.5), "TIFF"))


@pytest.mark.parametrize("picture_format", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb_with_its_colours_kept(picture_format: str) -> None:
    fitted = fit(encoded(half_black((200, 60, 20)).convert("CMYK"), picture_format))

    assert "converted from CMYK" in fitted.adjusted
    assert_close(pixel(fitted.content, (100, 100)), (200, 60, 20))


def test_one_bit_pictures_become_gray() -> None:
    fitted = fit(encoded(scene(SIZE).convert("1"), "TIFF"))

    assert opened(fitted.content).mode == "L"


def test_colours_of_an_embedded_profile_are_brought_to_srgb() -> None:
    fitted = fit(encoded(half_black((230, 20, 20)), "WEBP", icc_profile=profile_that_swaps_red_and_blue()))

    assert any(change.startswith("converted from Swap") for change in fitted.adjusted)
    assert_close(pixel(fitted.content, (100, 100)), (20, 20, 230), 12)


def test_an_srgb_profile_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    assert fit(encoded(scene(SIZE), "WEBP", icc_profile=srgb)).adjusted == fit(encoded(scene(SIZE), "WEBP")).adjusted


def test_a_broken_profile_is_ignored() -> None:
    fitted = fit(encoded(scene(SIZE), "TIFF", icc_profile=b"not a profile"))

    assert fitted.adjusted == ("converted from TIFF", "re-encoded at quality 95")


# --- metadata -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", [None, profile_that_swaps_red_and_blue()], ids=["no profile", "a profile"])
@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_no_metadata_leaves_in_an_adjusted_picture(picture_format: str, profile: bytes | None) -> None:
    tags = exif(6)
    tags[ExifTags.Base.Make] = "secret camera"
    tags.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSAreaInformation] = b"secret place"
    content = encoded(
        scene(SIZE),
        picture_format,
        exif=tags,
        xmp=b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>secret words</x:xmpmeta>",
        comment=b"secret comment",
        icc_profile=profile,
    )
    assert b"secret" in content

    sent = fit(content).content

    assert b"secret" not in sent
    assert "Swap".encode("utf-16-be") not in sent
    assert opened(sent).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


# --- refused --------------------------------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """Return the start of a PNG with these dimensions."""
    ihdr = b"IHDR" + pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + pack(">I", 13) + ihdr + pack(">I", crc32(ihdr)) + b"\0\0\0\x04IDATabcd"


def jpeg_claiming(width: int, height: int) -> bytes:
    content = encoded(scene(SIZE), "JPEG")
    return content.replace(pack(">HH", SIZE[1], SIZE[0]), pack(">HH", height, width), 1)


NOT_A_PICTURE = {
    "zero bytes": b"",
    "text": b"Dear Sir or Madam,",
    "a PDF": b"%PDF-1.7\n1 0 obj\n",
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='300' height='300'/>",
    "an EPS, which Pillow would hand to Ghostscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 300\n",
    "a PPM, which is not among the formats": encoded(scene(SIZE), "PPM"),
    "a JPEG's first bytes": b"\xff\xd8\xff\xe0",
    "a JPEG's first bytes and noise": b"\xff\xd8\xff\xe0" + noise((40, 40)).tobytes(),
}


@pytest.mark.parametrize("content", NOT_A_PICTURE.values(), ids=NOT_A_PICTURE)
def test_what_is_not_a_picture_is_refused_as_a_format(content: bytes) -> None:
    with pytest.raises(Unusable, match=f"^IMAGE_INVALID_FORMAT: {len(content)} bytes") as refused:
        fit(content)

    assert refused.value.code == "IMAGE_INVALID_FORMAT"
    assert "upload" in refused.value.message


WHOLE = {
    "JPEG": encoded(scene(SIZE), "JPEG"),
    "progressive JPEG": encoded(scene(SIZE), "JPEG", progressive=True),
    "PNG": encoded(scene(SIZE), "PNG"),
    "HEIC": heic(scene(SIZE)),
} | {name: encoded(scene(SIZE), name) for name in ("WEBP", "AVIF", "TIFF", "BMP", "GIF")}


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE)
def test_a_truncated_picture_is_refused_as_a_format(content: bytes, kept: float) -> None:
    with pytest.raises(Unusable) as refused:
        fit(content[: int(len(content) * kept)])

    assert refused.value.code == "IMAGE_INVALID_FORMAT"


@pytest.mark.parametrize("lost", [12, 20, 100])
@pytest.mark.parametrize("picture_format", ["JPEG", "progressive JPEG"])
def test_a_jpeg_without_its_last_blocks_is_refused(picture_format: str, lost: int) -> None:
    with pytest.raises(Unusable, match="incomplete") as refused:
        fit(WHOLE[picture_format][:-lost])

    assert refused.value.code == "IMAGE_INVALID_FORMAT"


@pytest.mark.parametrize("lost", [20, 100])
def test_a_png_without_its_last_pixels_is_refused(lost: int) -> None:
    with pytest.raises(Unusable, match=r"incomplete: 9\d%") as refused:
        fit(WHOLE["PNG"][:-lost])

    assert refused.value.code == "IMAGE_INVALID_FORMAT"


def test_a_png_with_a_wrong_bit_in_its_pixels_is_not_sent() -> None:
    content = bytearray(encoded(noise((300, 280)), "PNG"))
    content[len(content) // 2] ^= 1

    with pytest.raises(Unusable) as refused:
        fit(bytes(content))

    assert refused.value.code == "IMAGE_INVALID_FORMAT"


@pytest.mark.parametrize("size", [(255, 256), (256, 255), (1, 1), (4000, 200)])
def test_a_picture_too_small_is_refused_and_not_enlarged(size: tuple[int, int]) -> None:
    with pytest.raises(Unusable, match=f"{size[0]}x{size[1]} pixels; at least 256 a side") as refused:
        fit(encoded(scene(size) if min(size) > 1 else Image.new("RGB", size), "PNG"))

    assert refused.value.code == "IMAGE_INVALID_SIZE"


def test_a_picture_that_would_become_too_narrow_is_refused() -> None:
    with pytest.raises(Unusable, match="6000x300 pixels, too long and narrow") as refused:
        fit(encoded(scene((6000, 300)), "JPEG"))

    assert refused.value.code == "IMAGE_INVALID_SIZE"


BOMBS = {
    "a PNG just above the limit": png_header(10_000, 5_101),
    "a PNG that Pillow warns of": png_header(10_000, 10_000),
    "a PNG that Pillow refuses": png_header(60_000, 60_000),
    "a JPEG just above the limit": jpeg_claiming(12_000, 10_001),
    "a JPEG that Pillow refuses": jpeg_claiming(65_000, 65_000),
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_by_its_header(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("pixels were decoded"))

    with pytest.raises(Unusable, match="too many pixels") as refused:
        fit(content)

    assert refused.value.code == "IMAGE_INVALID_SIZE"


def test_a_jpeg_of_countless_scans_is_refused() -> None:
    content = encoded(scene(SIZE), "JPEG", progressive=True)
    last_scan = content[content.rindex(b"\xff\xda") : -2]

    with pytest.raises(Unusable, match="scans") as refused:
        fit(content[:-2] + last_scan * MAX_SCANS + content[-2:])

    assert refused.value.code == "IMAGE_INVALID_FORMAT"


def test_pillow_s_own_limits_stay_as_they_are() -> None:
    show = "print(Image.MAX_IMAGE_PIXELS)"
    script = f"from PIL import Image; {show}; import facepair.domain.picture; {show}"
    environment = {"PYTHONPATH": ":".join(sys.path)}

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)

    before, after = run.stdout.split()
    assert before == after


def test_a_warning_turned_into_an_error_refuses_nothing() -> None:
    content = encoded(scene((9500, 9500)).convert("L"), "JPEG")
    assert Image.MAX_IMAGE_PIXELS is not None
    assert Image.MAX_IMAGE_PIXELS < 9500 * 9500
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(BytesIO(content))

    assert fit(content).sent_size == (4096, 4096)


@pytest.mark.parametrize("decoder", ["simplejpeg", "ajpegli", "pi_heif"])
def test_a_missing_decoder_is_an_error_and_not_a_damaged_picture(monkeypatch: pytest.MonkeyPatch, decoder: str) -> None:
    content = heic(scene(SIZE)) if decoder == "pi_heif" else encoded(scene(SIZE), "JPEG", progressive=True)
    monkeypatch.setitem(sys.modules, decoder, None)  # importing it now fails

    with pytest.raises(ImportError):
        fit(content)
