"""`facepair review` in a real browser: the page, its keys, and access control.

The stack compares every pair; decisions are read from its table.
"""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
import urllib3
from boto3.dynamodb.conditions import Key
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from facepair_cli.function_url import FunctionUrl
from sandbox import portraits
from sandbox.cloud import Sandbox
from sandbox.lambda_host.server import Server
from tests.pictures.heic import heic
from tests.support import commands
from tests.support.browser import browser as browser
from tests.support.browser import complaints_of
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, SIZE, Deployed, Row, picture, sha256
from tests.support.waiting import eventually, next_second

PATIENCE = 20_000  # milliseconds, on a busy machine
expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Reviewer:
    """An IAM user with their own credentials file."""

    arn: str
    file: Path
    sandbox: Sandbox

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    def sign_in(self) -> None:
        key = self.sandbox.aws("iam").create_access_key(UserName=self.name)["AccessKey"]
        self.file.write_text(
            f"[default]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {key['SecretAccessKey']}\n"
        )

    def sign_out(self) -> None:
        iam = self.sandbox.aws("iam")
        for key in iam.list_access_keys(UserName=self.name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=self.name, AccessKeyId=key["AccessKeyId"])

    @property
    def variables(self) -> dict[str, str]:
        """The sandbox's variables without its credentials."""
        environment = os.environ | self.sandbox.variables | {"AWS_SHARED_CREDENTIALS_FILE": str(self.file)}
        return {name: value for name, value in environment.items() if "ACCESS_KEY" not in name}

    def asks(self, **question: object) -> Any:
        """Return ReviewFunction's answer, without a page."""
        key = dict(re.findall(r"(aws_\w+) = (\S+)", self.file.read_text()))
        session = boto3.Session(**key, region_name=self.sandbox.variables["AWS_REGION"])
        return FunctionUrl(session, self.sandbox.outputs["ReviewUrl"], "ReviewerPolicy").post({"desk": "1"} | question)


class Command:
    """A running `facepair review`."""

    def __init__(self, reviewer: Reviewer) -> None:
        url = reviewer.sandbox.outputs["ReviewUrl"]
        self.process = commands.start("review", "--url", url, variables=reviewer.variables)
        assert self.process.stdout
        self.address = self.process.stdout.readline().rpartition(" ")[2].strip()
        self.origin = self.address.partition("/?")[0]

    def ends(self) -> tuple[int | None, str]:
        """Return the exit status and stderr."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@pytest.fixture(autouse=True)
def nothing_else_waits(deployed: Deployed) -> None:
    """Remove other tests' pairs from the queue, and their pictures, so that no deferred message brings one back."""
    table = boto3.resource("dynamodb", **access(deployed.sandbox)).Table(deployed.sandbox.outputs["VerdictsTable"])
    waits: Any = table.query(IndexName="by_verdict", KeyConditionExpression=Key("verdict").eq("MANUAL_CHECK"))["Items"]
    s3, bucket = deployed.sandbox.aws("s3"), deployed.sandbox.outputs["ImagesBucket"]
    with table.batch_writer() as batch:
        for item in waits:
            for role in ("first", "second"):
                s3.delete_object(Bucket=bucket, Key=item[role]["key"])
            batch.delete_item(Key={"pair_id": item["pair_id"]})


def access(sandbox: Sandbox) -> dict[str, Any]:
    names = {"AWS_ENDPOINT_URL": "endpoint_url", "AWS_ACCESS_KEY_ID": "aws_access_key_id"}
    names |= {"AWS_SECRET_ACCESS_KEY": "aws_secret_access_key", "AWS_REGION": "region_name"}
    return {name: sandbox.variables[variable] for variable, name in names.items()}


@pytest.fixture
def reviewer(sandbox: Sandbox, tmp_path: Path) -> Callable[[str], Reviewer]:
    def make(name: str) -> Reviewer:
        name = f"{name}-{tmp_path.name}"[:64]
        arn = sandbox.aws("iam").create_user(UserName=name)["User"]["Arn"]
        made = Reviewer(arn, tmp_path / f"{name}.credentials", sandbox)
        made.sign_in()
        return made

    return make


@pytest.fixture
def rita(reviewer: Callable[[str], Reviewer]) -> Reviewer:
    return reviewer("rita")


@pytest.fixture
def review() -> Iterator[Callable[[Reviewer], Command]]:
    """Starts the command; kills it at the end if needed."""
    started: list[Command] = []

    def start(reviewer: Reviewer) -> Command:
        started.append(Command(reviewer))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def opened(browser: Browser, review: Callable[[Reviewer], Command]) -> Iterator[Callable[[Reviewer], Page]]:
    """Opens a reviewer's page in its own browser context and waits for the first pair."""
    contexts = []

    def open_page(by: Reviewer) -> Page:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 720}))
        page = contexts[-1].new_page()
        page.goto(review(by).address)
        shown(page)
        return page

    yield open_page
    for each in contexts:
        each.close()


def shown(page: Page) -> str:
    """Return the shown pair once both its pictures are visible."""
    for role in ("first", "second"):
        expect(page.locator(f"#{role} img")).to_be_visible()
    expect(page.locator("#pass")).to_have_attribute("aria-disabled", "false")
    return page.locator("#pair").inner_text()


def wait(deployed: Deployed, *pair_ids: str, first: bytes | None = None) -> None:
    """Upload pairs for review, the first one waiting longest."""
    for pair_id in pair_ids:
        deployed.upload_pair(pair_id, first or ANNA, ANNA_ON_ANOTHER_DAY)
        deployed.row_with(pair_id, "MANUAL_CHECK")


def decided(deployed: Deployed, pair_id: str) -> Row:
    """Return the pair's row once it is decided."""
    return deployed.row_that(pair_id, lambda row: "review" in row)


def iphone() -> bytes:
    """Return a HEIC that viewers turn."""
    upright = portraits.portrait(1, width=SIZE[0], height=SIZE[1])
    return heic(upright.transpose(Image.Transpose.ROTATE_270), quarter_turns_left=1)


# --- a reviewer's session ---------------------------------------------------------------------------------------------


def test_a_reviewer_decides_pair_after_pair_by_keys_alone(
    deployed: Deployed, rita: Reviewer, opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "hour/1", first=iphone())
    wait(deployed, "hour/2", "hour/3", "hour/4", "hour/5")
    page = opened(rita)

    assert shown(page) == "hour/1"
    expect(page.locator("#progress")).to_have_text("5 to decide · 0 recorded")
    page.keyboard.press("p")
    assert shown(page) == "hour/2"
    page.keyboard.press("3")
    page.keyboard.press("r")
    assert shown(page) == "hour/3"
    page.keyboard.press("t")
    page.keyboard.press("2")
    assert shown(page) == "hour/4"
    page.keyboard.press("/")
    page.keyboard.type("the scar is the same")
    page.keyboard.press("Enter")
    page.keyboard.press("p")
    assert shown(page) == "hour/5"
    page.keyboard.press("u")
    expect(page.locator("#pair")).to_have_text("hour/4")
    shown(page)
    page.keyboard.press("r")
    assert shown(page) == "hour/5"
    page.keyboard.press("p")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    expect(page.locator("#progress")).to_have_text("0 to decide · 4 recorded")
    page.close()

    rows = {number: decided(deployed, f"hour/{number}") for number in range(1, 6)}
    assert {number: row["verdict"] for number, row in rows.items()} == {
        1: "PASS",
        2: "REJECT",
        3: "RETAKE",
        4: "REJECT",
        5: "PASS",
    }
    assert rows[3]["retake"] == ["second"]
    assert [rows[number]["review"]["reason"] for number in (1, 2, 4)] == [
        "Same person",
        "Clearly two persons",
        "the scar is the same",
    ]
    assert {(row["review"]["by"], row["review"]["from"]) for row in rows.values()} == {(rita.arn, "MANUAL_CHECK")}


def test_pictures_are_upright_with_marked_faces_and_the_whole_one_key_away(
    deployed: Deployed, rita: Reviewer, opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "seen/heic", first=iphone())

    page = opened(rita)

    row = deployed.settled("seen/heic")
    expect(page.locator("#first figcaption")).to_contain_text("converted from HEIC")
    image, mark = (page.locator(f"#first {part}") for part in ("img", ".mark"))
    width, height = image.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert (width, height) == SIZE
    for zoom in ("faces", "whole"):
        around, box = image.bounding_box(), mark.bounding_box()
        frame = page.locator("#first .frame").bounding_box()
        assert around
        assert box
        assert frame
        face = {edge: float(row["first"]["face"][edge]) for edge in ("left", "top")}
        assert (box["x"] - around["x"]) / around["width"] == pytest.approx(face["left"] / width, abs=0.01)
        assert (box["y"] - around["y"]) / around["height"] == pytest.approx(face["top"] / height, abs=0.01)
        if zoom == "whole":
            assert around["height"] <= frame["height"] + 1
        else:
            assert around["height"] > frame["height"]
        page.keyboard.press("w")


def test_nothing_has_to_be_scrolled_and_nothing_is_complained_of(
    deployed: Deployed, rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    wait(deployed, "calm/1")
    with browser.new_context() as context:
        page = context.new_page()
        complaints = complaints_of(page)
        page.goto(review(rita).address)
        shown(page)
        for width, height in ((1280, 720), (1024, 768), (768, 1024)):
            page.set_viewport_size({"width": width, "height": height})

            whole = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")

            assert whole == [width, height]
        assert complaints == []


def test_it_works_without_a_mouse_and_has_names_for_who_does_not_see_it(
    deployed: Deployed, rita: Reviewer, opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "names/1", "names/2")
    page = opened(rita)

    assert page.get_by_role("img", name="First picture, cropped to the face").is_visible()
    expect(page.locator("#said")).to_contain_text("Pair names/1")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="How to compare, and the keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    while page.evaluate("document.activeElement.id") != "reject":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert shown(page) == "names/2"
    expect(page.locator("#said")).to_contain_text("names/1 rejected. U takes it back.")


# --- several reviewers, and changes meanwhile -------------------------------------------------------------------------


def test_two_reviewers_share_the_queue_without_meeting(
    deployed: Deployed, reviewer: Callable[[str], Reviewer], opened: Callable[[Reviewer], Page]
) -> None:
    pair_ids = [f"shared/{number}" for number in range(6)]
    wait(deployed, *pair_ids)
    both = [reviewer("rita"), reviewer("bo")]
    pages = [opened(each) for each in both]

    seen = [shown(page) for page in pages]

    def all_are_decided() -> bool:
        """Press PASS on each page. The last decisions may be unsent; a key pressed too early does nothing."""
        at_work = [page for page in pages if page.locator("#work").is_visible()]
        for page in at_work:
            page.keyboard.press("p")
        recorded = sum("review" in deployed.settled(pair_id) for pair_id in pair_ids)
        return not at_work and recorded >= len(pair_ids) - len(pages)

    eventually(all_are_decided, within=60)
    assert [page.locator("#notice").is_visible() for page in pages] == [False, False]
    for page in pages:
        page.close()

    rows = [decided(deployed, pair_id) for pair_id in pair_ids]
    assert len(set(seen)) == 2
    assert {row["review"]["by"] for row in rows} == {each.arn for each in both}


def test_a_decision_that_is_too_late_names_the_reviewer_before(
    deployed: Deployed, reviewer: Callable[[str], Reviewer], opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "late/1", "late/2")
    page, bo = opened(reviewer("rita")), reviewer("bo")
    contents = deployed.settled("late/1")["fingerprint"]
    about = {"pair_id": "late/1", "fingerprint": contents, "verdict": "REJECT", "reason": "two persons"}

    assert bo.asks(action="decide", **about)["decided"] is True
    page.keyboard.press("p")
    shown(page)
    page.keyboard.press("p")

    expect(page.locator("#notice")).to_contain_text(f"Not recorded: late/1 as PASS. {bo.name} decided before you, at ")
    assert deployed.settled("late/1")["review"]["by"] == bo.arn


def test_an_upload_while_a_reviewer_looks_covers_the_pair(
    deployed: Deployed, rita: Reviewer, opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "anew/1", "anew/2")
    page = opened(rita)
    before = deployed.settled("anew/1")["fingerprint"]

    deployed.upload("anew/1/first.jpg", picture(ANNA, "taken again"))
    deployed.row_that("anew/1", lambda row: row["verdict"] == "MANUAL_CHECK" and row["fingerprint"] != before)
    page.keyboard.press("a")

    expect(page.locator("#gone-says")).to_contain_text("anew/1 is not to be decided any more: it was uploaded again")
    page.keyboard.press("p")
    page.keyboard.press("Enter")
    expect(page.locator("#gone")).to_be_hidden()
    assert shown(page) in ("anew/1", "anew/2")
    assert "review" not in deployed.settled("anew/1")


def test_a_decision_about_pictures_that_were_replaced_is_not_recorded(
    deployed: Deployed, rita: Reviewer, opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "replaced/1", "replaced/2")
    page = opened(rita)
    before = deployed.settled("replaced/1")["fingerprint"]

    page.keyboard.press("p")
    deployed.upload("replaced/1/first.jpg", picture(ANNA, "taken again"))
    deployed.row_that("replaced/1", lambda row: row["verdict"] == "MANUAL_CHECK" and row["fingerprint"] != before)
    assert shown(page) == "replaced/2"
    page.keyboard.press("p")

    expect(page.locator("#notice")).to_contain_text("Not recorded: replaced/1 as PASS. It was uploaded again")
    assert "review" not in deployed.settled("replaced/1")


def test_a_picture_that_is_gone_can_only_be_taken_again(
    deployed: Deployed, rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    wait(deployed, "unseen/1", "unseen/2")
    row = deployed.settled("unseen/1")
    bucket = deployed.sandbox.outputs["ImagesBucket"]
    deployed.sandbox.aws("s3").delete_object(
        Bucket=bucket, Key=row["second"]["key"], VersionId=row["second"]["version_id"]
    )

    with browser.new_context() as context:
        page = context.new_page()
        page.goto(review(rita).address)
        expect(page.locator("#second .trouble")).to_contain_text("not in the bucket any more. Press T")
        expect(page.locator("#retake")).to_have_attribute("aria-disabled", "false")
        page.keyboard.press("p")
        expect(page.locator("#said")).to_contain_text("can be passed or rejected only if both pictures are shown")
        page.keyboard.press("t")
        page.keyboard.press("2")
        assert shown(page) == "unseen/2"

    row = decided(deployed, "unseen/1")
    assert (row["verdict"], row["retake"]) == ("RETAKE", ["second"])


# --- denied access ----------------------------------------------------------------------------------------------------


def test_with_expired_credentials_no_decision_is_lost(
    deployed: Deployed, rita: Reviewer, opened: Callable[[Reviewer], Page]
) -> None:
    wait(deployed, "expired/1", "expired/2", "expired/3")
    page = opened(rita)

    rita.sign_out()
    page.keyboard.press("p")
    shown(page)
    page.keyboard.press("r")
    expect(page.locator("#problem")).to_contain_text("credentials that are still valid")
    expect(page.locator("#problem")).to_contain_text("No decision is lost")
    assert "review" not in deployed.settled("expired/1")
    rita.sign_in()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#problem")).to_be_hidden()
    page.close()

    assert [decided(deployed, f"expired/{number}")["verdict"] for number in (1, 2)] == ["PASS", "REJECT"]


def test_decisions_that_could_not_be_sent_are_named_at_the_end(
    deployed: Deployed, rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    wait(deployed, "unsent/1")
    command = review(rita)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(command.address)
        shown(page)
        rita.sign_out()
        page.keyboard.press("p")
        expect(page.locator("#said")).to_contain_text("passed")

    status, said = command.ends()

    assert status == 1
    assert "Not recorded: unsent/1 as PASS, Same person" in said
    assert "Decide these 1 again." in said


def test_who_reviews_is_who_aws_says(deployed: Deployed, rita: Reviewer) -> None:
    wait(deployed, "forged/1")
    decision = {"pair_id": "forged/1", "fingerprint": deployed.settled("forged/1")["fingerprint"]}
    decision |= {"action": "decide", "verdict": "PASS", "reason": "seen"}
    boss = "arn:aws:iam::123456789012:user/boss"

    for forged in ({"by": boss}, {"review": {"by": boss}}, {"requestContext": {"authorizer": {"iam": boss}}}):
        with pytest.raises(click.ClickException, match="cannot be understood: Extra inputs are not permitted"):
            rita.asks(**decision | forged)
    unsigned = urllib3.request("POST", deployed.sandbox.outputs["ReviewUrl"], json=decision | {"desk": "1"})

    assert unsigned.status == 403
    assert deployed.settled("forged/1")["verdict"] == "MANUAL_CHECK"
    assert rita.asks(**decision)["decided"] is True
    assert deployed.settled("forged/1")["review"]["by"] == rita.arn


def decides(who: Reviewer, deployed: Deployed, pair_id: str, verdict: str, reason: str = "seen") -> Any:
    """Return ReviewFunction's answer to a decision about the pair's contents."""
    about = {"pair_id": pair_id, "fingerprint": deployed.settled(pair_id)["fingerprint"]}
    return who.asks(action="decide", verdict=verdict, reason=reason, **about)


def published(deployed: Deployed, pair_id: str) -> list[str]:
    """Return the verdicts that the webhook's receiver got for a pair."""
    messages = [delivery.message["data"] for delivery in deployed.sandbox.receiver.taken.values()]
    messages = [data for data in messages if data["pair_id"] == pair_id and "verdict" in data]
    return [data["verdict"] for data in sorted(messages, key=lambda data: data["updated_at"])]


def test_the_similarity_comes_on_request_and_the_function_records_that(deployed: Deployed, rita: Reviewer) -> None:
    wait(deployed, "seen/1", "seen/2")
    [given, _] = rita.asks(action="pairs", count=2)["pairs"]
    assert "similarity" not in given

    about = {"pair_id": "seen/1", "fingerprint": given["fingerprint"]}
    assert rita.asks(action="reveal", **about)["similarity"] == float(deployed.settled("seen/1")["similarity"])
    with pytest.raises(click.ClickException, match="saw_similarity cannot be understood"):
        rita.asks(action="decide", verdict="PASS", reason="seen", saw_similarity=False, **about)
    for pair_id in ("seen/1", "seen/2"):
        decides(rita, deployed, pair_id, "PASS")

    saw = [deployed.settled(pair_id)["review"]["saw_similarity"] for pair_id in ("seen/1", "seen/2")]
    assert saw == [True, False]


def test_a_reviewer_who_cannot_tell_leaves_pair_and_note_to_another(
    deployed: Deployed, reviewer: Callable[[str], Reviewer]
) -> None:
    def unsure(who: Reviewer) -> list[Any]:
        pairs = who.asks(action="pairs", count=10)["pairs"]  # other tests may have left some
        return [each for each in pairs if each["pair_id"] == "unsure/1"]

    rita, bo = reviewer("rita"), reviewer("bo")
    wait(deployed, "unsure/1")
    [given] = unsure(rita)

    answer = rita.asks(action="cannot_tell", pair_id="unsure/1", fingerprint=given["fingerprint"], note="too dark")

    assert answer["decided"] is True
    assert deployed.settled("unsure/1")["verdict"] == "MANUAL_CHECK"
    assert unsure(rita) == []
    [note] = unsure(bo)[0]["notes"]
    assert (note["by"], note["note"]) == (rita.name, "too dark")


ATTACK = """<!doctype html><title>elsewhere</title><img id="stolen" src="{origin}/static/icon.svg"><script>
const about = JSON.stringify({{
  pair_id: "{pair}", fingerprint: "{contents}", verdict: "PASS", retake: [], reason: "x"
}});
const tries = ["decide", "close", "pairs"].flatMap((path) => [
  fetch("{origin}/" + path, {{method: "POST", mode: "no-cors", body: about}}),
  fetch("{origin}/" + path, {{method: "POST", body: about,
                              headers: {{"X-Page-Token": "guessed", "Content-Type": "application/json"}}}}),
]);
Promise.allSettled(tries).then((all) => {{ document.title = [...new Set(all.map((one) => one.status))].join(); }});
</script>"""


def test_a_page_of_another_origin_cannot_decide_or_look(
    deployed: Deployed, rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    wait(deployed, "attacked/1")
    command = review(rita)
    attack = ATTACK.format(
        origin=command.origin, pair="attacked/1", contents=deployed.settled("attacked/1")["fingerprint"]
    )

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(attack.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = Server(Elsewhere)
    try:
        with browser.new_context() as context:
            page, evil = context.new_page(), context.new_page()
            page.goto(command.address)
            shown(page)

            evil.goto(f"http://127.0.0.1:{server.server_port}/")

            expect(evil).to_have_title("rejected")
            assert not evil.locator("#stolen").evaluate("image => image.naturalWidth")
            expect(page.locator("#progress")).to_contain_text("0 recorded")
    finally:
        server.close()
    command.process.send_signal(signal.SIGINT)
    assert command.ends()[0] == 0
    assert deployed.settled("attacked/1")["verdict"] == "MANUAL_CHECK"


def test_the_server_answers_its_own_page_alone(
    rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    command = review(rita)
    http = urllib3.PoolManager(retries=False)

    def get(path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return http.request("GET", f"{command.origin}{path}", headers=headers)

    address = command.address.removeprefix(command.origin)
    assert get("/").status == get("/?token=guessed").status == get("/states").status == 403
    assert get(address, Host="facepair.evil.test").status == 403
    first = get(address)
    assert (first.status, first.headers["Cache-Control"]) == (200, "no-store")
    assert get(address).status == 403

    assert "Set-Cookie" not in first.headers
    policy = first.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    [token] = re.findall(r'name="page-token" content="([^"]+)"', first.data.decode())
    own = {"X-Page-Token": token}
    assert get("/pictures/guessed/first", **own).status == 404
    assert get("/pictures/guessed/first", **own, Host="localhost").status == 403
    assert get("/pictures/guessed/first", **own, **{"Sec-Fetch-Site": "same-site"}).status == 403
    assert get("/pictures/guessed/first").status == 403
    for headers, status in (
        (own | {"Origin": command.origin}, 200),
        (own | {"Origin": "http://127.0.0.1:1"}, 403),
        ({"X-Page-Token": "guessed", "Origin": command.origin}, 403),
        ({"Origin": command.origin}, 403),
    ):
        assert http.request("POST", f"{command.origin}/pairs", body=b"{}", headers=headers).status == status


# --- the end ---------------------------------------------------------------------------------------------------------


def is_leased(deployed: Deployed, pair_id: str) -> bool:
    key = {"id": {"S": f"review#{sha256(pair_id.encode())}"}}
    table = deployed.sandbox.outputs["IdempotencyTable"]
    return "Item" in deployed.sandbox.aws("dynamodb").get_item(TableName=table, Key=key)


def test_closing_the_page_sends_its_decision_and_gives_its_pairs_back(
    deployed: Deployed, rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    wait(deployed, "closed/1", "closed/2")
    command = review(rita)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(command.address)
        shown(page)
        page.keyboard.press("p")
        assert shown(page) == "closed/2"
        assert is_leased(deployed, "closed/2")

    assert command.ends() == (0, "")
    assert decided(deployed, "closed/1")["verdict"] == "PASS"
    assert not is_leased(deployed, "closed/2")


def test_ctrl_c_sends_the_decision_and_the_page_says_so(
    deployed: Deployed, rita: Reviewer, browser: Browser, review: Callable[[Reviewer], Command]
) -> None:
    wait(deployed, "ended/1", "ended/2")
    command = review(rita)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(command.address)
        shown(page)
        page.keyboard.press("p")
        shown(page)
        expect(page.locator("#undo")).to_be_enabled()

        command.process.send_signal(signal.SIGINT)

        assert command.ends() == (0, "")
        expect(page.locator("#problem")).to_contain_text("has ended, and has recorded what was decided")
    assert decided(deployed, "ended/1")["verdict"] == "PASS"


def test_a_decision_is_an_event_as_any_verdict_is(deployed: Deployed, rita: Reviewer) -> None:
    wait(deployed, "published/1")
    about = {"pair_id": "published/1", "fingerprint": deployed.settled("published/1")["fingerprint"]}

    rita.asks(action="decide", verdict="RETAKE", retake=["first"], reason="blurred", **about)

    def delivered() -> list[dict[str, Any]]:
        messages = [delivery.message["data"] for delivery in deployed.sandbox.receiver.taken.values()]
        return [data for data in messages if data["pair_id"] == "published/1" and data.get("verdict") == "RETAKE"]

    deployed.wait(delivered, lambda: "the decision was not delivered")
    [event] = delivered()
    assert (event["previous_verdict"], event["retake"]) == ("MANUAL_CHECK", ["first"])
    assert rita.arn not in json.dumps(event)


def test_an_identical_upload_keeps_the_decision_in_the_stack(deployed: Deployed, rita: Reviewer) -> None:
    wait(deployed, "kept/1")
    row = deployed.settled("kept/1")
    rita.asks(action="decide", pair_id="kept/1", fingerprint=row["fingerprint"], verdict="REJECT", reason="two persons")

    next_second()
    deployed.upload_pair("kept/1", ANNA, ANNA_ON_ANOTHER_DAY)
    again = deployed.row_that("kept/1", lambda now: now["uploaded_at"] > row["uploaded_at"])

    assert (again["verdict"], again["review"]["by"]) == ("REJECT", rita.arn)


# --- a second reviewer -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_reviewers(sandbox: Sandbox) -> Iterator[None]:
    sandbox.redeploy(SecondReview="all")
    yield
    sandbox.redeploy(SecondReview="none")


@pytest.mark.usefixtures("two_reviewers")
def test_a_second_reviewer_has_to_agree_and_sees_nothing_of_the_first(
    deployed: Deployed, reviewer: Callable[[str], Reviewer]
) -> None:
    rita, bo, chi = (reviewer(name) for name in ("rita", "bo", "chi"))
    wait(deployed, "second/agreed", "second/disputed")
    assert decides(rita, deployed, "second/agreed", "PASS")["decided"] is True
    assert decides(rita, deployed, "second/disputed", "PASS", "the secret reason")["decided"] is True
    mine, others = (
        [each for each in who.asks(action="pairs", count=10)["pairs"] if each["pair_id"].startswith("second/")]
        for who in (rita, bo)
    )
    assert (mine, [each["pair_id"] for each in others]) == ([], ["second/agreed", "second/disputed"])
    assert "secret" not in str(others)
    assert decides(rita, deployed, "second/agreed", "REJECT")["decided"] is False
    for pair_id in ("second/agreed", "second/disputed"):
        assert deployed.settled(pair_id)["verdict"] == "MANUAL_CHECK"
        assert "review" not in deployed.settled(pair_id)
        assert set(published(deployed, pair_id)) <= {"MANUAL_CHECK"}
    decides(bo, deployed, "second/agreed", "PASS")
    decides(bo, deployed, "second/disputed", "REJECT")
    assert deployed.settled("second/disputed")["verdict"] == "MANUAL_CHECK"
    decides(chi, deployed, "second/disputed", "REJECT")

    agreed, disputed = (deployed.settled(pair_id) for pair_id in ("second/agreed", "second/disputed"))
    assert (agreed["verdict"], agreed["review"]["by"], agreed["review"]["also_by"]) == ("PASS", bo.arn, [rita.arn])
    assert (disputed["verdict"], disputed["review"]["by"]) == ("REJECT", chi.arn)
    assert disputed["review"]["also_by"] == [rita.arn, bo.arn]
    assert [each["verdict"] for each in disputed["review"]["opinions"]] == ["PASS", "REJECT"]
    deployed.wait(
        lambda: published(deployed, "second/disputed") == ["MANUAL_CHECK", "REJECT"],
        lambda: f"published: {published(deployed, 'second/disputed')}",
    )


@pytest.mark.usefixtures("two_reviewers")
def test_of_many_who_decide_at_once_exactly_as_many_as_needed_are_counted(
    deployed: Deployed, reviewer: Callable[[str], Reviewer]
) -> None:
    people = [reviewer(f"person{number}") for number in range(4)]
    wait(deployed, "second/raced")
    with ThreadPoolExecutor(len(people)) as threads:
        answers = list(threads.map(lambda who: decides(who, deployed, "second/raced", "PASS"), people))

    review = deployed.settled("second/raced")["review"]
    recorded = [who.arn for who, answer in zip(people, answers, strict=True) if answer["decided"]]
    assert sorted([review["by"], *review["also_by"]]) == sorted(recorded)
    assert len(recorded) == 2
