"""The API's client against the emulator."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import pytest

from facepair.advance.client import Advance, Credentials
from facepair.advance.errors import TokenRefused
from facepair.advance.issuer import TokenIssuer
from facepair.domain import clock
from facepair.domain.retry import Later
from facepair.http import NoAnswer, Unreached
from sandbox.advance_api.control import Control
from sandbox.portraits import blank, jpeg, png, portrait
from tests.support import ROOT

CREDENTIALS = Credentials.model_validate({"accessKey": "sampleaccesskey", "secretKey": "samplesecretkey"})


@dataclass(frozen=True)
class Picture:
    content: bytes
    content_type: Literal["image/jpeg", "image/png"] = "image/jpeg"


class Keys:
    def load(self) -> Credentials:
        return CREDENTIALS


ANNA = Picture(jpeg(portrait(1, width=300, height=400)))
ANNA_AS_PNG = Picture(png(portrait(1, width=300, height=400)), "image/png")
BOB = Picture(jpeg(portrait(2, width=300, height=400)))
NOBODY = Picture(jpeg(blank().resize((300, 400))))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "sandbox.advance_api", "--port", "0"]
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        yield emulator.stdout.readline().strip()
        emulator.terminate()


@pytest.fixture
def control(url: str) -> Iterator[Control]:
    control = Control(url)
    control.reset()
    yield control
    control.reset()
    control.close()


@pytest.fixture
def advance(url: str) -> Advance:
    return Advance(f"{url}/", deadline=5)


@pytest.fixture
def token(advance: Advance, control: Control) -> str:
    minted = advance.mint(CREDENTIALS, 3600).token
    control.reset()
    return minted


def test_a_token_is_minted_for_as_long_as_asked(advance: Advance, control: Control) -> None:
    token = advance.mint(CREDENTIALS, 600)

    assert 595 < token.expires_ms / 1000 - clock.now().timestamp() <= 600
    assert [call.code for call in control.calls("token")] == ["SUCCESS"]


@pytest.mark.parametrize("keys", [{"accessKey": "another"}, {"secretKey": "another"}])
def test_wrong_credentials_are_refused_with_the_api_s_own_words(advance: Advance, keys: dict[str, str]) -> None:
    wrong = Credentials.model_validate(CREDENTIALS.model_dump(by_alias=True) | keys)

    with pytest.raises(TokenRefused, match="Signature error") as refused:
        advance.mint(wrong, 600)

    assert refused.value.code == "PARAMETER_ERROR"


def test_a_busy_token_endpoint_says_for_how_long(advance: Advance, control: Control) -> None:
    control.script(endpoint="token", code="SERVICE_BUSY", retry_after="7s")

    with pytest.raises(TokenRefused) as refused:
        advance.mint(CREDENTIALS, 600)

    assert (refused.value.code, refused.value.retry_after) == ("SERVICE_BUSY", 7)


@pytest.mark.parametrize("broken", [{"data": None}, {"data": {"token": ""}}, {"data": {"expiredTime": "soon"}}])
def test_a_token_answer_that_breaks_its_contract_is_no_answer(
    advance: Advance, control: Control, broken: dict[str, object]
) -> None:
    control.script(endpoint="token", patch=broken)

    with pytest.raises(NoAnswer, match="generate-token broke its contract: data"):
        advance.mint(CREDENTIALS, 600)


@pytest.mark.parametrize(
    "body",
    [
        '{"code": 401, "message": "Unauthorized"}',
        '{"code": "invalid_credentials", "message": "x"}',
        '{"code": "SUCCESS", "data": {"token": "eyJ", "expiredTime": 1642580192430}}',
        '{"code": "ERROR"}',
        '{"message": "Forbidden"}',
    ],
)
def test_a_gateway_before_the_token_endpoint_says_nothing_of_the_credentials(
    advance: Advance, control: Control, body: str
) -> None:
    issuer = TokenIssuer(advance=advance, credentials=Keys(), validity=600)
    for status in (200, 401, 403, 429, 502):
        control.script(endpoint="token", body=body, status=status)

        with pytest.raises(Later) as later:
            issuer.issue()

        assert later.value.code == ("SERVICE_BUSY" if status == 429 else "BAD_ANSWER")
        assert issuer.issue().token  # the next attempt works


def test_two_pictures_are_compared_and_the_answer_is_whole(advance: Advance, control: Control, token: str) -> None:
    answer = advance.compare(token, ANNA, ANNA_AS_PNG)

    comparison = answer.comparison()
    assert (answer.code, answer.pricing_strategy) == ("SUCCESS", "PAY")
    assert comparison.similarity > Decimal(95)
    assert comparison.first_face is not None
    assert 0 <= comparison.first_face.left < comparison.first_face.right <= 300
    assert [answer.transaction_id] == control.charges()


def test_every_part_is_sent_unchanged_with_its_content_type_and_a_neutral_name(
    advance: Advance, control: Control, token: str
) -> None:
    advance.compare(token, ANNA, ANNA_AS_PNG)

    [call] = control.calls("check")
    assert call.first is not None
    assert call.second is not None
    assert (call.first.file_name, call.first.content_type) == ("first.jpeg", "image/jpeg")
    assert (call.second.file_name, call.second.content_type) == ("second.png", "image/png")
    assert (call.first.size, call.second.size) == (len(ANNA.content), len(ANNA_AS_PNG.content))
    assert call.token == token


NEWER_PATH = "/intl/openapi/face-identity/v1/face-comparison"


def test_the_comparison_is_asked_at_its_path_with_its_region(url: str, control: Control, token: str) -> None:
    answer = Advance(url, 5, comparison_path=NEWER_PATH, region="VN").compare(token, ANNA, ANNA_AS_PNG)

    [call] = control.calls("check")
    assert (call.path, call.region, answer.code) == (NEWER_PATH, "VN", "SUCCESS")


def test_without_a_region_there_is_no_such_field(advance: Advance, control: Control, token: str) -> None:
    advance.compare(token, ANNA, ANNA_AS_PNG)

    [call] = control.calls("check")
    assert (call.path, call.region) == ("/openapi/face-recognition/v4/check", None)


def test_different_people_are_not_alike(advance: Advance, token: str) -> None:
    assert advance.compare(token, ANNA, BOB).comparison().similarity < 55


def test_the_first_picture_is_the_first_and_the_second_the_second(advance: Advance, token: str) -> None:
    assert advance.compare(token, NOBODY, ANNA).code == "NO_FACE_DETECTED_FROM_FIRST_IMAGE"
    assert advance.compare(token, ANNA, NOBODY).code == "NO_FACE_DETECTED_FROM_SECOND_IMAGE"


def test_a_refused_token_is_an_answer_and_free(advance: Advance, control: Control) -> None:
    answer = advance.compare("never issued", ANNA, BOB)

    assert (answer.code, answer.pricing_strategy) == ("IAM_FAILED", "FREE")
    assert control.charges() == []


@pytest.mark.parametrize("status", [200, 429, 503])
def test_a_busy_api_says_for_how_long(advance: Advance, control: Control, token: str, status: int) -> None:
    control.script(code="SERVICE_BUSY", status=status, retry_after="10s")

    answer = advance.compare(token, ANNA, BOB)

    assert (answer.code, answer.retry_after, answer.http_status) == ("SERVICE_BUSY", 10, status)


@pytest.mark.parametrize(
    "fault",
    [
        {"drop": "before_reading"},
        {"drop": "after_reading"},
        {"drop": "mid_answer"},
        {"drop": "mid_answer", "drop_by": "close"},
        {"body": '{"code": "SUCC'},
        {"body": "<html>Bad Gateway</html>", "content_type": "text/html", "status": 502},
        {"body": "<html>Sign in</html>", "content_type": "text/html"},
        {"body": "", "status": 504},
    ],
    ids=str,
)
def test_a_call_without_an_answer_of_the_api_is_made_once_and_may_have_been_charged(
    advance: Advance, control: Control, token: str, fault: dict[str, object]
) -> None:
    control.script(**fault)

    with pytest.raises(NoAnswer):
        advance.compare(token, ANNA, BOB)

    assert len(control.calls("check")) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_is_described(
    advance: Advance, control: Control, token: str, url: str, status: int
) -> None:
    control.script(status=status, location=f"{url}/elsewhere", body="moved")

    with pytest.raises(NoAnswer, match=rf"HTTP {status} to {url}/elsewhere"):
        advance.compare(token, ANNA, BOB)

    assert [call.endpoint for call in control.calls()] == ["check"]


def test_a_similarity_that_is_no_number_is_found_out_when_it_is_read(
    advance: Advance, control: Control, token: str
) -> None:
    control.script(patch={"data": {"similarity": float("nan")}})

    answer = advance.compare(token, ANNA, BOB)

    assert answer.code == "SUCCESS"
    with pytest.raises(ValueError, match=r"data\.similarity"):
        answer.comparison()


def test_every_call_comes_on_a_connection_of_its_own(advance: Advance, control: Control, token: str) -> None:
    for _ in range(3):
        advance.compare(token, ANNA, BOB)

    assert len({call.peer_port for call in control.calls("check")}) == 3


def test_an_api_that_is_not_there_was_never_reached() -> None:
    with pytest.raises(Unreached):
        Advance("http://127.0.0.1:9", deadline=5).compare("token", ANNA, BOB)


def test_a_base_url_of_something_else_is_named(advance: Advance, url: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        Advance(f"{url}/v2", deadline=5).mint(CREDENTIALS, 600)

    assert (refused.value.code, refused.value.http_status) == ("CLIENT_ERROR", 404)
