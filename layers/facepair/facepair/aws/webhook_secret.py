"""The secret by which a webhook's receiver knows us."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from facepair.aws.clients import error_code
from facepair.domain.webhook import Undelivered
from facepair.webhook import key

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class WebhookSecret:
    """A facepair.webhook.ReceiversKeys.

    It is read anew for every attempt, so that a rotation holds at once. Secrets Manager keeps the value before the
    current one as AWSPREVIOUS, until a person takes that label away.
    """

    def __init__(self, secrets: "SecretsManagerClient", secret_id: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id

    def load(self) -> list[bytes]:
        """The current key, and the previous one if there is one. Raises Undelivered if there is no usable one."""
        current = self._key("AWSCURRENT")
        if current is None:
            raise Undelivered(f"the secret {self._secret_id} has no value: put 32 letters and digits into it")
        previous = self._key("AWSPREVIOUS")
        return [current] if previous is None else [current, previous]

    def _key(self, stage: str) -> bytes | None:
        try:
            value = self._secrets.get_secret_value(SecretId=self._secret_id, VersionStage=stage).get("SecretString", "")
            return key(value)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error_code(error) == "ResourceNotFoundException":
                return None
            raise Undelivered(f"the webhooks' secret cannot be read: {error}") from error
        except ValueError as error:
            raise Undelivered(f"the value {stage} of the secret {self._secret_id} is no key: {error}") from error
