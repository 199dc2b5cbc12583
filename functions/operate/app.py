"""OperateFunction: approves retries, resends events and redrives dead letters for the operator who signed the request.

POST {"action": "retry" | "resend" | "redrive", ...} to its URL; facepair/domain/operator_request.py has the
fields. A request does a bounded amount of work and returns how far it got, so that the caller can continue.
"""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws import function_url
from facepair.aws.bus import VerdictsBus
from facepair.aws.ledger import CallsTable
from facepair.aws.queue import DeadLetterQueue, Queue, SqsUploadsQueue
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.aws.verdicts import VerdictsTable
from facepair.aws.written_rows import StoredRows
from facepair.domain.notification import created_objects
from facepair.domain.operator_request import DeadLettersOf, RequestRefused, requested
from facepair.domain.webhook import Webhook
from facepair.settings import OperateSettings
from facepair.use_cases.approve import Approver
from facepair.use_cases.operate import Operator
from facepair.use_cases.redrive import Route
from facepair.use_cases.resend import Resender

STOPPING_SECONDS = 35
"""A request ends with this much time left, so that operators see progress and AWS retries still fit."""


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return a response of a function URL."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    settings = OperateSettings.from_environment()
    runtime = Runtime()
    tables, sqs = runtime.tables, runtime.client("sqs")
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
            bus=VerdictsBus(runtime.client("events"), settings.verdicts_bus),
            rows=StoredRows(tables.Table(settings.verdicts_table)),
            metrics=runtime.metrics,
        ),
        routes=routes,
    )

    @runtime.logged
    @runtime.measured
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        by = function_url.caller(event)
        try:
            operation = requested(function_url.body(event))
            done = operator.operate(operation, by, partial(_may_go_on, context))
        except RequestRefused as error:
            return function_url.refusal(str(error))
        return function_url.answer(done)

    return handle


def _may_go_on(context: LambdaContext) -> bool:
    return context.get_remaining_time_in_millis() / 1000 > STOPPING_SECONDS
