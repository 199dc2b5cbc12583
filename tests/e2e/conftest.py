"""One sandbox for all end-to-end tests. Tests use their own pair ids; modules undo their changes."""

from collections.abc import Iterator

import pytest

from sandbox.cloud import Sandbox
from tests.support import ROOT
from tests.support.deployed import Deployed

PARAMETERS: dict[str, object] = {"BlockedRetrySeconds": 1, "FindMissedAfterMinutes": 0}


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(ROOT, PARAMETERS, logs=tmp_path_factory.mktemp("e2e")) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def deployed(sandbox: Sandbox) -> Iterator[Deployed]:
    """At the end, every message is processed, without unexpected errors."""
    deployed = Deployed(sandbox)
    yield deployed
    deployed.idle()
    assert deployed.metrics()["UnexpectedErrors"] == 0, [line for line in deployed.log() if "exception" in line]


@pytest.fixture
def without_notifications(deployed: Deployed) -> Iterator[Deployed]:
    """Keeps messages in the queue until the test resumes the host or ends."""
    deployed.idle()
    host = deployed.sandbox.host
    assert host is not None
    host.pause()
    yield deployed
    deployed.lose_messages()
    host.resume()
