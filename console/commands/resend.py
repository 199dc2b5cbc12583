"""`facepair resend`: has PublishFunction publish the events of rows again."""

import sys
from datetime import datetime

import click

from console.output import json_option, print_json
from console.stack import Stack, stack_option
from console.times import TIME, TIMES
from facepair.domain.backlog import Count
from facepair.domain.verdict import Verdict
from facepair.stories.resend import resend_pairs, resend_since
from facepair.stories.status import MOST_COUNTED


@click.command(epilog=TIMES)
@click.argument("pair_ids", metavar="[PAIR]...", nargs=-1)
@click.option("--since", type=TIME, help="All rows that were written at that time or later.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@json_option
@stack_option
def resend(pair_ids: tuple[str, ...], since: datetime | None, yes: bool, as_json: bool, stack: Stack) -> None:
    """Publish the events of rows again, as the rows are now.

    \b
    Examples:
      facepair resend --since 24h
      facepair resend customers/4711 customers/4712

    They have the same ids as at first: receivers that remember ids take each once. Erasures cannot be told again. At a
    terminal it says how many rows there are, and asks; in a script it does not, as nothing that is stored changes.
    """
    if (since is None) == (not pair_ids):
        raise click.UsageError("Say either --since T or which pairs.")
    if since and not yes and sys.stdin.isatty():
        click.confirm(f"Publish the events of {_count(stack, since)} rows again?", abort=True, err=True)
    published, missing, unreadable = 0, list[str](), list[str]()
    function = stack.publish_function
    for done in resend_since(function, since) if since else resend_pairs(function, pair_ids):
        published += done.published
        missing += done.missing
        unreadable += done.unreadable
        if done.since:
            click.echo(f"{published:,} published; going on from {done.since}", err=True)
    if as_json:
        print_json({"published": published, "missing": missing, "unreadable": unreadable})
    else:
        click.echo(f"{published:,} published.")
    problems = [
        *(f"{each} has no row." for each in missing),
        *(f"The row of {each} cannot be read: PublishFunction's log says why." for each in unreadable),
    ]
    if problems:
        raise click.ClickException("\n".join(problems))


def _count(stack: Stack, since: datetime) -> Count:
    counts = [stack.written.count(verdict, MOST_COUNTED, since=since) for verdict in Verdict]
    return Count(sum(count.number for count in counts), any(count.lower_bound for count in counts))
