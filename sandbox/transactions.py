"""DynamoDB transactions for moto: first all conditions, then all writes.

moto copies every table of a transaction and restores the copies if a condition fails; stream readers then keep reading
tables that are never written again. With one request at a time, neither is needed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import MultipleTransactionsException, TransactionCanceledException
from moto.dynamodb.models import DynamoDBBackend

type Operation = Mapping[str, Any]


def install() -> None:
    setattr(DynamoDBBackend, "transact_write_items", _transact_write_items)  # noqa: B010


def _transact_write_items(dynamodb: DynamoDBBackend, transact_items: Sequence[Mapping[str, Operation]]) -> None:
    operations = [next(iter(item.items())) for item in transact_items]
    keys = [(operation["TableName"], str(_key(dynamodb, operation))) for _, operation in operations]
    if len(set(keys)) < len(keys):
        raise MultipleTransactionsException
    reasons = [_reason(dynamodb, operation) for _, operation in operations]
    if any(code for code, *_ in reasons):
        raise TransactionCanceledException(reasons)
    for kind, operation in operations:
        table, names = operation["TableName"], operation.get("ExpressionAttributeNames", {})
        match kind:
            case "Put":
                dynamodb.put_item(table, operation["Item"])
            case "Delete":
                dynamodb.delete_item(table, operation["Key"])
            case "Update":
                values, update = operation.get("ExpressionAttributeValues", {}), operation["UpdateExpression"]
                dynamodb.update_item(table, operation["Key"], update, names, values)


def _key(dynamodb: DynamoDBBackend, operation: Operation) -> dict[str, Any]:
    if "Key" in operation:
        return dict(sorted(operation["Key"].items()))
    table = dynamodb.get_table(operation["TableName"])
    names = sorted(name for name in (table.hash_key_attr, table.range_key_attr) if name)
    return {name: operation["Item"][name] for name in names}


def _reason(dynamodb: DynamoDBBackend, operation: Operation) -> tuple[str | None, str | None, Any]:
    """Return why an operation fails: code, message and the existing item; three times None if it succeeds."""
    expression = operation.get("ConditionExpression")
    if expression is None:
        return None, None, None
    names, values = operation.get("ExpressionAttributeNames"), operation.get("ExpressionAttributeValues")
    there = dynamodb.get_item(operation["TableName"], _key(dynamodb, operation))
    if get_filter_expression(expression, names, values).expr(there):
        return None, None, None
    shown = there.to_json()["Attributes"] if there and "ReturnValuesOnConditionCheckFailure" in operation else None
    return "ConditionalCheckFailed", "The conditional request failed", shown
