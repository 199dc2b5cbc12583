"""Print output: text for people, JSON for programs. Outside text is escaped here."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from facepair_cli.escaping import escaped, json_text

json_option: Callable[..., Any] = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def say(line: str) -> None:
    """Print a line of the result."""
    click.echo(escaped(line))


def note(line: str) -> None:
    """Print a message on stderr."""
    click.echo(escaped(line), err=True)


def counted(number: int, what: str, plural: str = "") -> str:
    """Return `1 row` or `2,000 rows`. `plural` is for irregular plurals."""
    return f"{number:,} {what if number == 1 else plural or f'{what}s'}"


def print_json(value: object) -> None:
    click.echo(json_text(value, indent=2))


def print_json_array(values: Iterable[object]) -> None:
    """Print a JSON array, streaming its elements."""
    separator = "["
    for value in values:
        click.echo(f"{separator}\n{json_text(value)}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def print_json_lines(values: Iterable[object]) -> None:
    """Print one JSON document per line."""
    for value in values:
        click.echo(json_text(value))


def print_json_fields(fields: Iterable[tuple[str, object]]) -> None:
    """Print a JSON object, streaming its fields and the items of iterators, so that memory stays flat."""
    separator = "{\n"
    for name, value in fields:
        click.echo(f"{separator}  {json_text(name)}: ", nl=False)
        if isinstance(value, Iterator):
            click.echo("[", nl=False)
            for number, item in enumerate(value):
                click.echo(f"{',' if number else ''}\n    {json_text(item)}", nl=False)
            click.echo("]", nl=False)
        else:
            click.echo(json_text(value), nl=False)
        separator = ",\n"
    click.echo("\n}")
