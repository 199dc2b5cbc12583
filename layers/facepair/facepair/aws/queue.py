"""Queues of messages that come back until they are dealt with, and dead letters."""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING

from facepair.aws.clients import aws_errors
from facepair.domain.retry import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""SQS's limit of a SendMessageBatch."""


class DeadLetters:
    """A facepair.stories.ports.Aside."""

    def __init__(self, sqs: "SQSClient", dead_letter_url: str) -> None:
        self._sqs = sqs
        self._dead_letter_url = dead_letter_url

    @aws_errors()
    def set_aside(self, body: str) -> None:
        """Put a message that nobody can read among the dead letters at once: no receive will mend it."""
        self._sqs.send_message(QueueUrl=self._dead_letter_url, MessageBody=body or "(empty)")


class Queue(DeadLetters):
    """A facepair.stories.ports.WebhookQueue: what was received can be put off, or set aside."""

    def __init__(self, sqs: "SQSClient", url: str, *, dead_letter_url: str = "") -> None:
        super().__init__(sqs, dead_letter_url)
        self._url = url

    @aws_errors()
    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Let a received message come back in `seconds`. SQS keeps to it when the function reports it as failed."""
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds)


class UploadsQueue(Queue):
    """A facepair.stories.ports.UploadsQueue: S3 notifications."""

    @aws_errors()
    def has_backlog(self) -> bool:
        """Whether more messages wait to be received than are being worked on: the workers don't keep up, or stand.

        SQS counts approximately, and is up to a minute behind.
        """
        counts = self._sqs.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        received = int(counts["ApproximateNumberOfMessagesNotVisible"])
        return int(counts["ApproximateNumberOfMessages"]) > received

    @aws_errors()
    def send(self, bodies: Sequence[str]) -> None:
        """Send messages, however many. Raises Unavailable if SQS did not take them all."""
        for batch in batched(bodies, BATCH, strict=False):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)]
            failed = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")  # type: ignore[arg-type]
            if failed:
                raise Unavailable(f"SQS refused {len(failed)} of {len(batch)} messages: {failed[0].get('Message')}")
