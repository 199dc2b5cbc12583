"""ReviewFunction as the desk asks it, and S3 as its links lead there."""

import os
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

SECONDS = (5, 30)
"""For connecting to S3, and between two parts of a picture."""
POLICY = "ReviewerPolicy"
SIGN_IN = "Sign in again where facepair review runs, then try again: nothing that you decided is lost."


class ReviewStack:
    """A console.review.desk.Stack: the function behind a URL, called with the credentials of the shell."""

    def __init__(self, session: boto3.Session, url: str) -> None:
        self._url = url
        self._function = FunctionUrl(session, url, POLICY)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer. Raises NotAnswered."""
        try:
            answer: dict[str, Any] = self._function.post(request)
        except click.ClickException as error:
            raise NotAnswered(f"{error.message} {SIGN_IN if 'credentials' in error.message else ''}".strip()) from error
        except BotoCoreError as error:
            raise NotAnswered(f"AWS cannot be asked: {error}. {SIGN_IN}") from error
        return answer

    def renew(self) -> None:
        """A new session reads the credentials' files again; those in the environment stay what they were."""
        self._function = FunctionUrl(boto3.Session(), self._url, POLICY)


def fetch(url: str) -> tuple[int, bytes]:
    """GET a picture by its link. Raises Unseen."""
    client = URLLib3Session(os.environ.get("AWS_CA_BUNDLE") or True, get_environ_proxies(url), SECONDS)
    try:
        answer = client.send(AWSRequest("GET", url).prepare())
        return answer.status_code, answer.content
    except BotoCoreError as error:
        raise Unseen(f"S3 cannot be reached: {error}. Press A to try again.", again=True) from error
    finally:
        client.close()
