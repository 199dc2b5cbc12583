"""The stack's parameters reach the functions: one redeployment with other values."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from sandbox import portraits
from tests.support.deployed import ANNA, ANNA_ON_ANOTHER_DAY, Deployed, picture, sha256

OTHERS: dict[str, object] = {
    "AdvanceComparisonPath": "/intl/openapi/face-identity/v1/face-comparison",
    "AdvanceRegion": "VN",
    "FirstName": "ID card",
    "SecondName": "Selfie",
    "PassAbove": 90.5,
    "RejectBelow": 70,
    "OnUnknownOutcome": "retry",
    "MaxUploadMegabytes": 1,
    "ApiDeadlineSeconds": 2,
    "TokenValiditySeconds": 600,
    "VerdictRetentionDays": 50,
}


NAMED_AS_BY_DEFAULT = "named as by default/first.jpg"
TOO_LARGE = {"too large, a picture": portraits.png(portraits.portrait(1)), "too large, no picture": b"no picture"}
ANSWERS: dict[str, dict[str, object]] = {
    "silence": {"delay": 5, "charged": True},
    "always silence": {"drop": "after_reading", "charged": True, "times": None},
}


def sized(content: bytes, size: int) -> bytes:
    return content + bytes(size - len(content))


PAIRS: dict[str, tuple[bytes, bytes]] = {
    "named anew": (picture(ANNA, "named anew"), picture(ANNA_ON_ANOTHER_DAY, "named anew")),
    **{name: (sized(content, 1_000_001), picture(ANNA, name)) for name, content in TOO_LARGE.items()},
    "small enough": (sized(picture(ANNA, "small enough"), 1_000_000), picture(ANNA, "small enough, second")),
    **{name: (picture(ANNA, name), picture(ANNA, f"{name}, second")) for name in ANSWERS},
}


@pytest.fixture(scope="module", autouse=True)
def redeployed(deployed: Deployed) -> Iterator[None]:
    deployed.idle()
    defaults = {name: deployed.sandbox.stack.parameters[name] for name in OTHERS}
    ssm = deployed.sandbox.aws("ssm")
    with suppress(ssm.exceptions.ParameterNotFound):  # if no earlier test needed a token
        ssm.delete_parameter(Name=deployed.sandbox.outputs["TokenParameter"])
    deployed.sandbox.redeploy(**OTHERS)
    deployed.upload(NAMED_AS_BY_DEFAULT, picture(ANNA, NAMED_AS_BY_DEFAULT))
    for pair_id, (first, _) in PAIRS.items():
        deployed.upload(f"{pair_id}/id CARD.jpg", first)
    for pair_id in PAIRS:
        deployed.row_with(pair_id, "WAITING")
    for name, answer in ANSWERS.items():
        deployed.control.script(first_sha256=sha256(PAIRS[name][0]), **answer)
    for pair_id, (_, second) in PAIRS.items():
        deployed.upload(f"{pair_id}/selfie.jpg", second)
    yield
    deployed.control.clear()
    deployed.idle()
    deployed.sandbox.redeploy(**defaults)


def test_the_names_of_the_pictures_are_parameters(deployed: Deployed) -> None:
    assert deployed.settled("named anew")["first"]["key"] == "named anew/id CARD.jpg"
    assert deployed.row("named as by default") is None
    [ignored] = deployed.log_of(NAMED_AS_BY_DEFAULT)
    assert ignored["expected"] == ["<pair id>/ID card.*", "<pair id>/Selfie.*"]


def test_the_thresholds_are_parameters_and_stand_in_the_row(deployed: Deployed) -> None:
    row = deployed.settled("named anew")

    assert 55 < row["similarity"] < 70
    assert row["verdict"] == "REJECT"
    assert row["policy"] == {"pass_above": Decimal("90.5"), "reject_below": 70}


def test_the_comparison_s_path_and_region_are_parameters(deployed: Deployed) -> None:
    deployed.settled("named anew")

    [call] = deployed.asked(PAIRS["named anew"][0])

    assert (call.path, call.region) == (OTHERS["AdvanceComparisonPath"], "VN")


def test_the_retention_of_verdicts_is_a_parameter(deployed: Deployed) -> None:
    row = deployed.settled("named anew")

    age = int(row["expires_at"]) - datetime.fromisoformat(row["updated_at"]).timestamp()
    assert timedelta(days=50, seconds=-2) < timedelta(seconds=age) <= timedelta(days=50)


def test_the_validity_of_the_token_is_a_parameter(deployed: Deployed) -> None:
    deployed.settled("named anew")

    parameter = deployed.sandbox.aws("ssm").get_parameter(
        Name=deployed.sandbox.outputs["TokenParameter"], WithDecryption=True
    )["Parameter"]

    minted = parameter["LastModifiedDate"].timestamp()
    assert parameter["Type"] == "SecureString"
    assert json.loads(parameter["Value"])["expires_ms"] / 1000 - minted == pytest.approx(600, abs=10)


@pytest.mark.parametrize("pair_id", TOO_LARGE)
def test_what_is_too_large_is_refused_by_its_size_alone(deployed: Deployed, pair_id: str) -> None:
    row = deployed.settled(pair_id)

    assert (row["verdict"], row["code"], row["retake"]) == ("RETAKE", "IMAGE_INVALID_SIZE", ["first"])
    assert row["message"] == "first picture: it has 1.0 MB; the limit is 1 MB"
    assert row["first"]["size"] == 1_000_001
    assert row["first"]["version_id"]
    assert deployed.ledger(pair_id) == []


def test_what_is_just_small_enough_is_looked_at(deployed: Deployed) -> None:
    assert deployed.settled("small enough")["verdict"] == "PASS"


def test_silence_until_the_deadline_is_unknown_and_repeated_with_retry(deployed: Deployed) -> None:
    row = deployed.settled("silence")

    unknown, answered = deployed.ledger("silence")
    assert row["verdict"] == "PASS"
    assert (unknown["state"], unknown["code"], answered["state"]) == ("UNKNOWN", "OUTCOME_UNKNOWN", "ANSWERED")
    assert 1900 < unknown["latency_ms"] < 4000


def test_what_is_never_answered_is_asked_twice_at_most(deployed: Deployed) -> None:
    row = deployed.settled("always silence")

    assert (row["verdict"], row["code"]) == ("UNDETERMINED", "OUTCOME_UNKNOWN")
    assert [call["state"] for call in deployed.ledger("always silence")] == ["UNKNOWN", "UNKNOWN"]
    assert len(deployed.asked(PAIRS["always silence"][0])) == 2


def test_thresholds_in_the_wrong_order_are_named_by_the_function(deployed: Deployed) -> None:
    deployed.idle()

    deployed.sandbox.redeploy(PassAbove=50, RejectBelow=60)
    answer = deployed.sandbox.aws("lambda").invoke(
        FunctionName=deployed.sandbox.outputs["CompareFunction"], Payload=b'{"Records": []}'
    )

    assert answer["FunctionError"] == "Unhandled"
    assert "RejectBelow (60) must not be above PassAbove (50)" in json.loads(answer["Payload"].read())["errorMessage"]
