"""PublishFunction: publishes changes from the verdicts table's stream on the bus.

OperateFunction, not this function, publishes rows again.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.aws.bus import VerdictsBus
from facepair.aws.queue import SqsDeadLetterSink
from facepair.aws.records import partial_failures
from facepair.aws.runtime import FunctionEvent, FunctionHandler, Runtime
from facepair.aws.stream import write_of
from facepair.settings import PublishSettings
from facepair.use_cases.publish import Publisher


def handler(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
    """The entry point that template.yaml names. Return the failed records."""
    return _handler()(event, context)


@cache
def _handler() -> FunctionHandler:
    """Wire the function, once per execution environment."""
    settings = PublishSettings.from_environment()
    runtime = Runtime()
    publisher = Publisher(
        bus=VerdictsBus(runtime.client("events"), settings.verdicts_bus),
        dead_letters=SqsDeadLetterSink(runtime.client("sqs"), settings.unpublished_queue_url),
        metrics=runtime.metrics,
    )

    @runtime.logged
    @runtime.measured
    def handle(event: FunctionEvent, context: LambdaContext) -> dict[str, Any]:
        if "Records" not in event:  # `facepair resend` of an earlier release invoked it
            raise ValueError("PublishFunction accepts only the stream's records; update the facepair command")
        failed: list[Exception] = []

        def publish(record: DynamoDBRecord) -> None:
            # The stream redelivers a failed record with all later ones, which would be published each time.
            if failed:
                raise failed[0]
            try:
                publisher.publish(write_of(record))
            except Exception as error:
                runtime.logger.exception("Not published; the stream repeats this record and those after it")
                failed.append(error)
                raise

        return partial_failures(EventType.DynamoDBStreams, publish, event, context)

    return handle
