"""Pair ids from arguments or files."""

from collections.abc import Iterator
from typing import IO

import click


class PairIdType(click.ParamType[str]):
    """A pair id or prefix: non-empty and, as S3 and DynamoDB require, UTF-8."""

    name = "pair"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f"{value} is not UTF-8, so no pair can have this id.", param, ctx)
        if not value:
            self.fail("a pair id cannot be empty.", param, ctx)
        return value


PAIR = PairIdType()


def lines(file: IO[str]) -> Iterator[str]:
    """Yield the pair ids of a file, one per line. Raises ClickException if it is not UTF-8."""
    try:
        yield from (line for each in file if (line := each.rstrip("\r\n")))
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name} is not in UTF-8: save it as UTF-8.") from error
