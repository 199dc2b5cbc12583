"""The functions' settings match the environment in template.yaml."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facepair.settings import CompareSettings, FindMissedSettings
from sandbox.template import read_template

TEMPLATE = read_template(Path(__file__).parents[2] / "template.yaml")
COMPARE = {
    "IMAGES_BUCKET": "images",
    "VERDICTS_TABLE": "verdicts",
    "CALLS_TABLE": "calls",
    "IDEMPOTENCY_TABLE": "idempotency",
    "UPLOADS_QUEUE_URL": "https://sqs/uploads",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "CREDENTIALS_SECRET": "secret",
    "TOKEN_PARAMETER": "/facepair/advance-token",
    "TOKEN_KEY": "alias/aws/ssm",
    "ADVANCE_BASE_URL": "https://api.advance.ai",
    "ADVANCE_COMPARISON_PATH": "/openapi/face-recognition/v4/check",
    "ADVANCE_REGION": "",
    "PROXY_URL": "",
    "PROXY_SECRET": "",
    "TOKEN_VALIDITY_SECONDS": "3600",
    "API_DEADLINE_SECONDS": "15",
    "BLOCKED_RETRY_SECONDS": "600",
    "ON_UNKNOWN_OUTCOME": "hold",
    "FIRST_NAME": "first",
    "SECOND_NAME": "second",
    "PASS_ABOVE": "70",
    "REJECT_BELOW": "54.5",
    "MAX_UPLOAD_MEGABYTES": "25",
    "VERDICT_RETENTION_DAYS": "365",
    "IMAGE_RETENTION_DAYS": "30",
    "LEDGER_RETENTION_DAYS": "0",
    "MAX_CALLS_PER_SECOND": "0.5",
    "STOP_AFTER_UNKNOWN": "5",
}


def given_environment(monkeypatch: pytest.MonkeyPatch, **changed: str | None) -> None:
    for name, value in (COMPARE | changed).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given_environment(monkeypatch)

    settings = CompareSettings.from_environment()

    assert settings.images_bucket == "images"
    assert settings.api_deadline_seconds == 15
    assert (settings.policy.pass_above, settings.policy.reject_below) == (Decimal(70), Decimal("54.5"))
    assert settings.names.role("anna/SECOND.png") == "second"


@pytest.mark.parametrize(
    ("function", "settings"), [("CompareFunction", CompareSettings), ("FindMissedFunction", FindMissedSettings)]
)
def test_the_template_sets_exactly_the_variables_that_are_read(
    function: str, settings: type[CompareSettings | FindMissedSettings]
) -> None:
    def variables(properties: dict[str, Any]) -> set[str]:
        return set(properties["Environment"]["Variables"])

    given = variables(TEMPLATE["Globals"]["Function"]) | variables(TEMPLATE["Resources"][function]["Properties"])

    read_by_libraries = ("POWERTOOLS_", "OPENBLAS_")
    assert {name for name in given if not name.startswith(read_by_libraries)} == {
        name.upper() for name, field in settings.model_fields.items() if field.is_required()
    }


@pytest.mark.parametrize("name", COMPARE)
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given_environment(monkeypatch, **{name: None})

    with pytest.raises(ValidationError, match=name):
        CompareSettings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_VALIDITY_SECONDS", "59"),
        ("TOKEN_VALIDITY_SECONDS", "86401"),
        ("TOKEN_VALIDITY_SECONDS", "soon"),
        ("API_DEADLINE_SECONDS", "0"),
        ("BLOCKED_RETRY_SECONDS", "0"),
        ("ON_UNKNOWN_OUTCOME", "guess"),
        ("PASS_ABOVE", "high"),
        ("PASS_ABOVE", "NaN"),
        ("MAX_UPLOAD_MEGABYTES", "0"),
        ("VERDICT_RETENTION_DAYS", "0"),
        ("IMAGE_RETENTION_DAYS", "0"),
        ("LEDGER_RETENTION_DAYS", "-1"),
        ("MAX_CALLS_PER_SECOND", "-0.1"),
        ("STOP_AFTER_UNKNOWN", "0"),
    ],
)
def test_a_variable_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    given_environment(monkeypatch, **{name: value})

    with pytest.raises(ValidationError, match=name):
        CompareSettings.from_environment()


def test_crossed_thresholds_are_refused_before_any_pair_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    given_environment(monkeypatch, PASS_ABOVE="55", REJECT_BELOW="70")

    with pytest.raises(ValidationError, match=r"RejectBelow \(70\) must not be above PassAbove \(55\)"):
        _ = CompareSettings.from_environment().policy


def test_the_search_for_missed_pairs_needs_few_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    given_environment(monkeypatch, FIND_MISSED_AFTER_MINUTES="0", CURSOR_PARAMETER="/facepair/find-missed-cursor")

    assert FindMissedSettings.from_environment().find_missed_after_minutes == 0
