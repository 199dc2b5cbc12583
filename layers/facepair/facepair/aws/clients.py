"""How this project talks to AWS. `AWS_ENDPOINT_URL` redirects every client, as it does any of boto3's."""

from botocore.config import Config
from botocore.exceptions import ClientError

PATIENT = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 6})
"""For what must not be lost for a moment's throttling: six attempts take about 15 s of the function's 60."""


BRISK = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
"""For what can be done without: a cache that does not answer must not use up the time for a comparison."""


def error_code(error: ClientError) -> str:
    """AWS's code of an error, for example `ConditionalCheckFailedException`."""
    return str(error.response.get("Error", {}).get("Code", ""))
