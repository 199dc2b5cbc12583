"""Puts CompareFunction together: the only place that knows who works with whom."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from messages import Messages

from facepair.advance import Advance, TokenKeeper
from facepair.ask import Asker, Minter
from facepair.aws.breaker import AccountBreaker
from facepair.aws.calls import Calls
from facepair.aws.clients import BRISK, PATIENT
from facepair.aws.credentials import CredentialsSecret
from facepair.aws.once import Once
from facepair.aws.queue import UploadsQueue
from facepair.aws.token_store import SharedToken
from facepair.aws.uploads import Uploads
from facepair.aws.verdicts import Verdicts
from facepair.compare import Comparer
from facepair.retry import Backoff
from facepair.settings import CompareSettings
from facepair.verdict import Outcome

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def build() -> Handler:
    """The handler with everything it needs, from the environment. Raises ValidationError for settings out of range."""
    settings = CompareSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    # The package logs by the standard library; its lines come out as Powertools' JSON, with the pair's keys.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    retention = timedelta(days=settings.verdict_retention_days)
    session = boto3.Session()
    dynamodb = session.client("dynamodb", config=PATIENT)
    tables = session.resource("dynamodb", config=PATIENT)

    def count_call(outcome: Outcome) -> None:
        metrics.add_metric("Calls", MetricUnit.Count, 1)
        metrics.add_metric("ChargedCalls", MetricUnit.Count, int(outcome.charged))

    advance = Advance(settings.advance_base_url, settings.api_deadline_seconds)
    minter = Minter(
        advance,
        CredentialsSecret(session.client("secretsmanager", config=PATIENT), settings.credentials_secret),
        settings.token_validity_seconds,
        settings.blocked_retry_seconds,
    )
    asker = Asker(
        advance,
        TokenKeeper(SharedToken(session.client("ssm", config=BRISK), settings.token_parameter), minter.mint),
        Calls(tables.Table(settings.calls_table)),
        AccountBreaker(dynamodb, settings.idempotency_table, settings.blocked_retry_seconds),
        settings.on_unknown_outcome,
        settings.blocked_retry_seconds,
        count_call,
    )
    once = Once(
        asker.ask,
        dynamodb,
        settings.idempotency_table,
        settings.on_unknown_outcome,
        int(retention.total_seconds()),
    )
    backoff = Backoff()
    comparer = Comparer(
        Uploads(session.client("s3", config=PATIENT), settings.images_bucket, settings.names),
        Verdicts(tables, settings.verdicts_table),
        once.ask,
        asker.settle,
        settings.policy,
        retention,
        settings.max_upload_megabytes,
        backoff,
    )
    sqs = session.client("sqs", config=PATIENT)
    queue = UploadsQueue(sqs, settings.uploads_queue_url, settings.dead_letter_queue_url)
    messages = Messages(settings.names, comparer, queue, backoff, logger, metrics)

    @logger.inject_lambda_context(clear_state=True)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        once.register_lambda_context(context)
        return messages.handle(event, context)

    return handle
