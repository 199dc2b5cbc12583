"""`facepair report`: a month's page, in a browser and on paper."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page

from sandbox.cloud import Sandbox
from tests.cli.conftest import CommandLine
from tests.cli.stored import REVIEWER, Tables
from tests.support.browser import browser as browser
from tests.support.browser import complaints as complaints
from tests.support.browser import page as page

JULY = datetime(2021, 7, 1, tzinfo=UTC)
TABLES = {
    "verdicts": "Of 6 rows",
    "similarities": "Rows",
    "seconds": "Final verdicts that came within",
    "charges": "Calls in the ledger",
    "by similarity": "By similarity",
    "by reviewer": "By reviewer",
    "by day": "Rows by verdict, and calls by cost",
}


@pytest.fixture(scope="module")
def written(facepair: CommandLine, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a month with a few events."""
    days = [JULY + timedelta(days=number, hours=3) for number in range(31)]
    path = tmp_path_factory.mktemp("report") / "july.html"
    with Tables(sandbox) as tables:
        tables.row("report/1", "95", days[0], seconds=1)
        tables.row("report/2", "90", days[0], seconds=20)
        tables.row("report/3", "20", days[30])
        tables.row("report/4", None, days[30])
        tables.row("report/5", "62", days[4], decided="PASS", seconds=5_000)
        tables.row("report/6", "63", days[5], decided="REJECT", seconds=100)
        tables.row("report/later", "95", JULY + timedelta(days=31))
        tables.call("report/1", "july-1", days[0])
        tables.call("report/2", "july-2", days[30])
        tables.call("report/3", "july-3", days[30], "FREE")
        tables.call("report/4", None, days[30])
        tables.call("report/later", "august-1", JULY + timedelta(days=31))

        made = facepair("report", "--month", "2021-07", "--output", str(path))

    assert made.returncode == 0, made.stderr
    assert made.stdout == f"{path}: 6 rows and 4 calls of 2021-07.\n"
    assert "Reading at most about " in made.stderr
    return path


@pytest.fixture
def shown(written: Path, page: Page, complaints: list[str]) -> Page:
    """The page in a browser without a network; it must not complain."""
    page.context.set_offline(True)
    page.goto(written.as_uri())
    assert complaints == []
    return page


def cells(page: Page, caption: str) -> list[list[str]]:
    table = page.locator("table", has=page.locator(f"caption:text-is('{caption}')"))
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tbody tr").all()]


def test_the_numbers_behind_every_plot_are_there_as_text(shown: Page) -> None:
    found = {name: cells(shown, caption) for name, caption in TABLES.items()}

    assert found["verdicts"][0] == ["PASS", "3", "50.0 %", "18.8 to 81.2 %, too few"]
    assert found["similarities"][-1] == ["55 to 60", "0", "0", "0"]
    assert found["seconds"][0][:2] == ["1 s", "1"]
    assert found["seconds"][4][:3] == ["30 s", "4", "100.0 %"]
    assert found["charges"] == [["charged", "2"], ["free", "1"], ["perhaps charged", "1"]]
    assert found["by similarity"] == [["60 to 65", "1", "1", "0", "50.0 %", "9.5 to 90.5 %, too few"]]
    assert found["by reviewer"] == [[REVIEWER, "1", "1", "0", "2"]]
    assert len(found["by day"]) == 31
    assert found["by day"][30] == ["2021-07-31", "0", "0", "1", "1", "0", "0", "0", "1", "1", "1"]


def test_few_rows_are_called_few(shown: Page) -> None:
    assert shown.get_by_text("Too few rows to conclude anything from their shares.").is_visible()


def test_plots_are_seen_and_have_a_text_for_those_who_do_not_see_them(shown: Page) -> None:
    plots = shown.get_by_role("img").all()

    assert len(plots) == 5
    for plot in plots:
        box = plot.bounding_box()
        assert box is not None
        assert box["width"] > 600
        assert box["height"] > 150
        assert len(plot.get_attribute("aria-label") or "") > 20


def test_the_page_asks_for_nothing_and_no_id_is_there_twice(shown: Page, written: Path) -> None:
    ids = shown.eval_on_selector_all("[id]", "elements => elements.map(element => element.id)")
    loads = shown.eval_on_selector_all("[src], link, script, iframe", "elements => elements.length")

    assert len(ids) == len(set(ids))
    assert loads == 0
    assert "default-src 'none'" in written.read_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_of_the_page_is_wider_than_the_screen(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": 800})

    assert shown.evaluate("document.documentElement.scrollWidth") <= width


def test_plots_fit_a_phone_with_readable_text(shown: Page) -> None:
    shown.set_viewport_size({"width": 390, "height": 800})

    plots = shown.get_by_role("img").all()
    smallest = shown.eval_on_selector_all(
        "svg.narrow text", "texts => Math.min(...texts.map(text => text.getBoundingClientRect().height))"
    )

    assert len(plots) == 5
    for plot in plots:
        box = plot.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    assert smallest >= 9


@pytest.mark.parametrize(("scheme", "darker"), [("light", "text"), ("dark", "page")])
def test_the_page_and_its_plots_follow_the_colour_scheme(
    shown: Page, scheme: Literal["light", "dark"], darker: str
) -> None:
    shown.emulate_media(color_scheme=scheme)

    page, text, tick = (
        shown.eval_on_selector(selector, f"element => getComputedStyle(element).{style}")
        for selector, style in (("body", "backgroundColor"), ("body", "color"), ("svg.wide text", "fill"))
    )

    assert (brightness(page) < brightness(text)) == (darker == "page")
    assert tick == text


def brightness(colour: str) -> int:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_on_paper_the_page_is_light_and_no_table_may_be_split(shown: Page) -> None:
    shown.emulate_media(media="print", color_scheme="dark")

    assert shown.eval_on_selector("body", "body => getComputedStyle(body).backgroundColor") == "rgb(255, 255, 255)"
    breaks = shown.eval_on_selector_all(
        "table, figure", "elements => elements.map(element => getComputedStyle(element).breakInside)"
    )
    assert set(breaks) == {"avoid"}


def test_on_paper_nothing_is_cut_off(shown: Page) -> None:
    paper = 680  # CSS pixels between the margins of A4
    shown.emulate_media(media="print")
    shown.set_viewport_size({"width": paper, "height": 800})

    widest = shown.eval_on_selector_all(
        "table, svg", "elements => Math.max(...elements.map(element => element.getBoundingClientRect().right))"
    )

    assert widest <= paper
    assert shown.pdf(format="A4").startswith(b"%PDF")


def test_a_month_without_anything_says_so(facepair: CommandLine, page: Page, tmp_path: Path) -> None:
    path = tmp_path / "nothing.html"

    facepair("report", "--month", "2041-02", "--output", str(path))

    page.goto(path.as_uri())
    assert page.get_by_text("No row was written in this month.").is_visible()
    assert page.get_by_text("The ledger has no call of this month.").is_visible()
    assert page.get_by_role("img").count() == 0
