"""DynamoDB's conditions, evaluated in memory."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from boto3.dynamodb.conditions import AttributeBase, ConditionBase

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    "IN": lambda value, values: value in values,
}


def holds(condition: ConditionBase, item: Mapping[str, Any]) -> bool:
    """Return whether a condition holds for an item, as DynamoDB says: a missing attribute differs from any value, and
    every other comparison with it is false."""
    expression = condition.get_expression()
    kind, first, *rest = expression["operator"], *expression["values"]
    if isinstance(first, AttributeBase):
        value = _value(item, first.name)
        if kind == "<>":
            return bool(value != rest[0])
        if kind in ("attribute_exists", "attribute_not_exists"):
            return (value is None) is (kind == "attribute_not_exists")
        return value is not None and COMPARISONS[kind](value, rest[0])
    if kind == "NOT":
        return not holds(first, item)
    both = {"AND": all, "OR": any}[kind]
    return both(holds(each, item) for each in (first, *rest))


def _value(item: Mapping[str, Any], path: str) -> Any:
    value: Any = item
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
