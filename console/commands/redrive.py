"""`facepair redrive`: dead letters go back to the queue that they were meant for."""

import sys
from collections.abc import Callable

import click

from console.output import json_option, print_json
from console.stack import Stack, stack_option
from facepair.domain.notification import created_objects
from facepair.domain.webhook import Webhook
from facepair.stories.redrive import Redriven, Route

UPLOADS = ("DeadLetterQueue", "UploadsQueue")
WEBHOOKS = ("WebhookDeadLetterQueue", "WebhookQueue")
"""Outputs: from where, and where to."""
SHOWN = 5
"""Unreadable letters of which the beginning is shown."""


@click.command()
@click.option("--webhooks", is_flag=True, help="Those of the webhook instead of those of the uploads.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@json_option
@stack_option
def redrive(webhooks: bool, yes: bool, as_json: bool, stack: Stack) -> None:
    """Send dead letters back to their queue.

    \b
    Examples:
      facepair redrive
      facepair redrive --webhooks --yes

    Mend first what brought them there. Each is received, sent and deleted, in this order, so none is lost; a pair that
    has been answered gets its stored answer and is not charged again.

    A message that nobody can read stays where it is: sent back, it would be set aside again at once, round and round.
    It is shown, and the exit status is 1; the runbook (DeadLettersAlarm) says how to delete it.
    """
    source, destination = WEBHOOKS if webhooks else UPLOADS
    read: Callable[[str], object] = Webhook.from_event if webhooks else created_objects
    letters = stack.queue(source)
    route = Route(letters, stack.queue(destination), read)
    there = letters.backlog().waiting
    if not yes:
        click.confirm(f"Send about {there:,} messages of {source} back to {destination}?", abort=True, err=True)
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=there, label="Redriving", hidden=hidden, file=sys.stderr) as bar:

        def tell(done: Redriven) -> None:
            bar.update(done.sent + len(done.unreadable) - bar.pos)

        done = route.redrive(tell)
    if as_json:
        print_json({"sent": done.sent, "unreadable": list(done.unreadable)})
    else:
        click.echo(f"{done.sent:,} sent back to {destination}.")
    if done.unreadable:
        shown = (f"  {each.message_id}: {each.body[:200]!r}" for each in [*done.unreadable.values()][:SHOWN])
        raise click.ClickException(
            f"{len(done.unreadable):,} stay in {source}, because nobody can read them and they would only come back; "
            "the runbook (DeadLettersAlarm) says how to delete them:\n" + "\n".join(shown)
        )
