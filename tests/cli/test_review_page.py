"""The review page under real keys, input methods and sizes: what a reviewer can do by mistake, and what they can see.

The page is in a real browser, and ReviewFunction is a server of this process over the fakes' world.
"""

import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from facepair.domain import clock
from facepair.domain.outcome import Face, Seen
from tests.fakes import SUCCESS
from tests.support import commands
from tests.support.browser import browser as browser
from tests.support.review_function import ReviewFunction
from tests.support.waiting import eventually
from tests.world import World

PATIENCE = 20_000  # milliseconds
expect.set_options(timeout=PATIENCE)
FACE = Face(id="1", left=Decimal(0), top=Decimal(0), right=Decimal(60), bottom=Decimal(80))
OTHER_FACE = Face(id="2", left=Decimal(96), top=Decimal(96), right=Decimal(216), bottom=Decimal(256))
UNSURE = SUCCESS.model_copy(
    update={
        "similarity": Decimal("61.5"),
        "first": Seen(face=FACE),
        "second": Seen(face=OTHER_FACE, adjusted=("turned",)),
    }
)


def manual_checks(world: World, pair_ids: list[str]) -> None:
    world.api.answers(UNSURE)
    for pair_id in pair_ids:
        world.upload_pair(pair_id)
        world.time.passes(1)
        world.work()


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewFunction]:
    """Four pairs wait: a, b, c and d. One face is at the edge of its picture, and small."""
    world = World()
    monkeypatch.setattr(clock, "now", world.time.now)
    manual_checks(world, ["a", "b", "c", "d"])
    function = ReviewFunction(world)
    yield function
    function.close()


class Opened:
    """The page of one reviewer, and the command that serves it."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        *options: str,
        prepare: Callable[[Page], None] = lambda page: None,
        **context: Any,
    ) -> None:
        self.process = commands.start("review", "--url", url, *options, variables=os.environ)
        assert self.process.stdout
        address = self.process.stdout.readline().rpartition(" ")[2].strip()
        context = {"viewport": {"width": 1280, "height": 720}} | context
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.page.clock.install()
        prepare(self.page)
        self.page.goto(address)

    def close(self) -> tuple[int | None, str]:
        """Close the page. Return the command's exit status and what it wrote to stderr."""
        self.context.close()
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def opened(browser: Browser, function: ReviewFunction) -> Iterator[Callable[..., Opened]]:
    made: list[Opened] = []

    def open_page(*options: str, name: str = "rita", **context: Any) -> Opened:
        made.append(Opened(browser, function.url_of(name), *options, **context))
        return made[-1]

    yield open_page
    for each in made:
        each.context.close()
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def page(opened: Callable[..., Opened]) -> Page:
    page = opened().page
    ready(page, "a")
    return page


def ready(page: Page, pair_id: str) -> None:
    """Wait until a pair can be decided."""
    expect(page.locator("#pair")).to_have_text(pair_id)
    expect(page.locator("#pass")).to_have_attribute("aria-disabled", "false")


def press(page: Page, key: str, code: str, text: str = "", **more: Any) -> None:
    """Press a key as a keyboard with another layout does, through the browser's own input."""
    devtools = page.context.new_cdp_session(page)
    for kind in ("keyDown", "keyUp"):
        typed = {"text": text} if kind == "keyDown" and text else {}
        devtools.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code} | typed | more)


def review_of(function: ReviewFunction, pair_id: str) -> Any:
    return eventually(lambda: function.world.verdicts.items[pair_id].get("review"))


# --- no accidental decisions -----------------------------------------------------------------------------------------


def test_keys_pressed_before_both_pictures_were_looked_at_decide_nothing(
    function: ReviewFunction, opened: Callable[..., Opened]
) -> None:
    held: list[Any] = []

    def hold(page: Page) -> None:
        page.route("**/pictures/*/second", lambda route: held.append(route))

    page = opened(prepare=hold).page
    expect(page.locator("#first img")).to_be_visible()
    for key in "prtc":
        page.keyboard.press(key)
    expect(page.locator("#said")).to_contain_text("Wait until both pictures are there.")
    for each in held:
        each.continue_()
    page.unroute("**/pictures/*/second")
    expect(page.locator("#second img")).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#said")).to_contain_text("Look at both pictures first.")

    ready(page, "a")
    assert function.actions == ["pairs"]


def test_a_burst_and_a_held_key_decide_one_pair(page: Page) -> None:
    for _ in range(6):
        page.keyboard.down("p")  # the second and later ones are repetitions of a held key
    page.keyboard.up("p")
    page.keyboard.press("p")
    page.keyboard.press("p")

    ready(page, "b")


def test_holding_enter_on_a_button_decides_one_pair(page: Page) -> None:
    page.locator("#reject").focus()
    page.keyboard.down("Enter")
    ready(page, "b")
    for _ in range(5):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")

    ready(page, "b")


def test_space_after_a_click_decides_nothing(page: Page) -> None:
    page.locator("#pass").click()
    ready(page, "b")
    page.keyboard.press("Space")
    page.locator("#pass").dblclick()

    ready(page, "c")


def test_unsent_decisions_are_counted(function: ReviewFunction, page: Page) -> None:
    page.keyboard.press("p")
    ready(page, "b")

    expect(page.locator("#unsent")).to_have_text("1 not sent yet")
    page.keyboard.press("u")
    expect(page.locator("#unsent")).to_have_text("")
    ready(page, "a")


def test_undo_says_what_it_can_no_longer_undo(function: ReviewFunction, page: Page) -> None:
    page.keyboard.press("u")
    expect(page.locator("#said")).to_contain_text("Nothing to undo.")
    page.keyboard.press("p")
    ready(page, "b")
    page.keyboard.press("r")
    ready(page, "c")
    page.keyboard.press("u")
    ready(page, "b")
    eventually(lambda: function.verdict("a") == "PASS")
    page.keyboard.press("r")
    ready(page, "c")
    page.keyboard.press("s")
    ready(page, "d")
    expect(page.locator("#said")).to_contain_text("comes back at the end")


def test_skipped_pairs_come_back_at_the_end(page: Page) -> None:
    page.keyboard.press("s")
    for pair_id in "bcd":
        ready(page, pair_id)
        page.keyboard.press("p")

    ready(page, "a")
    expect(page.locator("#notes")).to_contain_text("You skipped this pair before.")


def test_a_page_that_wakes_from_sleep_refreshes_before_it_decides(function: ReviewFunction, page: Page) -> None:
    function.mode = "hangs"
    page.clock.fast_forward("10:00")
    page.keyboard.press("p")
    expect(page.locator("#said")).to_contain_text("looks for changes first")
    expect(page.locator("#pair")).to_have_text("a")

    function.mode = "answers"
    function.release()
    ready(page, "a")
    page.keyboard.press("p")
    ready(page, "b")


def test_a_second_window_names_the_decision_made_in_the_first(
    function: ReviewFunction, opened: Callable[..., Opened]
) -> None:
    one = opened()
    ready(one.page, "a")
    function.world.leases.held.clear()  # as after five minutes of sleep
    other = opened()
    ready(other.page, "a")
    other.page.keyboard.press("r")
    assert other.close() == (0, "")

    one.page.keyboard.press("p")
    status, said = one.close()

    assert status == 1
    assert "Not recorded: a as PASS. You decided it before in another window" in said
    assert function.verdict("a") == "REJECT"


# --- keyboards and input methods -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "key"),
    [("Russian", "з"), ("Greek", "π"), ("Thai", "ย"), ("Arabic", "ح"), ("an input method", "Process")],
)
def test_keys_work_by_position_where_there_are_no_latin_letters(page: Page, layout: str, key: str) -> None:
    press(page, key, "KeyP")

    ready(page, "b")


def test_letters_of_a_latin_layout_count_wherever_they_are(page: Page) -> None:
    press(page, ",", "KeyW")  # Dvorak
    expect(page.locator("#whole")).to_have_attribute("aria-pressed", "false")
    press(page, "p", "KeyR", "p")

    expect(page.locator("#said")).to_contain_text("a passed")


def test_digits_of_azerty_need_no_shift_and_a_shifted_slash_is_a_slash(page: Page) -> None:
    press(page, '"', "Digit3", '"')
    expect(page.locator("#listed input").nth(2)).to_be_checked()
    press(page, "/", "Digit7", "/", modifiers=8)  # German

    expect(page.locator("#typed")).to_be_focused()


def test_enter_that_commits_a_composition_stays_in_the_field(page: Page, function: ReviewFunction) -> None:
    page.keyboard.press("/")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Input.imeSetComposition", {"text": "にほん", "selectionStart": 3, "selectionEnd": 3})
    press(page, "Enter", "Enter", windowsVirtualKeyCode=229)
    expect(page.locator("#typed")).to_be_focused()
    devtools.send("Input.insertText", {"text": "日本"})
    page.keyboard.press("Enter")
    expect(page.locator("#typed")).not_to_be_focused()
    page.keyboard.press("p")
    ready(page, "b")
    page.keyboard.press("p")

    assert review_of(function, "a")["reason"] == "日本"


def test_shortcuts_can_be_switched_off(page: Page) -> None:
    page.keyboard.press("?")
    page.get_by_label("Keys decide").uncheck()
    page.keyboard.press("Escape")
    for key in "prtcsw3":
        page.keyboard.press(key)
    ready(page, "a")
    expect(page.locator("#whole")).to_have_attribute("aria-pressed", "false")
    page.locator("#pass").click()

    ready(page, "b")


# --- judgement -------------------------------------------------------------------------------------------------------


def test_the_similarity_is_hidden_until_it_is_revealed_and_that_is_recorded(
    page: Page, function: ReviewFunction
) -> None:
    assert "61.5" not in page.content()
    assert "reveal" not in function.actions
    page.keyboard.press("v")
    expect(page.get_by_role("img", name="Similarity 61.5 of 100")).to_be_visible()
    page.keyboard.press("p")
    ready(page, "b")
    expect(page.locator("#likeness")).to_be_hidden()
    page.keyboard.press("r")
    ready(page, "c")
    page.keyboard.press("r")

    assert [review_of(function, pair_id)["saw_similarity"] for pair_id in "ab"] == [True, False]


def test_the_similarity_is_shown_where_the_command_says_so(opened: Callable[..., Opened]) -> None:
    page = opened("--show-similarity").page
    ready(page, "a")

    expect(page.locator("#similarity")).to_have_text("61.5")


def boxes(page: Page, part: str) -> list[Any]:
    found = [page.locator(f"#{role} {part}").bounding_box() for role in ("first", "second")]
    assert all(found)
    return found


def test_both_faces_have_one_scale_and_height_and_move_together(page: Page) -> None:
    def compare() -> tuple[float, float]:
        (one, other), frames = boxes(page, ".mark"), boxes(page, ".frame")
        assert one["height"] == pytest.approx(other["height"], abs=1)
        assert one["y"] == pytest.approx(other["y"], abs=1)
        assert frames[0]["height"] == frames[1]["height"]
        return one["height"], one["x"]

    height, left = compare()
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -300)
    eventually(lambda: compare()[0] > height)
    page.keyboard.press("0")
    assert compare() == (height, left)
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    assert compare()[0] == pytest.approx(height * 1.25, abs=1)
    page.keyboard.press("0")
    page.mouse.down()
    page.mouse.move(340, 320)
    page.mouse.up()
    assert compare()[1] == pytest.approx(left + 40, abs=1)


def test_facts_about_the_pictures_are_shown_with_a_warning_for_a_small_face(page: Page) -> None:
    first, second = page.locator("#first .facts"), page.locator("#second .facts")

    expect(first.locator("strong")).to_have_text("⚠ Small face, hard to judge: 60 \N{MULTIPLICATION SIGN} 80 px")
    expect(second).to_contain_text("Face 120 \N{MULTIPLICATION SIGN} 160 px")
    expect(second).to_contain_text("adjusted: turned")
    for each in (first, second):
        expect(each).to_contain_text("uploaded ")


def test_a_dark_picture_can_be_lightened(page: Page) -> None:
    page.keyboard.press("l")
    expect(page.locator("#said")).to_contain_text("lighter")
    assert "brightness" in page.locator("#first img").evaluate("image => image.style.filter")
    page.get_by_label("Light of the first picture").fill("0")

    assert page.locator("#first img").evaluate("image => image.style.filter") == ""


def test_a_reason_that_does_not_fit_the_verdict_decides_nothing(page: Page) -> None:
    page.keyboard.press("3")
    page.keyboard.press("p")

    expect(page.locator("#said")).to_contain_text("“Clearly two persons” is no reason for P")
    ready(page, "a")


def test_typed_text_is_kept_when_a_reason_is_chosen_and_on_undo(page: Page, function: ReviewFunction) -> None:
    page.keyboard.press("/")
    page.keyboard.type("same scar")
    page.keyboard.press("Enter")
    page.keyboard.press("1")
    expect(page.locator("#typed")).to_have_value("same scar")
    page.keyboard.press("p")
    ready(page, "b")
    expect(page.locator("#typed")).to_have_value("")
    page.keyboard.press("u")
    ready(page, "a")
    expect(page.locator("#typed")).to_have_value("same scar")
    page.keyboard.press("p")
    ready(page, "b")
    page.keyboard.press("r")

    assert review_of(function, "a")["reason"] == "Clearly one person: same scar"


def test_a_pair_that_a_reviewer_cannot_decide_goes_to_another_with_the_note(
    page: Page, function: ReviewFunction, opened: Callable[..., Opened]
) -> None:
    page.keyboard.press("/")
    page.keyboard.type("too dark")
    page.keyboard.press("Enter")
    page.keyboard.press("c")
    ready(page, "b")
    page.keyboard.press("p")
    ready(page, "c")
    eventually(lambda: "cannot_tell" in function.actions)

    other = opened(name="bo").page

    ready(other, "a")
    expect(other.locator("#notes")).to_have_text("rita cannot tell: too dark")
    assert function.verdict("a") == "MANUAL_CHECK"


# --- an afternoon ----------------------------------------------------------------------------------------------------


def test_a_hundred_pairs_of_three_reviewers_are_each_decided_once(
    function: ReviewFunction, opened: Callable[..., Opened]
) -> None:
    """One reviewer leaves without notice; the leases end, and the others get the pairs."""
    world = function.world
    manual_checks(world, [f"pair/{number:02}" for number in range(96)])
    team = {name: opened(name=name) for name in ("rita", "bo", "chi")}
    decided: dict[str, str] = {}

    def decide(name: str) -> bool:
        """Decide the pair on a reviewer's page, if there is one."""
        page = team[name].page
        if not page.locator("#work").is_visible():
            return False
        pair_id = page.locator("#pair").inner_text()
        key = "pr"[len(decided) % 2]
        if page.locator("#pass").get_attribute("aria-disabled") == "true":
            page.clock.fast_forward(500)  # a look at both pictures
            return False
        page.keyboard.press(key)
        expect(page.locator("#pair")).not_to_have_text(pair_id)
        assert decided.setdefault(pair_id, f"{name} {'PASS' if key == 'p' else 'REJECT'}").startswith(name)
        return True

    eventually(lambda: [decide(name) for name in team] and len(decided) >= 30, within=120)
    team["chi"].process.kill()
    left = team.pop("chi")
    left.context.close()
    eventually(lambda: sum("review" in item for item in world.verdicts.items.values()) >= len(decided) - 4)
    lost = {
        pair_id for pair_id, what in decided.items() if what.startswith("chi") and "review" not in world.item(pair_id)
    }
    for pair_id in lost:
        del decided[pair_id]
    world.time.passes(301)
    for each in team.values():
        each.page.keyboard.press("a")
    eventually(lambda: [decide(name) for name in team] and len(decided) == 100, within=120)
    assert [each.close() for each in team.values()] == [(0, ""), (0, "")]

    recorded = {
        pair_id: f"{item['review']['by'].rpartition('/')[2]} {item['verdict']}"
        for pair_id, item in world.verdicts.items.items()
    }
    assert recorded == decided
    assert len(lost) <= 2  # one that could still be undone, one on its way


# --- for everyone ----------------------------------------------------------------------------------------------------

LONG = "customers/" + "very-long-name-without-a-space-" * 12
OVERLAPS = """() => {
  const texts = "#listed label, #own, #said, header p, header h2, .frame, #scale, #similarity";
  const shown = [...document.querySelectorAll(`button, ${texts}`)]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest("dialog"))
    .map((each) => ({ name: each.id || each.className || each.textContent, box: each.getBoundingClientRect() }))
    .filter(({ box }) => box.width > 1 && box.height > 1);
  const meet = (one, other) => one.left < other.right - 1 && other.left < one.right - 1 &&
    one.top < other.bottom - 1 && other.top < one.bottom - 1;
  return shown.flatMap((one, index) => shown.slice(index + 1).filter((other) => meet(one.box, other.box))
    .map((other) => `${one.name} covers ${other.name}`));
}"""
SIZES = [(1280, 720), (1024, 768), (820, 1180), (640, 360), (320, 180)]
"""A laptop, a small screen, a tablet, and 1280 by 720 at 200 % and 400 %."""


def test_nothing_overlaps_or_is_wider_than_the_page_at_any_size(page: Page) -> None:
    page.keyboard.press("v")
    expect(page.locator("#scale")).to_be_visible()
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})

        assert page.evaluate(OVERLAPS) == [], (width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, height)


def test_a_long_id_moves_no_button(page: Page) -> None:
    for size in ((1280, 720), (820, 1180)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        ids = ("pass", "undo", "skip", "whole", "ask-help")
        before = [page.locator(f"#{each}").bounding_box() for each in ids]
        text = page.evaluate(
            "text => [pair.textContent, said.textContent, pair.textContent = text, said.textContent = text]", LONG
        )
        assert [page.locator(f"#{each}").bounding_box() for each in ids] == before
        page.evaluate("([id, words]) => { pair.textContent = id; said.textContent = words; }", text[:2])


def test_touch_targets_are_large_enough_and_two_fingers_zoom(opened: Callable[..., Opened]) -> None:
    page = opened(viewport={"width": 820, "height": 1180}, has_touch=True).page
    ready(page, "a")
    small = page.evaluate(
        "[...document.querySelectorAll('button, #listed label')].filter((each) => each.checkVisibility())"
        ".map((each) => each.getBoundingClientRect()).filter(({ height }) => height < 44).length"
    )
    height = boxes(page, ".mark")[0]["height"]
    devtools = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchEnd", 0)):
        points = [{"x": 200 - apart, "y": 400, "id": 0}, {"x": 200 + apart, "y": 400, "id": 1}] if apart else []
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    one, other = boxes(page, ".mark")
    assert one["height"] == pytest.approx(other["height"], abs=1)
    assert one["height"] > 1.5 * height
    page.locator("#pass").tap()
    ready(page, "b")
    assert small == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_have_a_contrast_of_three_to_one_and_text_of_four_and_a_half(
    opened: Callable[..., Opened], scheme: str
) -> None:
    page = opened(color_scheme=scheme).page
    ready(page, "a")
    page.keyboard.press("1")
    page.keyboard.press("v")
    expect(page.locator("#scale")).to_be_visible()

    ratios = page.evaluate(CONTRASTS)

    assert {name: each for name, each in ratios["controls"].items() if each < 3} == {}
    assert {name: each for name, each in ratios["text"].items() if each < 4.5} == {}


CONTRASTS = """() => {
  const light = (colour) => {
    const [red, green, blue] = colour.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!colour.endsWith(", 0)")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = { controls: {}, text: {} };
  const texts = "#listed label, #own, header h2, header p, figcaption *, #said, #likeness *";
  for (const each of document.querySelectorAll(`button, ${texts}`)) {
    if (!each.checkVisibility() || each.disabled) continue;
    const style = getComputedStyle(each), name = each.id || each.textContent;
    const border = each.matches("button, label, #own") && parseFloat(style.borderWidth);
    if (border) found.controls[name] = ratio(style.borderColor, behind(each.parentElement));
    if (each.textContent.trim()) found.text[name] = ratio(style.color, behind(each));
  }
  return found;
}"""


def test_forced_colours_show_selection_and_focus(opened: Callable[..., Opened]) -> None:
    page = opened(forced_colors="active").page
    ready(page, "a")
    page.keyboard.press("1")
    page.keyboard.press("w")
    page.keyboard.press("Tab")

    for selector in ("#listed label:has(:checked)", "#whole", ":focus-visible"):
        outline = page.locator(selector).first.evaluate("each => getComputedStyle(each).outlineStyle")
        assert outline == "solid", selector


def test_the_pair_its_state_and_the_result_are_announced(page: Page) -> None:
    expect(page.locator("#said")).to_contain_text("Pair a.")
    expect(page.locator("#ready")).to_have_text("Ready to decide.")
    page.keyboard.press("p")

    expect(page.locator("#said")).to_contain_text("a passed. U takes it back. Pair b.")
    assert page.locator("#said").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_any_state_of_the_page(opened: Callable[..., Opened], scheme: str) -> None:
    page = opened(color_scheme=scheme).page
    ready(page, "a")

    def violations() -> list[Any]:
        return [
            (each["id"], [node["html"] for node in each["nodes"]]) for each in Axe().run(page).response["violations"]
        ]

    for keys in (("1", "v"), ("t",), ("Escape", "?")):
        for key in keys:
            page.keyboard.press(key)
        assert violations() == [], keys
