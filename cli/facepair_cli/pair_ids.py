"""Pair ids from arguments or files."""

from collections.abc import Iterator
from typing import IO

import click

from facepair_cli.output import counted

LONGEST_KEY = 1024
"""In bytes of UTF-8 (S3 quota)."""


class PairIdType(click.ParamType[str]):
    """A pair id or prefix: non-empty and, as S3 requires of keys, UTF-8 of at most 1,024 bytes."""

    name = "pair"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            self.fail(f"{value} is not UTF-8, so no pair can have this id.", param, ctx)
        if not value:
            self.fail("a pair id cannot be empty.", param, ctx)
        if size > LONGEST_KEY:
            self.fail(f"{value[:40]}… has {counted(size, 'byte')}; a pair id has at most {LONGEST_KEY:,}.", param, ctx)
        return value


PAIR = PairIdType()


def lines(file: IO[str]) -> Iterator[str]:
    """Yield the pair ids of a file, one per line. Raises ClickException, with the line, for what cannot be one."""
    try:
        for number, line in enumerate(file, 1):
            if pair_id := line.rstrip("\r\n"):
                try:
                    yield PAIR.convert(pair_id, None, None)
                except click.BadParameter as error:
                    raise click.ClickException(f"{file.name}, line {number}: {error.message}") from error
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name} is not in UTF-8: save it as UTF-8.") from error
