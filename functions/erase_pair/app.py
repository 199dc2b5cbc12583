"""EraseFunction: erase a pair in the name of the person who signed the request, through its function URL.

POST {"pair_id": "..."} erases one pair; AWS says who asks.
"""

import json
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.settings import EraseSettings

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return a response of a function URL."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Wire the function once per execution environment, so that importing creates no client and reads no setting."""
    EraseSettings.from_environment()
    logger = Logger()
    # The package logs by the standard library; its lines come out as Powertools' JSON.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        by = function_url.caller(event)
        try:
            request = json.loads(function_url.body(event))
        except ValueError as error:
            return function_url.refusal(str(error))
        logger.info("Erase requested", extra={"by": by, "fields": sorted(request)})
        return function_url.answer({"message": "Erasing through this function comes later"}, HTTPStatus.NOT_IMPLEMENTED)

    return handle
