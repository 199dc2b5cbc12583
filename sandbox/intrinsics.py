"""CloudFormation's intrinsic functions and conditions, as far as such templates use them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

SUB_VARIABLE = re.compile(r"\$\{([^}]+)\}")
NO_VALUE = object()  # the result of `Ref: AWS::NoValue`, which removes the property


class TemplateError(ValueError):
    """The template has something that CloudFormation would reject or the sandbox does not support."""


class Scope:
    """What a template's functions see: values, conditions, mappings and resources.

    `reference` and `attribute` return a resource's `Ref` and `GetAtt`. They are called on demand, so a deployer may
    create the resource then.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        conditions: Mapping[str, Any],
        mappings: Mapping[str, Any],
        reference: Callable[[str], str],
        attribute: Callable[[str, str], str],
    ) -> None:
        self._values = values
        self._conditions = conditions
        self._mappings = mappings
        self._reference = reference
        self._attribute = attribute
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::Sub": self._sub,
        }
        self._tests: dict[str, Callable[[Any], bool]] = {
            "Condition": lambda name: self.condition(name),
            "Fn::And": lambda tests: all(self.holds(test) for test in tests),
            "Fn::EachMemberEquals": lambda sides: all(text(item) == text(sides[1]) for item in self.resolve(sides[0])),
            "Fn::Equals": lambda sides: text(self.resolve(sides[0])) == text(self.resolve(sides[1])),
            "Fn::Not": lambda tests: not self.holds(tests[0]),
            "Fn::Or": lambda tests: any(self.holds(test) for test in tests),
        }

    def resolve(self, value: Any) -> Any:
        """Return the value with every function replaced by its result."""
        match value:
            case list():
                return [item for item in map(self.resolve, value) if item is not NO_VALUE]
            case dict() if name := _function_name(value):
                if name not in self._functions:
                    raise TemplateError(f"the sandbox does not know the function {name}")
                return self._functions[name](value[name])
            case dict():
                resolved = {key: self.resolve(item) for key, item in value.items()}
                return {key: item for key, item in resolved.items() if item is not NO_VALUE}
            case _:
                return value

    def holds(self, test: Any) -> bool:
        """Return whether a test of the sections Conditions or Rules holds."""
        match test:
            case dict() if len(test) == 1 and (name := next(iter(test))) in self._tests:
                return self._tests[name](test[name])
            case _:
                raise TemplateError(f"the sandbox does not know the condition {test}")

    def condition(self, name: str) -> bool:
        if name not in self._conditions:
            raise TemplateError(f"there is no condition {name}")
        return self.holds(self._conditions[name])

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        return self._values[name] if name in self._values else self._reference(name)

    def _get_att(self, path: list[str]) -> str:
        return self._attribute(path[0], self.resolve(path[1]))

    def _sub(self, argument: str | list[Any]) -> str:
        template, variables = (argument, {}) if isinstance(argument, str) else argument

        def substitute(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in variables:
                return text(self.resolve(variables[name]))
            return text(self._get_att(name.split(".", 1)) if "." in name else self._ref(name))

        return SUB_VARIABLE.sub(substitute, template)

    def _if(self, argument: list[Any]) -> Any:
        name, when_true, when_false = argument
        return self.resolve(when_true if self.condition(name) else when_false)

    def _join(self, argument: list[Any]) -> str:
        separator, items = argument
        return str(separator).join(text(item) for item in self.resolve(items))

    def _split(self, argument: list[Any]) -> list[str]:
        separator, joined = argument
        return text(self.resolve(joined)).split(separator)

    def _select(self, argument: list[Any]) -> Any:
        index, items = self.resolve(argument)
        return items[int(index)]

    def _find_in_map(self, argument: list[Any]) -> Any:
        table, row, column = self.resolve(argument)
        try:
            return self._mappings[table][row][column]
        except KeyError:
            raise TemplateError(f"there is no {table}.{row}.{column} in the mappings") from None


def text(value: object) -> str:
    """Return a scalar as CloudFormation writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _function_name(value: dict[str, Any]) -> str | None:
    if len(value) != 1:
        return None
    name = next(iter(value))
    return name if name == "Ref" or name.startswith("Fn::") else None
