"""SQS queues and dead-letter queues."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from facepair.aws.clients import aws_errors
from facepair.domain.backlog import Backlog, DeadLetter
from facepair.domain.retry import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""SQS's limit for SendMessageBatch, DeleteMessageBatch and ReceiveMessage."""
LONG_POLL_SECONDS = 1
"""Long polling: without waiting, SQS queries only some servers and may miss messages."""


class SqsDeadLetterSink:
    """The `DeadLetterSink` port over a dead-letter queue in SQS."""

    def __init__(self, sqs: "SQSClient", dead_letter_url: str) -> None:
        self._sqs = sqs
        self._dead_letter_url = dead_letter_url

    @aws_errors()
    def dead_letter(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._dead_letter_url, MessageBody=body or "(empty)")


class Queue(SqsDeadLetterSink):
    """The `WebhookQueue` port over an SQS queue and its dead-letter queue; also the `Destination` of a redrive."""

    def __init__(self, sqs: "SQSClient", url: str, *, dead_letter_url: str = "") -> None:
        super().__init__(sqs, dead_letter_url)
        self._url = url

    @aws_errors()
    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again in `seconds`, even after the function reports it as failed."""
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds)

    @aws_errors()
    def backlog(self) -> Backlog:
        """Return the number of messages. SQS's count is approximate and up to a minute old."""
        counts: Mapping[str, str] = self._sqs.get_queue_attributes(
            QueueUrl=self._url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )["Attributes"]  # type: ignore[assignment]
        return Backlog(
            waiting=int(counts["ApproximateNumberOfMessages"]) + int(counts["ApproximateNumberOfMessagesDelayed"]),
            in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        )

    @aws_errors()
    def send(self, bodies: Sequence[str]) -> None:
        """Send any number of messages. Raises Unavailable if SQS did not accept all of them."""
        for batch in batched(bodies, BATCH, strict=False):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)]
            failed = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")  # type: ignore[arg-type]
            if failed:
                raise Unavailable(f"SQS refused {len(failed)} of {len(batch)} messages: {failed[0].get('Message')}")


class SqsUploadsQueue(Queue):
    """The `UploadsQueue` port over an SQS queue of S3 notifications and its dead-letter queue."""

    def has_backlog(self) -> bool:
        """Return whether more messages wait than are in progress: workers don't keep up, or have stopped."""
        backlog = self.backlog()
        return backlog.waiting > backlog.in_flight


class DeadLetterQueue(Queue):
    """The `DeadLetters` port over a dead-letter queue in SQS."""

    @aws_errors()
    def receive(self, seconds: int) -> list[DeadLetter]:
        """Receive some messages and hide them for `seconds`; an empty list if the queue is empty."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=BATCH, VisibilityTimeout=seconds, WaitTimeSeconds=LONG_POLL_SECONDS
        )
        return [
            DeadLetter(message["MessageId"], message["Body"], message["ReceiptHandle"])
            for message in answer.get("Messages", [])
        ]

    @aws_errors()
    def delete(self, dead_letters: Iterable[DeadLetter]) -> None:
        """Delete received messages. Raises Unavailable if SQS did not delete all of them."""
        for batch in batched(dead_letters, BATCH, strict=False):
            entries = [{"Id": str(number), "ReceiptHandle": each.receipt_handle} for number, each in enumerate(batch)]
            failed = self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")  # type: ignore[arg-type]
            if failed:
                raise Unavailable(f"SQS kept {len(failed)} of {len(batch)} messages: {failed[0].get('Message')}")
