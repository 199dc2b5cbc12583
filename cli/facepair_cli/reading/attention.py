"""Read the state of the stack, in bounded time, and what needs action."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from facepair.domain import clock
from facepair.domain.backlog import Backlog, Count, Oldest
from facepair.domain.gate import Gate, GateState
from facepair.domain.verdict import PICTURE_UNREADABLE, PICTURES_DELETED, Verdict
from facepair_cli.output import note
from facepair_cli.readable import UNREADABLE

MOST_COUNTED = 10_000
"""Rows counted per verdict: at most about a second and a tenth of a cent."""
COUNTING_SECONDS = 1.5
"""No page is read after this; the command should take about two seconds."""
OLDEST_AMONG = 1_000
"""Rows searched for the oldest upload: one page."""
LONG = timedelta(hours=1)
"""A pair deferred for longer needs attention; OldestPostponedAlarm has the same limit."""
WAITS = (Verdict.PENDING, Verdict.WAITING)

DEAD_LETTERS = {
    "DeadLetterQueue": "uploads got no verdict: CompareFunction's log says why; fix that, then `facepair redrive`",
    "UnpublishedQueue": "changes of verdicts were not published: PublishFunction's log says why; fix that, then "
    "`facepair resend --since …`, and empty the queue",
    "BusDeadLetterQueue": "the bus could not deliver changes: its key cannot be used; fix that, then `facepair resend "
    "--since …`, and empty the queue",
    "WebhookDeadLetterQueue": "webhooks were given up: when the receiver takes messages, `facepair redrive --webhooks`",
}
"""Dead-letter queues by output: what a message there means, and the remedy."""


class CountedRows(Protocol):
    def count(
        self, verdict: Verdict, at_most: int, *, seconds: float, code: str | None = None, other_than: str | None = None
    ) -> Count:
        """Count the rows of a verdict, optionally with this `code` or without `other_than`.

        Looks at no more than `at_most` rows, and starts no page after `seconds`.
        """

    def oldest(self, verdict: Verdict, at_most: int) -> Oldest | None:
        """Return the row with the earliest upload among a verdict's first `at_most`."""


class CountedQueue(Protocol):
    def backlog(self) -> Backlog: ...


class ReadableGate(Protocol):
    def read(self) -> Gate: ...


@dataclass(frozen=True)
class Status:
    """The state of the stack.

    `unsettled`: UNDETERMINED rows that need an operator. `unreadable`: rows with a picture that S3 does not return.
    `oldest`: the pairs waiting longest. `dead_letters`: by the output of their queue.
    """

    verdicts: Mapping[Verdict, Count]
    unsettled: Count
    unreadable: Count
    oldest: Mapping[Verdict, Oldest]
    queue: Backlog
    dead_letters: Mapping[str, Backlog]
    gate: Gate

    def attention(self) -> Iterator[str]:
        """Yield one sentence per action needed."""
        for name, backlog in self.dead_letters.items():
            if backlog.all:
                yield f"{_messages(backlog.all)} in {name}: {DEAD_LETTERS[name]}."
        yield from self._of_the_gate()
        if self.unsettled.number:
            yield (
                f"{_pairs(self.unsettled)} UNDETERMINED: `facepair list --verdict UNDETERMINED` says why, "
                "the runbook (UndeterminedAlarm) what to do."
            )
        if (checks := self.verdicts[Verdict.MANUAL_CHECK]).number:
            yield f"{_pairs(checks)} MANUAL_CHECK: decide with `facepair review`."
        if self.unreadable.number:
            yield (
                f"{_pairs(self.unreadable)} PENDING with {PICTURE_UNREADABLE}, since S3 refuses to return a picture: "
                "`facepair list --verdict PENDING` names them, the runbook (UnreadablePicturesAlarm) says what to do."
            )
        oldest = self.oldest.get(Verdict.PENDING)
        if oldest and self.gate.state is GateState.OPEN and _is_long_ago(oldest.uploaded_at):
            yield (
                f"{oldest.pair_id}, uploaded at {oldest.uploaded_at}, is PENDING ({oldest.code}: {oldest.message}): "
                "see the runbook, OldestPostponedAlarm."
            )

    def _of_the_gate(self) -> Iterator[str]:
        gate = self.gate
        if gate.state is GateState.OPEN:
            return
        closed = f"since {clock.iso(clock.at(gate.closed_at))} ({gate.code}: {gate.message})"
        if gate.state is GateState.BLOCKED:
            yield f"ADVANCE refuses the account {closed}: see the runbook, BlockedAlarm. Then work resumes."
        else:
            yield f"ADVANCE does not answer {closed}: ask ADVANCE; work resumes with the first answer."


def look(
    rows: CountedRows, queue: CountedQueue, dead_letters: Mapping[str, CountedQueue], gate: ReadableGate
) -> Status:
    """Read everything in parallel."""
    with ThreadPoolExecutor(max_workers=16) as threads:
        counts = {
            verdict: threads.submit(rows.count, verdict, MOST_COUNTED, seconds=COUNTING_SECONDS) for verdict in Verdict
        }
        unsettled = threads.submit(
            rows.count, Verdict.UNDETERMINED, MOST_COUNTED, seconds=COUNTING_SECONDS, other_than=PICTURES_DELETED
        )
        unreadable = threads.submit(
            rows.count, Verdict.PENDING, MOST_COUNTED, seconds=COUNTING_SECONDS, code=PICTURE_UNREADABLE
        )
        oldest = {verdict: threads.submit(_oldest, rows, verdict) for verdict in WAITS}
        letters = {name: threads.submit(letters.backlog) for name, letters in dead_letters.items()}
        uploads, shared = threads.submit(queue.backlog), threads.submit(gate.read)
        return Status(
            verdicts={verdict: count.result() for verdict, count in counts.items()},
            unsettled=unsettled.result(),
            unreadable=unreadable.result(),
            oldest={verdict: found for verdict, looked in oldest.items() if (found := looked.result())},
            queue=uploads.result(),
            dead_letters={name: backlog.result() for name, backlog in letters.items()},
            gate=shared.result(),
        )


def _oldest(rows: CountedRows, verdict: Verdict) -> Oldest | None:
    try:
        return rows.oldest(verdict, OLDEST_AMONG)
    except UNREADABLE:
        note(
            f"The oldest {verdict} pair is not known, because a row cannot be read: look for an unusual uploaded_at in "
            f"`facepair list --verdict {verdict} --jsonl`."
        )
        return None


def _is_long_ago(uploaded_at: str) -> bool:
    """Return whether a pair should be compared by now. A time that cannot be read needs attention too."""
    try:
        return clock.parse(uploaded_at) < clock.now() - LONG
    except (TypeError, ValueError):
        return True


def _messages(number: int) -> str:
    return "1 message lies" if number == 1 else f"{number:,} messages lie"


def _pairs(count: Count) -> str:
    return "1 pair is" if str(count) == "1" else f"{count} pairs are"
