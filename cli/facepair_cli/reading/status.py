"""`facepair status`: the state of the stack, and the actions it needs."""

import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facepair.domain import clock
from facepair.domain.gate import Gate, GateState, Rules
from facepair_cli.escaping import escaped
from facepair_cli.output import json_option, print_json
from facepair_cli.reading.attention import DEAD_LETTERS, Status, look
from facepair_cli.stack import Stack, stack_option
from facepair_cli.verdict_table import STYLES


@click.command()
@json_option
@stack_option
def status(as_json: bool, stack: Stack) -> None:
    """Show the state of the stack and whether it needs an action.

    Exit status 1 if an action is needed. It takes about two seconds, however many rows there are: counting stops at
    10,000 rows of a verdict, or after 1.5 seconds, and is then marked ("or more"; in JSON the verdict is in
    `at_least`).

    \b
    Examples:
      facepair status
      facepair status --json | jq .attention
    """
    dead_letters = {name: stack.queue(name) for name in DEAD_LETTERS if name in stack.outputs}
    seen = look(stack.written, stack.queue("UploadsQueue"), dead_letters, stack.gate)
    attention = list(seen.attention())
    if as_json:
        print_json(_document(seen, attention, stack.gate_rules))
    else:
        _print(seen, attention, stack.gate_rules)
    if attention:
        raise SystemExit(1)


def _document(seen: Status, attention: list[str], rules: Rules) -> dict[str, Any]:
    return {
        "verdicts": {verdict: count.number for verdict, count in seen.verdicts.items()},
        "at_least": [verdict for verdict, count in seen.verdicts.items() if count.lower_bound],
        "oldest": {verdict: _told(vars(oldest)) for verdict, oldest in seen.oldest.items()},
        "queue": seen.queue.all,
        "queue_waiting": seen.queue.waiting,
        "queue_under_way": seen.queue.in_flight,
        "dead_letters": sum(backlog.all for backlog in seen.dead_letters.values()),
        "dead_letter_queues": {name: backlog.all for name, backlog in seen.dead_letters.items()},
        "gate": _told(_of_the_gate(seen.gate, rules)),
        "attention": attention,
    }


def _of_the_gate(gate: Gate, rules: Rules) -> dict[str, Any]:
    """Return the gate for JSON: `pace` in calls per second; times only while it is closed."""
    closed = gate.state is not GateState.OPEN
    return {
        "state": gate.state,
        "code": gate.code,
        "message": gate.message,
        "since": clock.iso(clock.at(gate.closed_at)) if closed else None,
        "next_try_at": clock.iso(clock.at(gate.reopens_at)) if closed else None,
        "pace": round(1 / gate.interval(rules, time.time()), 3),
        "pace_found_out": not rules.per_second,
        "unanswered": gate.unanswered,
    }


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _print(seen: Status, attention: list[str], rules: Rules) -> None:
    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for verdict, count in seen.verdicts.items():
        table.add_row(Text(verdict, style=STYLES[verdict]), str(count))
    table.add_row("uploads waiting", f"{seen.queue.waiting:,}")
    table.add_row("uploads in flight or deferred", f"{seen.queue.in_flight:,}")
    for name, backlog in seen.dead_letters.items():
        table.add_row(f"dead letters, {name}", f"{backlog.all:,}")
    console.print(table)
    for verdict, oldest in seen.oldest.items():
        console.print(Text(escaped(f"The oldest {verdict} pair: {oldest.pair_id}, uploaded at {oldest.uploaded_at}")))
    gate = _of_the_gate(seen.gate, rules)
    pace = f"{gate['pace']} calls a second, {'as found out' if gate['pace_found_out'] else 'by MaxCallsPerSecond'}"
    console.print(Text(f"The gate is {gate['state'].replace('_', ' ')}; the pace is {pace}"))
    console.print()
    console.print(Text("No action needed." if not attention else "Action needed:", style="bold"))
    for sentence in attention:
        console.print(Padding(Text(escaped(sentence)), (0, 0, 0, 2)))
