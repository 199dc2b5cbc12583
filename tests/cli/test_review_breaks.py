"""`facepair review` when something breaks, or another local program attacks it.

The command is a process with real signals and the page is in a real browser; ReviewFunction is a server that fails on
demand. Each decision is either recorded, or reported as not recorded on the page and in the exit status.
"""

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from playwright.sync_api import Browser, Page, Response, expect

from facepair.domain import clock
from sandbox.lambda_host.server import Server
from tests.fakes import SUCCESS
from tests.support import commands
from tests.support.browser import browser as browser
from tests.support.commands import FACEPAIR
from tests.support.processes import family
from tests.support.review_function import SIGNATURE, Mode, ReviewFunction
from tests.support.waiting import eventually
from tests.world import World

PATIENCE = 20_000  # milliseconds
expect.set_options(timeout=PATIENCE)


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewFunction]:
    """ReviewFunction with the waiting pairs a, b and c."""
    world = World()
    monkeypatch.setattr(clock, "now", world.time.now)
    world.api.answers(SUCCESS.model_copy(update={"similarity": Decimal("61.5")}))
    for pair_id in ("a", "b", "c"):
        world.upload_pair(pair_id)
        world.time.passes(1)
        world.work()
    function = ReviewFunction(world)
    yield function
    function.close()


class Command:
    """A running `facepair review`."""

    def __init__(self, function: ReviewFunction, variables: dict[str, str] | None = None) -> None:
        self.process = commands.start("review", "--url", function.url, variables=os.environ | (variables or {}))
        assert self.process.stdout
        self.address = self.process.stdout.readline().rpartition(" ")[2].strip()
        self.origin, _, self.token = self.address.partition("/?token=")

    def signal(self, *signals: signal.Signals) -> None:
        for each in signals:
            self.process.send_signal(each)

    def ends(self) -> tuple[int | None, str]:
        """Return the exit status and stderr."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def review(function: ReviewFunction) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(variables: dict[str, str] | None = None) -> Command:
        started.append(Command(function, variables))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def shown(page: Page) -> str:
    """Return the shown pair once it can be decided."""
    for role in ("first", "second"):
        expect(page.locator(f"#{role} img")).to_be_visible()
    expect(page.locator("#pass")).to_have_attribute("aria-disabled", "false")
    return page.locator("#pair").inner_text()


def decide(page: Page, key: str, following: str) -> None:
    """Press a key; wait for the next pair and for the command to have the decision."""
    page.keyboard.press(key)
    expect(page.locator("#pair")).to_have_text(following)
    assert shown(page) == following
    expect(page.locator("#undo")).to_be_enabled()


# --- the end of the command ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_command_has_the_decision_sent(
    function: ReviewFunction, review: Callable[[], Command], page: Page, name: str
) -> None:
    command = review()
    page.goto(command.address)
    assert shown(page) == "a"
    decide(page, "p", "b")

    command.signal(signal.Signals[name])

    assert command.ends() == (0, "")
    assert function.verdict("a") == "PASS"
    expect(page.locator("#problem")).to_contain_text("has ended, and has recorded what was decided")
    assert function.world.leases.held == {}


def test_a_command_that_is_killed_leaves_a_page_that_names_what_is_not_recorded(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    decide(page, "p", "b")
    decide(page, "r", "c")
    eventually(lambda: function.verdict("a") == "PASS")
    expect(page.locator("#progress")).to_contain_text("1 recorded")

    command.signal(signal.SIGKILL)
    command.ends()

    expect(page.locator("#problem")).to_contain_text("is lost; retrying. Not recorded, as far as this page knows: b as")
    assert "a as" not in page.locator("#problem").inner_text()
    assert function.verdict("b") == "MANUAL_CHECK"
    page.keyboard.press("u")
    page.keyboard.press("p")
    expect(page.locator("#problem")).to_contain_text("Not recorded")


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_ctrl_c_while_the_stack_hangs_names_each_decision(
    function: ReviewFunction, review: Callable[[], Command], page: Page, times: int
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    decide(page, "p", "b")
    eventually(lambda: function.actions == ["pairs", "pairs"])
    function.mode = "hangs"
    decide(page, "r", "c")
    assert function.hanging.wait(timeout=20)

    for _ in range(times):
        command.signal(signal.SIGINT)
        time.sleep(0.2)  # only one signal of a kind is pending at a time

    status, said = command.ends()
    assert status == 1
    assert "Perhaps not recorded: a as PASS" in said
    assert "\nNot recorded: b as REJECT" in said
    assert "The stack has not answered in time. Decide these 2 again." in said
    problem = page.locator("#problem")
    expect(problem).to_contain_text("The command facepair review has ended. Perhaps not recorded: a as PASS")
    expect(problem).to_contain_text("Not recorded: b as REJECT")


def test_a_second_ctrl_c_with_everything_recorded_is_an_interrupt(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    function.mode = "hangs"
    command.signal(signal.SIGINT)
    assert function.hanging.wait(timeout=20)

    command.signal(signal.SIGINT)

    assert command.ends() == (130, "")


def test_ctrl_c_just_after_the_page_was_closed_is_a_normal_end(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    decide(page, "p", "b")

    page.close(run_before_unload=True)
    command.signal(signal.SIGINT)

    assert command.ends() == (0, "")
    assert function.verdict("a") == "PASS"


@pytest.mark.parametrize(
    ("mode", "problem"),
    [
        ("refuses", "credentials that are still valid"),
        ("proxy", "is not JSON, so it is not the function's: a proxy may have answered"),
        ("proxy in JSON", "is not ReviewFunction's"),
        ("drops", "AWS was not reached: "),
    ],
)
def test_a_stack_that_fails_at_the_end_is_an_exit_status(
    function: ReviewFunction, review: Callable[[], Command], page: Page, mode: Mode, problem: str
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    decide(page, "p", "b")
    function.mode = mode

    command.signal(signal.SIGINT)

    status, said = command.ends()
    assert status == 1
    assert "Not recorded: a as PASS, Same person." in said
    assert problem in said
    assert "Traceback" not in said
    expect(page.locator("#problem")).to_contain_text("has ended. Not recorded: a as PASS, Same person.")
    assert function.verdict("a") == "MANUAL_CHECK"


EXPIRED = b"""<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>ExpiredTokenException</Code><Message>The security token included in the request is expired</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"""


def test_a_role_that_cannot_be_assumed_is_reported_and_costs_no_decision(
    review: Callable[..., Command], page: Page, tmp_path: Path
) -> None:
    class Sts(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(403)
            self.send_header("Content-Length", str(len(EXPIRED)))
            self.end_headers()
            self.wfile.write(EXPIRED)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    sts = Server(Sts)
    config = tmp_path / "config"
    config.write_text(
        "[profile base]\naws_access_key_id = K\naws_secret_access_key = S\n"
        "[profile rita]\nrole_arn = arn:aws:iam::123456789012:role/Reviewer\nsource_profile = base\n"
    )
    variables = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "rita"}
    variables |= {"AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{sts.server_port}", "AWS_ACCESS_KEY_ID": ""}
    try:
        page.goto(review(variables).address)

        expect(page.locator("#problem")).to_contain_text("The security token included in the request is expired")
        expect(page.locator("#problem")).to_contain_text("sign in again where facepair review runs")
    finally:
        sts.close()


def test_the_page_that_closes_at_once_loses_no_decision(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)

    page.keyboard.press("p")
    page.close(run_before_unload=True)

    assert command.ends() == (0, "")
    assert function.verdict("a") == "PASS"


def test_a_reloaded_page_has_sent_its_decision_and_says_that_it_cannot_come_back(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    page.keyboard.press("F5")
    assert shown(page) == "a"
    decide(page, "p", "b")

    page.reload()

    assert "start facepair review again" in page.content()
    assert command.ends() == (0, "")
    assert function.verdict("a") == "PASS"


# --- lost connections -------------------------------------------------------------------------------------------------


def test_a_page_that_was_offline_for_a_second_goes_on(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)

    page.context.set_offline(True)
    page.keyboard.press("p")
    problem = page.locator("#problem")
    expect(problem).to_contain_text("is lost; retrying. Not recorded, as far as this page knows: a as PASS.")
    page.context.set_offline(False)

    expect(problem).to_be_hidden()
    decide(page, "r", "c")
    eventually(lambda: function.verdict("a") == "PASS")
    page.keyboard.press("u")
    expect(page.locator("#pair")).to_have_text("b")
    command.signal(signal.SIGINT)
    assert command.ends() == (0, "")
    assert function.verdict("b") == "MANUAL_CHECK"


@pytest.mark.parametrize("path", ["decide", "undo"])
def test_an_answer_to_the_page_that_is_lost_is_asked_for_again(
    function: ReviewFunction, review: Callable[[], Command], page: Page, path: str
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    lost: list[Any] = []

    def lose_once(route: Any) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.fetch())
            route.abort()

    page.route(f"**/{path}", lose_once)
    page.keyboard.press("p")
    expect(page.locator("#pair")).to_have_text("b")
    page.keyboard.press("u")

    expect(page.locator("#said")).to_contain_text("a is undecided again")
    assert shown(page) == "a"
    assert lost
    command.signal(signal.SIGINT)
    assert command.ends() == (0, "")
    assert function.verdict("a") == "MANUAL_CHECK"


@pytest.mark.parametrize("mode", ["drops", "proxy"])
def test_a_stack_that_was_away_for_a_moment_gets_the_decisions(
    function: ReviewFunction, review: Callable[[], Command], page: Page, mode: Mode
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    function.mode = mode
    decide(page, "p", "b")
    decide(page, "r", "c")
    expect(page.locator("#problem")).to_be_visible()

    function.mode = "answers"

    expect(page.locator("#progress")).to_contain_text("1 recorded")
    expect(page.locator("#problem")).to_be_hidden()
    command.signal(signal.SIGINT)
    assert command.ends() == (0, "")
    assert (function.verdict("a"), function.verdict("b")) == ("PASS", "REJECT")


# --- other local programs ---------------------------------------------------------------------------------------------


class Neighbour:
    """Another web server on 127.0.0.1: records what browsers send, and answers every request with `content`."""

    def __init__(self, port: int = 0, content: bytes = b"<!doctype html>") -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        neighbour = self

        class Keeps(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                neighbour.requests.append((self.path, dict(self.headers), body))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = Server(Keeps, port)
        self.address = f"http://127.0.0.1:{self.server.server_port}/"


def request(command: Command, method: str, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    body = b"{}" if method == "POST" else None
    return urllib3.request(method, command.origin + path, headers=headers, body=body, retries=False, redirect=False)


def test_another_server_on_this_machine_gets_nothing_from_the_browser(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command, neighbour = review(), Neighbour()
    page.goto(command.address)
    shown(page)
    decide(page, "p", "b")
    try:
        for host in ("127.0.0.1", "localhost"):
            other = page.context.new_page()
            other.goto(neighbour.address.replace("127.0.0.1", host))
            with other.expect_navigation():
                other.evaluate(f"location = '{neighbour.address}navigated'")
            stored = "[document.cookie, localStorage.length, sessionStorage.length]"
            assert other.evaluate(stored) == page.evaluate(stored) == ["", 0, 0]
    finally:
        neighbour.server.close()

    assert page.context.cookies() == []
    assert len([path for path, _, _ in neighbour.requests if path == "/navigated"]) == 2
    assert command.token not in str(neighbour.requests)
    assert not [headers for _, headers, _ in neighbour.requests if {"Cookie", "X-Page-Token"} & headers.keys()]
    origin = {"Origin": command.origin, "Sec-Fetch-Site": "same-origin"}
    address = page.evaluate("document.querySelector('#first img').src")
    assert address.startswith("blob:")
    for method, path in (("GET", "/"), ("GET", "/states"), ("GET", "/pictures/x/first"), ("POST", "/decide")):
        answer = request(command, method, path, **origin)
        assert answer.status == 403
        assert b"token=" not in answer.data
        assert "Set-Cookie" not in answer.headers
        assert "X-Server-Token" not in answer.headers
    command.signal(signal.SIGINT)
    assert command.ends() == (0, "")
    assert function.verdict("b") == "MANUAL_CHECK"


def test_a_program_that_takes_the_port_over_gets_no_decision_and_is_not_believed(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    command = review()
    page.goto(command.address)
    shown(page)
    decide(page, "p", "b")
    command.signal(signal.SIGKILL)
    command.ends()
    expect(page.locator("#problem")).to_contain_text("is lost")
    state = {"version": 99, "pairs": [], "unsent": [], "notices": [], "recorded": 2, "ended": True, "ending": True}

    neighbour = Neighbour(int(command.origin.rpartition(":")[2]), json.dumps(state).encode() + b"\n")
    try:
        page.keyboard.press("r")
        eventually(lambda: len(neighbour.requests) > 2)
    finally:
        neighbour.server.close()

    expect(page.locator("#problem")).to_contain_text("Not recorded, as far as this page knows: a as PASS, b as REJECT.")
    assert {path for path, _, _ in neighbour.requests} == {"/states"}
    assert "REJECT" not in str(neighbour.requests)


def test_the_address_works_once_and_says_so(review: Callable[[], Command], browser: Browser) -> None:
    command = review()
    for guess in ("/", "/?token=guessed", "/?token="):
        assert request(command, "GET", guess).status == 403
    assert request(command, "HEAD", f"/?token={command.token}").status == 403
    assert request(command, "GET", f"/?token={command.token}", Host="localhost").status == 403

    with browser.new_context() as first, browser.new_context() as second:
        page, other = first.new_page(), second.new_page()
        page.goto(command.address)
        shown(page)
        answer = other.goto(command.address)

        assert answer
        assert answer.status == 403
        assert "This address was already used" in other.content()
        assert page.url == f"{command.origin}/"
        assert page.locator("meta[name*=token]").count() == 0
        assert shown(page) == "a"


@pytest.fixture
def terminal(function: ReviewFunction, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """The command at a terminal, the terminal's other end, and the arguments of the browser."""
    arguments = tmp_path / "arguments"
    opener = tmp_path / "browser"
    opener.write_text(f'#!/bin/sh\necho "$@" > {arguments}.new\nmv {arguments}.new {arguments}\nsleep 60\n')
    opener.chmod(0o700)
    ours, theirs = pty.openpty()
    # In a session of its own, like a shell's child.
    command = ["setsid", "--ctty", str(FACEPAIR), "review", "--url", function.url]
    process = subprocess.Popen(
        command, env=os.environ | {"BROWSER": f"{opener} %s"}, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        yield process, ours, eventually(lambda: arguments if arguments.exists() else None)  # type: ignore[misc]
    finally:
        for each in family(process.pid) - {process.pid}:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(each, signal.SIGKILL)
        process.kill()
        process.wait()


def test_the_token_is_in_no_process_s_arguments_and_not_in_the_browser_s_history(
    terminal: tuple[subprocess.Popen[bytes], int, Path], page: Page
) -> None:
    _, ours, arguments = terminal
    said = os.read(ours, 10_000).decode()
    [token] = re.findall(r"token=(\S+)", said)
    lines = [each.read_bytes() for each in Path("/proc").glob("[0-9]*/cmdline") if each.exists()]
    [address] = arguments.read_text().split()
    file = Path(urlsplit(address).path)

    assert not [line for line in lines if token.encode() in line]
    assert address.startswith("file:///")
    assert [oct(each.stat().st_mode & 0o777) for each in (file, file.parent)] == ["0o600", "0o700"]
    visited: list[str] = []
    page.on("framenavigated", lambda frame: visited.append(frame.url))
    page.goto(address)
    assert shown(page) == "a"
    assert not [each for each in visited if token in each]
    page.go_back()
    assert token not in page.url


def test_a_terminal_that_is_closed_has_the_decision_sent(
    terminal: tuple[subprocess.Popen[bytes], int, Path], function: ReviewFunction, page: Page
) -> None:
    process, ours, arguments = terminal
    page.goto(arguments.read_text().strip())
    shown(page)
    decide(page, "p", "b")

    os.close(ours)

    assert process.wait(timeout=60) == 0
    assert function.verdict("a") == "PASS"
    expect(page.locator("#problem")).to_contain_text("has ended, and has recorded what was decided")
    assert not Path(urlsplit(arguments.read_text()).path.strip()).exists()


def test_a_link_to_a_picture_never_reaches_the_page(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    closed = Neighbour()
    function.links = closed.address
    closed.server.close()
    failed: list[Response] = []
    page.on("response", lambda answer: failed.append(answer) if answer.status == 503 else None)

    page.goto(review().address)

    expect(page.locator("#first .trouble")).to_contain_text("S3 cannot be reached (")
    answers = [answer.text() for answer in failed]
    assert answers
    for text in (page.content(), *answers):
        assert SIGNATURE not in text
        assert closed.address not in text
    assert function.actions == ["pairs"], "newer links lead nowhere either"


HOSTILE = "evil\u202egpj\x1b[31m\n"


def test_a_pair_id_that_hides_characters_is_shown_escaped(
    function: ReviewFunction, review: Callable[[], Command], page: Page
) -> None:
    for pair_id in ("a", "b", "c"):
        del function.world.verdicts.items[pair_id]
    function.world.upload_pair(HOSTILE)
    function.world.work()
    command = review()
    page.goto(command.address)
    shown_as = r"evil\u202egpj\x1b[31m\n"

    expect(page.locator("#pair")).to_have_text(shown_as)
    shown(page)
    page.keyboard.press("p")
    expect(page.locator("#said")).to_contain_text(f"{shown_as} passed")
    expect(page.locator("#undo")).to_be_enabled()
    function.mode = "refuses"
    command.signal(signal.SIGINT)

    assert f"Not recorded: {shown_as} as PASS" in command.ends()[1]
    expect(page.locator("#problem")).to_contain_text(f"Not recorded: {shown_as} as PASS")


# --- memory ----------------------------------------------------------------------------------------------------------

PEAK = """
import io, resource, sys, threading
from PIL import Image
from facepair_cli.review.pictures import Fetched, Held
content = io.BytesIO()
Image.new("RGBA", (4000, 4000), (200, 150, 120, 128)).save(content, "WEBP", lossless=True, quality=0, method=0)
said = {"pair_id": "a", "fingerprint": "f", "first": {"url": "u"}, "second": {"url": "u"}}
pictures = [Held.of(said).pictures["first"] for _ in range(int(sys.argv[1]))]
shown = [threading.Thread(target=each.shown, args=(lambda _: Fetched(200, content.getvalue()),)) for each in pictures]
[each.start() for each in shown]
[each.join() for each in shown]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_five_pictures_asked_for_at_once_take_the_memory_of_one() -> None:
    def peak(pictures: int) -> int:
        command = [str(FACEPAIR.with_name("python")), "-c", PEAK, str(pictures)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak(5) < 1.5 * peak(1)
