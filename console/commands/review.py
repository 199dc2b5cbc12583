"""`facepair review`: the page for MANUAL_CHECK."""

import sys
import webbrowser

import click

from console.stack import Stack, stack_option


@click.command()
@click.option("--url", metavar="URL", help="The stack's output ReviewUrl; without it the stack is asked for it.")
@stack_option
def review(url: str | None, stack: Stack) -> None:
    """Open the page that decides MANUAL_CHECK pairs.

    The page is served on this machine to one browser. It ends when it is closed, or with Ctrl-C; what was decided is
    sent then at the latest. With --url you need the stack's ReviewerPolicy and nothing else.

    Example: facepair review
    """
    # A web server and an image decoder, which no other command needs.
    from console.review.desk import Desk
    from console.review.server import serve
    from console.review.stack import ReviewStack

    if not url and "ReviewUrl" not in stack.outputs:
        raise click.ClickException(f"The stack {stack.name} has no ReviewUrl yet; deploy the present release.")
    desk = Desk(ReviewStack(url or stack.outputs["ReviewUrl"]))
    unsent = serve(desk, _opens)
    for each in unsent:
        click.echo(f"Not recorded: {each.pair_id} as {each.verdict}, {each.reason}", err=True)
    if unsent:
        raise click.ClickException(f"{desk.problem} Decide these {len(unsent)} again.")


def _opens(address: str) -> None:
    """In a terminal the browser is opened; the address works once, so a script has it for itself."""
    click.echo(f"Review at {address}")
    click.echo("This address opens the page once. Closing the page ends this command, and so does Ctrl-C.")
    sys.stdout.flush()
    if sys.stdout.isatty():
        webbrowser.open(address)
