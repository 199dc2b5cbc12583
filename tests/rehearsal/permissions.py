"""Compare what the deployed policies grant with what was decided while the stack was used."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

NOT_REHEARSED = re.compile(r"#\s*not rehearsed: (?P<action>[a-z0-9-]+:\w+): (?P<why>\S.+)")
"""Marks a permission in the template that the rehearsal cannot use, with the reason for granting it."""


@dataclass(frozen=True)
class Decision:
    """A decision of the emulator's IAM; see emulator/decisions.py for principals."""

    principal: str
    action: str
    resource: str
    allowed: bool

    @property
    def name(self) -> str:
        """The principal's name, from `arn:aws:sts::1:assumed-role/<name>/<session>` or `arn:aws:iam::1:user/<name>`."""
        return self.principal.split("/")[1] if self.principal.startswith("arn:") else self.principal

    @property
    def is_a_persons(self) -> bool:
        return ":user/" in self.principal

    def __str__(self) -> str:
        return f"{self.name}: {self.action} on {self.resource}"


@dataclass(frozen=True)
class Grant:
    """An action on a resource, allowed by a policy (logical id) in a statement (Sid)."""

    policy: str
    sid: str
    principals: frozenset[str]
    action: str
    resource: str

    def covers(self, decision: Decision) -> bool:
        return (
            decision.name in self.principals
            and fnmatchcase(decision.action.lower(), self.action.lower())
            and fnmatchcase(decision.resource, self.resource)
        )

    def __str__(self) -> str:
        return f"{self.policy}, {self.sid}: {self.action} on {self.resource}"


@dataclass(frozen=True)
class Refusal:
    """An action on a resource that the rehearsal denies a role, to run the function's failure branch."""

    role: str
    action: str
    resource: str

    def covers(self, decision: Decision) -> bool:
        return (
            decision.name == self.role
            and decision.action.lower() == self.action.lower()
            and fnmatchcase(decision.resource, self.resource)
        )


def decisions(file: Path) -> list[Decision]:
    """Return the decisions recorded so far."""
    return [Decision(**json.loads(line)) for line in file.read_text().splitlines()]


def granted(policy: str, document: Mapping[str, Any], principals: Iterable[str] = ()) -> Iterator[Grant]:
    """Yield all actions and resources that a policy allows `principals`, or the AWS services it names."""
    for statement in listed(document["Statement"]):
        if statement["Effect"] == "Allow":
            to = frozenset(principals) or frozenset(listed(statement["Principal"]["Service"]))
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield Grant(policy, statement.get("Sid", "a statement without Sid"), to, action, resource)


def unused(grants: Iterable[Grant], made: Iterable[Decision]) -> set[Grant]:
    uses = [decision for decision in made if decision.allowed]
    return {grant for grant in grants if not any(grant.covers(use) for use in uses)}


def excuses(template: Path) -> dict[tuple[str, str], str]:
    """Return (Sid, action) -> why, from `# not rehearsed: <action>: <why>` in the statements of the template."""
    text = template.read_text()
    lines = text.splitlines()
    found = {}
    for node in _mappings(yaml.compose(text, Loader=yaml.SafeLoader)):
        fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        if "Sid" in fields:
            for line in lines[node.start_mark.line : node.end_mark.line]:
                if comment := NOT_REHEARSED.search(line):
                    found[fields["Sid"].value, comment["action"]] = comment["why"]
    return found


def _mappings(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _mappings(each)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
