"""The secret with the credentials for the outbound proxy."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from facepair.aws.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class _Credentials(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    username: str = Field(pattern="^[^:]+$")  # a colon ends it in Basic authentication (RFC 7617)
    password: str = Field(repr=False)


class ProxySecret:
    """JSON `{"username": "...", "password": "..."}`, or no value for a proxy that needs none.

    It is read for each connection, so that a rotation takes effect at once.
    """

    def __init__(self, secrets: "SecretsManagerClient", secret_id: str) -> None:
        self._secrets = secrets
        self._secret_id = secret_id

    def load(self) -> tuple[str, str] | None:
        """Return user name and password; None without a value. Raises ValueError or botocore's errors."""
        try:
            value = self._secrets.get_secret_value(SecretId=self._secret_id).get("SecretString", "")
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        try:
            credentials = _Credentials.model_validate_json(value)
        except ValueError as error:
            remedy = f'put {{"username": "...", "password": "..."}} into the secret {self._secret_id}'
            raise ValueError(f"the proxy's credentials are malformed: {remedy}") from error
        return credentials.username, credentials.password
