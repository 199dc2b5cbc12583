"""Settings of all boto3 clients. `AWS_ENDPOINT_URL` redirects them, as usual."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facepair import __version__
from facepair.domain.retry import Unavailable

NAME = f"facepair/{__version__}"
"""The user agent, shown by CloudTrail. botocore composes its own for each request: an eighth of an erasure's CPU."""

PATIENT = Config(
    connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 6}, user_agent=NAME
)
"""For requests that must survive throttling: six attempts take about 15 s of the function's 120."""

SLOW_UPLINK = Config(
    connect_timeout=10, read_timeout=120, max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 6}
)
"""For uploads from a workstation: buffered data must pass a slow uplink before S3 can respond."""

FAIL_FAST = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}, user_agent=NAME
)
"""For optional requests: an unresponsive cache must not use up the time for a comparison."""


LINKING = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
"""For presigned URLs: use the regional host, because S3's global host redirects requests to new buckets."""


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn botocore's errors into Unavailable, with the operation and AWS's message."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(str(error)) from error


def error_code(error: ClientError) -> str:
    """Return the AWS error code, for example `ConditionalCheckFailedException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def condition_failed(error: ClientError) -> bool:
    """Return whether a conditional write failed its condition."""
    return error_code(error) == "ConditionalCheckFailedException"
