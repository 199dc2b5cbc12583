"""Batches of records from SQS and streams. Slow to import, so functions without batches do not."""

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.runtime import FunctionEvent
from facepair.domain import clock
from facepair.domain.message import Message


def partial_failures(
    source: EventType, receive: Callable[[Any], object], event: FunctionEvent, context: LambdaContext
) -> dict[str, Any]:
    """Return the failed records of a batch, as Lambda's ReportBatchItemFailures."""
    # Without this setting, Lambda would count a batch in which every record fails as a crash.
    processor = BatchProcessor(source, raise_on_entire_batch_failure=False)
    return dict(process_partial_response(event, receive, processor, context))


def message_of(record: SQSRecord) -> Message:
    """Return the message of an SQS record. Handmade events may lack attributes."""
    attributes = record.raw_event.get("attributes", {})
    sent_ms = attributes.get("SentTimestamp")
    return Message(
        body=record.body,
        receipt_handle=record.receipt_handle,
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=clock.at(int(sent_ms) / 1000) if sent_ms else clock.now(),
    )
