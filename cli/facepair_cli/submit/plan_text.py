"""Describe a plan before anything is sent."""

from collections.abc import Iterable, Iterator

from rich.filesize import decimal

from facepair.domain.verdict import WORKER_DIED, Verdict
from facepair_cli.output import counted
from facepair_cli.submit.pairs import Input
from facepair_cli.submit.submission import Considered, Plan, lookalikes

EXAMPLES = 10


def lines(found: Input, plan: Plan) -> Iterator[str]:
    """Yield the plan's lines; long lists are shortened."""
    ignored = ", ".join(f"{what} {count:,}" for what, count in found.ignored.items() if count)
    yield pairs(len(found.pairs)) + (f" (ignored: {ignored})" if ignored else "")
    if plan.left_out:
        yield f"{pairs(len(plan.left_out))} cannot be sent:"
        yield from _some((f"{pair.pair_id}: {pair.why}" for pair in plan.left_out), len(plan.left_out))
    if alike := lookalikes(pair.pair_id for pair in found.pairs):
        yield "Pair ids that look the same but differ (accents composed, NFC, or decomposed, NFD):"
        yield from _some((" and ".join(map(ascii, pair_ids)) for pair_ids in alike), len(alike))
    if plan.there:
        yield f"{pairs(len(plan.there))} in the bucket already, with these contents"
    if not plan.new:
        yield "Nothing is new, so nothing has to be sent."
        return
    yield f"{pairs(len(plan.new))} to be sent, {decimal(plan.bytes_to_send)}"
    for code, unfit in plan.unfit.items():
        verdict = Verdict.UNDETERMINED if code == WORKER_DIED else Verdict.RETAKE
        yield f"{pairs(len(unfit))} of them will be {verdict} without a call, {code}:"
        yield from _some(map(_problems, unfit), len(unfit))
    if plan.duplicates:
        yield "The same two pictures under several pair ids, each a call of its own:"
        yield from _some((" = ".join(pair_ids) for pair_ids in plan.duplicates), len(plan.duplicates))
    if plan.selfsame:
        yield "The same file as both pictures, so the verdict is meaningless:"
        yield from _some(plan.selfsame, len(plan.selfsame))
    yield (
        f"That makes {counted(plan.calls, 'call')} of the comparison API at most; your contract with ADVANCE says what "
        "a call costs."
    )


def left_out(plan: Plan) -> str:
    """Return in one sentence which pairs were not submitted, and why."""
    told = [f"{pair.pair_id}: {pair.why}" for pair in plan.left_out[:EXAMPLES]]
    more = [f"and {len(plan.left_out) - EXAMPLES:,} more"] if len(plan.left_out) > EXAMPLES else []
    return f"{pairs(len(plan.left_out))} cannot be submitted as asked: {'; '.join(told + more)}."


def pairs(count: int) -> str:
    return counted(count, "pair")


def _problems(pair: Considered) -> str:
    return f"{pair.pair_id}: " + "; ".join(f"{role} picture: {why.message}" for role, why in pair.problems.items())


def _some(entries: Iterable[str], count: int) -> Iterator[str]:
    yield from (f"    {entry}" for entry, _ in zip(entries, range(EXAMPLES), strict=False))
    if count > EXAMPLES:
        yield f"    and {count - EXAMPLES:,} more"
