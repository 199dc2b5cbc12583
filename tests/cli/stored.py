"""Rows and calls of certain months, as the functions would have written them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from boto3.dynamodb.types import TypeSerializer

from facepair.domain import clock
from facepair.domain.outcome import Policy
from sandbox.cloud import Sandbox

DEPLOYED = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
REVIEWER = "arn:aws:sts::123456789012:assumed-role/Reviewer/anna<script>alert(1)</script>"
"""Its HTML must be escaped."""


@dataclass(frozen=True)
class Tables:
    """Writes into the deployed tables, and removes everything at the end; a context manager."""

    sandbox: Sandbox
    _written: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for table, key in self._written:
            self._dynamodb.delete_item(TableName=table, Key=key)

    def row(
        self, pair_id: str, similarity: str | None, at: datetime, *, decided: str | None = None, seconds: float = 3
    ) -> None:
        """Write the row of a judged pair, perhaps reviewed; RETAKE without a similarity."""
        judged = "RETAKE" if similarity is None else DEPLOYED.judge(Decimal(similarity)).value
        review = {"by": REVIEWER, "at": clock.iso(at), "reason": "looks alike", "from": judged}
        self._put(
            "VerdictsTable",
            {
                "pair_id": pair_id,
                "verdict": decided or judged,
                "code": "SUCCESS" if similarity else "NO_FACE_DETECTED_FROM_FIRST_IMAGE",
                "message": "OK",
                "similarity": Decimal(similarity) if similarity else None,
                "fingerprint": "f" * 64,
                "uploaded_at": clock.iso(at - timedelta(seconds=seconds)),
                "listed_at": clock.iso(at - timedelta(seconds=seconds)),
                "updated_at": clock.iso(at),
                "policy": DEPLOYED.model_dump(),
                "review": review if decided else None,
            },
        )

    def call(
        self,
        pair_id: str,
        transaction_id: str | None,
        at: datetime,
        pricing: str | None = "PAY",
        *,
        code: str | None = None,
        charged: bool | None = None,
    ) -> None:
        """Write an answered call; without a transaction id, one without an answer.

        Without `charged`, a row of an earlier release. `code` is SUCCESS, or SERVICE_BUSY if FREE.
        """
        answered = transaction_id is not None
        state = "UNKNOWN" if not answered else "REFUSED" if pricing == "FREE" else "ANSWERED"
        usual = "SUCCESS" if state == "ANSWERED" else "SERVICE_BUSY" if answered else "OUTCOME_UNKNOWN"
        self._put(
            "CallsTable",
            {
                "pair_id": pair_id,
                "call": "000001",
                "state": state,
                "fingerprint": "f" * 64,
                "owner": "somebody",
                "code": code or usual,
                "transaction_id": transaction_id,
                "pricing_strategy": pricing if answered else None,
                "charged": charged,
                "sent_at": clock.iso(at),
                "answered_at": clock.iso(at) if answered else None,
                "alive_until": clock.iso(at + timedelta(minutes=2)),
            },
        )

    def _put(self, output: str, said: dict[str, Any]) -> None:
        table = self.sandbox.outputs[output]
        item = {name: TypeSerializer().serialize(value) for name, value in said.items() if value is not None}
        self._written.append((table, {name: item[name] for name in ("pair_id", "call") if name in item}))
        self._dynamodb.put_item(TableName=table, Item=item)

    @property
    def _dynamodb(self) -> Any:
        return self.sandbox.aws("dynamodb")
