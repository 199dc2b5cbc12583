"""Take README's pictures of the review page, with drawn faces: `python -m tests.support.screenshots`."""

import os
import subprocess
from io import BytesIO

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from sandbox.cloud import Sandbox
from sandbox.portraits import NEEDS_A_LOOK, jpeg, portrait
from tests.support import ROOT
from tests.support.browser import find_browser
from tests.support.deployed import Deployed

PERSON = 1
PAIR_ID = "customers/8b1f2c"


def main() -> None:
    with Sandbox(ROOT, warm=1) as sandbox:
        deployed = Deployed(sandbox)
        for pair_id in (PAIR_ID, *(f"customers/{number}" for number in range(6))):
            first, second = (portrait(PERSON, variation=variation) for variation in (0, NEEDS_A_LOOK))
            deployed.upload_pair(pair_id, jpeg(first), jpeg(second))
            deployed.row_with(pair_id, "MANUAL_CHECK")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=os.geteuid() != 0)
            for scheme in ("light", "dark"):
                (ROOT / "docs" / f"review-{scheme}.png").write_bytes(small(taken(browser, sandbox, scheme)))
            browser.close()


def taken(browser: Browser, sandbox: Sandbox, scheme: str) -> bytes:
    command = [str(ROOT / ".venv" / "bin" / "facepair"), "review"]
    environment = os.environ | sandbox.variables
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as review:
        assert review.stdout
        address = review.stdout.readline().split()[-1]
        with browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=scheme) as context:  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("#pass[aria-disabled=false]")
            page.keyboard.press("2")
            return page.screenshot()


def small(png: bytes) -> bytes:
    """Reduce to 256 colours: a quarter of the size."""
    content, picture = BytesIO(), Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(256, kmeans=3).save(content, "PNG", optimize=True)
    return content.getvalue()


if __name__ == "__main__":
    main()
