"""Powertools' idempotency around a function that asks ADVANCE, keyed on the pair's contents."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from aws_lambda_powertools.utilities.typing import LambdaContext

from facepair.ask import OnUnknownOutcome, Question
from facepair.retry import Later
from facepair.verdict import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Once:
    """Runs a function once per question; afterwards its stored outcome is the answer. What it raises is not stored.

    The key has the policy for unknown outcomes in it, so that choosing `retry` reaches pairs that were held.
    """

    def __init__(
        self,
        ask: Callable[[Question], Outcome],
        dynamodb: "DynamoDBClient",
        table: str,
        on_unknown: OnUnknownOutcome,
        expires_after_seconds: int,
    ) -> None:
        self._on_unknown = on_unknown
        self._config = IdempotencyConfig(
            event_key_jmespath="[fingerprint, on_unknown]",
            raise_on_no_idempotency_key=True,
            hash_function="sha256",
            expires_after_seconds=expires_after_seconds,
        )

        def once(question: Question, key: dict[str, str]) -> dict[str, Any]:
            return ask(question).model_dump(mode="json")

        self._once = idempotent_function(
            once,
            data_keyword_argument="key",
            persistence_store=DynamoDBPersistenceLayer(table_name=table, boto3_client=dynamodb),
            config=self._config,
            key_prefix="compare",
        )

    def register_lambda_context(self, context: LambdaContext) -> None:
        """Tell how long this invocation can last: until then a record in progress is somebody's at work."""
        self._config.register_lambda_context(context)

    def ask(self, question: Question) -> Outcome:
        """The outcome, new or stored. Raises Later while another worker is asking, and what `ask` raises."""
        key = {"fingerprint": question.fingerprint, "on_unknown": self._on_unknown}
        try:
            return Outcome.model_validate(self._once(question=question, key=key))
        except IdempotencyAlreadyInProgressError as error:
            raise Later("another worker is asking") from error
