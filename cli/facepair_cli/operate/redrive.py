"""`facepair redrive`: move dead letters back to their queue."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from facepair.domain.operator_request import DeadLettersOf, Redrive
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.function_url import FunctionUrl
from facepair_cli.output import counted, json_option, note, print_json, say
from facepair_cli.stack import Stack, stack_option

UPLOADS = ("DeadLetterQueue", "UploadsQueue")
WEBHOOKS = ("WebhookDeadLetterQueue", "WebhookQueue")
"""Outputs of the source and destination queues."""
SHOWN = 5
"""Unreadable messages shown at most."""


@click.command()
@click.option("--webhooks", is_flag=True, help="The webhook's dead letters instead of the uploads'.")
@yes_option
@json_option
@stack_option
def redrive(webhooks: bool, yes: bool, as_json: bool, stack: Stack) -> None:
    """Move dead letters back to their queue.

    Fix the cause first. Each message is received, sent and deleted, in this order, so none is lost. A pair with a
    stored answer gets that answer and is not charged again.

    A message that cannot be read stays in the dead-letter queue, since it would only come back. It is shown, and the
    exit status is 1; the runbook (DeadLettersAlarm) says how to delete it.

    \b
    Examples:
      facepair redrive
      facepair redrive --webhooks --yes
    """
    source, destination = WEBHOOKS if webhooks else UPLOADS
    function = stack.operate
    waiting = stack.queue(source).backlog().waiting
    if not yes:
        confirm(
            f"Move about {counted(waiting, 'message')} from {source} to {destination}?", otherwise="Nothing was moved."
        )
    sent, unreadable, shown = 0, dict[str, None](), dict[str, str]()
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=waiting, label="Redriving", hidden=hidden, file=sys.stderr) as bar:
        for done in _redriven(function, Redrive(queue=DeadLettersOf.WEBHOOKS if webhooks else DeadLettersOf.UPLOADS)):
            sent += done["sent"]
            unreadable |= dict.fromkeys(done["unreadable"])
            shown |= done["shown"]
            bar.update(sent + len(unreadable) - bar.pos)
    if as_json:
        print_json({"sent": sent, "unreadable": list(unreadable)})
    else:
        say(f"{counted(sent, 'message')} moved to {destination}.")
    if unreadable:
        for message_id, body in [*shown.items()][:SHOWN]:
            note(f"Cannot be read: {message_id}: {body}")
        raise click.ClickException(
            f"{counted(len(unreadable), 'message')} in {source} cannot be read and would only come back: delete "
            "them as the runbook (DeadLettersAlarm) says."
        )


def _redriven(function: FunctionUrl, wanted: Redrive) -> Iterator[Mapping[str, Any]]:
    """Yield the result of each request, until nothing is left but known unreadable messages."""
    known = set[str]()
    while True:
        done = function.post(wanted.model_dump(mode="json"))
        yield done
        if not done["more"] or (not done["sent"] and known.issuperset(done["unreadable"])):
            return
        known.update(done["unreadable"])
