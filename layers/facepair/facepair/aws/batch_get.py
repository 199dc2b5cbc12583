"""Read many items in few requests."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from facepair.domain.retry import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

PAUSES = tuple(0.1 * 2**tries for tries in range(7))
"""Seconds between tries. Together they are as patient as botocore is with other requests: 13 s."""


def batch_get(tables: "DynamoDBServiceResource", wanted: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the items that exist, by table. `wanted` are the RequestItems of a BatchGetItem, at most 100 keys.

    Raises Unavailable if DynamoDB leaves some out again and again: it throttles, which botocore does not see.
    """
    found: dict[str, list[Any]] = {name: [] for name in wanted}
    for pause in (*PAUSES, None):
        page = tables.batch_get_item(RequestItems=wanted)
        for name, items in page["Responses"].items():
            found[name] += items
        wanted = page["UnprocessedKeys"]
        if not wanted:
            return found
        if pause:
            time.sleep(pause)
    raise Unavailable(f"BatchGetItem is throttled: items of {', '.join(wanted)} were left out {len(PAUSES) + 1} times")
