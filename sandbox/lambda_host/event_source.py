"""An event source mapping: passes messages from a queue to a function and deletes those that succeed.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws import REGION
from sandbox.lambda_host.fleet import HostClosed
from sandbox.lambda_host.runtime_api import InvocationResult
from sandbox.stack import EventSource

Message = Mapping[str, Any]
Invoke = Callable[[bytes, tuple[str, ...]], InvocationResult]

POLL_SECONDS = 20
ERROR_PAUSE_SECONDS = 1
END_POLLS_SECONDS = 0.1
"""How often pausing ends long polls: the first time, the poller's own may be on its way to the queue."""


class QueuePoller:
    """Polls until closed.

    Messages stay invisible for the queue's current visibility timeout, and come back unless deleted. The queue moves
    dead letters. `end_polls` ends long polls early.
    """

    def __init__(self, source: EventSource, sqs: Any, invoke: Invoke, end_polls: Callable[[], None]) -> None:
        self._source = source
        self._sqs = sqs
        self._invoke = invoke
        self._end_polls = end_polls
        self._free = threading.Semaphore(source.maximum_concurrency)
        self._polling = threading.Lock()
        self._deliveries: set[threading.Thread] = set()
        self._closed = threading.Event()
        self._paused = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def pause(self) -> None:
        """Stop receiving and return once no receive is running. Messages in flight continue."""
        self._paused.set()
        wait_for_poll(self._polling, self._end_polls)

    def drain(self) -> None:
        """Pause, then wait until all received messages are processed (at most the function's timeout)."""
        self.pause()
        for delivery in list(self._deliveries):
            delivery.join()

    def resume(self) -> None:
        self._paused.clear()

    def close(self) -> None:
        """Pause for good."""
        self._closed.set()
        wait_for_poll(self._polling, self._end_polls)

    def _run(self) -> None:
        while not self._closed.is_set():
            if self._paused.is_set():
                self._closed.wait(0.05)
                continue
            self._free.acquire()
            with self._polling:
                messages = self._receive()
                if messages:
                    delivery = threading.Thread(target=self._deliver, args=(messages,), daemon=True)
                    self._deliveries.add(delivery)
                    delivery.start()
                else:
                    self._free.release()

    def _receive(self) -> list[Message]:
        if self._paused.is_set() or self._closed.is_set():
            return []
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._source.queue_url,
                MaxNumberOfMessages=min(self._source.batch_size, 10),
                WaitTimeSeconds=POLL_SECONDS,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (BotoCoreError, ClientError):
            self._closed.wait(ERROR_PAUSE_SECONDS)
            return []
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def _deliver(self, messages: Sequence[Message]) -> None:
        try:
            event = {"Records": [_record(message, self._source.queue_arn) for message in messages]}
            ids = tuple(message["MessageId"] for message in messages)
            answer = self._invoke(json.dumps(event).encode(), ids)
            failed = failed_ids(answer, ids, reports=self._source.reports_batch_item_failures)
            for message in messages:
                if message["MessageId"] not in failed:
                    self._sqs.delete_message(QueueUrl=self._source.queue_url, ReceiptHandle=message["ReceiptHandle"])
        except (HostClosed, BotoCoreError, ClientError):
            pass  # messages that are not deleted come back
        finally:
            self._deliveries.discard(threading.current_thread())
            self._free.release()


def wait_for_poll(polling: threading.Lock, end_polls: Callable[[], None]) -> None:
    """Wait until a poller that starts no other poll has let go of its lock."""
    end_polls()
    while not polling.acquire(timeout=END_POLLS_SECONDS):
        end_polls()
    polling.release()


def failed_ids(answer: InvocationResult, ids: Sequence[str], *, reports: bool) -> set[str]:
    """Return the ids that stay in the queue: all after a crash or a malformed report, otherwise those reported."""
    if answer.failed:
        return set(ids)
    report = json.loads(answer.payload or b"null")
    if not reports or not isinstance(report, dict):
        return set()
    items = report.get("batchItemFailures") or []
    try:
        failed = {item["itemIdentifier"] for item in items}
    except (TypeError, KeyError):
        return set(ids)
    return failed if failed <= set(ids) else set(ids)


def _record(message: Message, queue_arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {
            name: {f"{key[0].lower()}{key[1:]}": value for key, value in attribute.items()}
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
