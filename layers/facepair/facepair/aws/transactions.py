"""Writes that depend on an item of another table, and writes that meet them."""

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
"""Reasons of a canceled transaction that pass by themselves. botocore repeats none of them."""
MOST_TRIES = 7
"""With the pauses below they take about six seconds at most."""


type StoredItem = Mapping[str, Any]
"""An item as it stands, in DynamoDB's own notation; empty if there is none, or if it was not asked for."""


def conditioned(operation: dict[str, Any], condition: ConditionBase) -> dict[str, Any]:
    """An operation of a transaction with its condition. boto3 writes conditions out at the top of a request alone."""
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
    """Write all or nothing. For each operation None if its condition held, otherwise the item that stands.

    DynamoDB shows the item where the operation has ReturnValuesOnConditionCheckFailure.

    botocore gives each transaction a token of its own (ClientRequestToken), and the same at its own repetitions: one
    whose response was lost is not carried out twice, and does not fail on itself.
    """

    def write() -> list[StoredItem | None]:
        try:
            tables.meta.client.transact_write_items(TransactItems=operations)  # type: ignore[arg-type]
        except tables.meta.client.exceptions.TransactionCanceledException as canceled:
            reasons = canceled.response.get("CancellationReasons", [])
            standing: list[StoredItem | None] = [
                reason.get("Item") or {} if reason.get("Code") == "ConditionalCheckFailed" else None
                for reason in reasons
            ]
            if all(each is None for each in standing):
                raise
            return standing
        return [None] * len(operations)

    return through_conflicts(write)


def through_conflicts[T](write: Callable[[], T]) -> T:
    """Write, again after a moment if another transaction was at the same item."""
    for number in range(MOST_TRIES - 1):
        try:
            return write()
        except ClientError as error:
            if not _passes(error):
                raise
        time.sleep(random.uniform(0.05, 0.1) * 2**number)
    return write()


def _passes(error: ClientError) -> bool:
    if error_code(error) == "TransactionConflictException":  # of a write that is no transaction
        return True
    reasons: Any = error.response.get("CancellationReasons", [])
    return any(reason.get("Code") in PASSES for reason in reasons)
