"""`facepair resend`: publish the change events of rows again."""

from collections.abc import Iterator
from datetime import datetime
from itertools import batched

import click

from facepair.domain import clock
from facepair.domain.backlog import Count
from facepair.domain.operator_request import MOST_PAIRS, Resend
from facepair.domain.verdict import Verdict
from facepair.use_cases.resend import Resent
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.function_url import FunctionUrl
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

    The events describe the rows as they are now, under the same ids as before: receivers that keep ids see
    duplicates. Erasures are not published again.

    \b
    Examples:
      facepair resend --since 24h
      facepair resend customers/4711 customers/4712
    """
    if (since is None) == (not pair_ids):
        raise click.UsageError("Pass either --since T or pairs.")
    function = stack.operate
    if not yes:
        rows = f"{_count(stack, since)} rows" if since else counted(len(pair_ids), "row")
        confirm(f"Publish the events of {rows} again?", otherwise="Nothing was published.")
    published, missing, unreadable = 0, list[str](), list[str]()
    for done in _since(function, since) if since else _pairs(function, pair_ids):
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
        note(f"The row of {each} cannot be read: OperateFunction's log says why.")
    if failed := len(missing) + len(unreadable):
        raise click.ClickException(f"{counted(failed, 'pair')} not published.")


def _count(stack: Stack, since: datetime) -> Count:
    counts = [stack.written.count(verdict, MOST_COUNTED, since=since) for verdict in Verdict]
    return Count(sum(count.number for count in counts), any(count.lower_bound for count in counts))


def _since(function: FunctionUrl, since: datetime) -> Iterator[Resent]:
    """Yield the result of each request; one covers a few thousand rows."""
    begin: datetime | None = since
    while begin:
        done = Resent(**function.post(Resend(since=begin).model_dump(mode="json", exclude_none=True)))
        yield done
        further = clock.parse(done.since) if done.since else None
        if further == begin:
            raise click.ClickException(
                f"The events after {done.since} were not published: OperateFunction's log says why. Then run "
                f"facepair resend --since {done.since}"
            )
        begin = further


def _pairs(function: FunctionUrl, pair_ids: tuple[str, ...]) -> Iterator[Resent]:
    for batch in batched(dict.fromkeys(pair_ids), MOST_PAIRS, strict=False):
        yield Resent(**function.post(Resend(pair_ids=batch).model_dump(mode="json", exclude_none=True)))
