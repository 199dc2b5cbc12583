"""Escape outside text (pair ids, file names, messages), so that it can neither control the terminal nor hide."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any


def escaped(text: str) -> str:
    r"""Return a text on one line, with control, formatting and other invisible characters escaped as in Python.

    A newline becomes `\n`, a right-to-left override `\u202e`, a byte of a file name that is not UTF-8 `\xff`.
    """
    return _replaced(text, _python_escape)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON that parses to exactly the same text, with the same characters escaped.

    Decimals become the nearest double, sets become sorted arrays.
    """
    if indent is None:  # an erasure writes each pair id hundreds of times
        return _replaced(_ON_ONE_LINE.encode(value), _json_escape)
    dumped = json.dumps(value, indent=indent, ensure_ascii=False, default=_plain)
    return "\n".join(_replaced(line, _json_escape) for line in dumped.split("\n"))


def _replaced(text: str, escape: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else escape(each) for each in text)


def _python_escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, as Python keeps it in file names
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    if isinstance(value, set):  # DynamoDB has sets; another program may have written the row
        return sorted(value)
    raise TypeError(f"{value!r} cannot be written as JSON")


_ON_ONE_LINE = json.JSONEncoder(ensure_ascii=False, default=_plain)
