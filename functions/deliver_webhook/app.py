"""DeliverFunction: SQS records of the bus's events in, one POST each, the records that failed out."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.clients import FAIL_FAST, PATIENT
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.proxy_secret import ProxySecret
from facepair.aws.queue import Queue
from facepair.aws.webhook_secret import WebhookSecret
from facepair.domain import clock
from facepair.http import Proxy
from facepair.settings import DeliverSettings
from facepair.use_cases.deliver import Deliverer, WebhookMessage
from facepair.webhook import Sender

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns the failed records as Lambda's ReportBatchItemFailures."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    settings = DeliverSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    # The package logs by the standard library; its lines come out as Powertools' JSON, with the change's keys.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    session = boto3.Session()
    secrets = session.client("secretsmanager", config=FAIL_FAST)
    proxy_secret = ProxySecret(secrets, settings.proxy_secret)
    deliverer = Deliverer(
        receiver=Sender(
            settings.webhook_url,
            WebhookSecret(secrets, settings.webhook_secret),
            proxy=Proxy(settings.proxy_url, proxy_secret.load) if settings.proxy_url else None,
        ),
        queue=Queue(
            session.client("sqs", config=PATIENT),
            settings.webhook_queue_url,
            dead_letter_url=settings.webhook_dead_letter_queue_url,
        ),
        backoff=settings.backoff,
        metrics=PowertoolsMetrics(metrics),
        add_log_keys=logger.append_keys,
        patience=timedelta(seconds=settings.webhook_patience_seconds),
    )

    def deliver(record: SQSRecord) -> None:
        attributes = record.raw_event.get("attributes", {})
        sent_ms = attributes.get("SentTimestamp")
        message = WebhookMessage(
            body=record.body,
            receipt_handle=record.receipt_handle,
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            sent_at=clock.at(int(sent_ms) / 1000) if sent_ms else clock.now(),
        )
        deliverer.deliver(message)

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        # A batch of which everything failed is no crash: without this Lambda would count an error of the function.
        processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
        return dict(process_partial_response(event, deliver, processor, context))

    return handle
