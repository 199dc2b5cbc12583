"""The ADVANCE emulator as a process, over real HTTP."""

import contextlib
import hashlib
import http.client
import io
import json
import math
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image

from sandbox.advance_api.control import Control, ControlError
from sandbox.advance_api.state import IssuedTokens
from sandbox.portraits import NEEDS_A_LOOK, blank, blurred, jpeg, png, portrait
from tests.support import ROOT

CHECK = "/openapi/face-recognition/v4/check"
NEWER_CHECK = "/intl/openapi/face-identity/v1/face-comparison"
TOKEN = "/openapi/auth/ticket/v1/generate-token"
DROPPED = (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError)

FIRST, SECOND = jpeg(portrait(1, width=450, height=600)), jpeg(portrait(2, width=450, height=600))

type Parts = dict[str, tuple[str, bytes, str] | str]


@contextlib.contextmanager
def emulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox.advance_api", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


class Api:
    """A client of the API with a token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = urllib3.PoolManager(retries=False, timeout=10)
        self.token = self.issue()["data"]["token"]

    def issue(self, **changes: Any) -> dict[str, Any]:
        """Request a token with some parameters changed, or omitted if None."""
        timestamp = str(changes.get("timestamp", int(time.time() * 1000)))
        signature = hashlib.sha256(f"sampleaccesskeysamplesecretkey{timestamp}".encode()).hexdigest()
        parameters = {"accessKey": "sampleaccesskey", "timestamp": timestamp, "signature": signature} | changes
        body = json.dumps({name: value for name, value in parameters.items() if value is not None})
        answer: dict[str, Any] = self.post(TOKEN, body=body, headers={"Content-Type": "application/json"}).json()
        return answer

    def post(self, path: str, **request: Any) -> urllib3.BaseHTTPResponse:
        return self.http.request("POST", self.url + path, redirect=False, **request)

    def check(self, first: bytes = FIRST, second: bytes = SECOND, token: str | None = None) -> urllib3.BaseHTTPResponse:
        return self.send(
            {"firstImage": ("first", first, "image/jpeg"), "secondImage": ("second", second, "image/jpeg")}, token
        )

    def send(self, parts: Parts, token: str | None = None, path: str = CHECK) -> urllib3.BaseHTTPResponse:
        return self.post(path, fields=parts, headers={"X-ACCESS-TOKEN": token or self.token})

    def code(self, first: bytes = FIRST, second: bytes = SECOND) -> str:
        code = self.check(first, second).json()["code"]
        assert isinstance(code, str)
        return code


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator() as (process, url):
        yield url
        process.terminate()
        assert process.communicate(timeout=5)[1] == "", "no fault that was scripted may look like one of the emulator's"


@pytest.fixture
def control(url: str) -> Iterator[Control]:
    control = Control(url)
    control.reset()
    yield control
    control.reset()


@pytest.fixture
def api(url: str, control: Control) -> Api:
    api = Api(url)
    control.reset()  # its own token request is not part of the test
    return api


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "not within 5 s"
        time.sleep(0.01)


# --- process ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_only_its_url_and_stops_on_a_signal(end: signal.Signals) -> None:
    with emulator() as (process, url):
        assert urllib3.request("GET", f"{url}/control/calls").status == 200

        process.send_signal(end)
        rest, errors = process.communicate(timeout=5)

        assert (process.returncode, rest, errors) == (0, "", "")


def test_it_takes_other_credentials_and_logs_requests_only_when_verbose() -> None:
    with emulator("--access-key", "mine", "--secret-key", "hidden", "--verbose") as (process, url):
        timestamp = str(int(time.time() * 1000))
        signature = hashlib.sha256(f"minehidden{timestamp}".encode()).hexdigest()

        answer = urllib3.request(
            "POST", url + TOKEN, json={"accessKey": "mine", "timestamp": timestamp, "signature": signature}
        )

        process.terminate()
        assert answer.json()["code"] == "SUCCESS"
        assert "POST /openapi/auth" in process.communicate(timeout=5)[1]


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_answer_has_the_documented_shape(api: Api) -> None:
    answer = api.issue()

    assert set(answer) == {"code", "message", "data", "extra", "transactionId", "pricingStrategy"}
    assert (answer["code"], answer["message"], answer["extra"]) == ("SUCCESS", "OK", None)
    assert answer["pricingStrategy"] == "FREE"
    assert set(answer["data"]) == {"token", "expiredTime"}
    assert answer["data"]["token"].count(".") == 2
    assert answer["data"]["token"] != api.issue()["data"]["token"]


@pytest.mark.parametrize(("period", "seconds"), [(None, 3600), (60, 60), ("60", 60), (86400, 86400)])
def test_a_token_says_when_it_expires_in_milliseconds(api: Api, period: int | str | None, seconds: int) -> None:
    before = time.time()

    expired_time = api.issue(periodSecond=period)["data"]["expiredTime"]

    assert isinstance(expired_time, int)
    assert before + seconds - 1 <= expired_time / 1000 <= time.time() + seconds


def test_a_token_is_refused_once_it_has_expired() -> None:
    tokens = IssuedTokens()  # over HTTP, a token lives for at least a minute
    token, _ = tokens.issue(1, "127.0.0.1")
    accepted = tokens.accepts(token)

    eventually(lambda: not tokens.accepts(token))

    assert accepted


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accessKey": None}, "Parameter should not be empty"),
        ({"timestamp": ""}, "Parameter should not be empty"),
        ({"signature": None}, "Parameter should not be empty"),
        ({"timestamp": int(time.time())}, "Timestamp error"),
        ({"timestamp": "yesterday"}, "Timestamp error"),
        ({"timestamp": 1665993522952}, "Timestamp error"),
        ({"timestamp": int(time.time() * 1000) + 36_000_000}, "Timestamp error"),
        ({"signature": "02209bbeaf0d0a3dd587f6a1ba22f84c98d142e3b545e77db7e4906ca56349f5"}, "Signature error"),
        ({"accessKey": "another"}, "Signature error"),
        ({"periodSecond": 59}, "periodSecond should be from 60 to 86400"),
        ({"periodSecond": 86401}, "periodSecond should be from 60 to 86400"),
        ({"periodSecond": "an hour"}, "periodSecond should be from 60 to 86400"),
    ],
)
def test_a_wrong_parameter_is_named_and_gets_no_token(api: Api, changes: dict[str, Any], message: str) -> None:
    answer = api.issue(**changes)

    assert (answer["code"], answer["message"], answer["data"]) == ("PARAMETER_ERROR", message, None)


@pytest.mark.parametrize("seconds_off", [-290, 290])
def test_a_timestamp_within_300_seconds_and_as_a_number_is_accepted(api: Api, seconds_off: int) -> None:
    assert api.issue(timestamp=int((time.time() + seconds_off) * 1000))["code"] == "SUCCESS"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b'{"accessKey":', "application/json"), (b"[]", "application/json"), (b"{}", "text/plain")],
)
def test_a_token_request_that_is_not_json_is_a_client_error(api: Api, body: bytes, content_type: str) -> None:
    answer = api.post(TOKEN, body=body, headers={"Content-Type": content_type})

    assert answer.status == 400
    assert (answer.json()["code"], answer.json()["message"]) == ("CLIENT_ERROR", "HTTP 400 - Bad Request")


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/openapi/face-recognition/v5/check", 404, "HTTP 404 - Not Found"),
        ("GET", CHECK, 405, "HTTP 405 - Method Not Allowed"),
        ("GET", TOKEN, 405, "HTTP 405 - Method Not Allowed"),
    ],
)
def test_a_wrong_path_or_method_is_a_client_error(api: Api, method: str, path: str, status: int, message: str) -> None:
    answer = api.http.request(method, api.url + path)

    assert (answer.status, answer.json()["code"], answer.json()["message"]) == (status, "CLIENT_ERROR", message)


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_a_comparison_has_the_documented_shape_and_is_charged(api: Api, control: Control) -> None:
    answer = api.check().json()

    assert list(answer) == ["code", "message", "data", "extra", "transactionId", "pricingStrategy"]
    assert (answer["code"], answer["message"], answer["extra"]) == ("SUCCESS", "OK", None)
    assert answer["pricingStrategy"] == "PAY"
    assert set(answer["data"]) == {"similarity", "firstFace", "secondFace"}
    assert [answer["data"][face]["id"] for face in ("firstFace", "secondFace")] == ["1", "2"]
    face = answer["data"]["firstFace"]
    assert 0 <= face["left"] < face["right"] <= 450
    assert 0 <= face["top"] < face["bottom"] <= 600
    assert all(isinstance(face[edge], float) for edge in ("left", "top", "right", "bottom"))
    assert control.charges() == [answer["transactionId"]]


def test_every_answer_has_its_own_short_transaction_id(api: Api) -> None:
    ids = [api.check(b"not a picture").json()["transactionId"] for _ in range(5)]

    assert len(set(ids)) == 5
    assert max(map(len, ids)) <= 64


@pytest.mark.parametrize(
    ("person", "variation", "low", "high"), [(1, 0.0, 95, 100), (1, NEEDS_A_LOOK, 59, 66), (2, 0.0, 0, 51)]
)
def test_similarity_ranks_the_same_a_varied_and_another_portrait(
    api: Api, person: int, variation: float, low: float, high: float
) -> None:
    other = jpeg(portrait(person, variation=variation, width=600, height=800), quality=75)

    assert low <= api.check(FIRST, other).json()["data"]["similarity"] <= high


@pytest.mark.parametrize("token", ["unknown", None])
def test_an_unknown_or_missing_token_is_refused(api: Api, token: str | None) -> None:
    headers = {"X-ACCESS-TOKEN": token} if token else {}

    answer = api.post(CHECK, fields={"firstImage": ("a", FIRST, "image/jpeg")}, headers=headers)

    assert (answer.status, answer.json()["code"], answer.json()["pricingStrategy"]) == (200, "IAM_FAILED", "FREE")


@pytest.mark.parametrize("missing", ["firstImage", "secondImage"])
@pytest.mark.parametrize("left", [None, ("empty", b"", "image/jpeg"), "no file"])
def test_a_missing_or_empty_picture_is_an_empty_parameter(
    api: Api, missing: str, left: tuple[str, bytes, str] | str | None
) -> None:
    parts: Parts = {"firstImage": ("first", FIRST, "image/jpeg"), "secondImage": ("second", SECOND, "image/jpeg")}
    del parts[missing]
    if left is not None:
        parts[missing] = left

    assert api.send(parts).json()["code"] == "EMPTY_PARAMETER_ERROR"


@pytest.mark.parametrize(
    ("path", "region", "code", "pricing"),
    [
        (CHECK, None, "SUCCESS", "PAY"),
        (CHECK, "VN", "SUCCESS", "PAY"),
        (CHECK, "UK", "PARAMETER_ERROR", "FREE"),
        (NEWER_CHECK, "VN", "SUCCESS", "PAY"),
        (NEWER_CHECK, None, "EMPTY_PARAMETER_ERROR", "FREE"),
        (NEWER_CHECK, "vn", "PARAMETER_ERROR", "FREE"),
        (NEWER_CHECK, "UK", "PARAMETER_ERROR", "FREE"),
        (NEWER_CHECK, "VNM", "PARAMETER_ERROR", "FREE"),
    ],
)
def test_both_paths_compare_and_a_region_must_be_an_iso_code(
    api: Api, path: str, region: str | None, code: str, pricing: str
) -> None:
    parts: Parts = {"firstImage": ("first", FIRST, "image/jpeg"), "secondImage": ("second", SECOND, "image/jpeg")}

    answer = api.send(parts | ({"region": region} if region else {}), path=path).json()

    assert (answer["code"], answer["pricingStrategy"]) == (code, pricing)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (FIRST, "application/octet-stream"),
        (FIRST, "image/webp"),
        (FIRST, "image/png"),
        (png(blank(300, 300)), "image/jpeg"),
        (FIRST[: len(FIRST) // 2], "image/jpeg"),
        (b"%PDF-1.7 not a picture", "image/jpeg"),
    ],
)
def test_a_picture_must_be_whole_and_what_its_content_type_says(api: Api, content: bytes, content_type: str) -> None:
    answer = api.send({"firstImage": ("a", content, content_type), "secondImage": ("b", SECOND, "image/jpeg")}).json()

    assert (answer["code"], answer["pricingStrategy"]) == ("IMAGE_INVALID_FORMAT", "FREE")


def test_png_is_as_good_as_jpeg(api: Api) -> None:
    picture = ("a", png(portrait(1, width=450, height=600)), "image/png")

    assert api.send({"firstImage": picture, "secondImage": picture}).json()["data"]["similarity"] >= 99


@pytest.mark.parametrize(("width", "height"), [(255, 400), (400, 255), (4097, 300), (300, 4097), (14_000, 14_000)])
def test_a_side_outside_256_to_4096_pixels_is_refused(api: Api, width: int, height: int) -> None:
    encoded = io.BytesIO()
    Image.new("1", (width, height)).save(encoded, "PNG")

    answer = api.send({"firstImage": ("a", FIRST, "image/jpeg"), "secondImage": ("b", encoded.getvalue(), "image/png")})

    assert (answer.json()["code"], answer.json()["pricingStrategy"]) == ("IMAGE_INVALID_SIZE", "FREE")


def test_sides_of_exactly_256_and_4096_pixels_are_accepted(api: Api) -> None:
    tall = jpeg(portrait(1, width=256, height=340).resize((256, 4096)))

    assert api.code(tall, tall) == "SUCCESS"


@pytest.mark.parametrize(("size", "code"), [(2 * 1024 * 1024 - 1, "SUCCESS"), (2 * 1024 * 1024, "IMAGE_INVALID_SIZE")])
def test_a_picture_must_be_smaller_than_2_mb(api: Api, size: int, code: str) -> None:
    padded = FIRST + bytes(size - len(FIRST))

    assert api.code(padded, SECOND) == code


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        (jpeg(blank()), SECOND, "NO_FACE_DETECTED_FROM_FIRST_IMAGE"),
        (FIRST, jpeg(blank()), "NO_FACE_DETECTED_FROM_SECOND_IMAGE"),
        (jpeg(blurred(portrait(1))), SECOND, "FIRST_IMAGE_LOW_QUALITY_FACE"),
        (FIRST, jpeg(blurred(portrait(2))), "SECOND_IMAGE_LOW_QUALITY_FACE"),
    ],
)
def test_a_picture_without_a_usable_face_is_charged_all_the_same(
    api: Api, control: Control, first: bytes, second: bytes, code: str
) -> None:
    answer = api.check(first, second).json()

    assert (answer["code"], answer["data"], answer["pricingStrategy"]) == (code, None, "PAY")
    assert control.charges() == [answer["transactionId"]]


def test_a_comparison_that_is_not_a_form_is_a_client_error(api: Api) -> None:
    headers = {"X-ACCESS-TOKEN": api.token}

    for content_type in ("application/json", "multipart/form-data"):
        answer = api.post(CHECK, body=b"{}", headers=headers | {"Content-Type": content_type})
        assert (answer.status, answer.json()["code"]) == (400, "CLIENT_ERROR")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_documentation_s_own_curl_commands_work(api: Api, tmp_path: Path) -> None:
    (tmp_path / "firstImage.jpg").write_bytes(FIRST)
    (tmp_path / "secondImage.jpg").write_bytes(FIRST)
    timestamp = int(time.time() * 1000)
    signature = hashlib.sha256(f"sampleaccesskeysamplesecretkey{timestamp}".encode()).hexdigest()
    parameters = {"accessKey": "sampleaccesskey", "signature": signature, "timestamp": timestamp, "periodSecond": 120}

    def curl(*arguments: str) -> dict[str, Any]:
        output = subprocess.run(["curl", "-sS", "-X", "POST", *arguments], capture_output=True, check=True).stdout
        answer: dict[str, Any] = json.loads(output)
        return answer

    issued = curl("-H", "Content-Type: application/json", "-d", json.dumps(parameters), api.url + TOKEN)
    compared = curl(
        *("-H", f"X-ACCESS-TOKEN: {issued['data']['token']}", "-H", "Content-Type: multipart/form-data"),
        *("-F", f"firstImage=@{tmp_path}/firstImage.jpg", "-F", f"secondImage=@{tmp_path}/secondImage.jpg"),
        api.url + CHECK,
    )

    assert (compared["code"], compared["data"]["similarity"]) == ("SUCCESS", 100.0)


# --- control endpoint: answers ----------------------------------------------------------------------------------------


def test_scripted_codes_come_in_order_with_their_documented_message_and_price(api: Api, control: Control) -> None:
    control.script(code="INSUFFICIENT_BALANCE", times=2)
    control.script(code="NO_FACE_DETECTED_FROM_FIRST_IMAGE")

    answers = [api.check().json() for _ in range(4)]

    assert [(answer["code"], answer["pricingStrategy"]) for answer in answers] == [
        ("INSUFFICIENT_BALANCE", "FREE"),
        ("INSUFFICIENT_BALANCE", "FREE"),
        ("NO_FACE_DETECTED_FROM_FIRST_IMAGE", "PAY"),
        ("SUCCESS", "PAY"),
    ]
    assert answers[0]["message"].startswith("Insufficient balance")
    assert len(control.charges()) == 2


def test_a_step_without_an_end_lasts_until_it_is_cleared(api: Api, control: Control) -> None:
    control.script(code="OVER_QUERY_LIMIT", times=None)
    blocked = [api.code() for _ in range(3)]

    control.clear()

    assert blocked == ["OVER_QUERY_LIMIT"] * 3
    assert api.code() == "SUCCESS"


def test_the_token_endpoint_has_a_queue_of_its_own(api: Api, control: Control) -> None:
    control.script(endpoint="token", code="ACCOUNT_DISABLED")

    assert api.code() == "SUCCESS"
    assert api.issue()["message"] == "Account Disabled"
    assert api.issue()["code"] == "SUCCESS"


def test_message_price_status_and_retry_after_are_answered_as_scripted(api: Api, control: Control) -> None:
    control.script(
        code="NEW", message="never seen", pricing="PAY", charged=False, status=429, retry_after="in 10s, or so"
    )

    answer = api.check()

    assert (answer.status, answer.headers["Retry-After"]) == (429, "in 10s, or so")
    assert answer.json() | {"transactionId": ""} == {
        "code": "NEW",
        "message": "never seen",
        "data": None,
        "extra": None,
        "transactionId": "",
        "pricingStrategy": "PAY",
    }
    assert control.charges() == []


def test_an_unknown_code_is_free_unless_said_otherwise(api: Api, control: Control) -> None:
    control.script(code="NEW")
    control.script(code="NEW", charged=True)

    answers = [api.check().json() for _ in range(2)]

    assert [answer["pricingStrategy"] for answer in answers] == ["FREE", "FREE"]
    assert control.charges() == [answers[1]["transactionId"]]


def test_any_member_of_the_answer_can_be_changed_or_removed(api: Api, control: Control) -> None:
    for similarity in (math.nan, 101, "69", None):
        control.script(patch={"data": {"similarity": similarity, "liveness": 1}, "region": "ID"})

    texts = [api.check().data.decode() for _ in range(4)]

    assert '"similarity": NaN' in texts[0]
    assert '"similarity": 101' in texts[1]
    assert '"similarity": "69"' in texts[2]
    assert "similarity" not in json.loads(texts[3])["data"]
    assert all('"liveness": 1' in text and '"region": "ID"' in text and "firstFace" in text for text in texts)


def test_a_raw_body_is_answered_byte_for_byte(api: Api, control: Control) -> None:
    control.script(body="<html>\xff\x00", content_type="text/html", status=502)

    answer = api.check()

    assert (answer.status, answer.headers["Content-Type"], answer.data) == (502, "text/html", b"<html>\xff\x00")
    assert control.calls()[0].code == "raw"
    assert len(control.charges()) == 1


def test_a_redirect_is_answered_and_not_charged(api: Api, control: Control) -> None:
    control.script(status=307, location="/elsewhere")

    answer = api.check()

    assert (answer.status, answer.headers["Location"]) == (307, "/elsewhere")
    assert (control.calls()[0].code, control.charges()) == ("redirected", [])


def test_a_rate_limit_refuses_what_exceeds_it_until_lifted(api: Api, control: Control) -> None:
    control.limit_rate(0, retry_after="10s")
    refused = api.check()
    control.clear()
    control.limit_rate(2)

    codes = [api.code() for _ in range(2)]

    assert (refused.json()["code"], refused.headers["Retry-After"]) == ("SERVICE_BUSY", "10s")
    assert codes == ["SUCCESS", "SUCCESS"]


def test_a_rate_limit_counts_the_calls_of_the_last_second(api: Api, control: Control) -> None:
    control.limit_rate(2)
    barrier = threading.Barrier(6)
    codes: list[str] = []

    def call() -> None:
        barrier.wait()
        codes.append(api.code())

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "SERVICE_BUSY" in codes
    assert 2 <= codes.count("SUCCESS") < 6
    time.sleep(1)
    assert api.code() == "SUCCESS"


def test_revoked_tokens_are_refused_and_new_ones_accepted(api: Api, control: Control) -> None:
    control.revoke_tokens()

    assert api.code() == "IAM_FAILED"
    api.token = api.issue()["data"]["token"]
    assert api.code() == "SUCCESS"


def test_one_token_can_be_refused_while_others_work(api: Api, control: Control) -> None:
    other = api.issue()["data"]["token"]
    control.script(code="IAM_FAILED", token=api.token, times=1)

    assert api.check(token=other).json()["code"] == "SUCCESS"
    assert [api.code(), api.code()] == ["IAM_FAILED", "SUCCESS"]


def test_tokens_survive_a_reset(api: Api, control: Control) -> None:
    control.reset()

    assert api.code() == "SUCCESS"


@pytest.mark.parametrize(
    ("step", "named"),
    [('{"cod": "ERROR"}', "cod"), ('{"times": 0}', "times"), ('{"body": "\u20ac"}', "body"), ("{", "JSON")],
)
def test_a_step_that_cannot_be_is_refused_by_name(control: Control, url: str, step: str, named: str) -> None:
    answer = urllib3.request("POST", f"{url}/control/script", body=step.encode())

    assert answer.status == 400
    assert named in answer.json()["error"]


def test_the_client_raises_what_the_control_endpoint_refuses(url: str) -> None:
    with pytest.raises(ControlError, match="404"):
        Control(f"{url}/control").clear()


# --- control endpoint: faults on the wire -----------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["reset", "close"])
@pytest.mark.parametrize(("moment", "charges"), [("before_reading", 0), ("after_reading", 1), ("mid_answer", 1)])
def test_a_connection_is_dropped_when_and_how_it_is_scripted(
    api: Api, control: Control, moment: str, by: str, charges: int
) -> None:
    control.script(drop=moment, drop_by=by)

    with pytest.raises(DROPPED):
        api.check()

    assert [call.code for call in control.calls()] == ["dropped"]
    assert len(control.charges()) == charges
    assert api.code() == "SUCCESS"


def test_a_reset_is_a_reset_and_not_an_end(api: Api, control: Control) -> None:
    control.script(drop="after_reading", drop_by="reset")
    control.script(drop="after_reading", drop_by="close")

    with pytest.raises(urllib3.exceptions.ProtocolError) as by_reset:
        api.check()
    with pytest.raises(urllib3.exceptions.ProtocolError) as by_close:
        api.check()

    assert isinstance(by_reset.value.args[1], ConnectionResetError)
    assert not isinstance(by_reset.value.args[1], http.client.RemoteDisconnected)
    assert isinstance(by_close.value.args[1], http.client.RemoteDisconnected)


def test_half_an_answer_declares_its_whole_length(api: Api, control: Control) -> None:
    control.script(drop="mid_answer", drop_by="close")

    with pytest.raises(urllib3.exceptions.ProtocolError) as broken:
        api.check()

    assert isinstance(broken.value.args[1], http.client.IncompleteRead)
    received, missing = len(broken.value.args[1].partial), broken.value.args[1].expected
    assert missing == pytest.approx(received, abs=1)


@pytest.mark.parametrize(("charged", "moment"), [(True, "before_reading"), (False, "after_reading")])
def test_whether_a_dropped_call_was_charged_can_be_said(api: Api, control: Control, charged: bool, moment: str) -> None:
    control.script(drop=moment, charged=charged)

    with pytest.raises(DROPPED):
        api.check()

    assert bool(control.charges()) is charged


@pytest.mark.parametrize("start", ["headers", "body"])
def test_an_answer_trickles_from_where_it_is_scripted(api: Api, control: Control, start: str) -> None:
    control.script(trickle=start, trickle_interval=0.2)
    body, content_type = urllib3.encode_multipart_formdata({"firstImage": ("a", FIRST, "image/jpeg")})
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=5)
    connection.request("POST", CHECK, body, {"Content-Type": content_type, "X-ACCESS-TOKEN": api.token})

    received = [connection.sock.recv(65536) for _ in range(4)]
    connection.close()

    expected = b"HTTP/1.1 200 OK"
    if start == "body":
        head, _, received[0] = received[0].partition(b"\r\n\r\n")
        assert head.startswith(expected)
        expected = b'{"code": '
    assert expected.startswith(b"".join(received))
    assert all(len(piece) <= 1 for piece in received)


def test_a_trickled_answer_arrives_whole_in_the_end(api: Api, control: Control) -> None:
    control.script(trickle="headers", trickle_interval=0.0001)

    assert api.code() == "SUCCESS"


def test_a_delayed_call_is_booked_before_it_is_answered(api: Api, control: Control) -> None:
    control.script(delay=30)
    with contextlib.suppress(urllib3.exceptions.ReadTimeoutError):
        api.post(
            CHECK,
            fields={"firstImage": ("a", FIRST, "image/jpeg"), "secondImage": ("b", SECOND, "image/jpeg")},
            headers={"X-ACCESS-TOKEN": api.token},
            timeout=0.5,
        )

    eventually(lambda: len(control.charges()) == 1)
    assert [call.code for call in control.calls()] == [None]


def test_a_call_that_never_arrived_whole_was_not_asked(api: Api, control: Control) -> None:
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=5)
    connection.putrequest("POST", CHECK)
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"only this")
    connection.close()

    assert api.code() == "SUCCESS"
    assert len(control.calls()) == 1


# --- control endpoint: recorded calls ---------------------------------------------------------------------------------


def test_a_call_is_recorded_with_both_pictures_as_they_were_sent(api: Api, control: Control) -> None:
    answer = api.send({"firstImage": ("first", FIRST, "image/jpeg"), "secondImage": ("x.png", b"text", "image/png")})

    (call,) = control.calls()
    assert (call.endpoint, call.method, call.code, call.status) == ("check", "POST", "IMAGE_INVALID_FORMAT", 200)
    assert call.transaction_id == answer.json()["transactionId"]
    assert (call.token, call.pricing, call.charged) == (api.token, "FREE", False)
    assert call.headers["content-type"].startswith("multipart/form-data")
    assert call.peer_port > 0
    assert abs(call.asked_at - time.time()) < 60
    assert call.first is not None
    assert call.first.model_dump() == {
        "file_name": "first",
        "content_type": "image/jpeg",
        "size": len(FIRST),
        "sha256": hashlib.sha256(FIRST).hexdigest(),
        "width": 450,
        "height": 600,
    }
    assert call.second is not None
    assert (call.second.file_name, call.second.size, call.second.width) == ("x.png", 4, None)


def test_calls_of_all_endpoints_are_recorded_in_order(api: Api, control: Control) -> None:
    token = api.issue()["data"]["token"]
    api.code()
    api.post("/elsewhere", body=b"")

    assert [call.endpoint for call in control.calls()] == ["token", "check", "/elsewhere"]
    assert control.calls("token")[0].token == token
    assert len(control.calls("check")) == 1


def test_charges_are_counted_and_listed(api: Api, url: str) -> None:
    ids = [api.check().json()["transactionId"] for _ in range(2)]

    assert urllib3.request("GET", f"{url}/control/charges").json() == {"count": 2, "transaction_ids": ids}


def test_a_reset_forgets_steps_and_calls(api: Api, control: Control) -> None:
    api.code()
    control.script(code="ERROR", times=None)

    control.reset()

    assert (control.calls(), control.charges()) == ([], [])
    assert api.code() == "SUCCESS"
