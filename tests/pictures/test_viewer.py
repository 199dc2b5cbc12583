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
from functools import partial

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Page

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
from tests.support.browser import page as page

PHOTO = photo(SIZE)
FORMATS = {
    "JPEG": partial(encoded, PHOTO, "JPEG"),
    "PNG": partial(encoded, PHOTO, "PNG"),
    "WebP": partial(encoded, PHOTO, "WEBP"),
    "AVIF": partial(encoded, PHOTO, "AVIF"),
}


def see_through(picture_format: str) -> bytes:
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(SIZE))
    return encoded(image, picture_format)


def deep_gray() -> bytes:
    gray = Image.linear_gradient("L").resize(SIZE)
    return encoded(gray.convert("I").point(lambda level: level * 257).convert("I;16"), "PNG")


def cases() -> Iterator[tuple[str, Callable[[], bytes]]]:
    for name, content in FITTING.items():
        yield name, partial(bytes, content)
    for name, make in FORMATS.items():
        yield name, make
        yield f"{name} with a profile", partial(make, icc_profile=profile_that_swaps_red_and_blue())
        if name != "PNG":
            yield f"{name} with XMP", partial(make, xmp=XMP)
        for orientation in ORIENTATIONS:
            if name != "WebP":
                turned = partial(encoded, stored(PHOTO, orientation), name, exif=exif(orientation))
                yield f"{name} with orientation {orientation}", turned
    yield "CMYK JPEG", partial(encoded, PHOTO.convert("CMYK"), "JPEG")
    yield "BMP", partial(encoded, PHOTO, "BMP")
    yield "GIF", partial(encoded, PHOTO.quantize(128), "GIF")
    yield "animated GIF", partial(encoded, PHOTO.quantize(64), "GIF", save_all=True, append_images=[GREEN])
    yield "animated PNG", partial(animation, PHOTO, GREEN)
    yield "animated PNG with a picture apart", partial(animation, PHOTO, GREEN, apart=GREEN)
    yield "16-bit PNG", deep_gray
    for picture_format in ("PNG", "WEBP", "AVIF"):
        yield f"see-through {picture_format}", partial(see_through, picture_format)
    for name, odd in ODD_CHUNKS.items():
        yield f"PNG with {name}", partial(bytes, PNG[:BEFORE_PIXELS] + odd + PNG[BEFORE_PIXELS:])
    yield "PNG without an end", partial(bytes, PNG[:-12])
    yield "JPEG with stray bytes", partial(bytes, BASELINE.replace(b"\xff\xc0", b"stray\xff\xc0", 1))
    for name, content in JPEGS.items():
        yield f"{name} JPEG with a video behind it", partial(bytes, content + VIDEO)
        for trailer in ("a vendor's text", "Samsung's", "padding"):
            yield f"{name} JPEG without an end, then {trailer}", partial(bytes, content[:-2] + TRAILERS[trailer])


CASES = dict(cases())


@pytest.mark.parametrize("name", CASES)
def test_what_is_sent_is_what_chromium_shows(name: str, page: Page) -> None:
    content = CASES[name]()
    seen = shown(page, content)

    fitted = fit(content)

    sent = shown(page, fitted.content)
    assert sent.size == seen.size == fitted.shown_size
    differences = ImageChops.difference(seen, sent)
    if any(change.startswith("re-encoded") for change in fitted.adjusted):
        assert max(ImageStat.Stat(differences).mean) < 5
        assert max(ImageStat.Stat(differences.reduce(8)).mean) < 5
    else:
        assert differences.getbbox() is None
