"""Strict company rules: all such parameters, a proxy to the API, and browser uploads."""

import base64
import http.server
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from playwright.sync_api import Page

from sandbox.cloud import Sandbox
from sandbox.processes import ServerProcess
from tests.support import ROOT, commands
from tests.support.browser import browser as browser
from tests.support.browser import page as page
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, Deployed, picture

GUIDE = (ROOT / "docs" / "guide" / "signed-uploads.md").read_text()
CREDENTIALS = {"username": "facepair", "password": "secret:with/odd characters"}
UPLOAD = """async ([form, content, name]) => {
  const file = new File([Uint8Array.from(atob(content), each => each.charCodeAt(0))], name);
  try { await upload(form, file); return "uploaded" } catch (error) { return String(error) }
}"""

type Form = dict[str, Any]


def block(heading: str) -> str:
    """Return the code block below a heading of the guide."""
    found = re.search(rf"^## {heading}\n+```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(f"<!doctype html><script>{block('Upload from a page')}</script>".encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web_server() -> Iterator[int]:
    """The port of a web server for the origins 127.0.0.1 and localhost."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def proxy_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxy") / "proxy.log"


@pytest.fixture(scope="module")
def strict(web_server: int, proxy_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    credentials = ":".join(CREDENTIALS.values())
    proxy = ServerProcess("tests.support.connect_proxy", "--credentials", credentials, log_file=proxy_log)
    parameters = {
        "HttpsProxy": proxy.url,
        "SubnetIds": "subnet-0a1,subnet-0b2",
        "SecurityGroupIds": "sg-0c3",
        "PermissionsBoundaryArn": "arn:aws:iam::123456789012:policy/boundary",
        "UploadOrigins": f"https://app.example.com,http://127.0.0.1:{web_server}",
        "MaxUploadMegabytes": 1,
        "BlockedRetrySeconds": 1,
    }
    with Sandbox(ROOT, parameters, logs=tmp_path_factory.mktemp("strict")) as sandbox:
        yield Deployed(sandbox)
    proxy.close()


@pytest.fixture(scope="module")
def with_credentials(strict: Deployed) -> None:
    strict.sandbox.aws("secretsmanager").put_secret_value(
        SecretId=strict.sandbox.outputs["ProxySecret"], SecretString=json.dumps(CREDENTIALS)
    )


@pytest.fixture
def link(strict: Deployed) -> Callable[[str], dict[str, Any]]:
    def link(pair_id: str) -> dict[str, Any]:
        run = commands.run("link", pair_id, variables=os.environ | strict.sandbox.variables)
        assert run.returncode == 0, run.stderr
        forms: dict[str, Any] = json.loads(run.stdout)
        return forms

    return link


@pytest.fixture
def upload(page: Page, web_server: int) -> Callable[..., str]:
    """Uploads with the guide's code from a page; returns the response."""

    def upload(form: Form, content: bytes, host: str = "127.0.0.1") -> str:
        page.goto(f"http://{host}:{web_server}/")
        answered: str = page.evaluate(UPLOAD, [form, base64.b64encode(content).decode(), "IMG_0001.HEIC"])
        return answered

    return upload


# --- proxy ------------------------------------------------------------------------------------------------------------


def test_without_the_proxy_s_credentials_a_pair_is_pending_and_says_so(strict: Deployed, proxy_log: Path) -> None:
    strict.upload_pair("before the credentials")

    row = strict.row_with("before the credentials", "PENDING")

    assert row["code"] == "NETWORK_ERROR"
    assert "through the proxy http://127.0.0.1" in row["message"]
    assert "407 Proxy Authentication Required" in row["message"]
    assert strict.control.calls() == []


@pytest.mark.usefixtures("with_credentials")
def test_with_credentials_only_token_and_comparison_go_through_the_proxy(strict: Deployed, proxy_log: Path) -> None:
    row = strict.settled("before the credentials")
    strict.idle()

    api, receiver = (urlsplit(url).netloc for url in (strict.sandbox.advance.url, strict.sandbox.receiver.url))
    connects = {line.split(" ")[0] for line in proxy_log.read_text().splitlines()}
    assert row["verdict"] == "PASS"
    assert api in connects
    assert connects <= {api, receiver}
    assert CREDENTIALS["password"] not in json.dumps(strict.log())


@pytest.mark.usefixtures("with_credentials")
def test_the_webhook_goes_through_the_proxy(strict: Deployed, proxy_log: Path) -> None:
    strict.settled("before the credentials")
    receiver = strict.sandbox.receiver

    strict.wait(lambda: receiver.taken, lambda: f"nothing of {receiver.deliveries} was taken")

    assert urlsplit(receiver.url).netloc in proxy_log.read_text()


# --- browser uploads --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("with_credentials")
def test_a_page_of_an_allowed_origin_uploads_a_pair(
    strict: Deployed, link: Callable[[str], dict[str, Any]], upload: Callable[..., str]
) -> None:
    pair_id = "from a page/é +%"
    forms = link(pair_id)

    assert upload(forms["first"], picture(ANNA, pair_id)) == "uploaded"
    assert upload(forms["second"], picture(ANNA_ON_ANOTHER_DAY, pair_id)) == "uploaded"

    assert strict.settled(pair_id)["verdict"] == "MANUAL_CHECK"
    assert forms["first"]["largest_bytes"] == 1_000_000


def test_a_page_of_another_origin_does_not_see_the_response(
    link: Callable[[str], dict[str, Any]], upload: Callable[..., str]
) -> None:
    answered = upload(link("another origin")["first"], picture(ANNA, "another origin"), host="localhost")

    assert answered == "TypeError: Failed to fetch"


def test_a_file_that_is_too_large_is_refused(
    strict: Deployed, link: Callable[[str], dict[str, Any]], upload: Callable[..., str]
) -> None:
    form = link("too large")["first"]

    assert "EntityTooLarge" in upload(form, bytes(1_000_001))
    assert "EntityTooSmall" in upload(form, b"")
    assert upload(form, bytes(1_000_000)) == "uploaded"


def test_an_expired_form_is_refused(strict: Deployed, upload: Callable[..., str]) -> None:
    guide: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in strict.sandbox.variables.items():
            environment.setenv(name, value)
        environment.setattr(boto3, "DEFAULT_SESSION", None)
        exec(block("Sign in Python"), guide)
        valid, expired = (
            guide["sign"](strict.sandbox.outputs["ImagesBucket"], "expired", role, seconds=seconds)
            for role, seconds in (("first", 900), ("second", 1))
        )
    time.sleep(1.1)

    assert upload(valid, picture(ANNA, "expired")) == "uploaded"
    assert "Policy expired" in upload(expired, picture(ANNA, "expired"))


@pytest.mark.parametrize("key", ["another key/second.jpg", "another pair/first.jpg", "another key/first.jpg/x"])
def test_a_form_is_good_for_its_own_key_alone(
    strict: Deployed, link: Callable[[str], dict[str, Any]], upload: Callable[..., str], key: str
) -> None:
    form = link("another key")["first"]
    form["fields"]["key"] = key

    answered = upload(form, picture(ANNA, "another key"))

    assert "Policy Condition failed" in answered
    assert "key" in answered
