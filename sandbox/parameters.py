"""Check a template's parameters and rules, as CloudFormation does before anything else."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.intrinsics import Scope, TemplateError, text

KNOWN_ATTRIBUTES = {
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxValue",
    "MinValue",
    "Type",
}


class ParameterError(ValueError):
    """The template rejects a parameter. The message names it and the allowed values."""


def parameter_values(declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, object]) -> dict[str, str]:
    """Return every parameter's value as text: the given one or the default."""
    if unknown := sorted(given.keys() - declared.keys()):
        raise ParameterError(
            f"Parameters: [{', '.join(unknown)}] do not exist in the template; it has {', '.join(sorted(declared))}"
        )
    defaults = {name: attributes["Default"] for name, attributes in declared.items() if "Default" in attributes}
    if missing := sorted(declared.keys() - defaults.keys() - given.keys()):
        raise ParameterError(f"Parameters: [{', '.join(missing)}] must have values")
    values = {name: text(given[name] if name in given else defaults[name]) for name in declared}
    for name, attributes in declared.items():
        _check(name, attributes, values[name])
    return values


def references(declared: Mapping[str, Mapping[str, Any]], values: Mapping[str, str]) -> dict[str, str | list[str]]:
    """Return what `Ref` gives for each parameter: a list for a CommaDelimitedList."""
    return {
        name: _items(value) if declared[name]["Type"] == "CommaDelimitedList" else value
        for name, value in values.items()
    }


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")] if value else []


def check_rules(rules: Mapping[str, Mapping[str, Any]], scope: Scope) -> None:
    for name, rule in rules.items():
        if unknown := rule.keys() - {"Assertions", "RuleCondition"}:
            raise TemplateError(f"Rule {name}: the sandbox does not know {', '.join(sorted(unknown))}")
        if "RuleCondition" in rule and not scope.holds(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not scope.holds(assertion["Assert"]):
                raise ParameterError(f"Rule {name} failed: {assertion['AssertDescription']}")


def _check(name: str, attributes: Mapping[str, Any], value: str) -> None:
    if unknown := attributes.keys() - KNOWN_ATTRIBUTES:
        raise TemplateError(f"Parameter {name}: the sandbox does not know {', '.join(sorted(unknown))}")
    if problem := _problem(attributes, value):
        raise ParameterError(f"Parameter {name} {attributes.get('ConstraintDescription', problem)}; it is {value!r}")


def _problem(attributes: Mapping[str, Any], value: str) -> str | None:
    match attributes["Type"]:
        case "Number":
            if problem := _number_problem(attributes, value):
                return problem
        case "CommaDelimitedList":
            problems = (_problem(dict(attributes) | {"Type": "String"}, item) for item in _items(value))
            return next((problem for problem in problems if problem), None)
        case "String":
            pass
        case other:
            raise TemplateError(f"the sandbox does not know parameters of type {other}")
    allowed = [text(item) for item in attributes.get("AllowedValues", [value])]
    if value not in allowed:
        return f"must be one of {', '.join(allowed)}"
    pattern = attributes.get("AllowedPattern", ".*")
    return None if re.fullmatch(pattern, value, re.DOTALL) else f"must match the pattern {pattern}"


def _number_problem(attributes: Mapping[str, Any], value: str) -> str | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        return "must be a number"
    if "MinValue" in attributes and number < attributes["MinValue"]:
        return f"must be a number not less than {attributes['MinValue']}"
    if "MaxValue" in attributes and number > attributes["MaxValue"]:
        return f"must be a number not greater than {attributes['MaxValue']}"
    return None
