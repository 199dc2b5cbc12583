"""template.yaml as CloudFormation sees it: read, and expanded by AWS's SAM translator."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.aws import offline_session
from sandbox.intrinsics import TemplateError

KNOWN_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
}
# SAM accepts code only in S3 (`sam deploy` uploads it first), so folders become keys of this bucket.
CODE_BUCKET = "sandbox-code"
CODE_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def read_template(path: Path) -> dict[str, Any]:
    """Return the template as written, with short forms of functions (`!Ref`) expanded.

    Raises FileNotFoundError or TemplateError.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        template = copy.deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise TemplateError(f"{path}: {error}") from error
    if unknown := template.keys() - KNOWN_SECTIONS:
        raise TemplateError(f"{path}: the sandbox does not know the section {', '.join(sorted(unknown))}")
    return template


@cache
def _parsed(template: str) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse

    parsed: dict[str, Any] = yaml_parse(template)
    return parsed


def expand(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the template with SAM resources expanded and functions unresolved.

    `S3Key` in a function's `Code` and a layer's `Content` is the folder, relative to the template.
    """
    # A slow import, done here while moto's server starts.
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    resources = {name: _with_code_in_s3(name, resource) for name, resource in template["Resources"].items()}
    translator = Translator({}, Parser(), boto_session=offline_session())
    try:
        expanded: dict[str, Any] = translator.translate(dict(template) | {"Resources": resources}, dict(parameters))
    except InvalidDocumentException as error:
        raise TemplateError("; ".join(cause.message for cause in error.causes)) from error
    return expanded


def override(
    template: Mapping[str, Any], properties: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return the expanded template with other `properties`, by logical id, and more `environment` for every function.

    Raises TemplateError for an unknown logical id.
    """
    resources: dict[str, dict[str, Any]] = dict(template["Resources"])
    if unknown := sorted(properties.keys() - resources.keys()):
        known = ", ".join(sorted(resources))
        raise TemplateError(f"overrides: there is no resource {', '.join(unknown)} in the template; it has {known}")
    for logical_id, values in properties.items():
        resources[logical_id] = _with_properties(resources[logical_id], values)
    if environment:
        for logical_id, resource in resources.items():
            if resource["Type"] == "AWS::Lambda::Function":
                declared = resource["Properties"].get("Environment", {})
                variables = {"Variables": declared.get("Variables", {}) | dict(environment)}
                resources[logical_id] = _with_properties(resource, {"Environment": declared | variables})
    return dict(template) | {"Resources": resources}


def _with_properties(resource: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(resource) | {"Properties": resource.get("Properties", {}) | dict(values)}


def _with_code_in_s3(name: str, resource: dict[str, Any]) -> dict[str, Any]:
    code = CODE_PROPERTIES.get(resource["Type"])
    if code is None:
        return resource
    folder = resource.get("Properties", {}).get(code)
    if not isinstance(folder, str) or folder.startswith("s3:"):
        raise TemplateError(f"{name}: {code} must be a folder beside the template; it is {folder!r}")
    return resource | {"Properties": resource["Properties"] | {code: f"s3://{CODE_BUCKET}/{folder}"}}
