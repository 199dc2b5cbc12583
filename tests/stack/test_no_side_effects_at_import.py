"""Importing has no side effects, tested in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "facepair"
FUNCTIONS = sorted({path.parent for path in (ROOT / "functions").glob("*/*.py")})

MODULES = sorted(
    ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__")
    for path in (LAYER / "facepair").rglob("*.py")
)


def python(code: str, *paths: Path) -> str:
    """Return the output of a fresh interpreter without environment variables. Raises CalledProcessError."""
    where = f"import sys; sys.path[:0] = {[str(path) for path in paths]}\n"
    command = [sys.executable, "-W", "error", "-c", where + code]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=60).stdout


WATCHED = """
import os, socket
touched = []

class Environment(dict):
    def __getitem__(self, name): touched.append(name); return super().__getitem__(name)
    def get(self, name, default=None): touched.append(name); return super().get(name, default)
    def __contains__(self, name): touched.append(name); return super().__contains__(name)

import boto3, botocore.session, pydantic, PIL.Image, urllib3  # what third parties read is their affair
import aws_lambda_powertools.utilities.batch, aws_lambda_powertools.utilities.idempotency
import aws_lambda_powertools.utilities.circuit_breaker.persistence, aws_lambda_powertools.metrics
import aws_lambda_powertools.utilities.data_classes.sqs_event
import pi_heif, PIL.ImageCms, PIL.ImageOps
def refuse(*arguments, **keywords): raise AssertionError("made at import")
boto3.Session = boto3.client = boto3.resource = botocore.session.get_session = socket.socket.connect = refuse
aws_lambda_powertools.Logger = aws_lambda_powertools.Metrics = refuse
os.environ = Environment(os.environ)
os.getenv = os.environ.get
"""
READ_BY_PYDANTIC = "{'PYDANTIC_DISABLE_PLUGINS'}"


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_importing_a_function_makes_no_client_and_reads_no_setting(function: Path) -> None:
    assert python(WATCHED + "import app; print({*touched})", function, LAYER).strip() == READ_BY_PYDANTIC


def test_importing_the_package_makes_no_client_and_reads_no_setting() -> None:
    imports = "\n".join(f"import {module}" for module in MODULES)

    assert python(WATCHED + imports + "\nprint({*touched})", LAYER).strip() == READ_BY_PYDANTIC
