"""An update from the previous release makes CloudFormation replace nothing that is stateful."""

from pathlib import Path
from typing import Any

import pytest

from deploy.previous_release import unpack
from sandbox.template import read_template
from tests.support import ROOT
from tests.support.previous_release import STATEFUL


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The previous release's stateful resources as written, by logical id."""
    folder = unpack(tmp_path_factory.mktemp("previous"))
    return stateful(folder / "template.yaml")


def stateful(template: Path) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in read_template(template)["Resources"].items() if each["Type"] in STATEFUL}


def create_only(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the properties whose change makes CloudFormation create another resource, by its registry's schemas."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER  # takes half a second

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", resource["Type"]).schema
    paths = (*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ()))
    properties = resource.get("Properties", {})
    return {name: properties.get(name) for name in (path.split("/")[2] for path in paths)}


def test_no_stateful_resource_is_removed_or_replaced(previous: dict[str, dict[str, Any]]) -> None:
    present = stateful(ROOT / "template.yaml")

    assert {each["Type"] for each in previous.values()} == STATEFUL
    assert {name: create_only(present[name]) if name in present else None for name in previous} == {
        name: create_only(each) for name, each in previous.items()
    }


def test_what_was_kept_when_a_stack_is_deleted_still_is(previous: dict[str, dict[str, Any]]) -> None:
    present = stateful(ROOT / "template.yaml")

    for attribute in ("DeletionPolicy", "UpdateReplacePolicy"):
        kept = {name for name, each in previous.items() if each.get(attribute) == "Retain"}
        assert kept == {name for name in kept if present[name].get(attribute) == "Retain"}
