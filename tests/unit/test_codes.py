"""The table of codes matches the API's documented lists in both directions (advance_status_codes.csv)."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from facepair.advance.codes import COMPARISON_CODES, CREDENTIALS_CODES, TOKEN_CODES, Meaning
from facepair.domain.outcome import Outcome, Policy, verdict
from facepair.domain.verdict import CODES, Verdict, comparison_code

with Path(__file__).with_name("advance_status_codes.csv").open(encoding="utf-8", newline="") as file:
    DOCUMENTED = list(csv.DictReader(file))

POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))


def documented(*pages: str) -> dict[str, str]:
    """Return the codes of these pages with their prices; later pages win."""
    return {row["code"]: row["pricing"] for page in pages for row in DOCUMENTED if row["page"] == page}


OF_COMPARISONS = documented("Glossary", "Face Comparison")
OF_TOKENS = documented("Glossary", "Token Authentication")


@pytest.mark.parametrize(("code", "pricing"), OF_COMPARISONS.items())
def test_every_documented_comparison_code_is_in_the_table_with_its_price(code: str, pricing: str) -> None:
    assert COMPARISON_CODES[code].pricing == pricing


def test_the_table_has_no_undocumented_comparison_code() -> None:
    # Only generate-token documents ACCOUNT_DISABLED, but a comparison needs the same account.
    assert COMPARISON_CODES.keys() - OF_COMPARISONS.keys() == {"ACCOUNT_DISABLED"}
    assert "ACCOUNT_DISABLED" in OF_TOKENS


def test_the_table_has_exactly_the_documented_error_codes_of_generate_token() -> None:
    assert TOKEN_CODES.keys() == OF_TOKENS.keys() - {"SUCCESS"}


def test_every_error_of_generate_token_is_free_and_either_temporary_or_repairable() -> None:
    assert set(documented("Token Authentication").values()) == {"FREE"}
    assert set(TOKEN_CODES.values()) == {Meaning.RETRY, Meaning.BLOCKED}


def test_codes_about_the_credentials_are_among_those_of_generate_token() -> None:
    assert TOKEN_CODES.keys() > CREDENTIALS_CODES


@pytest.mark.parametrize("code", sorted((CODES.keys() | TOKEN_CODES.keys()) - {"SUCCESS"}))
def test_no_error_is_a_verdict_on_the_faces(code: str) -> None:
    for similarity in (None, Decimal(0), Decimal(60), Decimal(100)):
        judged, _ = verdict(Outcome(code=code, message="", similarity=similarity), POLICY)

        assert judged in (Verdict.RETAKE, Verdict.UNDETERMINED)


@pytest.mark.parametrize("code", ["", "success", "SUCCESS ", "REJECT", "A_CODE_OF_TOMORROW", "null"])
def test_an_undocumented_code_is_undetermined_and_counts_as_charged(code: str) -> None:
    assert verdict(Outcome(code=code, message="", similarity=Decimal(0)), POLICY) == (Verdict.UNDETERMINED, ())
    assert comparison_code(code).pricing == "PAY"


def test_no_possibly_charged_call_is_repeated() -> None:
    repeated = {Meaning.RETRY, Meaning.BLOCKED, Meaning.RENEW_TOKEN}

    assert {code.pricing for code in CODES.values() if code.meaning in repeated} == {"FREE"}


def test_only_a_retake_names_pictures_and_it_names_at_least_one() -> None:
    assert all(bool(code.retake) is (code.meaning is Meaning.RETAKE) for code in CODES.values())
