"""The bus on which changes are told: EventBridge."""

from collections.abc import Sequence
from itertools import batched
from typing import TYPE_CHECKING

from facepair.aws.clients import aws_errors
from facepair.domain.change import SOURCE, Change
from facepair.domain.retry import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

BATCH = 10
"""EventBridge's limit of a PutEvents."""


class VerdictsBus:
    """A facepair.stories.ports.Bus."""

    def __init__(self, events: "EventBridgeClient", bus: str) -> None:
        self._events = events
        self._bus = bus

    @aws_errors()
    def put(self, changes: Sequence[Change]) -> None:
        """Tell of changes, however many. Raises Unavailable if EventBridge did not take them all."""
        for batch in batched(changes, BATCH, strict=False):
            answer = self._events.put_events(
                Entries=[
                    {
                        "EventBusName": self._bus,
                        "Source": SOURCE,
                        "DetailType": change.detail_type,
                        "Detail": change.json(),
                    }
                    for change in batch
                ]
            )
            if answer["FailedEntryCount"]:
                refused = next(entry for entry in answer["Entries"] if "ErrorCode" in entry)
                reason = f"{refused['ErrorCode']}: {refused.get('ErrorMessage')}"
                raise Unavailable(f"the bus refused {answer['FailedEntryCount']} of {len(batch)} events: {reason}")
