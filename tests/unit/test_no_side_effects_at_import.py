"""What a module may import, and that importing does nothing: read from the code and tried in a fresh interpreter."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYER = ROOT / "layers" / "facepair"
FUNCTIONS = sorted((ROOT / "functions").iterdir())

PURE = ["clock", "events", "pair", "picture", "retry", "row", "verdict"]
AWS = {"boto3", "botocore", "aws_lambda_powertools"}
HTTP = {"urllib3", "requests", "http.client", "urllib.request"}

MODULES = sorted(
    ".".join(path.relative_to(LAYER).with_suffix("").parts).removesuffix(".__init__")
    for path in (LAYER / "facepair").rglob("*.py")
)


def python(code: str, *paths: Path) -> str:
    """What a fresh interpreter without environment variables prints. Raises CalledProcessError."""
    where = f"import sys; sys.path[:0] = {[str(path) for path in paths]}\n"
    command = [sys.executable, "-W", "error", "-c", where + code]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=60).stdout


def imported_by(module: str) -> set[str]:
    """Names of the modules that importing one brings in."""
    return set(python(f"import {module}; print(*sys.modules)", LAYER).split())


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_brings_in_neither_aws_nor_http(module: str) -> None:
    imported = imported_by(f"facepair.{module}")

    assert f"facepair.{module}" in imported
    assert not imported & (AWS | HTTP)
    assert not {each for each in imported if each.startswith(("facepair.aws", "facepair.advance"))}


def test_the_api_s_client_brings_in_nothing_of_aws() -> None:
    imported = imported_by("facepair.advance")

    assert "urllib3" in imported
    assert not imported & AWS
    assert not {each for each in imported if each.startswith("facepair.aws")}


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


def imports_of(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("module", MODULES)
def test_the_package_imports_nothing_of_functions_sandbox_and_tests(module: str) -> None:
    path = LAYER / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    own = {path.stem for function in FUNCTIONS for path in function.glob("*.py")} | {"functions", "sandbox", "tests"}

    assert not {name.partition(".")[0] for name in imports_of(file)} & own


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_functions_import_nothing_of_each_other(function: Path) -> None:
    others = {path.stem for other in FUNCTIONS if other != function for path in other.glob("*.py")}
    others -= {path.stem for path in function.glob("*.py")}

    imported = {name for path in function.glob("*.py") for name in imports_of(path)}

    assert not imported & others


def test_dependencies_point_down_only() -> None:
    """aws/ and the pure modules know nothing of the stories told with them."""
    stories = {"facepair.ask", "facepair.compare", "facepair.missed", "facepair.settings"}

    for path in [*(LAYER / "facepair" / "advance").glob("*.py"), *(LAYER / "facepair" / f"{name}.py" for name in PURE)]:
        assert path.exists(), path
        assert not set(imports_of(path)) & stories, path
    assert "facepair.compare" not in set(imports_of(LAYER / "facepair" / "ask.py"))
