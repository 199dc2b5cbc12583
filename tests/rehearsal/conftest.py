"""The rehearsal's set-up: ministack, the ADVANCE emulator, and the artefact, deployed once."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.cloud import EmulatedAdvance
from tests.rehearsal.deployment import Deployment, build
from tests.rehearsal.rehearsed import Rehearsed
from tests.rehearsal.second_aws import SecondAws

DOCUMENT = Path(__file__).parents[2] / "docs" / "rehearsal.md"
PARAMETERS: dict[str, object] = {
    "BlockedRetrySeconds": 1,
    "FindMissedAfterMinutes": 0,
    "MaxConcurrency": 2,  # each of ministack's workers unpacks the layers
}


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    if sys.platform != "linux":
        pytest.skip("what is built for Lambda runs on Linux alone")
    folder = tmp_path_factory.mktemp("rehearsal")
    with ThreadPoolExecutor() as meanwhile:
        building = meanwhile.submit(build)
        advance = EmulatedAdvance(folder / "advance.log")
        try:
            with SecondAws(folder) as cloud:
                deployment = Deployment(cloud, building.result(), advance)
                deployment.deploy(**PARAMETERS)
                yield Rehearsed(deployment)
        finally:
            advance.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what success does not prove."""
    _, _, rest = DOCUMENT.read_text().partition("## What it does not show\n")
    terminalreporter.section("What the rehearsal does not show (docs/rehearsal.md)")
    terminalreporter.write_line(rest.partition("\n## ")[0].strip())
