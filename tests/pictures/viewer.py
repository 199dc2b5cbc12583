"""What Chromium shows of a picture: upright sRGB pixels, drawn by a page."""

import base64
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page

MIME = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"BM": "image/bmp", b"GI": "image/gif", b"RI": "image/webp"}

DRAW = """async data => {
    const image = new Image();
    image.src = data;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    [context.fillStyle] = ["white"];
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0);
    return canvas.toDataURL("image/png");
}"""


def shown(page: Page, content: bytes) -> Image.Image:
    """Return what Chromium draws on white. Raises playwright's Error for what it does not show."""
    mime = MIME.get(content[:2], "image/avif")
    drawn = page.evaluate(DRAW, f"data:{mime};base64,{base64.b64encode(content).decode()}")
    return Image.open(BytesIO(base64.b64decode(drawn.partition(",")[2]))).convert("RGB")
