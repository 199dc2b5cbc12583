"""Stops the fleet while the account is blocked: Powertools' circuit breaker, and the reason beside it."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.circuit_breaker import (
    CircuitBreakerConfig,
    CircuitBreakerOpenError,
    circuit_breaker,
)
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
from botocore.exceptions import BotoCoreError, ClientError

from facepair.domain.retry import Blocked
from facepair.domain.verdict import Outcome

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = logging.getLogger(__name__)

CIRCUIT = "advance-account"
REASON = f"{CIRCUIT}#reason"
"""Ids in the idempotency table: Powertools keeps the circuit's state, which has no room for why it is open."""


class AccountBreaker:
    """Opens at the first Blocked; after the pause one worker tries again, and the others wait for what it finds."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str, pause: int) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._pause = pause
        self._state = CircuitBreakerDynamoDBPersistence(table_name=table, boto3_client=dynamodb)
        self._config = CircuitBreakerConfig(
            failure_threshold=1,
            success_threshold=1,
            recovery_timeout=pause,
            handled_exceptions=Blocked,
            local_cache_max_age=0,  # one read per pair is cheaper than one call too many
        )

    def run(self, call: Callable[[], Outcome]) -> Outcome:
        """The call's outcome. Raises Blocked, without calling, while the circuit is open; and what the call raises."""

        def remembering() -> Outcome:
            try:
                return call()
            except Blocked as blocked:
                self._remember(blocked)
                raise

        try:
            outcome: Outcome = circuit_breaker(CIRCUIT, self._state, config=self._config)(remembering)()
        except CircuitBreakerOpenError as error:
            opened_at = error.circuit.opened_at if error.circuit and error.circuit.opened_at else time.time()
            raise self._blocked(max(0.0, opened_at + self._pause - time.time())) from error
        return outcome

    def _remember(self, blocked: Blocked) -> None:
        item = {
            "id": {"S": REASON},
            "code": {"S": str(blocked.code)},
            "message": {"S": blocked.message},
            "expiration": {"N": str(int(time.time()) + 14 * 86400)},
        }
        try:
            self._dynamodb.put_item(TableName=self._table, Item=item)
        except (ClientError, BotoCoreError):
            logger.warning("Why the account is blocked cannot be shared: %s", blocked)

    def _blocked(self, pause: float) -> Blocked:
        reason = self._dynamodb.get_item(TableName=self._table, Key={"id": {"S": REASON}}).get("Item")
        if not reason:
            return Blocked(None, "the account is blocked", pause=pause)
        return Blocked(reason["code"]["S"], reason["message"]["S"], pause=pause)
