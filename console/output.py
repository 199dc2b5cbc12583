"""How commands answer: in JSON for programs, by rich for people."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import click

json_option: Callable[..., Any] = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def print_json(value: object) -> None:
    """One JSON document; Decimals are numbers, as near as a double comes."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_json_array(values: Iterable[object]) -> None:
    """One JSON array, element by element as they come: none is held."""
    separator = "["
    for value in values:
        click.echo(f"{separator}\n{_dumped(value)}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def print_json_lines(values: Iterable[object]) -> None:
    """A JSON document a line, as they come."""
    for value in values:
        click.echo(_dumped(value))


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, set):  # a row that somebody else wrote
        return sorted(value)
    raise TypeError(f"{value!r} is nothing for JSON")
