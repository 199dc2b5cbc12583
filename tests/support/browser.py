"""The browser in which pages are looked at: the machine's own Chrome or Chromium, or Playwright's.

A conftest that needs it says `from tests.support.browser import browser as browser, complaints as complaints, page as
page`. `make browser`, and so `make test`, installs one where the machine has none. Where that cannot be done, the
tests of pages are skipped, and say what to do.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright

from tests.support import ROOT

NAMES = ("google-chrome", "chromium")
REMEDY = "install Chrome or Chromium (Debian: apt-get install chromium), or run `make browser`"

BROWSERS = ROOT / ".tools" / "browser"
"""Playwright's, here rather than in the home directory, so that `make clean` removes it."""
os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(BROWSERS))


def find_browser() -> Path | None:
    """The machine's own; None where Playwright's has to do.

    One in a snap sees neither /tmp, where Playwright puts its profile, nor hidden folders, where a clone may be.
    """
    found = (Path(path) for name in NAMES if (path := shutil.which(name)))
    return next((path for path in found if path.resolve().name != "snap"), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window. Of a module and not of the session: while it runs, its thread has an event loop."""
    with sync_playwright() as playwright:
        try:
            # Chromium's own sandbox refuses to run as root.
            browser = playwright.chromium.launch(executable_path=find_browser(), chromium_sandbox=os.geteuid() != 0)
        except Error as error:
            if find_browser() or BROWSERS.exists():
                pytest.fail(f"No browser starts: {error}")
            pytest.skip(f"there is no browser: {REMEDY}")
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without cookies or history; `complaints` has what it complains of."""
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        yield context.new_page()


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What `page` complains of, as it comes; ask for it before the page goes anywhere."""
    return complaints_of(page)


def complaints_of(page: Page) -> list[str]:
    """What a page complains of from now on: errors and warnings of its console, exceptions, requests that fail."""
    heard: list[str] = []
    page.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda request: heard.append(f"{request.url}: {request.failure}"))
    return heard


def main() -> None:
    """Install a browser where the machine has none: Debian's as root, who may, and for whom Playwright's would lack
    libraries; else Playwright's."""
    if find_browser() or (_as_root_on_debian() and _done("apt-get", "install", "--yes", "--quiet", "chromium")):
        return
    if not _done(sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"):
        shutil.rmtree(BROWSERS, ignore_errors=True)
        print(f"There is no browser, so the tests of pages will be skipped: {REMEDY}.", file=sys.stderr)


def _as_root_on_debian() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None and _done("apt-get", "update", "--quiet")


def _done(*command: str) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    main()
