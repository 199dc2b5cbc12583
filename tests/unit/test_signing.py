"""The signature of generate-token, and that credentials stay secret."""

import pytest
from pydantic import ValidationError

from facepair.advance.client import Credentials

DOCUMENTED = Credentials.model_validate({"accessKey": "sampleaccesskey", "secretKey": "samplesecretkey"})


def test_the_documented_example_gives_the_documented_signature() -> None:
    assert DOCUMENTED.signature(1665993522952) == "02209bbeaf0d0a3dd587f6a1ba22f84c98d142e3b545e77db7e4906ca56349f5"


def test_credentials_are_read_from_the_secret_s_json() -> None:
    secret = '{"accessKey": "sampleaccesskey", "secretKey": "samplesecretkey", "note": "of the test account"}'

    assert Credentials.model_validate_json(secret) == DOCUMENTED


def test_the_secret_key_is_never_printed() -> None:
    assert "samplesecretkey" not in f"{DOCUMENTED} {DOCUMENTED!r}"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "samplesecretkey",
        "{}",
        "[]",
        "null",
        '{"accessKey": "sampleaccesskey"}',
        '{"accessKey": "", "secretKey": "samplesecretkey"}',
        '{"accessKey": "sampleaccesskey", "secretKey": ""}',
        '{"accessKey": "sampleaccesskey", "secretKey": 12345}',
        '{"accessKey": "sampleaccesskey", "secretKey": null}',
        '{"access_key": "sampleaccesskey", "secret_key": "samplesecretkey"}',
    ],
)
def test_a_malformed_secret_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Credentials.model_validate_json(secret)

    assert "sample" not in str(refused.value)
