"""OperateFunction: approves retries, resends events and redrives dead letters for the operator who signed the request.

POST {"action": "retry" | "resend" | "redrive", ...} to its URL: facepair/domain/operation.py has the fields. A request
does a bounded amount of work and returns how far it got; the caller repeats it.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.bus import VerdictsBus
from facepair.aws.clients import PATIENT
from facepair.aws.ledger import CallsTable
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.queue import DeadLetterQueue, Queue, SqsUploadsQueue
from facepair.aws.verdicts import VerdictsTable
from facepair.aws.written_rows import StoredRows
from facepair.domain.notification import created_objects
from facepair.domain.operation import DeadLettersOf, requested
from facepair.domain.webhook import Webhook
from facepair.settings import OperateSettings
from facepair.use_cases.approve import Approver
from facepair.use_cases.operate import Operator
from facepair.use_cases.redrive import Route
from facepair.use_cases.resend import Resender

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]

STOPPING_SECONDS = 35
"""With so much time left a request ends: operators see progress, and AWS's retries still fit."""


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return a response of a function URL."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Wire the function once per execution environment, so that importing creates no client and reads no setting."""
    settings = OperateSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    # The package logs by the standard library; its lines come out as Powertools' JSON.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    session = boto3.Session()
    tables, sqs = session.resource("dynamodb", config=PATIENT), session.client("sqs", config=PATIENT)
    uploads = SqsUploadsQueue(sqs, settings.uploads_queue_url)
    routes = {
        DeadLettersOf.UPLOADS: Route(DeadLetterQueue(sqs, settings.dead_letter_queue_url), uploads, created_objects)
    }
    if settings.webhook_queue_url:
        undelivered = DeadLetterQueue(sqs, settings.webhook_dead_letter_queue_url)
        routes[DeadLettersOf.WEBHOOKS] = Route(undelivered, Queue(sqs, settings.webhook_queue_url), Webhook.from_event)
    operator = Operator(
        approver=Approver(
            verdicts=VerdictsTable(tables, settings.verdicts_table),
            ledger=CallsTable(tables.Table(settings.calls_table)),
            queue=uploads,
        ),
        resender=Resender(
            bus=VerdictsBus(session.client("events", config=PATIENT), settings.verdicts_bus),
            rows=StoredRows(tables.Table(settings.verdicts_table)),
            metrics=PowertoolsMetrics(metrics),
        ),
        routes=routes,
    )

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        by = function_url.caller(event)
        try:
            operation = requested(function_url.body(event))
            done = operator.operate(operation, by, partial(_may_go_on, context))
        except ValueError as error:
            return function_url.refusal(str(error))
        return function_url.answer(done)

    return handle


def _may_go_on(context: LambdaContext) -> bool:
    return context.get_remaining_time_in_millis() / 1000 > STOPPING_SECONDS
