"""What every test relies on: nothing of the machine's own AWS account or proxies is used, whatever a test forgets.

Also who shares what when the tests run in several processes: a sandbox takes longer to start than most tests take.
"""

import gc
import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Nothing that is imported or collected becomes garbage: see pytest_collection_finish.
gc.disable()

# The same examples in every run, and no deadlines, for the making of examples neither: the machine may be busy.
settings.register_profile("facepair", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("facepair")

# Each session of boto3 would read the descriptions of AWS's services anew: nine tenths of what a client costs.
setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))  # noqa: B010

# A shell that runs the tests in the background has them ignore Ctrl-C, and whatever they start: tests that interrupt a
# command would interrupt nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)

SANDBOX_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
SHARED_SANDBOXES = {"cli": 1, "e2e": 1, "faults": 3}
"""The folders whose tests share sandboxes, and how many are started for each. A sandbox's tests run in one process."""
BY_THEMSELVES = {
    "cli/test_lowest_versions.py",
    "cli/test_review_breaks.py",
    "cli/test_review_page.py",
    "e2e/test_an_update_of_the_release.py",
    "e2e/test_faces.py",
    "faults/test_alarms.py",
    "faults/test_soak.py",
    "faults/test_verdicts_that_do_not_arrive.py",
}
"""Files of these folders that start a sandbox of their own, or need none."""
LONGEST_FIRST = ("explore", "faults", "cli", "rehearsal", "e2e")
"""The folders that begin, what computes before what waits: the two share the cores."""
TESTS = Path(__file__).parent
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


class BySandbox(LoadScopeScheduling):  # type: ignore[misc]
    """Deals tests to processes so that those that share a sandbox meet, in the order in which they were collected.

    xdist's own `loadgroup` does the same by marks, but sets an attribute that pytest 9.2 does not read any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].removeprefix("tests/")
        folder = file.partition("/")[0]
        if folder not in SHARED_SANDBOXES or file in BY_THEMSELVES:
            return file
        files = {f"{folder}/{path.name}" for path in (TESTS / folder).glob("test_*.py")}
        number = sorted(files - BY_THEMSELVES).index(file) % SHARED_SANDBOXES[folder]
        return f"{folder} {number}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySandbox:
    return BySandbox(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no process ends long after the others."""
    longest = {TESTS / folder: place for place, folder in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: longest.get(item.path.parent, len(longest)))


def pytest_collection_finish() -> None:
    """Exclude the collected tests, which stay to the end, from garbage collection, and collect less often.

    It took a twentieth of the time of these processes.
    """
    gc.freeze()
    gc.set_threshold(20_000, 50)
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_real_account() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [each for each in os.environ if each.startswith("AWS_") or each.lower() in PROXIES]:
            environment.delenv(name)
        for name, value in SANDBOX_ACCOUNT.items():
            environment.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def _commands_run_as_installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set the folder for support/commands.py: one for all processes of a run."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    (folder := shared / "run_as_installed").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUN_AS_INSTALLED", str(folder))
        yield
