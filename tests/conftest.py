"""What every test relies on: nothing of the machine's own AWS account or proxies is used, whatever a test forgets."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, and no deadlines, for the making of examples neither: the machine may be busy.
settings.register_profile("facepair", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("facepair")

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
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@pytest.fixture(scope="session", autouse=True)
def _no_real_account() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [each for each in os.environ if each.startswith("AWS_") or each.lower() in PROXIES]:
            environment.delenv(name)
        for name, value in SANDBOX_ACCOUNT.items():
            environment.setenv(name, value)
        yield
