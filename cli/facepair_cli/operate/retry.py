"""`facepair retry`: an operator approves one more call for pairs with an unknown outcome."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import IO

import click

from facepair.use_cases.permit import MOST_PAIRS, Answer, Permission
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.function_url import FunctionUrl
from facepair_cli.output import counted, json_option, print_json_array, say
from facepair_cli.pair_ids import PAIR, lines
from facepair_cli.stack import Stack, stack_option

UTF8_FILE = click.File(encoding="utf-8-sig")
WISHED = (Permission.PERMITTED, Permission.ALREADY_PERMITTED)


@click.command()
@click.argument("pair_ids", metavar="[PAIR]...", type=PAIR, nargs=-1)
@click.option("--from", "file", type=UTF8_FILE, help="Pair ids, one a line; - is standard input.")
@yes_option
@json_option
@stack_option
def retry(pair_ids: tuple[str, ...], file: IO[str] | None, yes: bool, as_json: bool, stack: Stack) -> None:
    """Approve one more call for pairs with an unknown outcome.

    Such a pair is UNDETERMINED because a call got no answer. That call may have been charged, so the new one may be
    paid twice. An approval allows one call at most, and the ledger records it (permitted_by, permitted_at). Exit status
    1 if the outcome of a pair is not unknown.

    \b
    Examples:
      facepair retry customers/4711
      facepair list --verdict UNDETERMINED --jsonl | jq -r .pair_id | facepair retry --yes --from -
    """
    if not pair_ids and file is None:
        raise click.UsageError("Name pairs, or a file of pair ids with --from.")
    function = stack.function_url("PermitUrl", policy="OperatorPolicy")
    if not yes:
        pairs = counted(len(pair_ids), "pair") if file is None else f"every pair in {file.name}"
        confirm(f"Approve one more call for {pairs}? Each may be paid twice.", otherwise="Nothing was approved.")
    told = Counter[bool]()
    answers = _answers(function, _wanted(pair_ids, file), told)
    if as_json:
        print_json_array(each.model_dump(mode="json", exclude_none=True) for each in answers)
    else:
        for each in answers:
            say(_sentence(each))
    sys.exit(int(told[False] > 0))


def _answers(function: FunctionUrl, pair_ids: Iterable[str], told: Counter[bool]) -> Iterator[Answer]:
    """What became of each pair, as it comes; `told` counts which of them got what was wished."""
    for batch in batched(pair_ids, MOST_PAIRS, strict=False):
        for each in function.post({"pair_ids": batch})["answers"]:
            answer = Answer.model_validate(each)
            told[answer.permission in WISHED] += 1
            yield answer


def _wanted(pair_ids: Iterable[str], file: IO[str] | None) -> Iterator[str]:
    yield from pair_ids
    if file:
        yield from lines(file)


def _sentence(answer: Answer) -> str:
    match answer.permission:
        case Permission.PERMITTED:
            said = "permitted; its verdict will follow"
        case Permission.ALREADY_PERMITTED:
            said = f"already permitted by {answer.permitted_by or 'another call that is under way'}"
        case Permission.NOT_UNKNOWN:
            said = f"not of unknown outcome: {answer.verdict}" + (f" ({answer.code})" if answer.code else "")
        case Permission.PICTURES_DELETED:
            said = "its pictures were deleted before it was compared; upload both again"
        case Permission.NO_PAIR:
            said = "no such pair"
    return f"{answer.pair_id}: {said}"
