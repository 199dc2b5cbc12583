"""ReviewFunction and S3, as the desk uses them."""

import re
from collections.abc import Mapping
from typing import Any

import boto3
import click
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from facepair_cli.account import Account
from facepair_cli.errors import sentence
from facepair_cli.function_url import FunctionUrl, NotUnderstood
from facepair_cli.review.pictures import Fetched, Unseen
from facepair_cli.review.ports import NotAnswered, Refused

POLICY = "ReviewerPolicy"
SIGN_IN = "No decision is lost: sign in again where facepair review runs, then try again."
ON_AWS = re.compile(r"https://[a-z0-9]+\.lambda-url\.(?P<region>[a-z0-9-]+)\.on\.aws/?")
SECONDS = 30
"""Timeout for connecting to S3 and between two parts of a picture."""
ANSWERS = {
    "pairs": {"reviewer", "waiting", "at_least", "pairs"},
    "decide": {"decided", "stands"},
    "cannot_tell": {"decided", "stands"},
    "reveal": {"similarity"},
    "give_back": set[str](),
}
"""Fields of ReviewFunction's answer to each action; an answer without them is not ReviewFunction's."""


class ReviewStack:
    """The ReviewBackend behind a function URL, with an account's credentials."""

    def __init__(self, url: str, account: Account | None = None) -> None:
        self._url = url
        self._account = account or Account()
        self._session: boto3.Session | None = None

    def renew(self) -> None:
        """Reload the credential files before the next request; environment variables stay as they are."""
        self._session = None

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = FunctionUrl(self._signed_in(), self._url, POLICY).post(request)
        except NotUnderstood as error:
            raise Refused(error.message) from error
        except click.ClickException as error:
            raise NotAnswered(
                f"{error.message} {SIGN_IN}" if "credentials" in error.message else error.message
            ) from error
        except (BotoCoreError, ClientError) as error:  # STS reports an expired role as a ClientError
            raise NotAnswered(f"{sentence(error, POLICY)} {SIGN_IN}") from error
        if not isinstance(answer, dict) or not ANSWERS[request["action"]] <= answer.keys():
            raise NotAnswered(f"The answer of {self._url} is not ReviewFunction's. Check the network and --url.")
        return answer

    def fetch(self, link: str) -> Fetched:
        """Fetch a link. Raises Unseen, without mentioning the link."""
        verify: Any = self._signed_in()._session.get_config_variable("ca_bundle") or True
        client = URLLib3Session(verify, get_environ_proxies(link), SECONDS)
        try:
            answer = client.send(AWSRequest("GET", link).prepare())
            return Fetched(answer.status_code, answer.content, answer.headers.get("Last-Modified"))
        except BotoCoreError as error:
            # The error's text contains the link, which grants access to the picture.
            raise Unseen(f"S3 cannot be reached ({type(error).__name__}). Press A to try again.", again=True) from None
        finally:
            client.close()

    def _signed_in(self) -> boto3.Session:
        if (session := self._session) is None:
            on_aws = ON_AWS.fullmatch(self._url)
            self._session = session = self._account.session(on_aws["region"] if on_aws else None)
        return session
