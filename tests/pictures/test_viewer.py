"""What is sent of a picture is what Chromium shows, in every format that it shows.

A picture sent as it is, or with nothing changed but its packaging, has no pixel that differs. One that was encoded
again differs as JPEG does: little on the average, and more along coloured edges, since JPEG halves the colours.

Differences that are explained, and therefore not here:
- Chromium ignores the EXIF orientation of WebP; macOS and other viewers follow it, and so does facepair.
- Of a JPEG without an end marker Chromium leaves the last row of blocks out.
- A BMP whose alpha is zero everywhere is shown as if it had none, and is refused here: it may be meant to be empty.
- HEIC and TIFF are not shown.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from struct import pack
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, Page

from facepair.domain.picture import fit
from tests.pictures.pictures import (
    ORIENTATIONS,
    encoded,
    exif,
    photo,
    profile_that_swaps_red_and_blue,
    stored,
)
from tests.pictures.test_picture import FITTING
from tests.pictures.test_whole_or_refused import (
    BASELINE,
    BEFORE_PIXELS,
    GREEN,
    JPEGS,
    ODD_CHUNKS,
    PNG,
    SIZE,
    TRAILERS,
    VIDEO,
    XMP,
    animation,
)
from tests.pictures.viewer import shown
from tests.support.browser import browser as browser

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
HDR = {"PQ": (9, 16), "PQ in P3": (12, 16), "PQ in BT.709": (1, 16), "HLG": (9, 18)}


@cache
def seen_by_a_camera(mode: str = "RGB") -> Image.Image:
    return photo(SIZE).convert(mode)


def drawn(picture_format: str, **options: Any) -> bytes:
    return encoded(seen_by_a_camera(), picture_format, **options)


def with_profile(picture_format: str) -> bytes:
    return drawn(picture_format, icc_profile=profile_that_swaps_red_and_blue())


def joined(*parts: bytes) -> bytes:
    return b"".join(parts)


def turned(picture_format: str, orientation: int) -> bytes:
    return encoded(stored(seen_by_a_camera(), orientation), picture_format, exif=exif(orientation))


def see_through(picture_format: str) -> bytes:
    image = seen_by_a_camera("RGBA").copy()
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return encoded(image, picture_format)


def deep_gray() -> bytes:
    gray = Image.linear_gradient("L").resize(SIZE)
    return encoded(gray.convert("I").point(lambda level: level * 257).convert("I;16"), "PNG")


def of_high_range(primaries: int, transfer: int) -> bytes:
    """Return an AVIF with every colour and this curve."""
    across, down = (Image.linear_gradient("L").rotate(angle).resize(SIZE) for angle in (90, 0))
    image = Image.blend(Image.merge("RGB", [across, down, across.rotate(180)]), seen_by_a_camera(), 0.3)
    content = encoded(image, "AVIF", quality=95, subsampling="4:4:4")
    at = content.index(b"nclx") + 4
    return content[:at] + pack(">HH", primaries, transfer) + content[at + 4 :]


def gif(*, animated: bool) -> bytes:
    more = {"save_all": True, "append_images": [GREEN]} if animated else {}
    return encoded(seen_by_a_camera().quantize(64), "GIF", **more)


def cases() -> Iterator[tuple[str, Callable[[], bytes]]]:
    yield from ((name, make) for name, make in FITTING.items() if "largest" not in name)
    for name in FORMATS:
        yield name, partial(drawn, name)
        yield f"{name} with a profile", partial(with_profile, name)
        if name != "PNG":
            yield f"{name} with XMP", partial(drawn, name, xmp=XMP)
        for orientation in ORIENTATIONS:
            if name != "WEBP":
                yield f"{name} with orientation {orientation}", partial(turned, name, orientation)
    yield "CMYK JPEG", lambda: encoded(seen_by_a_camera("CMYK"), "JPEG")
    yield "BMP", partial(drawn, "BMP")
    yield "GIF", partial(gif, animated=False)
    yield "animated GIF", partial(gif, animated=True)
    yield "animated PNG", lambda: animation(seen_by_a_camera(), GREEN)
    yield "animated PNG with a picture apart", lambda: animation(seen_by_a_camera(), GREEN, apart=GREEN)
    yield "16-bit PNG", deep_gray
    for picture_format in ("PNG", "WEBP", "AVIF"):
        yield f"see-through {picture_format}", partial(see_through, picture_format)
    for name, code_points in HDR.items():
        yield f"AVIF of {name}", partial(of_high_range, *code_points)
    for name, odd in ODD_CHUNKS.items():
        yield f"PNG with {name}", partial(joined, PNG[:BEFORE_PIXELS], odd, PNG[BEFORE_PIXELS:])
    yield "PNG without an end", lambda: PNG[:-12]
    yield "JPEG with stray bytes", lambda: BASELINE.replace(b"\xff\xc0", b"stray\xff\xc0", 1)
    for name, content in JPEGS.items():
        yield f"{name} JPEG with a video behind it", partial(joined, content, VIDEO)
        for trailer in ("a vendor's text", "Samsung's", "padding"):
            yield f"{name} JPEG without an end, then {trailer}", partial(joined, content[:-2], TRAILERS[trailer])


CASES = dict(cases())


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all pictures, each on its own canvas."""
    with browser.new_page() as page:
        yield page


@pytest.mark.parametrize("name", CASES)
def test_what_is_sent_is_what_chromium_shows(name: str, page: Page) -> None:
    content = CASES[name]()
    seen = shown(page, content)

    fitted = fit(content)

    assert seen.size == fitted.shown_size
    if fitted.content == content:
        return
    sent = shown(page, fitted.content)
    assert sent.size == seen.size
    differences = ImageChops.difference(seen, sent)
    if any(change.startswith("re-encoded") for change in fitted.adjusted):
        assert max(ImageStat.Stat(differences).mean) < 5
        assert max(ImageStat.Stat(differences.reduce(8)).mean) < 5
    else:
        assert differences.getbbox() is None
