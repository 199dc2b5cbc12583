"""How this project talks to AWS. `AWS_ENDPOINT_URL` redirects every client, as it does any of boto3's."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from facepair.domain.retry import Unavailable

PATIENT = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 6})
"""For what must not be lost for a moment's throttling: six attempts take about 15 s of the function's 120."""

SLOW_UPLINK = Config(
    connect_timeout=10, read_timeout=120, max_pool_connections=32, retries={"mode": "standard", "total_max_attempts": 6}
)
"""For uploads from a desk: what waits in the machine's buffers must pass the user's uplink before S3 can
answer."""

FAIL_FAST = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
"""For what can be done without: a cache that does not answer must not use up the time for a comparison."""


LINKING = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
"""For presigned URLs. By default they lead to S3's global host, which sends those of a new bucket elsewhere."""


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turns botocore's errors into Unavailable, whose message names the operation and what AWS said of it."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(str(error)) from error


def error_code(error: ClientError) -> str:
    """AWS's code of an error, for example `ConditionalCheckFailedException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def condition_failed(error: ClientError) -> bool:
    """Whether a conditional write found something else than it expected."""
    return error_code(error) == "ConditionalCheckFailedException"
