"""How commands answer: in JSON for programs, by rich for people."""

import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

json_option: Callable[..., Any] = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


class FileToWrite(click.ParamType[Path]):
    """A file that can be written, which is found out before anything is done for it."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(str(click.Path(dir_okay=False, writable=True).convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}", param, ctx)
        return path


def printable(text: str) -> str:
    """A text of somebody else's for a terminal, which would obey its control characters."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


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


def print_json_fields(fields: Iterable[tuple[str, object]]) -> None:
    """One JSON object, field by field; of an iterator each item as it comes, so that a million take no room."""
    separator = "{\n"
    for name, value in fields:
        click.echo(f"{separator}  {json.dumps(name)}: ", nl=False)
        if isinstance(value, Iterator):
            click.echo("[", nl=False)
            for number, item in enumerate(value):
                click.echo(f"{',' if number else ''}\n    {json.dumps(item, ensure_ascii=False)}", nl=False)
            click.echo("]", nl=False)
        else:
            click.echo(json.dumps(value, ensure_ascii=False, default=_plain), nl=False)
        separator = ",\n"
    click.echo("\n}")
