"""One stack in bad weather for all fault tests: each has its own pairs, and what a module changes it changes back."""

from collections.abc import Iterator

import pytest

from tests.support.faulty_cloud import FaultyCloud, faulty_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    with faulty_cloud(tmp_path_factory.mktemp("faults")) as cloud:
        yield cloud


@pytest.fixture(scope="module", autouse=True)
def nothing_is_lost(cloud: FaultyCloud) -> Iterator[None]:
    """Whatever a module does: in the end no message is left over, and none lies among the dead letters."""
    yield
    cloud.aws.clear()
    cloud.control.clear()
    cloud.idle(within=90)
    assert cloud.dead_letters() == []
