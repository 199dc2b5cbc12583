"""A picture is sent complete and as viewers show it, or not at all.

Each kind of file here was once handled wrongly, here or in a public bug report.
"""

import re
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from struct import pack
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from facepair.domain.containers.rows import runs_of_zeros
from facepair.domain.fitted import Fitted, Unusable
from facepair.domain.picture import fit
from tests.pictures.heic import heic
from tests.pictures.pictures import (
    encoded,
    exif,
    face_in,
    find_face,
    noise,
    opened,
    photo,
    profile_that_swaps_red_and_blue,
    scene,
    stored,
)

SIZE = (640, 480)
PHOTO = photo(SIZE)
VIDEO = pack(">I", 24) + b"ftypmp42" + bytes(4) + b"mp42isom" + b"\xff\xda\xff\xc4\0\3\xff\xd9moov\xff\xd8" * 60
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:Description tiff:Orientation=\"6\"/></x:xmpmeta>"


def assert_same_box(found: tuple[float, ...], expected: tuple[float, ...], tolerance: float = 3) -> None:
    assert all(abs(a - b) <= tolerance for a, b in zip(found, expected, strict=True)), f"{found} is not {expected}"


def assert_sent_whole(content: bytes, size: tuple[int, int] = SIZE) -> Fitted:
    """Check that the face is in place and no pixel is of another picture."""
    fitted = fit(content)
    assert fitted.shown_size == size
    assert_same_box(fitted.on_upload(find_face(opened(fitted.content))), face_in(size))
    return fitted


def refusal(content: bytes) -> str:
    with pytest.raises(Unusable) as refused:
        fit(content)
    assert refused.value.code == "IMAGE_INVALID_FORMAT"
    assert "upload it again" in refused.value.message
    return refused.value.message


# --- upright --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_an_orientation_in_xmp_is_ignored(picture_format: str) -> None:
    if picture_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        content = encoded(scene(SIZE), "PNG", pnginfo=text)
    else:
        options = {"tiffinfo": {700: XMP}} if picture_format == "TIFF" else {"xmp": XMP}
        content = encoded(scene(SIZE), picture_format, **options)
    assert b'tiff:Orientation="6"' in content

    assert_sent_whole(content)


@pytest.mark.parametrize("picture_format", ["JPEG", "WEBP"])
def test_an_orientation_in_exif_holds_against_one_in_xmp(picture_format: str) -> None:
    assert_sent_whole(encoded(stored(scene(SIZE), 8), picture_format, exif=exif(8), xmp=XMP))


def test_a_heic_is_not_turned_by_its_exif() -> None:
    assert_sent_whole(heic(scene(SIZE), exif=exif(6).tobytes()))


# --- HEIC -----------------------------------------------------------------------------------------------------------

GRID = heic(scene((768, 512)), grid=(3, 2))
TILE = len(heic(scene((256, 256)))) // 100 * 100  # bytes, about


@pytest.mark.parametrize("turns", range(4))
def test_a_grid_of_tiles_is_sent_whole(turns: int) -> None:
    image = scene((768, 512)).rotate(-90 * turns, expand=True)

    assert_sent_whole(heic(image, turns, grid=(2, 2)), (768, 512))


@pytest.mark.parametrize("lost", [1, 600, TILE // 2, 2 * TILE, 4 * TILE])
def test_a_grid_that_is_cut_off_is_refused_with_what_arrived(lost: int) -> None:
    message = refusal(GRID[:-lost])

    share = re.search(r"incomplete: (\d+)% of the picture arrived", message)
    assert share
    assert int(share[1]) == pytest.approx(100 * (len(GRID) - lost) / len(GRID), abs=1)


@pytest.mark.parametrize("tile", range(6))
def test_a_grid_with_a_tile_of_zeros_is_refused(tile: int) -> None:
    begin = len(GRID) - (6 - tile) * TILE

    refusal(GRID[:begin] + bytes(TILE // 2) + GRID[begin + TILE // 2 :])


def test_a_grid_that_is_filled_up_with_zeros_is_refused() -> None:
    refusal(GRID[: len(GRID) // 2].ljust(len(GRID), b"\0"))


def test_a_tile_that_libheif_fills_with_green_is_refused() -> None:
    broken = bytearray(GRID)
    last_tile = GRID.rindex(pack(">H", 20 << 9 | 1))  # the header of a NAL unit with a picture
    broken[last_tile] = 48 << 1  # a unit type unknown to decoders

    assert "cannot be decoded" in refusal(bytes(broken))


def test_a_heic_whose_exif_is_cut_off_is_sent() -> None:
    content = heic(scene(SIZE), exif=exif(1).tobytes() + bytes(500))

    assert_sent_whole(content[:-300])


@pytest.mark.parametrize("grid", [(1, 1), (2, 2)])
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("box", [(160, 80, 480, 400), (96, 32, 638, 302)])
def test_a_cropped_heic_is_sent_as_it_is_cropped(
    box: tuple[int, int, int, int], mirrored: bool, turns: int, grid: tuple[int, int]
) -> None:
    shown = scene((box[2] - box[0], box[3] - box[1]))
    whole = Image.new("RGB", SIZE, "blue")
    whole.paste(shown, box[:2])
    seen = shown.rotate(90 * turns, expand=True)
    if mirrored:
        seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    fitted = fit(heic(whole, turns, grid=grid, crop=box, mirrored=mirrored))

    assert fitted.shown_size == seen.size
    assert_same_box(find_face(opened(fitted.content)), find_face(seen))
    blue = opened(fitted.content).convert("RGB").getchannel("B").getextrema()[1]
    assert isinstance(blue, int | float)
    assert blue < 225, "something outside the crop"


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2)])
def test_a_heic_of_high_dynamic_range_is_brought_to_srgb(grid: tuple[int, int], transfer: int) -> None:
    """Extremes stay white and black; the rest is shown as Chromium shows an AVIF."""
    image = Image.new("RGB", SIZE, (144, 144, 144))
    image.paste("white", (0, 0, 160, 480))
    image.paste("black", (480, 0, 640, 480))

    fitted = fit(heic(image, grid=grid, transfer=transfer))

    shades = [opened(fitted.content).getpixel((across, 240)) for across in (80, 320, 560)]
    assert [shade[0] for shade in shades if isinstance(shade, tuple)] == pytest.approx(
        [255, 175 if transfer == 16 else 115, 0], abs=3
    )
    assert fitted.adjusted[1] == f"converted from {'PQ' if transfer == 16 else 'HLG'} to sRGB"


def test_a_colour_profile_counts_more_than_the_curve_of_its_container() -> None:
    content = encoded(PHOTO, "AVIF", icc_profile=profile_that_swaps_red_and_blue())
    at = content.index(b"nclx") + 4

    fitted = fit(content[:at] + pack(">HH", 9, 16) + content[at + 4 :])

    assert "converted from Swap built-in to sRGB" in fitted.adjusted


# --- JPEG -----------------------------------------------------------------------------------------------------------

BASELINE = encoded(PHOTO, "JPEG", quality=88)
PROGRESSIVE = encoded(PHOTO, "JPEG", quality=88, progressive=True)
RESTARTS = encoded(PHOTO, "JPEG", quality=88, restart_marker_rows=1)
JPEGS = {"baseline": BASELINE, "progressive": PROGRESSIVE, "restart markers": RESTARTS}


def start_of_scan(content: bytes) -> int:
    at = content.index(b"\xff\xda")
    return at + 2 + int.from_bytes(content[at + 2 : at + 4])


@pytest.mark.parametrize("content", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_a_jpeg_with_a_hole_is_refused(content: bytes, part: float) -> None:
    at = start_of_scan(content) + int((len(content) - start_of_scan(content) - 4096) * part)

    refusal(content[:at] + content[at + 4096 :])
    refusal(content[:at] + bytes(4096) + content[at + 4096 :])


@pytest.mark.parametrize("content", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.97])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9", b"\xff\xd9" + VIDEO])
def test_a_jpeg_that_is_cut_off_is_refused_whatever_follows(content: bytes, kept: float, end: bytes) -> None:
    assert "incomplete" in refusal(content[: int(len(content) * kept)].rstrip(b"\xff") + end)


def test_the_message_says_how_much_of_a_jpeg_arrived() -> None:
    assert re.search(r"incomplete: 4[5-9]% of the picture", refusal(BASELINE[: len(BASELINE) // 2] + b"\xff\xd9"))


@pytest.mark.parametrize("content", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_jpeg_that_is_filled_up_with_zeros_is_refused(content: bytes, kept: float) -> None:
    arrived = content[: int(len(content) * kept)]

    refusal(arrived.ljust(len(content), b"\0"))
    refusal(arrived.ljust(len(content) - 2, b"\0") + b"\xff\xd9")


def test_a_progressive_jpeg_without_its_last_scan_is_refused() -> None:
    content = encoded(scene(SIZE), "JPEG", progressive=True)

    assert "incomplete" in refusal(content[: content.rindex(b"\xff\xda")] + b"\xff\xd9")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_progressive_jpeg_whose_scans_fall_into_step_after_a_cut_is_refused(mode: str) -> None:
    """libjpeg decodes one in ten of such copies without a warning."""
    image = Image.blend(photo((320, 256)), noise((320, 256)), 0.5).convert(mode)
    content = encoded(image, "JPEG", quality=88, progressive=True)

    for at in range(len(content) // 2, len(content) - 1024, len(content) // 100):
        refusal(content[:at] + content[at + 512 :])


def with_sampling(content: bytes, *factors: int) -> bytes:
    """Return a one-component JPEG with other sampling factors, which are meaningless then."""
    frame = content.index(b"\xff\xc2")
    return content[: frame + 11] + bytes(factors) + content[frame + 12 :]


PROGRESSIVES: dict[str, Callable[[], bytes]] = {
    **{f"sampling {each}": partial(encoded, PHOTO, "JPEG", progressive=True, subsampling=each) for each in range(3)},
    "gray": lambda: encoded(PHOTO.convert("L"), "JPEG", progressive=True),
    "gray, sampled as if it had colours": lambda: with_sampling(
        encoded(PHOTO.convert("L"), "JPEG", progressive=True), 0x22
    ),
    "CMYK": lambda: encoded(PHOTO.convert("CMYK"), "JPEG", progressive=True),
    "RGB": lambda: encoded(PHOTO, "JPEG", progressive=True, keep_rgb=True),
    "restart markers": lambda: encoded(PHOTO, "JPEG", progressive=True, restart_marker_rows=2),
    "noise": lambda: encoded(noise(SIZE), "JPEG", progressive=True, quality=100),
    "of odd size": lambda: encoded(photo((301, 257)), "JPEG", progressive=True),
}


@pytest.mark.parametrize("make", PROGRESSIVES.values(), ids=PROGRESSIVES)
def test_a_progressive_jpeg_of_any_kind_is_sent(make: Callable[[], bytes]) -> None:
    content = make()

    fitted = fit(content)

    assert fitted.content == content or fitted.adjusted[0] == "converted from CMYK"


TRAILERS = {
    "nothing": b"",
    "half an end marker": b"\xff",
    "a video": VIDEO,
    "a vendor's text": b'vivo{"effect":"none"}' * 20,
    "Samsung's": b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1700000000000SEFH" + b"\x6b\0\0\0" * 8 + b"SEFT",
    "padding": bytes(3000),
}


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("picture_format", ["baseline", "progressive", "restart markers"])
def test_a_jpeg_that_lacks_only_its_end_marker_is_sent_with_one(picture_format: str, trailer: bytes) -> None:
    whole = JPEGS[picture_format]

    fitted = fit(whole[:-2] + trailer)

    assert opened(fitted.content).tobytes() == opened(whole).tobytes()
    assert fitted.content.endswith(b"\xff\xd9")
    assert "an end marker added" in fitted.adjusted


@pytest.mark.parametrize("content", JPEGS.values(), ids=JPEGS)
def test_what_follows_the_end_of_a_jpeg_is_no_part_of_it(content: bytes) -> None:
    assert fit(content + VIDEO).content == content + VIDEO
    large = fit((content + VIDEO).ljust(3_000_000, b"\xff"))
    assert (large.content, large.adjusted) == (content, ("what follows the picture left out",))


@pytest.mark.parametrize("content", JPEGS.values(), ids=JPEGS)
def test_padding_before_the_end_marker_is_no_damage(content: bytes) -> None:
    fitted = fit(content[:-2] + bytes(600) + b"\xff\xd9")

    assert opened(fitted.content).tobytes() == opened(content).tobytes()


def test_invalid_parameters_of_a_sequential_scan_are_corrected() -> None:
    content = bytearray(BASELINE)
    content[start_of_scan(BASELINE) - 3 : start_of_scan(BASELINE)] = b"\0\0\0"

    fitted = fit(bytes(content))

    assert fitted.content == BASELINE
    assert fitted.adjusted == ("invalid parameters of its headers corrected",)


@pytest.mark.parametrize("before", [b"\xff\xdb", b"\xff\xc0", b"\xff\xc4", b"\xff\xda"])
def test_stray_bytes_between_headers_are_left_out(before: bytes) -> None:
    fitted = fit(BASELINE.replace(before, b"stray" + before, 1))

    assert fitted.content == BASELINE
    assert fitted.adjusted == ("stray bytes between its headers left out",)


# --- BMP and TIFF ---------------------------------------------------------------------------------------------------


def with_its_first_strip_at_the_end() -> tuple[bytes, int]:
    """Return a TIFF whose strips do not follow each other, and where its first strip is."""
    content = BytesIO()
    PHOTO.save(content, "TIFF", tiffinfo={278: 16})
    whole = content.getvalue()
    with Image.open(content) as image:
        offsets, lengths = image.tag_v2[273], image.tag_v2[279]  # type: ignore[attr-defined]
    moved = whole[offsets[0] : offsets[0] + lengths[0]]
    table = pack("<2L", *offsets[:2])
    assert whole.count(table) == 1
    return whole.replace(table, pack("<2L", len(whole), offsets[1])) + moved, len(whole)


def test_a_tiff_whose_strips_do_not_follow_each_other_is_sent() -> None:
    content, _ = with_its_first_strip_at_the_end()

    assert_sent_whole(content)


def test_a_hole_in_a_tiff_whose_strips_do_not_follow_each_other_is_found() -> None:
    content, strip = with_its_first_strip_at_the_end()
    hole = strip + 3 * SIZE[0] * 5 + 700  # within its sixth row

    assert "hole of zeros" in refusal(content[:hole] + bytes(8000) + content[hole + 8000 :])


@given(
    data=st.lists(st.sampled_from([b"\0", b"\0\0\0\0\0", b"a", b"bc"])).map(b"".join),
    least=st.integers(1, 9),
    first=st.integers(0, 12),
    beyond=st.integers(0, 12),
)
def test_the_search_for_zeros_finds_what_a_regular_expression_finds(
    data: bytes, least: int, first: int, beyond: int
) -> None:
    last = max(first, len(data) - beyond)
    runs = re.finditer(rb"\0{%d,}" % least, data[first:last])

    assert list(runs_of_zeros(data, least, first, last)) == [(first + run.start(), first + run.end()) for run in runs]


@pytest.mark.parametrize("picture_format", ["BMP", "TIFF"])
def test_zeros_from_the_start_of_a_row_to_the_end_are_an_interrupted_upload(picture_format: str) -> None:
    image = PHOTO.copy()
    rows = (0, 0, SIZE[0], 9) if picture_format == "BMP" else (0, SIZE[1] - 9, *SIZE)  # a BMP starts at the bottom
    image.paste("black", rows)

    assert "hole of zeros" in refusal(encoded(image, picture_format))


@pytest.mark.parametrize("picture_format", ["BMP", "TIFF"])
def test_black_bars_above_and_below_are_no_damage(picture_format: str) -> None:
    image = scene(SIZE)
    for top in (0, SIZE[1] - 30):
        image.paste("black", (0, top, SIZE[0], top + 30))

    assert_sent_whole(encoded(image, picture_format))


def test_a_bmp_that_claims_wide_rows_takes_no_memory_for_them() -> None:
    header = pack("<2sIHHI", b"BM", 54, 0, 0, 54) + pack("<IiiHHIIiiII", 40, 2**31 - 1, 300, 1, 32, 0, 0, 0, 0, 0, 0)

    tracemalloc.start()
    try:
        with pytest.raises(Unusable, match="too many pixels"):
            fit(header + b"\1" * 3000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 100_000_000


# --- PNG ------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", crc32(kind + data) if crc is None else crc)


PNG = encoded(scene(SIZE), "PNG")
BEFORE_PIXELS = PNG.index(b"IDAT") - 4
LONG = bytes(1_100_000)
ODD_CHUNKS = {
    "a text with a wrong checksum": chunk(b"tEXt", b"Comment\0hello", crc=1),
    "a long text": chunk(b"tEXt", b"Comment\0" + b"x" * 1_100_000),
    "a long compressed text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG)),
    "long XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
    "a profile above 1 MB": chunk(b"iCCP", b"Swap\0\0" + zlib.compress(LONG)),
    "a broken profile": chunk(b"iCCP", b"Swap\0\0no zlib"),
    "unknown, with a wrong checksum": chunk(b"vnDr", b"?", crc=1),
}


@pytest.mark.parametrize("odd", ODD_CHUNKS.values(), ids=ODD_CHUNKS)
def test_a_png_is_sent_whatever_its_ancillary_chunks_look_like(odd: bytes) -> None:
    fitted = assert_sent_whole(PNG[:BEFORE_PIXELS] + odd + PNG[BEFORE_PIXELS:])

    assert odd not in fitted.content


@pytest.mark.parametrize("lost", [1, 4, 12])
def test_a_png_that_lacks_only_its_end_is_sent_with_one(lost: int) -> None:
    assert fit(PNG[:-lost]).content == PNG


def test_a_large_profile_still_counts() -> None:
    profile = profile_that_swaps_red_and_blue()
    content = PNG[:BEFORE_PIXELS] + chunk(b"iCCP", b"Swap\0\0" + zlib.compress(profile.ljust(1_100_000, b"\0")))

    fitted = fit(content + PNG[BEFORE_PIXELS:])

    assert any("Swap" in change for change in fitted.adjusted)


@pytest.mark.parametrize("cut", [False, True], ids=["zeroed", "cut"])
def test_a_png_with_a_hole_is_refused(cut: bool) -> None:
    content = encoded(PHOTO, "PNG")
    at = len(content) // 2

    refusal(content[:at] + (b"" if cut else bytes(512)) + content[at + 512 :])


def animation(first: Image.Image, *others: Image.Image, apart: Image.Image | None = None) -> bytes:
    """Return an animated PNG; `apart` is for readers without animations."""
    if apart is None:
        return encoded(first, "PNG", save_all=True, append_images=list(others))
    return encoded(apart, "PNG", save_all=True, append_images=[first, *others], default_image=True)


GREEN = Image.new("RGB", SIZE, "lime")


def test_the_first_frame_of_an_animated_png_is_sent() -> None:
    assert_sent_whole(animation(scene(SIZE), GREEN))
    assert_sent_whole(animation(scene(SIZE), GREEN, apart=GREEN))


def test_an_animated_png_whose_first_frame_is_damaged_is_refused() -> None:
    content = animation(PHOTO, GREEN, apart=GREEN)
    at = content.index(b"fdAT") + 2000

    refusal(content[:at] + bytes(600) + content[at + 600 :])


def test_a_phone_s_50_megapixels_are_within_the_limits() -> None:
    from tests.pictures.test_picture import png_header

    for size in ((8160, 6144), (8192, 6144)):
        assert "incomplete" in refusal(png_header(*size))


# --- one colour -----------------------------------------------------------------------------------------------------


def noisy(colour: tuple[int, int, int], deviation: float) -> Image.Image:
    channels = [Image.effect_noise(SIZE, deviation).point(lambda level, by=by: level - 128 + by) for by in colour]
    return Image.merge("RGB", channels)


def transparent_bmp() -> bytes:
    """Return a BMP of 32 bits per pixel with an alpha mask, and alpha 0 everywhere."""
    pixels = scene(SIZE).convert("RGBA")
    pixels.putalpha(0)
    header = pack("<IiiHHIIiiII", 108, *SIZE, 1, 32, 3, 0, 0, 0, 0, 0)
    masks = pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b" niW" + bytes(48)
    data = pixels.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGRA")
    return b"BM" + pack("<IHHI", 14 + 108 + len(data), 0, 0, 14 + 108) + header + masks + data


ONE_COLOUR: dict[str, Callable[[], bytes]] = {
    "a blank page, as it is": lambda: encoded(Image.new("RGB", SIZE, "white"), "JPEG"),
    "a blank page, in a PNG": lambda: encoded(Image.new("P", SIZE, 3), "PNG"),
    "a large blank page": lambda: encoded(Image.new("RGB", (5000, 4000), (250, 250, 240)), "WEBP"),
    "a covered lens": lambda: encoded(noisy((20, 16, 18), 12), "JPEG", quality=70),
    "a covered lens, in a BMP": lambda: encoded(noisy((60, 30, 30), 15), "BMP"),
    "alpha of zero": transparent_bmp,
    "a transparent PNG": lambda: encoded(Image.new("RGBA", SIZE, (0, 0, 0, 0)), "PNG"),
    "a HEIC": lambda: heic(Image.new("RGB", SIZE, "gray")),
}


@pytest.mark.parametrize("content", ONE_COLOUR.values(), ids=ONE_COLOUR)
def test_a_picture_of_one_colour_shows_no_face(content: Callable[[], bytes]) -> None:
    with pytest.raises(Unusable, match="of one colour") as refused:
        fit(content())

    assert refused.value.api_code("second") == "NO_FACE_DETECTED_FROM_SECOND_IMAGE"


def pale_face() -> Image.Image:
    image = Image.new("RGB", SIZE, (235, 232, 230))
    image.paste((222, 220, 219), (300, 200, 340, 250))
    return image


SHOWING_SOMETHING = {
    "noise": noise(SIZE),
    "a pale face before a pale wall": pale_face(),
    "red on green of the same brightness": Image.merge(
        "RGB", [Image.linear_gradient("L").resize(SIZE), Image.new("L", SIZE, 90), Image.new("L", SIZE, 90)]
    ),
    "a dark gradient": Image.linear_gradient("L").resize(SIZE).point(lambda level: level // 20).convert("RGB"),
}


@pytest.mark.parametrize("image", SHOWING_SOMETHING.values(), ids=SHOWING_SOMETHING)
@pytest.mark.parametrize("picture_format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_shows_anything_is_sent(image: Image.Image, picture_format: str) -> None:
    fit(encoded(image, picture_format))


def test_a_cmyk_jpeg_with_a_hole_is_refused() -> None:
    content = encoded(PHOTO.convert("CMYK"), "JPEG")
    at = len(content) // 2

    refusal(content[:at] + content[at + 4096 :])


def test_the_pixels_of_a_large_jpeg_are_those_that_pillow_decodes() -> None:
    image = photo((1200, 900))
    content = encoded(image, "JPEG", quality=95, exif=exif(3))

    sent = opened(fit(content).content)

    expected = Image.open(BytesIO(content)).transpose(Image.Transpose.ROTATE_180)
    again = opened(encoded(expected, "JPEG", quality=95))
    assert sent.tobytes() == again.tobytes()
