"""CompareFunction: SQS records of uploads in, the records that failed out."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from wiring import Handler, build


@cache
def _handle() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    return build()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names."""
    return _handle()(event, context)
