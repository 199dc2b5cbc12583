"""DeliverFunction: POSTs each event that the bus put into its queue to the webhook."""

from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.clients import FAIL_FAST
from facepair.aws.proxy_secret import ProxySecret
from facepair.aws.queue import Queue
from facepair.aws.records import message_of, partial_failures
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.aws.webhook_secret import WebhookSecret
from facepair.http import Proxy
from facepair.settings import DeliverSettings
from facepair.use_cases.deliver import Deliverer
from facepair.webhook import Sender


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return the failed records as Lambda's ReportBatchItemFailures."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    settings = DeliverSettings.from_environment()
    runtime = Runtime()
    secrets = runtime.client("secretsmanager", FAIL_FAST)
    proxy_secret = ProxySecret(secrets, settings.proxy_secret)
    deliverer = Deliverer(
        receiver=Sender(
            settings.webhook_url,
            WebhookSecret(secrets, settings.webhook_secret),
            proxy=Proxy(settings.proxy_url, proxy_secret.load) if settings.proxy_url else None,
        ),
        queue=Queue(
            runtime.client("sqs"),
            settings.webhook_queue_url,
            dead_letter_url=settings.webhook_dead_letter_queue_url,
        ),
        backoff=settings.backoff,
        metrics=runtime.metrics,
        add_log_keys=runtime.logger.append_keys,
        patience=timedelta(seconds=settings.webhook_patience_seconds),
    )

    def deliver(record: SQSRecord) -> None:
        deliverer.deliver(message_of(record))

    @runtime.logged
    @runtime.measured
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        return partial_failures(EventType.SQS, deliver, event, context)

    return handle
