"""A worker's first read, before it lists the bucket, and its last, after its call: one request each."""

import hashlib
from typing import TYPE_CHECKING, Any

from facepair.aws.batch_get import batch_get
from facepair.aws.clients import aws_errors
from facepair.aws.decisions import decision_id, readable_decision
from facepair.aws.gate import ITEM, gate_of
from facepair.domain import clock
from facepair.domain.reads import FirstRead, LastRead
from facepair.domain.row import PairItem

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource


class BatchedFirstReads:
    """The `FirstReads` port over VerdictsTable and IdempotencyTable.

    Earlier releases wrote an erasure as item `erased#<sha256 of the pair id>` of IdempotencyTable: `erased_at`, the
    second at whose end the pair was erased, by S3's clock; `expiration`, 35 days later. Both in epoch seconds. They are
    honoured until they expire; this release writes none.
    """

    def __init__(self, tables: "DynamoDBServiceResource", *, verdicts: str, idempotency: str) -> None:
        self._tables = tables
        self._verdicts = verdicts
        self._idempotency = idempotency

    @aws_errors()
    def of(self, pair_id: str) -> FirstRead:
        """Return the current gate, item and erasures of the pair."""
        erasure = f"erased#{hashlib.sha256(pair_id.encode()).hexdigest()}"
        wanted = {
            self._verdicts: {"Keys": [{"pair_id": pair_id}], "ConsistentRead": True},
            self._idempotency: {"Keys": [{"id": ITEM}, {"id": erasure}], "ConsistentRead": True},
        }
        found = batch_get(self._tables, wanted)
        items: dict[str, Any] = {item["id"]: item for item in found[self._idempotency]}
        erased = items.get(erasure)
        return FirstRead(
            gate=gate_of(items.get(ITEM, {})),
            item=PairItem.of(next(iter(found[self._verdicts]), None)),
            erased_earlier=clock.at(float(str(erased["erased_at"]))) if erased else None,
        )


class BatchedLastReads:
    """The `LastReads` port over IdempotencyTable."""

    def __init__(self, tables: "DynamoDBServiceResource", *, idempotency: str) -> None:
        self._tables = tables
        self._idempotency = idempotency

    @aws_errors()
    def after_call(self, fingerprint: str) -> LastRead:
        """Return the current gate and the decision about these two contents."""
        decision = decision_id(fingerprint)
        wanted = {self._idempotency: {"Keys": [{"id": ITEM}, {"id": decision}], "ConsistentRead": True}}
        items = {item["id"]: item for item in batch_get(self._tables, wanted)[self._idempotency]}
        return LastRead(gate_of(items.get(ITEM, {})), readable_decision(items.get(decision)))
