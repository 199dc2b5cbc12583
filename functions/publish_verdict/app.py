"""PublishFunction: records of the verdicts table's stream in, changes onto the bus, the records that failed out.

It takes the stream's records alone. OperateFunction publishes rows again.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.bus import VerdictsBus
from facepair.aws.clients import PATIENT
from facepair.aws.metrics import PowertoolsMetrics
from facepair.aws.queue import SqsDeadLetterSink
from facepair.aws.stream import write_of
from facepair.settings import PublishSettings
from facepair.use_cases.publish import Publisher

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns the failed records."""
    return _handler()(event, context)


@cache
def _handler() -> Handler:
    """Made at the first event, once for an execution environment: importing makes no client and reads no setting."""
    settings = PublishSettings.from_environment()
    logger, metrics = Logger(), Metrics()
    # The package logs by the standard library; its lines come out as Powertools' JSON.
    copy_config_to_registered_loggers(source_logger=logger, include={"facepair"})
    session = boto3.Session()
    publisher = Publisher(
        bus=VerdictsBus(session.client("events", config=PATIENT), settings.verdicts_bus),
        dead_letters=SqsDeadLetterSink(session.client("sqs", config=PATIENT), settings.unpublished_queue_url),
        metrics=PowertoolsMetrics(metrics),
    )

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        failed: list[Exception] = []

        def publish(record: DynamoDBRecord) -> None:
            # What is behind a failed record comes again with it: published now, it would be told at every try.
            if failed:
                raise failed[0]
            try:
                publisher.publish(write_of(record))
            except Exception as error:
                logger.exception("Not published; the stream will bring it again, and what is behind it")
                failed.append(error)
                raise

        # A batch of which everything failed is no crash: without this Lambda would count an error of the function.
        processor = BatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)
        return dict(process_partial_response(event, publish, processor, context))

    return handle
