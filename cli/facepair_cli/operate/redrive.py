"""`facepair redrive`: move dead letters back to their queue."""

import sys
from collections.abc import Callable

import click

from facepair.domain.notification import created_objects
from facepair.domain.webhook import Webhook
from facepair.use_cases.redrive import Redriven, Route
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.output import counted, json_option, note, print_json, say
from facepair_cli.stack import Stack, stack_option

UPLOADS = ("DeadLetterQueue", "UploadsQueue")
WEBHOOKS = ("WebhookDeadLetterQueue", "WebhookQueue")
"""Outputs: from where, and where to."""
SHOWN = 5
"""Unreadable dead letters of which the beginning is shown."""


@click.command()
@click.option("--webhooks", is_flag=True, help="The webhook's dead letters instead of the uploads'.")
@yes_option
@json_option
@stack_option
def redrive(webhooks: bool, yes: bool, as_json: bool, stack: Stack) -> None:
    """Move dead letters back to their queue.

    \b
    Examples:
      facepair redrive
      facepair redrive --webhooks --yes

    Fix the cause first. Each message is received, sent and deleted, in this order, so none is lost. A pair with a
    stored answer gets that answer and is not charged again.

    A message that cannot be read stays in the dead-letter queue, since it would only come back. It is shown, and the
    exit status is 1; the runbook (DeadLettersAlarm) says how to delete it.
    """
    source, destination = WEBHOOKS if webhooks else UPLOADS
    read: Callable[[str], object] = Webhook.from_event if webhooks else created_objects
    dead_letters = stack.queue(source)
    route = Route(dead_letters, stack.queue(destination), read)
    there = dead_letters.backlog().waiting
    if not yes:
        confirm(
            f"Move about {counted(there, 'message')} from {source} to {destination}?", otherwise="Nothing was moved."
        )
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=there, label="Redriving", hidden=hidden, file=sys.stderr) as bar:

        def tell(done: Redriven) -> None:
            bar.update(done.sent + len(done.unreadable) - bar.pos)

        done = route.redrive(tell)
    if as_json:
        print_json({"sent": done.sent, "unreadable": list(done.unreadable)})
    else:
        say(f"{counted(done.sent, 'message')} moved to {destination}.")
    if done.unreadable:
        for each in [*done.unreadable.values()][:SHOWN]:
            note(f"Cannot be read: {each.message_id}: {each.body[:200]}")
        raise click.ClickException(
            f"{counted(len(done.unreadable), 'message')} in {source} cannot be read and would only come back: delete "
            "them as the runbook (DeadLettersAlarm) says."
        )
