"""The SSM SecureString in which all environments share the access token."""

import logging
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from facepair.advance.token import Token
from facepair.aws.clients import error_code

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

logger = logging.getLogger(__name__)


class SharedToken:
    """The `TokenStore` port over a parameter of Parameter Store.

    It never raises: if the cache is down, a new token is requested.
    `key`: ARN or alias of the KMS key that encrypts it.
    """

    def __init__(self, ssm: "SSMClient", parameter: str, *, key: str) -> None:
        self._ssm = ssm
        self._parameter = parameter
        self._key = key

    def load(self) -> Token | None:
        try:
            got = self._ssm.get_parameter(Name=self._parameter, WithDecryption=True)
            return Token.model_validate_json(got["Parameter"]["Value"])
        except (ClientError, BotoCoreError, ValueError) as error:
            if not (isinstance(error, ClientError) and error_code(error) == "ParameterNotFound"):
                logger.warning("Shared token not read", extra={"parameter": self._parameter, "reason": str(error)})
            return None

    def save(self, token: Token) -> None:
        try:
            self._ssm.put_parameter(
                Name=self._parameter,
                Value=token.model_dump_json(),
                Type="SecureString",
                KeyId=self._key,
                Overwrite=True,
            )
        except (ClientError, BotoCoreError) as error:
            logger.warning("Token not shared", extra={"parameter": self._parameter, "reason": str(error)})
