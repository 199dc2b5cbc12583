"""The sample events are listed, and their environment file names what the template leaves to the stack."""

import json
from pathlib import Path
from typing import Any

from sandbox.template import read_template
from tests.docs.markdown import Document

ROOT = Path(__file__).parents[2]
TEMPLATE = read_template(ROOT / "template.yaml")


def test_every_event_is_listed() -> None:
    listed = Document(ROOT, "events/README.md").table("event").names

    assert sorted(listed) == sorted(path.name for path in (ROOT / "events").glob("*.json") if path.name != "env.json")


def test_the_environment_names_every_resource_variable() -> None:
    """`sam local` resolves parameters to their defaults, and a resource to its logical id."""
    named = json.loads((ROOT / "events" / "env.json").read_text())["Parameters"]

    functions = [each for each in TEMPLATE["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    everywhere = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    declared = [everywhere, *(each["Properties"].get("Environment", {}).get("Variables", {}) for each in functions)]
    of_the_stack = {name for variables in declared for name, value in variables.items() if _is_of_the_stack(value)}
    assert named.keys() == of_the_stack | {"WEBHOOK_URL"}


def _is_of_the_stack(value: Any) -> bool:
    if not isinstance(value, dict) or "Fn::If" in value:
        return False
    return value.get("Ref") in TEMPLATE["Resources"] or "/${AWS::StackName}/" in value.get("Fn::Sub", "")
