"""Report errors as one sentence with the remedy. Exit status: 1 not done, 2 usage error, 130 interrupted."""

import errno
import os
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from facepair.aws.clients import error_code
from facepair.domain.retry import Unavailable
from facepair_cli import interrupts
from facepair_cli.escaping import escaped

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"}
"""AWS error codes for a missing permission; HEAD responses have only the status."""
SIGNED_OUT = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
"""AWS error codes for expired or invalid credentials."""


class Interrupted(click.ClickException):
    """Ctrl-C ended the command. The message says what was done until then."""

    exit_code = interrupts.STATUS

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(err=True)  # the terminal shows ^C on this line
        super().show(file)


class NotConfirmed(click.ClickException):
    """A confirmation is needed, but there is no terminal."""

    exit_code = 2


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import packages of an extra. Raises ClickException with the remedy if they are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"The package {error.name} is not installed. Install facepair with its extra `{name}`, "
            f"in a clone: uv tool install --reinstall '.[{name}]', or '.[all]' for every command."
        ) from error


@contextmanager
def one_sentence(policy: Callable[[], str | None]) -> Iterator[None]:
    """Turn every exception into a one-line ClickException.

    `policy` returns the managed policy that the command needs, or None.
    """
    try:
        try:
            yield
        finally:
            click.echo(nl=False)  # flush, so that a full disk is reported
    except click.ClickException as error:
        error.message = escaped(error.message)  # type: ignore[misc]
        raise
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None
    except (Unavailable, BotoCoreError, ClientError) as error:
        raise click.ClickException(escaped(sentence(error, policy()))) from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # `facepair list | head`: click exits quietly
            raise
        _give_up_stdout()
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(escaped(f"{where}{error.strerror or error}. {_remedy(error)}")) from error
    except (click.exceptions.Exit, click.Abort):
        raise
    except sqlite3.OperationalError as error:
        raise click.ClickException(f"A temporary file failed: {error}. Make room in the folder TMPDIR.") from error
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}, line {frame.lineno}"
        message = f"facepair failed unexpectedly ({where}): {type(error).__name__}: {error}. Please report this."
        raise click.ClickException(escaped(message)) from error


def sentence(error: Exception, policy: str | None) -> str:
    """Return what went wrong with AWS and what to do."""
    cause = error.__cause__ if isinstance(error, Unavailable) and error.__cause__ else error
    said = str(cause).rstrip(".")
    match cause:
        case aws.NoRegionError():
            return "No AWS region is set. Pass --region, or set AWS_REGION."
        case aws.NoCredentialsError() | aws.PartialCredentialsError():
            return f"{said}. Sign in to AWS, or pass --profile."
        case aws.ProfileNotFound():
            return f"{said}. Check --profile and AWS_PROFILE."
        case ClientError() if error_code(cause) in DENIED:
            remedy = f"The stack's managed policy {policy} allows it: attach it to your role."
            return f"AWS denied access: {said}. {remedy if policy else 'Use credentials that may do this.'}"
        case ClientError() if error_code(cause) in SIGNED_OUT:
            return f"AWS does not accept the credentials: {said}. Sign in again."
        case aws.HTTPClientError() | aws.ConnectionError():
            return f"AWS was not reached: {said}. Check the network, --region and AWS_ENDPOINT_URL."
    return f"AWS request failed: {said}."


def is_passing(error: Exception) -> bool:
    """Return whether a retry may help: no connection, throttling or a server error."""
    cause = error.__cause__ if isinstance(error, Unavailable) and error.__cause__ else error
    if isinstance(cause, ClientError):
        status = cause.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or "Throttl" in error_code(cause) or error_code(cause) == "RequestLimitExceeded"
    return isinstance(cause, (aws.HTTPClientError, aws.ConnectionError))


def _remedy(error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "Make room and run the command again." if full else "Run the command again once that is possible."


def _give_up_stdout() -> None:
    """Redirect stdout to /dev/null, so that the interpreter's flush at exit cannot fail with a traceback."""
    try:
        click.echo(nl=False)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
