"""Every verdict through the whole stack: its verdict row and its ledger rows."""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sandbox import portraits
from sandbox.advance_api.models import ApiRequest
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, BEN, BLANK, BLURRED, Deployed, Row, picture

ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
HEX_64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Case:
    """The uploads, the emulator's answer, and the expected row."""

    verdict: str
    code: str | None = "SUCCESS"
    first: str | bytes = ANNA
    second: str | bytes = ANNA
    answer: dict[str, Any] = field(default_factory=dict)
    retake: list[str] | None = None
    states: tuple[str, ...] = ("ANSWERED",)  # of the ledger's rows, in order


def similar(similarity: float, verdict: str) -> Case:
    return Case(verdict, answer={"patch": {"data": {"similarity": similarity}}})


def broken(patch: dict[str, Any]) -> Case:
    return Case("UNDETERMINED", "BAD_ANSWER", answer={"patch": patch})


def answered(code: str, verdict: str, *retake: str, state: str = "ANSWERED") -> Case:
    return Case(verdict, code, answer={"code": code}, retake=list(retake) or None, states=(state,))


def unusable(code: str, content: bytes) -> Case:
    return Case("RETAKE", code, second=content, retake=["second"], states=())


SMALL = portraits.jpeg(portraits.portrait(1, width=255, height=400))

JUDGED = {
    "the same person": Case("PASS"),
    "perhaps the same person": Case("MANUAL_CHECK", second=ANNA_ON_ANOTHER_DAY),
    "another person": Case("REJECT", second=BEN),
    "similarity 100": similar(100, "PASS"),
    "similarity 70.0001": similar(70.0001, "PASS"),
    "similarity 70": similar(70, "MANUAL_CHECK"),
    "similarity 69.0": similar(69.0, "MANUAL_CHECK"),
    "similarity 55": similar(55, "MANUAL_CHECK"),
    "similarity 54.999": similar(54.999, "REJECT"),
    "similarity 0": similar(0, "REJECT"),
    "unknown fields": Case(
        "PASS", answer={"patch": {"new": {"a": [1]}, "data": {"liveness": "low", "firstFace": {"age": 33}}}}
    ),
}
UNUSABLE = {
    "no face in the first": Case("RETAKE", "NO_FACE_DETECTED_FROM_FIRST_IMAGE", first=BLANK, retake=["first"]),
    "no face in the second": Case("RETAKE", "NO_FACE_DETECTED_FROM_SECOND_IMAGE", second=BLANK, retake=["second"]),
    "the first is blurred": Case("RETAKE", "FIRST_IMAGE_LOW_QUALITY_FACE", first=BLURRED, retake=["first"]),
    "the second is blurred": Case("RETAKE", "SECOND_IMAGE_LOW_QUALITY_FACE", second=BLURRED, retake=["second"]),
    "no face, stated FREE": Case(
        "RETAKE",
        "NO_FACE_DETECTED_FROM_FIRST_IMAGE",
        first=BLANK,
        answer={"pricing": "FREE", "charged": True},
        retake=["first"],
    ),
    "invalid format": answered("IMAGE_INVALID_FORMAT", "RETAKE", "first", "second", state="REFUSED"),
    "invalid size": answered("IMAGE_INVALID_SIZE", "RETAKE", "first", "second", state="REFUSED"),
    "not a picture": unusable("IMAGE_INVALID_FORMAT", b"a note to my landlord"),
    "an empty object": unusable("IMAGE_INVALID_FORMAT", b""),
    "a truncated picture": unusable("IMAGE_INVALID_FORMAT", picture(ANNA, "truncated")[:5000]),
    "a picture too small": unusable("IMAGE_INVALID_SIZE", SMALL),
    "neither is a picture": Case(
        "RETAKE", "IMAGE_INVALID_FORMAT", b"no", b"nor this", retake=["first", "second"], states=()
    ),
}
HELD = {
    "similarity NaN": broken({"data": {"similarity": float("nan")}}),
    "similarity Infinity": broken({"data": {"similarity": float("inf")}}),
    "similarity 101": broken({"data": {"similarity": 101}}),
    "similarity -0.5": broken({"data": {"similarity": -0.5}}),
    "similarity as text": broken({"data": {"similarity": "88.1"}}),
    "similarity true": broken({"data": {"similarity": True}}),
    "no similarity": broken({"data": {"similarity": None}}),
    "no data": broken({"data": None}),
    "a list as data": broken({"data": [88.1]}),
    "an unknown code": answered("FACES_ARE_TWINS", "UNDETERMINED", state="REFUSED"),
    "an unknown code that costs": Case(
        "UNDETERMINED",
        "FACES_ARE_TWINS",
        answer={"code": "FACES_ARE_TWINS", "pricing": "PAY", "patch": {"data": {"similarity": 12.5}}},
    ),
    "empty parameter": answered("EMPTY_PARAMETER_ERROR", "UNDETERMINED", state="REFUSED"),
    "parameter error": answered("PARAMETER_ERROR", "UNDETERMINED", state="REFUSED"),
    "client error": answered("CLIENT_ERROR", "UNDETERMINED", state="REFUSED"),
}
UNANSWERED: dict[str, dict[str, Any]] = {
    "the connection drops": {"drop": "after_reading"},
    "half an answer": {"drop": "mid_answer"},
    "a gateway's page": {"body": "<html>502</html>", "content_type": "text/html", "status": 502},
    "a gateway's JSON": {"body": '{"code":504,"message":"Gateway Timeout"}', "status": 504},
    "a gateway's JSON with 200": {"body": '{"code":"SUCCESS","data":{"similarity":99}}'},
}
LOST = {
    name: Case("UNDETERMINED", "OUTCOME_UNKNOWN", answer={"charged": True, **answer}, states=("UNKNOWN",))
    for name, answer in UNANSWERED.items()
}
FINAL = JUDGED | UNUSABLE | HELD | LOST
PASSING: dict[str, dict[str, Any]] = {
    "ERROR": {"code": "ERROR"},
    "SERVICE_BUSY": {"code": "SERVICE_BUSY"},
    "SERVICE_BUSY by HTTP 429": {"body": "slow down", "status": 429, "charged": False},
    "RETRY_LATER": {"code": "RETRY_LATER"},
}


@pytest.fixture(scope="module")
def pending(deployed: Deployed) -> dict[str, Row]:
    """PENDING rows of pairs whose call the API deferred. One message each: the first picture is processed before."""
    for name in PASSING:
        deployed.upload_pair(name, only="first")
    deployed.idle()
    for name, answer in PASSING.items():
        deployed.upload_pair(name, answer={"retry_after": "3s", **answer}, only="second")
    return {name: deployed.row_with(name, "PENDING") for name in PASSING}


@pytest.fixture(scope="module", autouse=True)
def uploaded(deployed: Deployed, metrics_before: Counter[str], pending: dict[str, Row]) -> None:
    """Upload all other cases: first pictures, then second ones."""
    for name, case in FINAL.items():
        deployed.upload_pair(name, case.first, only="first")
    deployed.idle()
    for name, case in FINAL.items():
        deployed.upload_pair(name, case.first, case.second, case.answer, only="second")


@pytest.fixture(scope="module")
def metrics_before(deployed: Deployed) -> Counter[str]:
    deployed.idle()
    return counted(deployed)


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_pending_until_the_time_asked_for_and_then_becomes_a_verdict(
    deployed: Deployed, pending: dict[str, Row], name: str
) -> None:
    row = deployed.settled(name)

    assert pending[name]["code"] == name.partition(" ")[0]
    assert_attributes(pending[name], {"code", "message", "retry_at", "fingerprint"})
    wait = moment(pending[name]["retry_at"]) - moment(pending[name]["updated_at"])
    assert timedelta(seconds=2.5) <= wait < timedelta(seconds=6)
    assert row["verdict"] == "PASS"
    assert "retry_at" not in row
    refused, answered = deployed.ledger(name)
    assert (refused["state"], refused["code"]) == ("REFUSED", pending[name]["code"])
    assert answered["state"] == "ANSWERED"
    assert moment(answered["sent_at"]) - moment(refused["answered_at"]) >= timedelta(seconds=2.5)


@pytest.mark.parametrize("name", FINAL)
def test_every_way_to_a_verdict_ends_as_the_contract_says(deployed: Deployed, name: str) -> None:
    case = FINAL[name]

    row = deployed.settled(name)

    assert (row["verdict"], row["code"], row.get("retake")) == (case.verdict, case.code, case.retake)
    assert tuple(call["state"] for call in deployed.ledger(name)) == case.states
    assert ("similarity" in row) == (case.code == "SUCCESS")


@pytest.mark.parametrize("name", JUDGED)
def test_a_judged_row_has_every_attribute_of_an_answer(deployed: Deployed, name: str) -> None:
    row = deployed.settled(name)

    assert_attributes(
        row, {"code", "message", "similarity", "transaction_id", "pricing_strategy", "call", "fingerprint"}, faces=True
    )
    [call] = asked(deployed, name)
    scripted = JUDGED[name].answer.get("patch", {}).get("data", {}).get("similarity")
    assert isinstance(row["similarity"], Decimal)
    assert scripted is None or row["similarity"] == Decimal(str(scripted))
    assert (row["message"], row["pricing_strategy"]) == ("OK", "PAY")
    assert row["transaction_id"] == call.transaction_id


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_retake_row_names_the_pictures_and_was_paid_only_if_asked(deployed: Deployed, name: str) -> None:
    row = deployed.settled(name)

    by_the_api = {"transaction_id", "pricing_strategy", "call"} if UNUSABLE[name].states else set()
    assert_attributes(row, {"code", "message", "retake", "fingerprint"} | by_the_api)
    assert len(asked(deployed, name)) == len(UNUSABLE[name].states)


@pytest.mark.parametrize("name", HELD)
def test_an_answer_without_a_judgement_is_held_and_not_asked_for_again(deployed: Deployed, name: str) -> None:
    row = deployed.settled(name)

    assert_attributes(row, {"code", "message", "transaction_id", "pricing_strategy", "call", "fingerprint"})
    assert len(asked(deployed, name)) == 1


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer_is_held_and_not_asked_for_again(deployed: Deployed, name: str) -> None:
    row = deployed.settled(name)

    assert_attributes(row, {"code", "message", "call", "fingerprint"})
    assert len(asked(deployed, name)) == 1


def test_our_own_look_says_which_picture_is_unusable_and_what_to_do(deployed: Deployed) -> None:
    small, letter, neither = (
        deployed.settled(name)["message"] for name in ("a picture too small", "not a picture", "neither is a picture")
    )

    assert small.startswith("second picture: 255x400 pixels; at least 256 a side are needed")
    assert "second picture: 21 bytes" in letter
    assert "upload a JPEG, PNG or HEIC" in letter
    assert neither.index("first picture:") < neither.index("second picture:")


def test_a_waiting_row_says_what_is_there_and_nothing_of_an_answer(deployed: Deployed) -> None:
    deployed.upload("one alone/second.jpg", picture(ANNA, "one alone"))

    row = deployed.row_with("one alone", "WAITING")

    assert row["waiting_for"] == "first"
    assert_attributes(row, {"waiting_for"}, pictures={"second"})
    assert deployed.ledger("one alone") == []


@pytest.mark.parametrize("name", ["the same person", "the second is blurred", "invalid size", "similarity 101"])
def test_a_ledger_row_has_every_attribute_of_its_call(deployed: Deployed, name: str) -> None:
    row = deployed.settled(name)
    [asked_call] = asked(deployed, name)

    [call] = deployed.ledger(name)

    assert (call["pair_id"], call["fingerprint"]) == (name, row["fingerprint"])
    assert call["code"] == row["code"]
    assert call.get("similarity") == row.get("similarity")
    assert call["transaction_id"] == asked_call.transaction_id
    assert call["pricing_strategy"] == asked_call.pricing
    assert ISO_UTC.fullmatch(call["sent_at"])
    assert ISO_UTC.fullmatch(call["answered_at"])
    assert call["sent_at"] <= call["answered_at"] <= row["updated_at"]
    assert abs(moment(call["sent_at"]).timestamp() - asked_call.asked_at) < 5
    assert 0 <= call["latency_ms"] < 30_000


@pytest.mark.parametrize("name", LOST)
def test_the_ledger_row_of_a_lost_answer_has_no_answer(deployed: Deployed, name: str) -> None:
    deployed.settled(name)

    [call] = deployed.ledger(name)

    assert (call["state"], call["code"]) == ("UNKNOWN", "OUTCOME_UNKNOWN")
    assert {"sent_at", "latency_ms", "fingerprint"} <= call.keys()
    assert not {"similarity", "transaction_id", "pricing_strategy", "answered_at"} & call.keys()


def test_calls_of_a_pair_sort_in_time_a_refused_token_is_one_of_them(deployed: Deployed) -> None:
    name = "token refused once"
    deployed.upload_pair(name, answer={"code": "IAM_FAILED"})

    row = deployed.settled(name)

    ledger = deployed.ledger(name)
    assert row["verdict"] == "PASS"
    assert [(call["state"], call["code"]) for call in ledger] == [("REFUSED", "IAM_FAILED"), ("ANSWERED", "SUCCESS")]
    assert ledger[0]["answered_at"] <= ledger[1]["sent_at"]
    assert ledger[0]["fingerprint"] == ledger[1]["fingerprint"]


def test_the_ledger_holds_against_the_invoice(deployed: Deployed) -> None:
    for name in (*FINAL, *PASSING):
        deployed.settled(name)

    ledgers = {name: deployed.ledger(name) for name in (*FINAL, *PASSING)}
    calls = {name: asked(deployed, name) for name in ledgers}

    for name, rows in ledgers.items():
        assert len(rows) == len(calls[name]), name
        paid = [call for call in calls[name] if call.charged]
        lost = [row for row in rows if row["state"] == "UNKNOWN"]
        booked = {row["transaction_id"] for row in rows if row["charged"] and row["state"] == "ANSWERED"}
        assert booked == ({call.transaction_id for call in paid} if not lost else set()), name
        assert len(paid) == len(booked) + len(lost), name
        assert len(paid) <= 1, name


def test_the_index_lists_pairs_by_verdict_in_the_order_of_their_writing(deployed: Deployed) -> None:
    names = [name for name, case in JUDGED.items() if case.verdict == "MANUAL_CHECK"]
    rows = [deployed.settled(name) for name in names]

    answer = deployed.sandbox.aws("dynamodb").query(
        TableName=deployed.sandbox.outputs["VerdictsTable"],
        IndexName="by_verdict",
        KeyConditionExpression="verdict = :verdict AND updated_at >= :since",
        ExpressionAttributeValues={
            ":verdict": {"S": "MANUAL_CHECK"},
            ":since": {"S": min(row["updated_at"] for row in rows)},
        },
    )

    found = answer["Items"]
    assert {item["pair_id"]["S"] for item in found} == set(names)
    assert [item["updated_at"]["S"] for item in found] == sorted(row["updated_at"] for row in rows)
    assert all({"first", "second", "similarity", "policy", "transaction_id"} <= item.keys() for item in found)


def test_metrics_count_calls_charges_and_verdicts(deployed: Deployed, metrics_before: Counter[str]) -> None:
    for name in (*FINAL, *PASSING):
        deployed.settled(name)
    deployed.idle()

    grown = counted(deployed) - metrics_before

    assert grown["Calls"] == grown["calls of the emulator"]
    assert grown["ChargedCalls"] == grown["charges of the emulator"]
    assert grown["Undetermined"] >= len(HELD | LOST)
    assert grown["Retake"] >= len(UNUSABLE)
    assert grown["ManualCheck"] >= sum(case.verdict == "MANUAL_CHECK" for case in JUDGED.values())
    assert grown["SecondsToVerdict"] > 0


def counted(deployed: Deployed) -> Counter[str]:
    """Return the function's metrics, and the emulator's counts."""
    calls = deployed.control.calls("check")
    own = {"calls of the emulator": len(calls), "charges of the emulator": sum(call.charged for call in calls)}
    return deployed.metrics() + Counter(own)


def asked(deployed: Deployed, name: str) -> list[ApiRequest]:
    first = FINAL[name].first if name in FINAL else ANNA
    return deployed.asked(first if isinstance(first, bytes) else picture(first, f"{name}, first"))


def moment(text: str) -> datetime:
    assert ISO_UTC.fullmatch(text), text
    return datetime.fromisoformat(text)


def assert_attributes(
    row: Row,
    own: set[str],
    *,
    pictures: frozenset[str] | set[str] = frozenset({"first", "second"}),
    faces: bool = False,
) -> None:
    """Check that a row has exactly its verdict's attributes, well-formed. `own` are those beyond every row's."""
    always = {"pair_id", "verdict", "uploaded_at", "updated_at", "listed_at", "policy", "expires_at"}
    assert row.keys() == always | pictures | own
    assert moment(row["uploaded_at"]) <= moment(row["updated_at"])
    assert row["policy"] == {"pass_above": 70, "reject_below": 55}
    age = int(row["expires_at"]) - moment(row["updated_at"]).timestamp()
    assert timedelta(days=365, seconds=-2) < timedelta(seconds=age) <= timedelta(days=365)
    assert "fingerprint" not in row or HEX_64.fullmatch(row["fingerprint"])
    for role in pictures:
        seen = row[role]
        assert seen.keys() == {"key", "version_id", "etag", "size", "adjusted"} | ({"face"} if faces else set())
        assert seen["key"] == f"{row['pair_id']}/{role}.jpg"
        assert re.fullmatch(r"[0-9a-f]{32}", seen["etag"])
        assert isinstance(seen["size"], Decimal)
        assert seen["adjusted"] == []
        if faces:
            assert seen["face"].keys() == {"id", "left", "top", "right", "bottom"}
            assert 0 < seen["face"]["left"] < seen["face"]["right"] < 450
            assert 0 < seen["face"]["top"] < seen["face"]["bottom"] < 600
