"""The secret that signs webhooks."""

import logging
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from facepair.aws.clients import error_code
from facepair.domain.webhook import Undelivered
from facepair.webhook import key

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

logger = logging.getLogger(__name__)


class WebhookSecret:
    """The `ReceiversKeys` port over a secret.

    It is read for every attempt, so that a rotation takes effect at once. Secrets Manager keeps the previous value as
    AWSPREVIOUS until that label is removed.
    """

    def __init__(self, secrets: "SecretsManagerClient", secret_id: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id

    def load(self) -> list[bytes]:
        """Return the current key, and the previous one if it is usable. Raises Undelivered if the current one is not.

        An unusable previous value is ignored: the current one may be its correction.
        """
        current = self._value("AWSCURRENT")
        if current is None:
            raise Undelivered(f"the secret {self._secret_id} has no value: put 32 letters and digits into it")
        try:
            keys = [key(current)]
        except ValueError as error:
            raise Undelivered(f"the value AWSCURRENT of the secret {self._secret_id} is no key: {error}") from error
        previous = self._value("AWSPREVIOUS")
        if previous is not None:
            try:
                keys.append(key(previous))
            except ValueError:
                logger.warning("The previous value of the webhook secret is not a key; it is not used")
        return keys

    def _value(self, stage: str) -> str | None:
        try:
            return self._secrets.get_secret_value(SecretId=self._secret_id, VersionStage=stage).get("SecretString", "")
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error_code(error) == "ResourceNotFoundException":
                return None
            raise Undelivered(f"the webhooks' secret cannot be read: {error}") from error
