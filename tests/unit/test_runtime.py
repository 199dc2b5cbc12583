"""Which AWS clients a function builds when it starts, and which at their first use."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from facepair.aws.runtime import Runtime
from tests.unit.test_settings import COMPARE

ROOT = Path(__file__).parents[2]
ACCOUNT = {"AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
BUILT = """
import boto3
built = set()
class Session(boto3.Session):
    def client(self, service, **options):
        built.add(service)
        return super().client(service, **options)
boto3.Session = Session
from functions.compare_pair import app
app._handler()
print(*sorted(built))
"""


def test_comparefunction_starts_with_the_clients_that_a_first_upload_needs() -> None:
    started = subprocess.run(
        [sys.executable, "-c", BUILT], cwd=ROOT, env=COMPARE | ACCOUNT, capture_output=True, text=True, check=True
    )

    assert started.stdout == "dynamodb s3\n"


def test_a_lazy_client_that_cannot_be_built_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(service: str, config: Any) -> object:
        raise AttributeError("no such loader")

    runtime = Runtime()
    monkeypatch.setattr(runtime, "client", build)

    with pytest.raises(AttributeError, match="no such loader"):
        runtime.lazy_client("ssm").get_parameter()


def test_a_lazy_client_is_built_once_and_only_when_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(service: str, config: Any) -> object:
        built.append(service)
        return SimpleNamespace(get_parameter=lambda: "a token")

    built: list[str] = []
    runtime = Runtime()
    monkeypatch.setattr(runtime, "client", build)

    ssm = runtime.lazy_client("ssm")
    before = built[:]

    assert (before, ssm.get_parameter(), ssm.get_parameter(), built) == ([], "a token", "a token", ["ssm"])
