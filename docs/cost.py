"""What 1,000 pairs cost in AWS: the table of docs/guide/cost.md, from counted requests and list prices.

`tests/integration/test_functions.py` asserts the counts.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

# Requests to AWS of a warm CompareFunction, for the first upload of a pair and for the second.
WAITING = Counter(BatchGetItem=1, ListObjectsV2=1, HeadObject=1, PutItem=1)
COMPARISON = Counter(BatchGetItem=2, ListObjectsV2=1, GetObject=2, Query=1, UpdateItem=4, PutItem=3, DeleteItem=1)
DUPLICATE = Counter(BatchGetItem=1, ListObjectsV2=1)
IN_SEQUENCE = 10
"""Requests of a comparison that wait for each other."""
WRITE_UNITS = 12
"""Of both uploads. A WAITING row is also written to the index of waiting rows, and deleted from it."""
READ_UNITS = 9
"""Of both uploads: one for each item of up to 4 KB."""

# US$, us-east-1, on demand.
GB_SECOND = 0.0000133334
LAMBDA_REQUEST = 0.20e-6
S3_PUT = 0.005e-3
S3_GET = 0.0004e-3
S3_GB_MONTH = 0.023
WRITE_UNIT = 0.625e-6
READ_UNIT = 0.125e-6
SQS_REQUEST = 0.40e-6
LOG_GB = 0.50
EVENT = 1e-6
SECRET_READ = 0.05e-4

# Estimates: seconds of the two invocations (the second adjusts two phone pictures and waits for the API), of the other
# functions, and sizes in MB.
WAITING_SECONDS = 0.2
COMPARING_SECONDS = 3
PUBLISHING_SECONDS = 0.05
DELIVERING_SECONDS = 0.3
PICTURE_MB = 3
LOG_MB = 0.006


class Line(NamedTuple):
    """A line of the table: US$ of 1,000 pairs."""

    service: str
    arithmetic: str
    dollars: float


def lines(template: Mapping[str, Any]) -> list[Line]:
    """Return the lines of the table, with the memory sizes of this template."""
    comparing, publishing, delivering = (
        template["Resources"][f"{name}Function"]["Properties"]["MemorySize"] / 1024
        for name in ("Compare", "Publish", "Deliver")
    )
    s3 = WAITING + COMPARISON
    lists, gets, heads = s3["ListObjectsV2"], s3["GetObject"], s3["HeadObject"]
    seconds = WAITING_SECONDS + COMPARING_SECONDS
    of_one_pair = [
        Line(
            "Lambda",
            f"2 requests x ${LAMBDA_REQUEST * 1e6:.2f} a million; {WAITING_SECONDS:g} s + {COMPARING_SECONDS:g} s "
            f"x {comparing:g} GB x ${GB_SECOND:.10f} per GB-s",
            2 * LAMBDA_REQUEST + seconds * comparing * GB_SECOND,
        ),
        Line(
            "S3 requests",
            f"2 PUT, {lists} LIST x ${S3_PUT * 1e3:g} per 1,000; "
            f"{gets} GET, {heads} HEAD x ${S3_GET * 1e3:g} per 1,000",
            (2 + lists) * S3_PUT + (gets + heads) * S3_GET,
        ),
        Line(
            "S3 storage",
            f"2 x {PICTURE_MB} MB x ${S3_GB_MONTH:g} per GB and month",
            2 * PICTURE_MB / 1000 * S3_GB_MONTH,
        ),
        Line(
            "DynamoDB",
            f"{WRITE_UNITS} writes x ${WRITE_UNIT * 1e6:g} a million; "
            f"{READ_UNITS} reads x ${READ_UNIT * 1e6:g} a million",
            WRITE_UNITS * WRITE_UNIT + READ_UNITS * READ_UNIT,
        ),
        Line("SQS", f"2 x (send, receive, delete) x ${SQS_REQUEST * 1e6:.2f} a million", 6 * SQS_REQUEST),
        Line("Logs", f"{LOG_MB * 1000:g} KB x ${LOG_GB:.2f} per GB", LOG_MB / 1000 * LOG_GB),
        Line(
            "VerdictsBus",
            f"2 events x ${EVENT * 1e6:g} a million; 2 x {PUBLISHING_SECONDS:g} s x {publishing:g} GB of Lambda",
            2 * EVENT + 2 * PUBLISHING_SECONDS * publishing * GB_SECOND,
        ),
        Line(
            "Webhook",
            f"{DELIVERING_SECONDS:g} s x {delivering:g} GB of Lambda; "
            f"2 reads of its secret x ${SECRET_READ * 1e4:.2f} per 10,000; SQS",
            DELIVERING_SECONDS * delivering * GB_SECOND + 2 * SECRET_READ + 6 * SQS_REQUEST,
        ),
    ]
    return [line._replace(dollars=line.dollars * 1000) for line in of_one_pair]
