"""One stack with faults for all fault tests. Each test has its own pairs; modules undo their changes."""

from collections.abc import Iterator

import pytest

from tests.support.faulty_cloud import FaultyCloud, faulty_cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    with faulty_cloud(tmp_path_factory.mktemp("faults")) as cloud:
        yield cloud


@pytest.fixture(scope="module", autouse=True)
def nothing_is_lost(cloud: FaultyCloud) -> Iterator[None]:
    """After each module, no message and no dead letter is left."""
    yield
    cloud.aws.clear()
    cloud.control.clear()
    cloud.idle(within=90)
    assert cloud.dead_letters() == []
