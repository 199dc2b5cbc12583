"""FindMissedFunction: enqueues, once an hour, complete pairs that have no final verdict and nobody at work on them."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.clients import PATIENT
from facepair.aws.cursor import CursorParameter
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.domain.metric import Metric
from facepair.domain.retry import Unavailable
from facepair.settings import FindMissedSettings
from facepair.threads import Threads
from facepair.use_cases.missed import MissedPairs

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns what was seen and sent."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    settings = FindMissedSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    # The package logs by the standard library; its lines come out as Powertools' JSON.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    counters = PowertoolsMetrics(metrics)
    session = boto3.Session()
    tables = session.resource("dynamodb", config=PATIENT)
    missed = MissedPairs(
        uploads=ImagesBucket(session.client("s3", config=PATIENT), settings.images_bucket, settings.names),
        names=settings.names,
        verdicts=VerdictsTable(tables, settings.verdicts_table),
        in_flight=InFlightMarkers(tables.Table(settings.idempotency_table), comes_back=settings.visibility_timeout),
        queue=SqsUploadsQueue(session.client("sqs", config=PATIENT), settings.uploads_queue_url),
        cursor=CursorParameter(session.client("ssm", config=PATIENT), settings.cursor_parameter),
        parallel=Threads(),
        after=timedelta(minutes=settings.find_missed_after_minutes),
        images_retention=settings.images_retention,
    )

    @logger.inject_lambda_context(log_event=False)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            found = missed.send(lambda: context.get_remaining_time_in_millis() / 1000)
        except Unavailable:
            logger.exception("The search stopped; the next one begins where the last one that ended did")
            counters.add(Metric.SEARCH_ERRORS)
            raise
        logger.info("Searched for missed pairs", extra=asdict(found))
        counters.add(Metric.OBJECTS_SEEN, found.objects)
        counters.add(Metric.PAIRS_SEEN, found.pairs)
        counters.add(Metric.MISSED_PAIRS_SENT, found.sent)
        return asdict(found)

    return handle
