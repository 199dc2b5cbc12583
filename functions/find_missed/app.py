"""FindMissedFunction: hourly, enqueues complete pairs that have no row, are WAITING, or are PENDING and overdue."""

from dataclasses import asdict
from datetime import timedelta
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.cursor import CursorParameter
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.queue import SqsUploadsQueue
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.aws.uploads import ImagesBucket
from facepair.aws.verdicts import VerdictsTable
from facepair.domain.metric import Metric
from facepair.domain.retry import Unavailable
from facepair.settings import FindMissedSettings
from facepair.threads import Threads
from facepair.use_cases.missed import MissedPairs


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return what was seen and sent."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    settings = FindMissedSettings.from_environment()
    runtime = Runtime()
    tables = runtime.tables
    missed = MissedPairs(
        uploads=ImagesBucket(runtime.client("s3"), settings.images_bucket, settings.names),
        names=settings.names,
        verdicts=VerdictsTable(tables, settings.verdicts_table),
        in_flight=InFlightMarkers(tables.Table(settings.idempotency_table), comes_back=settings.visibility_timeout),
        queue=SqsUploadsQueue(runtime.client("sqs"), settings.uploads_queue_url),
        cursor=CursorParameter(runtime.client("ssm"), settings.cursor_parameter),
        parallel=Threads(),
        after=timedelta(minutes=settings.find_missed_after_minutes),
        images_retention=settings.images_retention,
    )

    @runtime.logged
    @runtime.measured
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        try:
            found = missed.send(lambda: context.get_remaining_time_in_millis() / 1000)
        except Unavailable:
            runtime.logger.exception("The search failed; the next one starts where the last complete one ended")
            runtime.metrics.add(Metric.SEARCH_ERRORS)
            raise
        runtime.logger.info("Searched for missed pairs", extra=asdict(found))
        runtime.metrics.add(Metric.OBJECTS_SEEN, found.objects)
        runtime.metrics.add(Metric.PAIRS_SEEN, found.pairs)
        runtime.metrics.add(Metric.MISSED_PAIRS_SENT, found.sent)
        return asdict(found)

    return handle
