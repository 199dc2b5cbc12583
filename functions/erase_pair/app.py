"""EraseFunction: erase a pair in the name of the person who signed the request, through its function URL.

POST {"pair_id": "..."} erases one pair; AWS says who asks.
"""

import json
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.settings import EraseSettings


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return a response of a function URL."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    EraseSettings.from_environment()
    runtime = Runtime()

    @runtime.logged
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        by = function_url.caller(event)
        try:
            request = json.loads(function_url.body(event))
        except ValueError as error:
            return function_url.refusal(str(error))
        runtime.logger.info("Erase requested", extra={"by": by, "fields": sorted(request)})
        return function_url.answer({"message": "Erasing through this function comes later"}, HTTPStatus.NOT_IMPLEMENTED)

    return handle
