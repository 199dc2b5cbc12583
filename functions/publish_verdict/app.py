"""PublishFunction: records of the verdicts table's stream in, changes onto the bus, the records that failed out.

Invoked with {"republish": {"since": "2026-01-31T12:00:00Z"}} or {"republish": {"pair_ids": ["..."]}} it publishes rows
again as they are now, under the same ids.
"""

from collections.abc import Callable
from dataclasses import asdict
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
from facepair.aws.written_rows import StoredRows
from facepair.settings import PublishSettings
from facepair.use_cases.publish import Publisher, Republish

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Returns the failed records, or what was published again."""
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
        rows=StoredRows(session.resource("dynamodb", config=PATIENT).Table(settings.verdicts_table)),
        dead_letters=SqsDeadLetterSink(session.client("sqs", config=PATIENT), settings.unpublished_queue_url),
        metrics=PowertoolsMetrics(metrics),
    )

    @logger.inject_lambda_context(clear_state=True, log_event=False)
    @metrics.log_metrics
    def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        if "republish" in event:
            wanted = Republish.wanted(event["republish"])
            return asdict(publisher.republish(wanted, lambda: context.get_remaining_time_in_millis() / 1000))
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
