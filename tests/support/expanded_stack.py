"""template.yaml, expanded as by CloudFormation, for given parameters."""

from collections.abc import Mapping
from typing import Any

from sandbox.intrinsics import Scope
from sandbox.parameters import parameter_values, references
from sandbox.template import expand, read_template
from tests.support import ROOT

WRITTEN = read_template(ROOT / "template.yaml")


class ExpandedStack:
    """All resources with their functions resolved.

    `Ref` gives "<Id>" and `GetAtt` "<Id.Attribute>" of existing resources; other references fail.
    """

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self.parameters = parameter_values(WRITTEN["Parameters"], parameters)
        expanded = expand(WRITTEN, self.parameters)
        pseudo = {"AWS::StackName": "pairs", "AWS::Region": "eu-west-1", "AWS::AccountId": "1", "AWS::Partition": "aws"}
        self.scope = Scope(
            references(WRITTEN["Parameters"], self.parameters) | pseudo,
            conditions=expanded["Conditions"],
            mappings={},
            reference=lambda logical_id: f"<{self._existing(logical_id)}>",
            attribute=lambda logical_id, name: f"<{self._existing(logical_id)}.{name}>",
        )
        self._declared = {
            logical_id: resource
            for logical_id, resource in expanded["Resources"].items()
            if "Condition" not in resource or self.scope.condition(resource["Condition"])
        }
        self.resources = {logical_id: self.scope.resolve(one) for logical_id, one in self._declared.items()}
        self.outputs = self.scope.resolve(
            {
                name: output["Value"]
                for name, output in expanded["Outputs"].items()
                if "Condition" not in output or self.scope.condition(output["Condition"])
            }
        )

    def _existing(self, logical_id: str) -> str:
        assert logical_id in self._declared, f"reference to {logical_id}, which does not exist"
        return logical_id

    def properties(self, logical_id: str) -> dict[str, Any]:
        properties: dict[str, Any] = self.resources[logical_id]["Properties"]
        return properties

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: one["Properties"] for name, one in self.resources.items() if one["Type"] == kind}
