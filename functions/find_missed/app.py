"""FindMissedFunction: enqueues, once an hour, complete pairs that have no final verdict and nobody at work on them."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.clients import PATIENT
from facepair.aws.cursor import Cursor
from facepair.aws.queue import UploadsQueue
from facepair.aws.uploads import Uploads
from facepair.aws.verdicts import Verdicts
from facepair.missed import MissedPairs
from facepair.settings import FindMissedSettings

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


@cache
def _handle() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    settings = FindMissedSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    session = boto3.Session()
    missed = MissedPairs(
        Uploads(session.client("s3", config=PATIENT), settings.images_bucket, settings.names),
        settings.names,
        Verdicts(session.resource("dynamodb", config=PATIENT), settings.verdicts_table),
        UploadsQueue(session.client("sqs", config=PATIENT), settings.uploads_queue_url),
        Cursor(session.client("ssm", config=PATIENT), settings.cursor_parameter),
        timedelta(minutes=settings.find_missed_after_minutes),
    )

    @logger.inject_lambda_context
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        found = missed.send(lambda: context.get_remaining_time_in_millis() / 1000)
        logger.info("Searched for missed pairs", extra=asdict(found))
        metrics.add_metric("ObjectsSeen", MetricUnit.Count, found.objects)
        metrics.add_metric("PairsSeen", MetricUnit.Count, found.pairs)
        metrics.add_metric("MissedPairsSent", MetricUnit.Count, found.sent)
        return asdict(found)

    return handle


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns what was seen and sent."""
    return _handle()(event, context)
