"""`facepair resend`: publish the change events of rows again."""

from datetime import datetime

import click

from facepair.domain.backlog import Count
from facepair.domain.verdict import Verdict
from facepair.use_cases.resend import resend_pairs, resend_since
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.output import counted, json_option, note, print_json, say
from facepair_cli.pair_ids import PAIR
from facepair_cli.reading.attention import MOST_COUNTED
from facepair_cli.stack import Stack, stack_option
from facepair_cli.times import TIME, TIMES


@click.command(epilog=TIMES)
@click.argument("pair_ids", metavar="[PAIR]...", type=PAIR, nargs=-1)
@click.option("--since", type=TIME, help="All rows written at that time or later.")
@yes_option
@json_option
@stack_option
def resend(pair_ids: tuple[str, ...], since: datetime | None, yes: bool, as_json: bool, stack: Stack) -> None:
    """Publish the change events of rows again.

    \b
    Examples:
      facepair resend --since 24h
      facepair resend customers/4711 customers/4712

    The events describe the rows as they are now, under the same ids as before: receivers that keep ids see
    duplicates. Erasures are not published again.
    """
    if (since is None) == (not pair_ids):
        raise click.UsageError("Pass either --since T or pairs.")
    if not yes:
        rows = f"{_count(stack, since)} rows" if since else counted(len(pair_ids), "row")
        confirm(f"Publish the events of {rows} again?", otherwise="Nothing was published.")
    published, missing, unreadable = 0, list[str](), list[str]()
    function = stack.publish_function
    for done in resend_since(function, since) if since else resend_pairs(function, pair_ids):
        published += done.published
        missing += done.missing
        unreadable += done.unreadable
        if done.since:
            note(f"{published:,} published; going on from {done.since}")
    if as_json:
        print_json({"published": published, "missing": missing, "unreadable": unreadable})
    else:
        say(f"{counted(published, 'event')} published.")
    for each in missing:
        note(f"{each} has no row.")
    for each in unreadable:
        note(f"The row of {each} cannot be read: see PublishFunction's log.")
    if failed := len(missing) + len(unreadable):
        raise click.ClickException(f"{counted(failed, 'pair')} not published.")


def _count(stack: Stack, since: datetime) -> Count:
    counts = [stack.written.count(verdict, MOST_COUNTED, since=since) for verdict in Verdict]
    return Count(sum(count.number for count in counts), any(count.lower_bound for count in counts))
