"""Deploy a template like CloudFormation: each resource by its own API call, after those it refers to."""

import json
import re
import secrets
import string
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sandbox.aws import ACCOUNT, REGION, LocalAws
from sandbox.intrinsics import Scope, TemplateError, text
from sandbox.kinds import KINDS, LEFT_OUT, WITHOUT_EFFECT
from sandbox.parameters import check_rules, parameter_values, references
from sandbox.resources import DesiredResource, flag, whole
from sandbox.stack import EventSource, Function, Resource, SandboxStack, Schedule, StreamSource
from sandbox.template import expand, override, read_template

RESOURCE_ATTRIBUTES = {
    "Condition",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdateReplacePolicy",
}
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
LONGEST_NAME = 63  # a bucket's; CloudFormation shortens the names and keeps the random suffix


def deploy(
    aws: LocalAws,
    template_file: Path,
    stack_name: str,
    parameters: Mapping[str, object],
    previous: SandboxStack | None = None,
    *,
    overrides: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> SandboxStack:
    """Create the template's stack, or change the previous one as far as the sandbox can.

    `overrides` replaces properties of resources, by logical id; `environment` adds variables to every function. Raises
    ParameterError for parameters that the template rejects, and TemplateError for a template that CloudFormation would
    reject or the sandbox does not support; in both cases before anything is created.
    """
    written = read_template(template_file)
    values = parameter_values(written.get("Parameters", {}), parameters)
    template = override(expand(written, values), overrides, environment)
    declared = written.get("Parameters", {})
    given = references(declared, values)
    deployment = _Deployment(aws, template | {"Rules": written.get("Rules", {})}, stack_name, given, previous)
    resources = deployment.create_all()
    outputs = deployment.outputs()
    # moto refuses an update that changes nothing it knows: new code alone is none.
    if previous is None or (previous.parameters, previous.outputs) != (values, outputs):
        _describe(aws, stack_name, values, outputs, update=previous is not None)
    functions = dict(_functions(resources, template_file.parent))
    return SandboxStack(
        name=stack_name,
        parameters=values,
        resources=resources,
        outputs=outputs,
        functions=functions,
        event_sources=tuple(_event_sources(resources, functions)),
        schedules=tuple(_schedules(resources)),
        left_out=deployment.left_out(),
        stream_sources=tuple(_stream_sources(resources, functions)),
    )


class _Deployment:
    """Creates a template's resources, each when first referred to."""

    def __init__(
        self,
        aws: LocalAws,
        template: Mapping[str, Any],
        stack_name: str,
        parameters: Mapping[str, str | list[str]],
        previous: SandboxStack | None,
    ) -> None:
        self._aws = aws
        self._template = template
        self._stack_name = stack_name
        self._previous = previous.resources if previous else {}
        self._created: dict[str, Resource] = {}
        self._under_way: list[str] = []
        self._scope = Scope(
            dict(parameters) | _pseudo_parameters(stack_name),
            conditions=template.get("Conditions", {}),
            mappings=template.get("Mappings", {}),
            reference=lambda logical_id: self._resource(logical_id).physical_id,
            attribute=self._attribute,
        )
        check_rules(template["Rules"], self._scope)
        self._declared = {
            logical_id: resource
            for logical_id, resource in template["Resources"].items()
            if "Condition" not in resource or self._scope.condition(resource["Condition"])
        }
        for logical_id, resource in template["Resources"].items():
            _check_known(logical_id, resource)

    def create_all(self) -> dict[str, Resource]:
        for logical_id in self._declared:
            self._resource(logical_id)
        return self._created

    def outputs(self) -> dict[str, str]:
        return {
            name: text(self._scope.resolve(output["Value"]))
            for name, output in self._template.get("Outputs", {}).items()
            if "Condition" not in output or self._scope.condition(output["Condition"])
        }

    def left_out(self) -> dict[str, str]:
        present = {resource["Type"] for resource in self._declared.values()}
        present |= {
            f"{resource['Type']}.{name}"
            for resource in self._declared.values()
            for name in resource.get("Properties", {})
        }
        return {thing: reason for thing, reason in (LEFT_OUT | WITHOUT_EFFECT).items() if thing in present}

    def _resource(self, logical_id: str) -> Resource:
        if logical_id in self._created:
            return self._created[logical_id]
        if logical_id not in self._declared:
            raise TemplateError(f"there is no parameter or resource {logical_id}, or its condition is false")
        if logical_id in self._under_way:
            raise TemplateError(f"circular dependency: {' -> '.join([*self._under_way, logical_id])}")
        self._under_way.append(logical_id)
        self._created[logical_id] = self._create(logical_id, self._declared[logical_id])
        self._under_way.pop()
        return self._created[logical_id]

    def _create(self, logical_id: str, declared: Mapping[str, Any]) -> Resource:
        for earlier in _listed(declared.get("DependsOn", [])):
            self._resource(earlier)
        wanted = DesiredResource(
            logical_id,
            declared["Type"],
            physical_name(self._stack_name, logical_id),
            self._scope.resolve(declared.get("Properties", {})),
        )
        if wanted.type in LEFT_OUT:
            if logical_id in self._previous:
                return self._previous[logical_id]
            # A placeholder to refer to.
            return wanted.created(wanted.name, Arn=f"arn:aws:sandbox:{REGION}:{ACCOUNT}:{wanted.name}")
        if logical_id in self._previous:
            return self._update(wanted, self._previous[logical_id])
        return KINDS[wanted.type].create(self._aws.client, _without_left_out(wanted))

    def _update(self, wanted: DesiredResource, existing: Resource) -> Resource:
        wanted = _without_left_out(wanted)
        if wanted.properties == existing.properties:
            return existing
        update = KINDS[wanted.type].update
        if update is None:
            raise TemplateError(
                f"this would change {wanted.logical_id} ({wanted.type}), which the sandbox cannot do to a stack that "
                "is there: start a new sandbox"
            )
        return update(self._aws.client, wanted, existing)

    def _attribute(self, logical_id: str, name: str) -> str:
        resource = self._resource(logical_id)
        if name not in resource.attributes:
            raise TemplateError(f"{logical_id} ({resource.type}): the sandbox does not know its attribute {name}")
        return resource.attributes[name]


def physical_name(stack_name: str, logical_id: str) -> str:
    suffix = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))
    return f"{stack_name}-{logical_id}"[: LONGEST_NAME - len(suffix) - 1] + "-" + suffix


def _pseudo_parameters(stack_name: str) -> dict[str, str]:
    return {
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com",
    }


def _check_known(logical_id: str, resource: Mapping[str, Any]) -> None:
    kind, properties = resource["Type"], resource.get("Properties", {})
    if unknown := sorted(resource.keys() - RESOURCE_ATTRIBUTES):
        raise TemplateError(f"{logical_id}: the sandbox does not know {', '.join(unknown)}")
    if kind in LEFT_OUT:
        return
    if kind not in KINDS:
        raise TemplateError(f"{logical_id}: the sandbox does not know resources of type {kind}")
    unknown = sorted(name for name in properties.keys() - KINDS[kind].properties if f"{kind}.{name}" not in LEFT_OUT)
    if unknown:
        raise TemplateError(f"{logical_id} ({kind}): the sandbox does not know {', '.join(unknown)}")


def _without_left_out(wanted: DesiredResource) -> DesiredResource:
    kept = {name: value for name, value in wanted.properties.items() if name in KINDS[wanted.type].properties}
    return DesiredResource(wanted.logical_id, wanted.type, wanted.name, kept)


def _functions(resources: Mapping[str, Resource], root: Path) -> Iterator[tuple[str, Function]]:
    layers = {
        layer.physical_id: _folder(logical_id, root / layer.properties["Content"]["S3Key"])
        for logical_id, layer in resources.items()
        if layer.type == "AWS::Lambda::LayerVersion"
    }
    for logical_id, resource in resources.items():
        if resource.type != "AWS::Lambda::Function":
            continue
        properties, name = resource.properties, resource.physical_id
        variables = properties.get("Environment", {}).get("Variables", {})
        yield (
            logical_id,
            Function(
                logical_id=logical_id,
                name=name,
                arn=resource.attributes["Arn"],
                handler=properties["Handler"],
                code=_folder(logical_id, root / properties["Code"]["S3Key"]),
                layers=tuple(layers[arn] for arn in properties.get("Layers", [])),
                environment={variable: text(value) for variable, value in variables.items()},
                timeout=whole(properties.get("Timeout", 3)),
                memory=whole(properties.get("MemorySize", 128)),
                log_group=properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}"),
            ),
        )


def _folder(logical_id: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise TemplateError(f"{logical_id}: there is no folder {folder}")
    return folder


def _event_sources(resources: Mapping[str, Resource], functions: Mapping[str, Function]) -> Iterator[EventSource]:
    queues = {r.attributes["Arn"]: r.physical_id for r in resources.values() if r.type == "AWS::SQS::Queue"}
    arns = {name: function.arn for function in functions.values() for name in (function.name, function.arn)}
    for resource in resources.values():
        if resource.type == "AWS::Lambda::EventSourceMapping" and resource.properties["EventSourceArn"] in queues:
            mapping = resource.properties
            yield EventSource(
                queue_url=queues[mapping["EventSourceArn"]],
                queue_arn=mapping["EventSourceArn"],
                function_arn=arns[mapping["FunctionName"]],
                batch_size=whole(mapping.get("BatchSize", 10)),
                # By default Lambda scales up to the account's limit.
                maximum_concurrency=whole(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 1000)),
                reports_batch_item_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []),
            )


def _stream_sources(resources: Mapping[str, Resource], functions: Mapping[str, Function]) -> Iterator[StreamSource]:
    queues = {r.attributes["Arn"]: r.physical_id for r in resources.values() if r.type == "AWS::SQS::Queue"}
    streams = {r.attributes["StreamArn"] for r in resources.values() if "StreamArn" in r.attributes}
    arns = {name: function.arn for function in functions.values() for name in (function.name, function.arn)}
    for resource in resources.values():
        if resource.type == "AWS::Lambda::EventSourceMapping" and resource.properties["EventSourceArn"] in streams:
            mapping = resource.properties
            destination = mapping.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            yield StreamSource(
                stream_arn=mapping["EventSourceArn"],
                function_arn=arns[mapping["FunctionName"]],
                starting_position=mapping["StartingPosition"],
                batch_size=whole(mapping.get("BatchSize", 100)),
                reports_batch_item_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []),
                bisects=flag(mapping.get("BisectBatchOnFunctionError", False)),
                maximum_retries=whole(mapping.get("MaximumRetryAttempts", -1)),
                maximum_age_seconds=whole(mapping.get("MaximumRecordAgeInSeconds", -1)),
                on_failure_queue_url=queues[destination] if destination else None,
            )


def _schedules(resources: Mapping[str, Resource]) -> Iterator[Schedule]:
    for resource in resources.values():
        if resource.type == "AWS::Events::Rule" and "ScheduleExpression" in resource.properties:
            every = _rate(resource.properties["ScheduleExpression"])
            for target in resource.properties["Targets"]:
                yield Schedule(resource.attributes["Arn"], target["Arn"], every)


def _rate(expression: str) -> timedelta:
    match = RATE.fullmatch(expression)
    if match is None:
        raise TemplateError(f"the sandbox does not know the schedule {expression}; it knows rate(N minutes|hours|days)")
    return timedelta(**{f"{match[2]}s": int(match[1])})


def _describe(
    aws: LocalAws, stack_name: str, parameters: Mapping[str, str], outputs: Mapping[str, str], *, update: bool
) -> None:
    """Register the stack's parameters and outputs with CloudFormation, without its resources."""
    body = {
        "Parameters": {name: {"Type": "String"} for name in parameters},
        "Resources": {"Sandbox": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    cloudformation = aws.client("cloudformation")
    call = cloudformation.update_stack if update else cloudformation.create_stack
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    call(StackName=stack_name, TemplateBody=json.dumps(body), Parameters=given)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
