"""The EventBridge bus on which change events are published."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from facepair.aws.clients import aws_errors
from facepair.domain.change import SOURCE, Change
from facepair.domain.retry import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

BATCH = 10
MOST_BYTES = 240_000
"""EventBridge's limits for PutEvents: ten entries, 256 KB including sources and detail-types."""


class VerdictsBus:
    """The `Bus` port over VerdictsBus, in EventBridge."""

    def __init__(self, events: "EventBridgeClient", bus: str) -> None:
        self._events = events
        self._bus = bus

    @aws_errors()
    def put(self, changes: Sequence[Change]) -> None:
        """Publish any number of changes. Raises Unavailable if EventBridge did not accept all of them."""
        for batch in _batches(self._entry(change) for change in changes):
            answer = self._events.put_events(Entries=batch)
            if answer["FailedEntryCount"]:
                refused = next(entry for entry in answer["Entries"] if "ErrorCode" in entry)
                reason = f"{refused['ErrorCode']}: {refused.get('ErrorMessage')}"
                raise Unavailable(f"the bus refused {answer['FailedEntryCount']} of {len(batch)} events: {reason}")

    def _entry(self, change: Change) -> "PutEventsRequestEntryTypeDef":
        return {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": change.detail_type,
            "Detail": change.json(),
        }


def _batches(
    entries: "Iterable[PutEventsRequestEntryTypeDef]",
) -> "Iterator[list[PutEventsRequestEntryTypeDef]]":
    """Yield entries in order, in lists that fit into one request."""
    batch: list[PutEventsRequestEntryTypeDef] = []
    size = 0
    for entry in entries:
        bytes_more = len(entry.get("Detail", "").encode())
        if batch and (len(batch) == BATCH or size + bytes_more > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += bytes_more
    if batch:
        yield batch
