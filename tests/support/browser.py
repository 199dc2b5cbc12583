"""The browser for page tests: the machine's headless shell, Chrome or Chromium, or Playwright's.

A page in the headless shell takes a third of the CPU time: it has no windows with an address bar and tabs.

A conftest imports it as `from tests.support.browser import browser as browser, complaints as complaints, page as page`.
`make browser`, and so `make test`, installs one if needed. If that fails, page tests are skipped with the remedy.
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

HEADLESS_SHELL = "chromium-headless-shell"
NAMES = (HEADLESS_SHELL, "google-chrome", "chromium")
REMEDY = "install Chrome or Chromium (Debian: apt-get install chromium-headless-shell), or run `make browser`"

BROWSERS = ROOT / ".tools" / "browser"
"""In the clone instead of the home directory, so that `make clean` removes it."""
os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(BROWSERS))


def find_browser() -> Path | None:
    """Return the machine's browser, or None.

    One in a snap sees neither /tmp, where Playwright puts its profile, nor hidden folders, which may contain the clone.
    """
    found = (Path(path) for name in NAMES if (path := shutil.which(name)))
    return next((path for path in found if path.resolve().name != "snap"), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser. Per module rather than session: its thread has an event loop while it runs."""
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
    """A page without cookies or history; see `complaints`."""
    with browser.new_context(viewport={"width": 1280, "height": 720}) as context:
        yield context.new_page()


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What `page` complains about; request it before the page loads anything."""
    return complaints_of(page)


def complaints_of(page: Page) -> list[str]:
    """Collect a page's console errors and warnings, exceptions and failed requests."""
    heard: list[str] = []
    page.on("console", lambda said: heard.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("requestfailed", lambda request: heard.append(f"{request.url}: {request.failure}"))
    return heard


def main() -> None:
    """Install a browser: as root on Debian the headless shell's package, as Playwright's lacks libraries there;
    otherwise Playwright's, if there is none.
    """
    if shutil.which(HEADLESS_SHELL) or _installed_on_debian() or find_browser():
        return
    if not _done(sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"):
        shutil.rmtree(BROWSERS, ignore_errors=True)
        print(f"There is no browser, so the tests of pages will be skipped: {REMEDY}.", file=sys.stderr)


def _installed_on_debian() -> bool:
    """Install the headless shell's package, if this user can."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    return _done("apt-get", "update", "--quiet") and _done("apt-get", "install", "--yes", "--quiet", HEADLESS_SHELL)


def _done(*command: str) -> bool:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


if __name__ == "__main__":
    main()
