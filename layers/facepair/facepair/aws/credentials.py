"""The secret with the account's ADVANCE keys."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from facepair.advance.client import Credentials
from facepair.advance.errors import CredentialsInvalid
from facepair.aws.clients import error_code
from facepair.domain.retry import Later
from facepair.domain.verdict import NETWORK_ERROR

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class CredentialsSecret:
    """The `CredentialsStore` port over a secret: JSON `{"accessKey": "...", "secretKey": "..."}`.

    It is read for every token, so that a rotation takes effect at once.
    """

    def __init__(self, secrets: "SecretsManagerClient", secret_id: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id

    def load(self) -> Credentials:
        """Return the credentials. Raises CredentialsInvalid if they need fixing, Later if Secrets Manager is down."""
        remedy = f'put {{"accessKey": "...", "secretKey": "..."}} into the secret {self._secret_id}'
        try:
            value = self._secrets.get_secret_value(SecretId=self._secret_id).get("SecretString", "")
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                raise CredentialsInvalid(f"The secret has no value: {remedy}") from error
            if error_code(error) == "AccessDeniedException":  # of its key, too
                raise CredentialsInvalid(f"The secret may not be read: {error}") from error
            raise Later(f"The secret cannot be read: {error}", code=NETWORK_ERROR) from error
        except BotoCoreError as error:
            raise Later(f"The secret cannot be read: {error}", code=NETWORK_ERROR) from error
        try:
            return Credentials.model_validate_json(value)
        except ValueError as error:
            raise CredentialsInvalid(f"The secret is malformed: {remedy}") from error
