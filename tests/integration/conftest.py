"""The sandbox's AWS with the template's resources, and a faulty way to them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.aws import LocalAws
from sandbox.deploy import deploy
from sandbox.lambda_host.invoke_api import FunctionNotFound, InvokeApi
from tests.support import ROOT
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import Resources
from tests.support.workshop import STAND_INS, Workshop


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """AWS without a Lambda host, shared by all tests: use unique names."""

    def nothing_runs_here(name: str) -> Any:
        raise FunctionNotFound(name)

    invoke_api = InvokeApi(nothing_runs_here)
    with LocalAws(invoke_api.url, tmp_path_factory.mktemp("aws") / "aws.log") as aws:
        yield aws
    invoke_api.close()


@pytest.fixture(scope="session")
def deployed(local_aws: LocalAws) -> Resources:
    """The template's resources, with shared tables: use unique pairs."""
    stack = deploy(local_aws, ROOT / "template.yaml", f"core-{uuid4().hex[:8]}", {})
    return Resources(local_aws.url, dict(stack.outputs))


@pytest.fixture
def pair_id() -> str:
    """A unique pair id."""
    return f"pair-{uuid4().hex[:12]}/é +%"


@pytest.fixture
def faults(deployed: Resources) -> Iterator[FaultyAws]:
    """A proxy with scripted faults: use `replace(deployed, url=faults.url)`."""
    with FaultyAws(deployed.url) as faulty:
        yield faulty


@pytest.fixture
def workshop(local_aws: LocalAws, tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(local_aws, tmp_path)
    yield workshop
    for host in workshop.hosts:
        host.close()


@pytest.fixture(scope="session")
def stand_in_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's template with stand-in functions."""
    root = tmp_path_factory.mktemp("root")
    shutil.copy(ROOT / "template.yaml", root)
    for function, source in STAND_INS.items():
        folder = root / "functions" / function
        folder.mkdir(parents=True)
        (folder / "app.py").write_text(source)
    for layer in ("dependencies", "facepair"):
        (root / "layers" / layer).mkdir(parents=True)
    return root
