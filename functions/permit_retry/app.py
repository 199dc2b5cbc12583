"""PermitFunction: a person's permission to call once more for pairs of unknown outcome, by the function's URL.

POST {"pair_ids": ["..."]}; who permits it is who AWS says has signed the request. Nobody else writes to the ledger but
the function that calls.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.clients import PATIENT
from facepair.aws.ledger import CallsTable
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.verdicts import VerdictsTable
from facepair.settings import PermitSettings
from facepair.use_cases.permit import Permits, Wanted

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns a response of a function URL: what became of each pair."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    settings = PermitSettings.from_environment()
    logger = Logger()
    # The package logs by the standard library; its lines come out as Powertools' JSON.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    session = boto3.Session()
    tables = session.resource("dynamodb", config=PATIENT)
    permits = Permits(
        verdicts=VerdictsTable(tables, settings.verdicts_table),
        ledger=CallsTable(tables.Table(settings.calls_table)),
        queue=SqsUploadsQueue(session.client("sqs", config=PATIENT), settings.uploads_queue_url),
    )

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        by = function_url.caller(event)
        try:
            wanted = Wanted.read(function_url.body(event))
        except ValueError as error:
            return function_url.refusal(str(error))
        answers = permits.permit(wanted.pair_ids, by)
        return function_url.answer({"answers": [each.model_dump(mode="json", exclude_none=True) for each in answers]})

    return handle
