"""Call the stack's functions by URL; AWS identifies the caller."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import boto3
import click
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError, NoRegionError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

SECONDS = 60
"""Connect and read timeout; exceeds every function's timeout."""


class NotUnderstood(click.ClickException):
    """The function rejects this request; repeating it is pointless."""


class Denied(click.ClickException):
    """AWS does not let this caller call the function, whatever the request."""


class TooManyRequests(click.ClickException):
    """AWS throttled the request; the function did not run."""


@dataclass(frozen=True)
class FunctionUrl:
    """A function URL with AuthType AWS_IAM. `policy` is the managed policy that allows calling it."""

    session: boto3.Session
    url: str
    policy: str

    def post(self, question: Mapping[str, object]) -> Any:
        """Send one JSON request, without retries or redirects, and return the JSON response.

        Raises ClickException, with the remedy, for any status but 200, and botocore's errors if there are no
        credentials, no region or no connection.
        """
        with self.kept_open() as post:
            return post(question)

    @contextmanager
    def kept_open(self) -> Iterator[Callable[[Mapping[str, object]], Any]]:
        """Yield a thread-safe `post` for many requests in a row, whose connections stay open in between."""
        # botocore's HTTP client applies the same proxies and certificates as every other AWS call.
        bundle = self.session._session.get_config_variable("ca_bundle")
        verify: Any = bundle or os.environ.get("REQUESTS_CA_BUNDLE", True)
        client = URLLib3Session(verify, get_environ_proxies(self.url), SECONDS)
        try:
            yield partial(self._post, client)
        finally:
            client.close()

    def _post(self, client: URLLib3Session, question: Mapping[str, object]) -> Any:
        credentials = self.session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        if not self.session.region_name:  # part of the signature
            raise NoRegionError
        request = AWSRequest("POST", self.url, {"Content-Type": "application/json"}, json.dumps(question).encode())
        SigV4Auth(credentials, "lambda", self.session.region_name).add_auth(request)
        answer = client.send(request.prepare())
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            raise NotUnderstood(_message(answer.text))
        if answer.status_code == HTTPStatus.FORBIDDEN:
            raise Denied(self._refusal(answer.status_code, answer.text))
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise TooManyRequests(self._refusal(answer.status_code, answer.text))
        if answer.status_code != HTTPStatus.OK:
            raise click.ClickException(self._refusal(answer.status_code, answer.text))
        try:
            return json.loads(answer.text)
        except ValueError:
            raise click.ClickException(
                f"The answer of {self.url} is not JSON, so it is not the function's: a proxy may have answered, for "
                "example to ask for a sign-in. Check the network and the proxy, then try again."
            ) from None

    def _refusal(self, status: int, said: str) -> str:
        message = _message(said)
        match status:
            case HTTPStatus.FORBIDDEN:
                return (
                    f"You may not call {self.url}: your user or role needs the stack's managed policy "
                    f"{self.policy}, and credentials that are still valid. AWS says: {message}"
                )
            case HTTPStatus.TOO_MANY_REQUESTS:
                return f"The function behind {self.url} is called too often; try again later: {message}"
            case _:
                return f"The function behind {self.url} failed (HTTP {status}); its log says why: {message}"


def _message(said: str) -> str:
    """Return the response's `message` field, or else its first 200 characters."""
    try:
        fields = {name.lower(): value for name, value in json.loads(said).items()}
    except (ValueError, AttributeError):
        return said[:200]
    return str(fields.get("message", said[:200]))
