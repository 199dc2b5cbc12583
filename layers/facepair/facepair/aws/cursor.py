"""The SSM parameter that says where the search for missed pairs stopped."""

from typing import TYPE_CHECKING
from urllib.parse import quote_plus, unquote_plus

from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, error_code

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class CursorParameter:
    """The `Cursor` port over a parameter of Parameter Store.

    A key of the bucket, stored URL-encoded after `after=`, because SSM accepts neither an empty value nor `{{`.
    """

    def __init__(self, ssm: "SSMClient", parameter: str) -> None:
        self._ssm = ssm
        self._parameter = parameter

    @aws_errors()
    def load(self) -> str:
        try:
            value = self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"]
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return ""
            raise
        return unquote_plus(value.removeprefix("after="))

    @aws_errors()
    def save(self, key: str) -> None:
        self._ssm.put_parameter(Name=self._parameter, Value=f"after={quote_plus(key)}", Type="String", Overwrite=True)
