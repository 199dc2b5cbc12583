"""The stack in the second AWS, with the helpers of the end-to-end tests."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sandbox.processes import clean_environment
from tests.rehearsal.deployment import STACK_NAME, Deployment
from tests.rehearsal.permissions import Refusal
from tests.rehearsal.second_aws import ACCOUNT, REGION
from tests.support import commands
from tests.support.deployed import PATIENCE, Deployed


class Rehearsed(Deployed):
    """Like `Deployed`, with logs in CloudWatch; a denied permission ends all waiting."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment)  # type: ignore[arg-type]
        self.deployment = deployment

    def lines(self, function: str = "CompareFunction") -> list[str]:
        name = self.deployment.outputs[function]
        group = self.deployment.aws("lambda").get_function_configuration(FunctionName=name)["LoggingConfig"]["LogGroup"]
        pages = self.deployment.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        return [line for page in pages for event in page["events"] for line in event["message"].splitlines()]

    def wait(self, until: Callable[[], object], what: Callable[[], str], *, within: float = PATIENCE) -> None:
        def over() -> bool:
            self.nothing_was_denied()
            return bool(until())

        super().wait(over, what, within=within)

    def nothing_was_denied(self) -> None:
        """Fail with the role and action if anything was denied."""
        if denied := self.deployment.denied():
            pytest.fail("\n".join(["Permissions are missing:", *sorted(map(str, denied))]))

    @contextmanager
    def refused(self, function: str, action: str, resource: str) -> Iterator[None]:
        """Make AWS deny this action to a function (logical id), which must request it by the end.

        `resource` is an ARN, or the output that names a queue, a table or a bus.
        """
        role = self.deployment.resources("AWS::IAM::Role")[f"{function}Role"]
        refusal = Refusal(role, action, self._arn(resource))
        with self.deployment.refusing(refusal):
            yield
            self.wait(lambda: self.deployment.has_refused(refusal), lambda: f"{function} has not asked for {action}")

    def _arn(self, resource: str) -> str:
        name = self.deployment.outputs.get(resource, resource)
        if name.startswith("arn:"):
            return name
        kinds = {"Queue": ("sqs", ""), "Table": ("dynamodb", "table/"), "Bus": ("events", "event-bus/")}
        service, kind = next(kinds[end] for end in kinds if resource.endswith(end))
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}{name.rpartition('/')[2]}"

    def fails(self, function: str, event: object) -> None:
        """Invoke a function that must fail."""
        name = self.deployment.outputs[function]
        answer = self.deployment.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        assert "FunctionError" in answer, answer

    def facepair(self, person: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as a person with only the managed policy of that logical id."""
        variables = clean_environment() | self.deployment.variables(person)
        return commands.run(*arguments, "--stack", STACK_NAME, variables=variables)

    @contextmanager
    def without_events(self) -> Iterator[None]:
        """Stop receiving from the queue; at the end its messages are dropped."""
        functions, sqs = self.deployment.aws("lambda"), self.deployment.aws("sqs")
        name = self.deployment.outputs["CompareFunction"]
        [mapping] = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        yield
        sqs.purge_queue(QueueUrl=self.deployment.outputs["UploadsQueue"])
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
