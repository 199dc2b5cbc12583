"""PublishFunction, as an operator invokes it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from facepair.aws.clients import aws_errors
from facepair.domain.retry import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

UNHURRIED = Config(connect_timeout=5, read_timeout=330, tcp_keepalive=True, retries={"total_max_attempts": 1})
"""For an invocation that may last as long as the function does; repeated unasked, it would publish twice at once."""


class PublishFunction:
    """A facepair.use_cases.resend.Republishes."""

    def __init__(self, functions: "LambdaClient", name: str) -> None:
        self._functions = functions
        self._name = name

    @aws_errors()
    def republish(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """Its answer. Raises Unavailable with its own words if it failed."""
        answer = self._functions.invoke(FunctionName=self._name, Payload=json.dumps({"republish": wanted}).encode())
        payload: Mapping[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise Unavailable(f"{self._name} failed: {payload.get('errorMessage', payload)}")
        return payload
