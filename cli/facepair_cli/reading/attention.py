"""Read the state of the stack, in bounded time, and whether it needs action."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from facepair.domain import clock
from facepair.domain.backlog import Backlog, Count, Oldest
from facepair.domain.gate import Gate, GateState
from facepair.domain.verdict import PICTURE_UNREADABLE, PICTURES_DELETED, Verdict

MOST_COUNTED = 10_000
"""Rows of a verdict that are looked at: a second, and a tenth of a cent, at most."""
COUNTING_SECONDS = 1.5
"""No further page is counted after this time: the command should take about two seconds."""
OLDEST_AMONG = 1_000
"""Rows among which the oldest upload is looked for: a page of them."""
LONG = timedelta(hours=1)
"""A pair that stays deferred for longer deserves attention; OldestPostponedAlarm uses the same limit."""
WAITS = (Verdict.PENDING, Verdict.WAITING)

DEAD_LETTERS = {
    "DeadLetterQueue": "uploads got no verdict: CompareFunction's log says why; fix that, then `facepair redrive`",
    "UnpublishedQueue": "changes of verdicts were not published: PublishFunction's log says why; fix that, then "
    "`facepair resend --since …`, and empty the queue",
    "BusDeadLetterQueue": "the bus could not deliver changes: its key cannot be used; fix that, then `facepair resend "
    "--since …`, and empty the queue",
    "WebhookDeadLetterQueue": "webhooks were given up: when the receiver takes messages, `facepair redrive --webhooks`",
}
"""The dead-letter queues, by the outputs that name them: what lies there means, and what to do."""


class CountedRows(Protocol):
    """Counts the verdicts table's rows."""

    def count(
        self, verdict: Verdict, at_most: int, *, seconds: float, code: str | None = None, other_than: str | None = None
    ) -> Count:
        """How many rows there are of a verdict, with this `code`, or with another one than `other_than`; no more than
        `at_most` are looked at, nor another page after so many seconds."""

    def oldest(self, verdict: Verdict, at_most: int) -> Oldest | None:
        """Of a verdict's rows the one whose upload was first, among `at_most`."""


class CountedQueue(Protocol):
    """Counts a queue's messages."""

    def backlog(self) -> Backlog:
        """How many there are."""


class ReadableGate(Protocol):
    """The gate, looked at."""

    def state(self) -> Gate:
        """The state that all workers share."""


@dataclass(frozen=True)
class Status:
    """Rows by verdict, those UNDETERMINED that need a person, those with a picture that S3 does not return, the oldest
    pairs that wait, uploads that are to be dealt with, dead letters by the output that names their queue, and the
    gate."""

    verdicts: Mapping[Verdict, Count]
    unsettled: Count
    unreadable: Count
    oldest: Mapping[Verdict, Oldest]
    queue: Backlog
    dead_letters: Mapping[str, Backlog]
    gate: Gate

    def attention(self) -> Iterator[str]:
        """Yield one sentence for each action that the stack needs."""
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
            yield f"{_pairs(checks)} MANUAL_CHECK: a person decides, `facepair review`."
        if self.unreadable.number:
            yield (
                f"{_pairs(self.unreadable)} PENDING with {PICTURE_UNREADABLE}, since S3 refuses to return a picture: "
                "`facepair list --verdict PENDING` names them, the runbook (UnreadablePicturesAlarm) says what to do."
            )
        oldest = self.oldest.get(Verdict.PENDING)
        if oldest and self.gate.standing is GateState.OPEN and clock.parse(oldest.uploaded_at) < clock.now() - LONG:
            yield (
                f"{oldest.pair_id}, uploaded at {oldest.uploaded_at}, is PENDING ({oldest.code}: {oldest.message}): "
                "see the runbook, OldestPostponedAlarm."
            )

    def _of_the_gate(self) -> Iterator[str]:
        gate = self.gate
        if gate.standing is GateState.OPEN:
            return
        closed = f"since {clock.iso(clock.at(gate.closed_at))} ({gate.code}: {gate.message})"
        if gate.standing is GateState.BLOCKED:
            yield f"ADVANCE refuses the account {closed}: see the runbook, BlockedAlarm; then it goes on by itself."
        else:
            yield f"ADVANCE does not answer {closed}: ask them; it goes on by itself with the first answer."


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
        oldest = {verdict: threads.submit(rows.oldest, verdict, OLDEST_AMONG) for verdict in WAITS}
        letters = {name: threads.submit(letters.backlog) for name, letters in dead_letters.items()}
        uploads, state = threads.submit(queue.backlog), threads.submit(gate.state)
        return Status(
            verdicts={verdict: count.result() for verdict, count in counts.items()},
            unsettled=unsettled.result(),
            unreadable=unreadable.result(),
            oldest={verdict: found for verdict, looked in oldest.items() if (found := looked.result())},
            queue=uploads.result(),
            dead_letters={name: backlog.result() for name, backlog in letters.items()},
            gate=state.result(),
        )


def _messages(number: int) -> str:
    return "1 message lies" if number == 1 else f"{number:,} messages lie"


def _pairs(count: Count) -> str:
    return "1 pair is" if str(count) == "1" else f"{count} pairs are"
