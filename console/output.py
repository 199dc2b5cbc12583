"""How commands answer: in JSON for programs, by rich for people."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import click

json_option: Callable[..., Any] = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def print_json(value: object) -> None:
    """One JSON document; Decimals are numbers, as near as a double comes."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    raise TypeError(f"{value!r} is nothing for JSON")
