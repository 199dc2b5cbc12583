"""Powertools' idempotency around a comparison, keyed on the pair's contents."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
)
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.record_id import PREFIX, record_id
from facepair.domain import clock
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Later, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class _Unsettled(Exception):
    """Carries an outcome past Powertools, which deletes its record on an exception."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


class PowertoolsIdempotency:
    """The `Idempotency` port over IdempotencyTable, by Powertools.

    Neither exceptions nor unsettled outcomes are stored: the ledger decides those.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str, *, expires_after_seconds: int) -> None:
        self._dynamodb, self._table, self._expires_after_seconds = dynamodb, table, expires_after_seconds
        self._config = IdempotencyConfig(
            event_key_jmespath="fingerprint",
            raise_on_no_idempotency_key=True,
            hash_function="sha256",
            expires_after_seconds=expires_after_seconds,
        )

        def compared(compare: Callable[[], Outcome], key: dict[str, str]) -> dict[str, Any]:
            outcome = compare()
            if not outcome.settled:
                raise _Unsettled(outcome)
            return outcome.model_dump(mode="json")

        self._compared = idempotent_function(
            compared,
            data_keyword_argument="key",
            persistence_store=DynamoDBPersistenceLayer(table_name=table, boto3_client=dynamodb),
            config=self._config,
            key_prefix=PREFIX,
        )

    def register_lambda_context(self, context: LambdaContext) -> None:
        """Set how long this invocation can last: until then, a record in progress belongs to a live worker."""
        self._config.register_lambda_context(context)

    @aws_errors()
    def keep(self, fingerprint: str) -> None:
        until = {"N": str(int(clock.now().timestamp()) + self._expires_after_seconds)}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={"id": {"S": record_id(fingerprint)}},
                UpdateExpression="SET expiration = :until",
                ConditionExpression="attribute_exists(id) AND expiration < :until",
                ExpressionAttributeValues={":until": until},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    @aws_errors()
    def discard(self, fingerprint: str) -> None:
        """Delete a stored outcome that must not be used again, but never a record in progress."""
        try:
            self._dynamodb.delete_item(
                TableName=self._table,
                Key={"id": {"S": record_id(fingerprint)}},
                ConditionExpression="attribute_not_exists(id) OR #status <> :in_progress",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":in_progress": {"S": "INPROGRESS"}},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise

    def once(self, fingerprint: str, compare: Callable[[], Outcome]) -> Outcome:
        try:
            return Outcome.model_validate(self._compared(compare=compare, key={"fingerprint": fingerprint}))
        except _Unsettled as unsettled:
            return unsettled.outcome
        except IdempotencyAlreadyInProgressError as error:
            raise Later("another worker is asking") from error
        except IdempotencyPersistenceLayerError as error:
            raise Unavailable(f"{error}") from error
