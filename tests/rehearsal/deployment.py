"""The stack in the second AWS, built and deployed like users do: by SAM CLI with samconfig.toml."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.cloud import CREDENTIALS, EmulatedAdvance
from sandbox.processes import clean_environment
from tests.rehearsal.permissions import Decision, Grant, Refusal, granted, unused
from tests.rehearsal.second_aws import SecondAws

ROOT = Path(__file__).parents[2]
SAM = ROOT / ".tools" / "sam" / "bin" / "sam"
ARTEFACT = ROOT / ".aws-sam" / "rehearsal"
"""Separate from `make deploy`'s build, which is for another processor."""
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
STACK_NAME = "facepair-rehearsal"
DEPLOYER = "deployer"
"""The deploying role, with only deploy/policy.json."""
MACHINE = dict(os.environ)
"""Saved before tests hide it: pip needs the machine's proxies and package index."""
PATIENCE = 300.0  # seconds


def build() -> Path:
    """Run `sam build` for this machine's processor; return the folder. Raises RuntimeError."""
    for_this_machine = ("--parameter-overrides", f"Architecture={ARCHITECTURE}")
    folders = ("--build-dir", str(ARTEFACT / "build"), "--cache-dir", str(ARTEFACT / "cache"))
    _sam("build", *folders, *for_this_machine, environment=MACHINE)
    return ARTEFACT / "build"


def _sam(*arguments: str, environment: dict[str, str]) -> None:
    tool = {"PATH": f"{SAM.parent}{os.pathsep}{environment['PATH']}", "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [SAM, *arguments],
        cwd=ROOT,
        env=environment | tool,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(f"sam {arguments[0]} failed:\n{done.stdout[-5000:]}")


class Deployment:
    """The stack STACK_NAME, with the ADVANCE emulator as its API.

    Has what tests.support.deployed needs: `outputs`, `aws(service)` and `advance`.
    """

    def __init__(self, cloud: SecondAws, built: Path, advance: EmulatedAdvance) -> None:
        self._cloud = cloud
        self._built = built
        self.advance = advance
        self.outputs: dict[str, str] = {}
        self.grants: set[Grant] = set()
        """Everything that policies of this stack have ever granted."""
        policy = json.loads((ROOT / "deploy" / "policy.json").read_text())
        self._people = {DEPLOYER: cloud.session(DEPLOYER, policy)}
        self._clients: dict[tuple[str, str], Any] = {}
        self._refusals: list[Refusal] = []
        self._before = self._there()

    def aws(self, service: str, person: str = "") -> Any:
        """Return a client of the administrator, or of a `person` with only the managed policy of that logical id."""
        if (service, person) not in self._clients:
            self._clients[service, person] = self._cloud.client(service, self._people[person] if person else None)
        return self._clients[service, person]

    def variables(self, person: str) -> dict[str, str]:
        """Return the variables for the DEPLOYER, or for a person with only the managed policy of that logical id."""
        return self._cloud.variables | self._people[person]

    def deploy(self, **parameters: object) -> None:
        """Run `sam deploy` as the DEPLOYER, with defaults for other parameters. Raises RuntimeError."""
        given = {"Architecture": ARCHITECTURE, "AdvanceBaseUrl": self.advance.url} | parameters
        environment = clean_environment() | self.variables(DEPLOYER)
        environment |= {"HOME": str(self._cloud.log_file.parent), "SAM_CLI_POLL_DELAY": "0.3"}
        _sam(
            *("deploy", "--stack-name", STACK_NAME, "--config-file", str(ROOT / "samconfig.toml")),
            *("--template-file", str(self._built / "template.yaml")),
            *("--parameter-overrides", *(f'{name}="{value}"' for name, value in given.items())),
            environment=environment,
        )
        stack = self.aws("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        self.aws("secretsmanager").put_secret_value(
            SecretId=self.outputs["CredentialsSecret"], SecretString=json.dumps(CREDENTIALS)
        )
        for logical_id, arn in self.resources("AWS::IAM::ManagedPolicy").items():
            if logical_id not in self._people:
                self._people[logical_id] = self._cloud.person(logical_id, arn)
        self.grants |= set(self._granted())

    def change_layer(self, file: str, addition: str) -> None:
        """Append to a file of the built package layer, as if it had been changed and rebuilt."""
        with (self._built / "FacepairLayer" / "python" / file).open("a") as source:
            source.write(addition)

    def resources(self, resource_type: str) -> dict[str, str]:
        """Return logical id -> physical id."""
        pages = self.aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
        found = [resource for page in pages for resource in page["StackResourceSummaries"]]
        return {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in found
            if resource["ResourceType"] == resource_type
        }

    def managed_by_aws(self) -> set[str]:
        """Return the names of AWS's own policies attached to the stack's roles."""
        iam = self.aws("iam")
        attached = [
            policy
            for role in self.resources("AWS::IAM::Role").values()
            for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        ]
        return {each["PolicyName"] for each in attached if each["PolicyArn"].startswith("arn:aws:iam::aws:policy/")}

    def denied(self) -> list[Decision]:
        """Return the functions' denials that the rehearsal did not cause itself; commands report those of people."""
        denied = (each for each in self._cloud.decisions() if not each.allowed and not each.is_a_persons)
        return [each for each in denied if not any(refusal.covers(each) for refusal in self._refusals)]

    @contextmanager
    def refusing(self, refusal: Refusal) -> Iterator[None]:
        """Make IAM deny something to a function, as if its permission were missing."""
        iam, policy = self.aws("iam"), f"refuses-{len(self._refusals)}"
        statement = {"Effect": "Deny", "Action": refusal.action, "Resource": refusal.resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._refusals.append(refusal)
        iam.put_role_policy(RoleName=refusal.role, PolicyName=policy, PolicyDocument=document)
        try:
            yield
        finally:
            iam.delete_role_policy(RoleName=refusal.role, PolicyName=policy)

    def has_refused(self, refusal: Refusal) -> bool:
        """Return whether the function was denied it."""
        return any(refusal.covers(each) for each in self._cloud.decisions() if not each.allowed)

    def unused(self) -> set[Grant]:
        """Return grants of the stack's policies that no request has used."""
        return unused(self.grants, self._cloud.decisions())

    def _granted(self) -> Iterator[Grant]:
        """Yield grants by inline policies of roles, managed policies of persons, and queue policies."""
        iam, sqs = self.aws("iam"), self.aws("sqs")
        for logical_id, role in self.resources("AWS::IAM::Role").items():
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                yield from granted(logical_id, document, [role])
        for logical_id, arn in self.resources("AWS::IAM::ManagedPolicy").items():
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            having = iam.list_entities_for_policy(PolicyArn=arn)
            roles = [role["RoleName"] for role in having["PolicyRoles"]]
            yield from granted(logical_id, document, [logical_id, *roles])
        for logical_id, url in self.resources("AWS::SQS::Queue").items():
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
            if "Policy" in attributes:
                yield from granted(logical_id, json.loads(attributes["Policy"]))

    def detach_policies(self) -> None:
        """Detach the managed policies from their users."""
        for logical_id, arn in self.resources("AWS::IAM::ManagedPolicy").items():
            self.aws("iam").detach_user_policy(UserName=logical_id, PolicyArn=arn)

    def delete(self) -> "subprocess.CompletedProcess[str]":
        """Run `make delete`, as in a script."""
        return subprocess.run(
            [sys.executable, "-m", "deploy.delete", "--stack", STACK_NAME, "--yes"],
            cwd=ROOT,
            env=clean_environment() | self._cloud.variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def there(self) -> set[tuple[str, str]]:
        """Return kind and name of everything new in the account, of the kinds in KINDS."""
        return self._there() - self._before

    def _there(self) -> set[tuple[str, str]]:
        found = set()
        for kind, (service, operation, members, name) in KINDS.items():
            for page in self.aws(service).get_paginator(operation).paginate():
                found |= {(kind, member[name] if name else member) for member in page.get(members, [])}
        return {(kind, name) for kind, name in found if not name.startswith("aws-sam-cli-managed-default")}  # SAM's own


KINDS = {
    "bucket": ("s3", "list_buckets", "Buckets", "Name"),
    "table": ("dynamodb", "list_tables", "TableNames", ""),
    "queue": ("sqs", "list_queues", "QueueUrls", ""),
    "function": ("lambda", "list_functions", "Functions", "FunctionName"),
    "layer": ("lambda", "list_layers", "Layers", "LayerName"),
    "role": ("iam", "list_roles", "Roles", "RoleName"),
    "policy": ("iam", "list_policies", "Policies", "PolicyName"),
    "log group": ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "secret": ("secretsmanager", "list_secrets", "SecretList", "Name"),
    "parameter": ("ssm", "describe_parameters", "Parameters", "Name"),
    "topic": ("sns", "list_topics", "Topics", "TopicArn"),
    "alarm": ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "dashboard": ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "rule": ("events", "list_rules", "Rules", "Name"),
    "stack": ("cloudformation", "describe_stacks", "Stacks", "StackName"),
}
"""Kind -> service, paginated operation, list in its response, and the name's key in a member ("": the member itself).
"""
