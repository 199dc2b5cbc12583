"""The rehearsal's stage: ministack, the ADVANCE emulator, and the artefact, deployed once for all tests here."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.cloud import Advance
from tests.rehearsal.deployment import Deployment, build
from tests.rehearsal.rehearsed import Rehearsed
from tests.rehearsal.second_aws import SecondAws

PARAMETERS: dict[str, object] = {
    "BlockedRetrySeconds": 1,
    "FindMissedAfterMinutes": 0,
    "MaxConcurrency": 2,  # of ministack's workers each unpacks the layers anew
}


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    if sys.platform != "linux":
        pytest.skip("what is built for Lambda runs on Linux alone")
    folder = tmp_path_factory.mktemp("rehearsal")
    with ThreadPoolExecutor() as meanwhile:
        building = meanwhile.submit(build)
        advance = Advance(folder / "advance.log")
        try:
            with SecondAws(folder) as cloud:
                deployment = Deployment(cloud, building.result(), advance)
                deployment.deploy(**PARAMETERS)
                yield Rehearsed(deployment)
        finally:
            advance.close()
