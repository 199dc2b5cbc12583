"""`facepair retry`: approve one more call for pairs with an unknown outcome."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import IO

import click

from facepair.domain.operator_request import MOST_PAIRS, Retry
from facepair.use_cases.approve import Answer, Approval
from facepair_cli.confirmation import confirm, yes_option
from facepair_cli.function_url import FunctionUrl
from facepair_cli.output import counted, json_option, note, print_json_array, say
from facepair_cli.pair_ids import PAIR, lines
from facepair_cli.stack import Stack, stack_option

UTF8_FILE = click.File(encoding="utf-8-sig")
WANTED = (Approval.APPROVED, Approval.ALREADY_APPROVED)


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
    wanted = [*pair_ids, *(lines(file) if file else ())]  # all are valid before the first is approved
    if not wanted:
        note("0 pairs: nothing to approve.")
    function = stack.operate
    if wanted and not yes:
        pairs = counted(len(wanted), "pair")
        confirm(f"Approve one more call for {pairs}? Each may be paid twice.", otherwise="Nothing was approved.")
    done = Counter[bool]()
    answers = _answers(function, wanted, done)
    if as_json:
        print_json_array(each.model_dump(mode="json", exclude_none=True) for each in answers)
    else:
        for each in answers:
            say(_sentence(each))
    sys.exit(int(done[False] > 0))


def _answers(function: FunctionUrl, pair_ids: Iterable[str], done: Counter[bool]) -> Iterator[Answer]:
    """Yield each pair's answer as it arrives; count in `done` whether it is approved."""
    for batch in batched(pair_ids, MOST_PAIRS, strict=False):
        for each in function.post(Retry(pair_ids=batch).model_dump(mode="json"))["answers"]:
            answer = Answer.model_validate(each)
            done[answer.approval in WANTED] += 1
            yield answer


def _sentence(answer: Answer) -> str:
    match answer.approval:
        case Approval.APPROVED:
            said = "approved; its verdict will follow"
        case Approval.ALREADY_APPROVED:
            said = (
                f"already approved by {answer.permitted_by}" if answer.permitted_by else "another call is in progress"
            )
        case Approval.NOT_UNKNOWN:
            said = f"not of unknown outcome: {answer.verdict}" + (f" ({answer.code})" if answer.code else "")
        case Approval.PICTURES_DELETED:
            said = "its pictures were deleted before it was compared; upload both again"
        case Approval.NO_PAIR:
            said = "no such pair"
        case Approval.UNREADABLE:
            said = "its row or a call in the ledger is damaged; OperateFunction's log says how"
    return f"{answer.pair_id}: {said}"
