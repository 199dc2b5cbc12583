"""Transactions over several tables, and writes that may conflict with them."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import ConditionBase, ConditionExpressionBuilder
from botocore.exceptions import ClientError

from facepair.aws.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource

PASSES = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Temporary cancellation reasons, which botocore does not retry."""
MOST_TRIES = 7
"""With the pauses below, at most about six seconds."""


type StoredItem = Mapping[str, Any]
"""An item in DynamoDB's JSON; empty if it does not exist or was not requested."""


def conditioned(operation: dict[str, Any], condition: ConditionBase) -> dict[str, Any]:
    """Return an operation with its condition, which boto3 only serializes at the top level of a request."""
    built = ConditionExpressionBuilder().build_expression(condition)
    names = operation.get("ExpressionAttributeNames", {}) | built.attribute_name_placeholders
    values = operation.get("ExpressionAttributeValues", {}) | built.attribute_value_placeholders
    return {
        **operation,
        "ConditionExpression": built.condition_expression,
        "ExpressionAttributeNames": names,
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def transact(tables: "DynamoDBServiceResource", operations: Sequence[dict[str, Any]]) -> list[StoredItem | None]:
    """Write all or nothing. Return for each operation None if its condition held, else the current item.

    DynamoDB returns the item if the operation has ReturnValuesOnConditionCheckFailure. botocore repeats a transaction
    with the same ClientRequestToken, so one whose response was lost is neither applied twice nor fails its own
    conditions.
    """

    def write() -> list[StoredItem | None]:
        try:
            tables.meta.client.transact_write_items(TransactItems=operations)  # type: ignore[arg-type]
        except tables.meta.client.exceptions.TransactionCanceledException as canceled:
            reasons = canceled.response.get("CancellationReasons", [])
            current: list[StoredItem | None] = [
                reason.get("Item") or {} if reason.get("Code") == "ConditionalCheckFailed" else None
                for reason in reasons
            ]
            if all(each is None for each in current):
                raise
            return current
        return [None] * len(operations)

    return through_conflicts(write)


def through_conflicts[T](write: Callable[[], T]) -> T:
    """Write, and retry if another transaction holds the item."""
    for number in range(MOST_TRIES - 1):
        try:
            return write()
        except ClientError as error:
            if not _passes(error):
                raise
        time.sleep(random.uniform(0.05, 0.1) * 2**number)
    return write()


def _passes(error: ClientError) -> bool:
    if error_code(error) == "TransactionConflictException":  # for a write outside a transaction
        return True
    reasons: Any = error.response.get("CancellationReasons", [])
    return any(reason.get("Code") in PASSES for reason in reasons)
