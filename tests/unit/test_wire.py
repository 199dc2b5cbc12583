"""The API's JSON: read tolerantly, validated strictly."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from facepair.advance.wire import ApiAnswer, read_answer
from facepair.http import LONGEST_RETRY_AFTER, NoAnswer, Reply, retry_after_seconds

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

SUCCESS = """{
"code":"SUCCESS",
"transactionId": "196eb0c777789e58",
"pricingStrategy": "PAY",
"message":"OK",
"data":{
"similarity":69.0,
"firstFace":{"id":"1","left":618.0,"top":227.0,"right":715.0,"bottom":350.0},
"secondFace":{"id":"2","left":316.0,"top":552.0,"right":894.0,"bottom":1321.0}
},
"extra":null
}"""  # the documentation's example


def reply(body: str | bytes, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, HTTPHeaderDict(named), body.encode() if isinstance(body, str) else body)


def read(body: str | bytes, status: int = 200, **headers: str) -> ApiAnswer:
    return read_answer(reply(body, status, **headers), NOON)


def success(similarity: str, **faces: Any) -> ApiAnswer:
    """Return a SUCCESS with this JSON text as its similarity."""
    others = "".join(f', "{name}": {json.dumps(face)}' for name, face in faces.items())
    return read(f'{{"code": "SUCCESS", "transactionId": "t", "data": {{"similarity": {similarity}{others}}}}}')


def test_the_documented_success_is_read_to_the_last_digit() -> None:
    answer = read(SUCCESS)

    comparison = answer.comparison()

    assert (answer.code, answer.message) == ("SUCCESS", "OK")
    assert (answer.transaction_id, answer.pricing_strategy) == ("196eb0c777789e58", "PAY")
    assert str(comparison.similarity) == "69.0"
    assert comparison.first_face is not None
    assert comparison.first_face.left == 618
    assert comparison.second_face is not None
    assert (comparison.second_face.id, comparison.second_face.bottom) == ("2", Decimal(1321))


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500, 503])
def test_an_error_is_read_for_any_http_status(status: int) -> None:
    answer = read('{"code": "SERVICE_BUSY", "message": "later", "data": null, "pricingStrategy": "FREE"}', status)

    assert (answer.code, answer.http_status) == ("SERVICE_BUSY", status)


def test_unknown_fields_are_ignored_and_documented_ones_may_be_missing() -> None:
    assert read('{"code": "IAM_FAILED", "severity": {"level": [1, 2]}}').code == "IAM_FAILED"
    assert read('{"code": "IAM_FAILED"}').message == ""
    assert read('{"code": "IAM_FAILED", "message": null, "transactionId": null, "pricingStrategy": null}').message == ""


def test_the_body_cannot_override_http_s_facts() -> None:
    forged = '{"code": "IAM_FAILED", "httpStatus": 200, "http_status": 200, "retryAfter": 99, "retry_after": 99}'

    answer = read(forged, 500, Retry_After="10")

    assert (answer.http_status, answer.retry_after) == (500, 10)
    assert read(forged, 500).retry_after is None


ENVELOPE = '"message": "", "data": null, "extra": null'


@pytest.mark.parametrize(
    "body",
    [
        '{"code": "SERVICE_BUSY"}',
        '{"code": "ACCOUNT_DISABLED", "message": "Account Disabled"}',
        '{"code": "A_CODE_OF_TOMORROW", "transactionId": "t"}',
        '{"code": "ERROR", "transactionId": "t"}',
        '{"code": "SUCCESS", "transactionId": "t"}',
        f'{{"code": "ERROR", {ENVELOPE}}}',
        f'{{"code": "SUCCESS", {ENVELOPE}}}',
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 502, 503, 504])
def test_json_of_the_api_itself_is_an_answer_for_any_http_status(body: str, status: int) -> None:
    answer = read(body, status)

    assert (answer.code, answer.http_status) == (json.loads(body)["code"], status)


GATEWAYS = [
    '{"code": 504, "message": "Gateway Timeout"}',
    '{"code": 502, "msg": "Bad Gateway", "data": null}',
    '{"code": 200, "transactionId": "t"}',
    '{"code": "500", "message": "Internal Server Error"}',
    '{"code": "upstream_error", "message": "connection reset after the request was sent"}',
    '{"code": "A_CODE_OF_TOMORROW", "message": "", "data": null, "extra": null, "pricingStrategy": "FREE"}',
    '{"code": "A_CODE_OF_TOMORROW", "transactionId": ""}',
    '{"code": "A_CODE_OF_TOMORROW", "transactionId": " "}',
    '{"code": "A_CODE_OF_TOMORROW", "transactionId": 17}',
    '{"code": "A_CODE_OF_TOMORROW", "transactionId": null}',
    '{"code": "OUTCOME_UNKNOWN"}',
    '{"code": "NETWORK_ERROR", "message": ""}',
    '{"code": "BAD_ANSWER"}',
    '{"code": "service_busy"}',
    '{"code": "SERVICE_BUSY "}',
    '{"code": "ERROR"}',
    '{"code": "ERROR", "message": "upstream request timeout"}',
    '{"code": "ERROR", "message": "", "data": null}',
    '{"code": "SUCCESS", "data": {"similarity": 90}}',
    '{"code": "SUCCESS", "message": "OK", "data": {"similarity": 90}, "transactionId": ""}',
    '{"message": "Endpoint request timed out"}',
    '{"error": {"code": "SERVICE_BUSY"}}',
    '[{"code": "SERVICE_BUSY"}]',
    '["SERVICE_BUSY"]',
    "[]",
    "504",
    '"SERVICE_BUSY"',
]


@pytest.mark.parametrize("body", GATEWAYS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500, 502, 503, 504])
def test_json_of_a_gateway_is_no_answer(body: str, status: int) -> None:
    with pytest.raises(NoAnswer):
        read(body, status, Retry_After="7")


@pytest.mark.parametrize("body", GATEWAYS)
def test_json_of_a_gateway_with_429_is_busy_and_free(body: str) -> None:
    answer = read(body, 429, Retry_After="7")

    assert (answer.code, answer.pricing_strategy, answer.retry_after) == ("SERVICE_BUSY", None, 7)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_no_answer_for_any_body(status: int) -> None:
    for body in (SUCCESS, '{"code": "SERVICE_BUSY", "transactionId": "t"}'):
        with pytest.raises(NoAnswer):
            read(body, status)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_of_json_is_read(encoding: str) -> None:
    assert read('{"code": "IAM_FAILED", "message": "é"}'.encode(encoding)).message == "é"


def test_a_long_message_is_cut_to_fit_a_row() -> None:
    assert len(read(json.dumps({"code": "IAM_FAILED", "message": "x" * 500_000})).message) == 1000


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "<html>502 Bad Gateway</html>",
        SUCCESS[:-1],
        SUCCESS[:100],
        "null",
        "17",
        "true",
        '"SUCCESS"',
        "[]",
        '[{"code": "SUCCESS"}]',
        "{}",
        '{"code": null}',
        '{"code": ""}',
        '{"code": {"code": "SUCCESS"}}',
        '{"code": ["SUCCESS"]}',
        '{"code": true}',
        '{"CODE": "SUCCESS"}',
        json.dumps({"code": "X" * 101, "transactionId": "t"}),
        '{"code": "", "transactionId": "t"}',
        '{"code": "SUCCESS"} {"code": "ERROR"}',
        b'{"code": "\xff\xfe"}',
        b"\x00" * 100,
        b"\xff\xfe",
        "[" * 200_000,
        '{"code":' * 50_000,
        '{"code": "SUCCESS", "data": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_without_a_code_is_no_answer(body: str | bytes) -> None:
    with pytest.raises(NoAnswer, match=r"^HTTP 200 .* is not an answer of the API$"):
        read(body)


def test_a_body_that_is_no_answer_is_described() -> None:
    with pytest.raises(NoAnswer) as redirected:
        read("moved", 302, Location="https://elsewhere.test/", Content_Type="text/html")

    assert str(redirected.value) == (
        "HTTP 302 to https://elsewhere.test/ (text/html, 5 bytes) is not an answer of the API"
    )
    assert redirected.value.http_status == 302


@pytest.mark.parametrize("body", ["", "Too many requests", "{}", '{"error": "slow down"}', "[" * 200_000])
def test_a_429_without_a_code_is_the_documented_service_busy(body: str) -> None:
    answer = read(body, 429, Retry_After="7")

    assert (answer.code, answer.retry_after, answer.http_status) == ("SERVICE_BUSY", 7, 429)


@pytest.mark.parametrize("status", [200, 301, 302, 400, 403, 404, 500, 502, 503, 504])
def test_a_gateway_s_page_of_any_other_status_is_no_answer(status: int) -> None:
    with pytest.raises(NoAnswer):
        read("<html>", status, Retry_After="7")


@pytest.mark.parametrize("similarity", ["0", "100", "0.0", "100.000", "55", "70.0001", "1e-7", "1E1", "-0.0"])
def test_a_similarity_from_0_to_100_is_read_exactly(similarity: str) -> None:
    assert success(similarity).comparison().similarity == Decimal(similarity)


@pytest.mark.parametrize(
    "similarity",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "101",
        "100.0000001",
        "-0.1",
        "1e999999999",
        "1e-999999",
        "9" * 100_000,
        "69." + "3" * 100,
        '"70"',
        '"NaN"',
        '""',
        "null",
        "true",
        "[70]",
        '{"value": 70}',
        "[" * 500 + "]" * 500,
    ],
    ids=lambda similarity: similarity[:20],
)
def test_a_similarity_that_breaks_the_contract_is_refused_in_words(similarity: str) -> None:
    with pytest.raises(ValueError, match=r"^data\.similarity: ") as broken:
        success(similarity).comparison()

    assert len(str(broken.value)) < 200
    assert not re.search("70|101|333|999", str(broken.value))


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"data": null}',
        '{"data": []}',
        '{"data": {}}',
        '{"data": "similarity"}',
    ],
)
def test_a_success_without_a_similarity_is_refused_in_words(body: str) -> None:
    answer = read(json.dumps({"code": "SUCCESS", "transactionId": "t"} | json.loads(body)))

    with pytest.raises(ValueError, match=r"^data"):
        answer.comparison()


def test_a_success_without_faces_is_a_success() -> None:
    assert success("69.0", firstFace=None).comparison().first_face is None


def test_a_face_s_id_may_be_a_number() -> None:
    face = success("69.0", firstFace={"id": 1, "left": 1, "top": 2.5, "right": 3, "bottom": 4}).comparison().first_face

    assert face is not None
    assert (face.id, face.top) == ("1", Decimal("2.5"))


def test_an_issued_token_is_read_as_documented() -> None:
    content = '{"token": "eyJ", "expiredTime": 1642580192430}'
    issued = read(f'{{"code": "SUCCESS", "transactionId": "t", "data": {content}}}').issued_token()

    assert (issued.token, issued.expired_time) == ("eyJ", 1642580192430)


@pytest.mark.parametrize(
    "content",
    [
        "null",
        "{}",
        '{"token": "", "expiredTime": 1642580192430}',
        '{"token": "eyJ"}',
        '{"token": null, "expiredTime": 1642580192430}',
        '{"token": "eyJ", "expiredTime": null}',
        '{"token": "eyJ", "expiredTime": "soon"}',
        '{"token": "eyJ", "expiredTime": 1.5}',
        '{"token": "eyJ", "expiredTime": NaN}',
    ],
)
def test_a_malformed_token_is_refused_in_words_without_being_quoted(content: str) -> None:
    with pytest.raises(ValueError, match=r"^data") as broken:
        read(f'{{"code": "SUCCESS", "transactionId": "t", "data": {content}}}').issued_token()

    assert "eyJ" not in str(broken.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3), values, max_size=3),
    max_leaves=4,
)
fields = st.sampled_from(["code", "message", "data", "transactionId", "transaction_id", "pricingStrategy", "extra"])
comparisons = st.dictionaries(st.sampled_from(["similarity", "firstFace", "secondFace"]), json_values)


@given(st.dictionaries(fields, json_values | comparisons), st.sampled_from([200, 429, 500]), st.none() | st.text())
def test_any_json_is_either_an_answer_or_no_answer(body: dict[str, Any], status: int, retry_after: str | None) -> None:
    headers = {"Retry_After": retry_after} if retry_after is not None else {}
    try:
        answer = read(json.dumps(body), status, **headers)
    except NoAnswer:
        return
    for contract in (answer.comparison, answer.issued_token):
        with suppress(ValueError):
            contract()


@given(st.binary())
def test_any_bytes_are_an_answer_or_no_answer(body: bytes) -> None:
    try:
        read(body)
    except NoAnswer:
        return


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 10),
        (" 10 ", 10),
        ("10s", 10),
        ("10S", 10),
        ("10 s", 10),
        (":10s", 10),
        ("0", 0),
        ("1.5", 1.5),
        ("999999999", LONGEST_RETRY_AFTER),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30),
        ("Saturday, 31-Jan-26 12:00:30 GMT", 30),
        ("Sat Jan 31 12:00:30 2026", 30),
        ("Sat, 31 Jan 2026 20:00:30 +0800", 30),
    ],
)
def test_a_retry_after_is_read_in_every_format(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, NOON) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "soon",
        "-5",
        "-5s",
        "10m",
        "1e3",
        "NaN",
        "inf",
        "10, 20",
        "9999999999",
        "9" * 1000,
        "Sat, 31 Jan 2026 11:59:30 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Sat, 99 Jan 2026 12:00:30 GMT",
        "Sat, 31 Jan 99999999999999999999 12:00:30 GMT",
        "Sat, 31 Jan 2026 12:00:99999999999999999999 GMT",
        "Sat, 31 Jan 2026 12:00:30 +99999999999999999999",
        "Mon, 01 Jan 0001 00:00:00 +2300",
    ],
)
def test_a_retry_after_that_is_absent_past_or_absurd_is_ignored(header: str | None) -> None:
    assert retry_after_seconds(header, NOON) is None


@given(st.datetimes(datetime(2026, 2, 1), datetime(9000, 1, 1)), st.integers(-23, 23))
def test_any_future_date_is_read_in_every_time_zone(moment: datetime, hours: int) -> None:
    date = moment.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))

    seconds = retry_after_seconds(format_datetime(date), NOON)

    assert seconds == min((date - NOON).total_seconds(), LONGEST_RETRY_AFTER)


date_like = st.lists(
    st.sampled_from(["Sat,", "31", "Jan", "2026", "12:00:30", "GMT", "+0800", "-", ":", "9" * 25, "(", ")"])
)


@given(st.text() | date_like.map(" ".join))
def test_no_retry_after_is_ever_an_error(header: str) -> None:
    seconds = retry_after_seconds(header, NOON)

    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("odd", [["OK"], {}, {"text": "OK"}, True])
def test_an_odd_optional_text_does_not_cost_the_answer(odd: Any) -> None:
    paid = {"code": "SUCCESS", "transactionId": "t", "data": {"similarity": 90}}
    busy = {"code": "SERVICE_BUSY", "message": odd, "transactionId": odd, "pricingStrategy": odd}

    answer = read(json.dumps(paid | {"message": odd, "pricingStrategy": odd}))
    refusal = read(json.dumps(busy))

    assert (answer.comparison().similarity, answer.message, answer.pricing_strategy) == (Decimal(90), "", None)
    assert (refusal.code, refusal.message, refusal.transaction_id) == ("SERVICE_BUSY", "", None)


@pytest.mark.parametrize("odd", [["t"], {"id": "t"}, True])
def test_an_undocumented_code_with_an_odd_transaction_id_is_no_answer(odd: Any) -> None:
    with pytest.raises(NoAnswer):
        read(json.dumps({"code": "UPSTREAM_FAILED", "transactionId": odd}))


def test_lone_surrogates_are_replaced_before_the_text_is_cut() -> None:
    lone = "\ud83d"

    answer = read(json.dumps({"code": f"NEW{lone}", "message": "m" * 999 + lone + "m", "transactionId": lone}))

    assert (answer.code, answer.message, answer.transaction_id) == ("NEW?", "m" * 999 + "?", "?")
    assert answer.model_dump_json()


def test_a_lone_surrogate_in_a_face_s_id_keeps_the_face() -> None:
    face = {"id": "\ud83d", "left": 1, "top": 2, "right": 3, "bottom": 4}

    found = success("90", firstFace=face).comparison().first_face

    assert found is not None
    assert found.id == "?"
