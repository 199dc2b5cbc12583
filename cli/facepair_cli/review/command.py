"""`facepair review`: the page for MANUAL_CHECK."""

import contextlib
import sys
import threading
import webbrowser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
from botocore.exceptions import ClientError

from facepair.aws.clients import error_code
from facepair_cli import interrupts
from facepair_cli.errors import DENIED, extra
from facepair_cli.escaping import escaped
from facepair_cli.interrupts import interrupts_held
from facepair_cli.stack import Stack, stack_option

if TYPE_CHECKING:
    from facepair_cli.review.server import Ended


@click.command()
@click.option("--url", metavar="URL", help="The stack's output ReviewUrl; without it the stack is asked for it.")
@click.option(
    "--show-similarity", is_flag=True, help="Show each pair's similarity without being asked. It biases people."
)
@stack_option
def review(url: str | None, show_similarity: bool, stack: Stack) -> None:
    """Open the page that decides MANUAL_CHECK pairs.

    The page is served on this machine to one browser. It ends when it is closed, or with Ctrl-C; what was decided is
    sent then at the latest. Exit status 1 if a decision was not recorded. With --url you need the stack's
    ReviewerPolicy and nothing else; without it, also the permission cloudformation:DescribeStacks.

    \b
    Examples:
      facepair review --url https://abc123.lambda-url.eu-central-1.on.aws/
      facepair review
    """
    with extra("review"):
        from facepair_cli.review.desk import Desk
        from facepair_cli.review.server import serve
        from facepair_cli.review.stack import ReviewStack

    url = url or _url(stack)
    with interrupts_held(), TemporaryDirectory(prefix="facepair-review-") as private:  # until lost decisions are named
        ended = serve(
            Desk(shows_similarity=show_similarity),
            ReviewStack(url, stack.account),
            opens=lambda origin, token: _open(origin, token, Path(private)),
            waits=_wait,
        )
        _report(ended)


def _url(stack: Stack) -> str:
    """Return the stack's output. Raises ClickException with the remedy if there is none, or AWS denies reading it."""
    try:
        outputs = stack.outputs
    except ClientError as error:
        if error_code(error) not in DENIED:
            raise
        raise click.ClickException(
            f"AWS denied access to the outputs of the stack {stack.name}, which ReviewerPolicy does not allow to read. "
            "Pass --url with the stack's output ReviewUrl; the people who deployed it know it."
        ) from error
    if "ReviewUrl" not in outputs:
        raise click.ClickException(f"The stack {stack.name} has no ReviewUrl: update it to this release (make deploy).")
    return outputs["ReviewUrl"]


def _open(origin: str, token: str, private: Path) -> None:
    """Print the page's address and, at a terminal, open it in the browser.

    Local users can read command lines, and browsers keep addresses. So the browser gets a file that only this user can
    read, which posts the token.
    """
    click.echo(f"Review at {origin}/?token={token}")
    click.echo("This address opens the page once. Closing the page ends this command, and so does Ctrl-C.")
    sys.stdout.flush()
    if not sys.stdout.isatty():
        return
    file = private / "open.html"
    file.touch(mode=0o600)
    file.write_text(OPENING.format(origin=origin, token=token), encoding="utf-8")
    # In a thread: some browsers block this call until they are closed.
    threading.Thread(target=webbrowser.open, args=(file.as_uri(),), daemon=True).start()


OPENING = """<!doctype html>
<meta charset="utf-8">
<title>facepair review</title>
<form method="post" action="{origin}/">
  <input type="hidden" name="token" value="{token}">
  <button>Open the review page</button>
</form>
<script>document.forms[0].submit()</script>
"""


def _wait(unsent: int) -> None:
    with contextlib.suppress(OSError):  # the terminal may be closed
        click.echo(f"Sending {unsent} decision(s); press Ctrl-C to stop waiting.", err=True)


def _report(ended: "Ended") -> None:
    """Name every decision that may not be recorded; exit with status 1 if there is one."""
    for each in ended.lost:
        click.echo(escaped(str(each)), err=True)
    if ended.lost:
        raise click.ClickException(_remedy(ended))
    if ended.is_interrupted:
        sys.exit(interrupts.STATUS)


def _remedy(ended: "Ended") -> str:
    unsent = sum(each.why is None for each in ended.lost)
    if not unsent:
        return f"Not recorded: {len(ended.lost)} of your decisions, for the reasons above."
    return f"{ended.problem or 'The stack has not answered in time.'} Decide these {unsent} again."
