"""The queue of uploads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class UploadsQueue:
    """S3 notifications in, and the dead letters beside it."""

    BATCH = 10
    """SQS's limit of a SendMessageBatch."""

    def __init__(self, sqs: "SQSClient", url: str, dead_letter_url: str = "") -> None:
        self._sqs = sqs
        self._url = url
        self._dead_letter_url = dead_letter_url

    def postpone(self, receipt_handle: str, seconds: int) -> None:
        """Let a received message come back in `seconds`. SQS keeps to it when the function reports it as failed."""
        self._sqs.change_message_visibility(QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds)

    def set_aside(self, body: str) -> None:
        """Put a message that nobody can read among the dead letters at once: no receive will mend it."""
        self._sqs.send_message(QueueUrl=self._dead_letter_url, MessageBody=body or "(empty)")

    def send(self, bodies: Sequence[str]) -> None:
        """Send up to BATCH messages. Raises RuntimeError if SQS did not take them all."""
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        failed = self._sqs.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed")  # type: ignore[arg-type]
        if failed:
            raise RuntimeError(f"SQS refused {len(failed)} of {len(bodies)} messages: {failed[0].get('Message')}")
