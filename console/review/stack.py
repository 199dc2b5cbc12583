"""ReviewFunction as the desk asks it, and S3 as its links lead there."""

import re
from collections.abc import Mapping
from typing import Any

import boto3
import click
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from console.function_url import FunctionUrl
from console.review.desk import NotAnswered
from console.review.pictures import Unseen

POLICY = "ReviewerPolicy"
SIGN_IN = "Nothing that you decided is lost: sign in again where facepair review runs, then try again."
ON_AWS = re.compile(r"https://[a-z0-9]+\.lambda-url\.(?P<region>[a-z0-9-]+)\.on\.aws/?")
SECONDS = 30
"""For connecting to S3, and between two parts of a picture."""


class ReviewStack:
    """A console.review.desk.Stack: the function behind a URL, called with the credentials of the shell."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.renew()

    def renew(self) -> None:
        """A new session reads the credentials' files again; those in the environment stay what they were."""
        on_aws = ON_AWS.fullmatch(self._url)
        self._session = boto3.Session(region_name=on_aws["region"] if on_aws else None)
        self._function = FunctionUrl(self._session, self._url, POLICY)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. Raises NotAnswered."""
        try:
            answer: dict[str, Any] = self._function.post(request)
        except click.ClickException as error:
            raise NotAnswered(
                f"{error.message} {SIGN_IN}" if "credentials" in error.message else error.message
            ) from error
        except BotoCoreError as error:
            raise NotAnswered(f"AWS cannot be asked: {error}. {SIGN_IN}") from error
        return answer

    def fetch(self, link: str) -> tuple[int, bytes]:
        """Status and content of what is at a link. Raises Unseen."""
        verify: Any = self._session._session.get_config_variable("ca_bundle") or True
        client = URLLib3Session(verify, get_environ_proxies(link), SECONDS)
        try:
            answer = client.send(AWSRequest("GET", link).prepare())
            return answer.status_code, answer.content
        except BotoCoreError as error:
            raise Unseen(f"S3 cannot be reached: {error}. Press A to try again.", again=True) from error
        finally:
            client.close()
