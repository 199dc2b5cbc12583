"""Reads of many items in few requests."""

import time
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

LONGEST_PAUSE_SECONDS = 5.0


def batch_get(tables: "DynamoDBServiceResource", wanted: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the items that exist, by table. `wanted` are the RequestItems of a BatchGetItem, at most 100 keys."""
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    pauses = (min(LONGEST_PAUSE_SECONDS, 0.1 * 2**tries) for tries in count())
    while True:
        page = tables.batch_get_item(RequestItems=wanted)
        for name, items in page["Responses"].items():
            found[name] += items
        wanted = page["UnprocessedKeys"]
        if not wanted:
            return found
        time.sleep(next(pauses))  # throttled, which botocore does not see
