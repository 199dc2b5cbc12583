"""Ports of the use cases, implemented by facepair/aws and facepair/advance, and by fakes in tests.

If AWS fails a request (throttled, denied, down), a port raises Unavailable, unless documented otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from facepair.domain.decision import Decision
from facepair.domain.fitted import Fitted
from facepair.domain.gate import Gate, Slot
from facepair.domain.ledger import Call, State
from facepair.domain.metric import Metric
from facepair.domain.outcome import Outcome
from facepair.domain.pair import Pair, Upload
from facepair.domain.reads import FirstRead, LastRead
from facepair.domain.retry import Blocked, Closed, RateLimited
from facepair.domain.row import PairItem, Row
from facepair.domain.stored_row import StoredRow

if TYPE_CHECKING:
    # Their models take time to build, and most functions use neither.
    from facepair.domain.change import Change
    from facepair.domain.webhook import Webhook


class Uploads(Protocol):
    """The images bucket."""

    def find(self, pair_id: str) -> Pair:
        """Return the pair as it is in the bucket now, whatever the event said."""

    def all(self, after: str) -> Iterator[Upload]:
        """Yield objects whose key sorts after `after`, in key order."""

    def read(self, upload: Upload) -> tuple[bytes, str | None]:
        """Return content and version id of exactly the listed object.

        Raises Later if it has changed, and Unreadable if S3 refuses to return it.
        """

    def version(self, upload: Upload) -> str | None:
        """Return the version id without a download. Raises like `read`."""


class Verdicts(Protocol):
    """The verdicts table."""

    def row(self, pair_id: str) -> Row | None:
        """Return a pair's current row."""

    def item(self, pair_id: str) -> PairItem:
        """Return a pair's current row, and the erasure that its item records."""

    def rows(self, pair_ids: Iterable[str]) -> Mapping[str, Row]:
        """Return the existing rows of many pairs, by pair id (eventually consistent)."""

    def pending(self) -> Iterator[Row]:
        """Yield PENDING rows, oldest write first (eventually consistent)."""

    def replace(self, expected: Row, row: Row) -> bool:
        """Replace exactly the row that was read. Return False, without writing, if it has changed."""

    def write(self, row: Row, erased_at: datetime | None) -> bool:
        """Move the pair's row forward. Return False, without writing, if there is a newer one.

        `erased_at` is the erasure that `item` returned when the worker started. Raises Later if there was one
        since.
        """


class FirstReads(Protocol):
    """What a worker reads before anything more expensive."""

    def of(self, pair_id: str) -> FirstRead:
        """Return the current gate, item and erasures of the pair; not a snapshot."""


class LastReads(Protocol):
    """What a worker reads while it saves a call's outcome."""

    def after_call(self, fingerprint: str) -> LastRead:
        """Return the current gate and the decision about these two contents; not a snapshot."""


class Decisions(Protocol):
    """Reviewers' final decisions, by contents."""

    def of(self, fingerprint: str) -> Decision | None:
        """Return the decision about these two contents, if any."""

    def decide(self, row: Row, decision: Decision, opinions: int = 0) -> bool:
        """Decide a row's contents, which ends the opinions about them.

        Return False, without writing, if the row is no longer an undecided MANUAL_CHECK of these contents, or if the
        opinions have another version.
        """


class Ledger(Protocol):
    """The calls to the comparison API. Only one worker can write the next row of a pair."""

    def of_pair(self, pair_id: str) -> Sequence[Call]:
        """Return all calls of a pair, oldest first."""

    def get(self, pair_id: str, call: str) -> Call | None:
        """Return one call; None if its row has expired."""

    def keep(self, call: Call) -> None:
        """Extend a row's expiry to that of one written now."""

    def open(
        self, pair_id: str, fingerprint: str, number: int, alive_until: datetime, earliest_upload: datetime
    ) -> Call:
        """Write the row of a call before it is sent.

        Raises Later if its number is taken: another worker is calling, or the pair was erased.
        """

    def complete(self, call: Call, state: State, outcome: Outcome, latency_ms: int | None = None) -> None:
        """Write the outcome of a call. A late answer replaces UNKNOWN; nothing replaces an answer.

        Raises Later if the call was answered while being given up.
        """

    def approve(self, call: Call, by: str) -> bool:
        """Record that an operator approves one more call after this unanswered one.

        Return False if it is already approved or was answered after all."""


class UnsavedRefusals(Protocol):
    """Free refusals that could not be saved in the ledger; without them, their calls would count as perhaps charged."""

    def save(self, call: Call, refusal: Outcome) -> None:
        """Save a call's outcome until its row can be completed."""

    def of(self, call: Call) -> Outcome | None:
        """Return the saved refusal of a call, if any."""


class ComparisonApi(Protocol):
    """The paid API."""

    deadline: float
    """Seconds after which a call has ended."""

    def compare(self, token: str, first: Fitted, second: Fitted) -> Outcome:
        """Make one call. Failures are outcomes too. `call` is left unset."""


class Tokens(Protocol):
    """The access tokens."""

    def tokens(self) -> Iterator[str]:
        """Yield tokens to try, each after the API refused the one before; the last is new. Raises Later or Blocked."""


class Idempotency(Protocol):
    """Runs a comparison once per fingerprint; afterwards its stored outcome is the answer."""

    def keep(self, fingerprint: str) -> None:
        """Extend a stored outcome's expiry to that of one stored now."""

    def discard(self, fingerprint: str) -> None:
        """Delete a stored outcome that must not be used again."""

    def once(self, fingerprint: str, compare: Callable[[], Outcome]) -> Outcome:
        """Return the outcome, new or stored. Raises Later while another worker compares, or what `compare` raises."""


class FleetGate(Protocol):
    """When the fleet may call; see domain/gate.py."""

    def look(self, seen: Gate) -> Closed | RateLimited | None:
        """Return what keeps all workers from calling now, by a state just read."""

    def enter(self, seen: Gate | None = None) -> Slot:
        """Take the next slot, or the probe if the gate is closed and one is due.

        Uses the state `seen` if that still holds, otherwise reads it. Raises Closed or RateLimited.
        """

    def report(self, slot: Slot, outcome: Outcome, seen: Gate | None = None) -> None:
        """Record the outcome of a call, except a refused token: the same probe continues with another.

        `seen` is the state read after the call; without it, it is read. Never raises, since a paid answer comes first.
        """

    def give_back(self, slot: Slot) -> None:
        """Give an unused slot back. It never raises."""

    def block(self, blocked: Blocked) -> Closed:
        """Block the gate: ADVANCE refuses the account. Return the exception to raise."""


class InFlight(Protocol):
    """Pairs with a message in flight, and how often one crashed its worker. `objects` identifies a pair's objects."""

    def begin(self, objects: str, alive_until: datetime) -> int:
        """Record that a worker starts. Return how many have started and not finished, including this one.

        Raises Later while another one may be alive.
        """

    def defer(self, objects: str, until: datetime) -> None:
        """Record that the worker finished and the message will come back."""

    def finish(self, objects: str) -> None:
        """Record that the worker finished and the message is done."""

    def claim(self, objects: str, late: timedelta) -> bool:
        """Return whether the caller may send a message: none is known to be in flight, or the known one is `late`.

        It can be claimed again once a worker has started meanwhile.
        """

    def release(self, objects: str) -> None:
        """Undo a claim whose message was not sent, unless a worker has begun meanwhile."""


class UploadsQueue(Protocol):
    """The queue of uploads, and its dead-letter queue."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again in `seconds`."""

    def dead_letter(self, body: str) -> None:
        """Move a malformed message to the dead-letter queue at once, because retries cannot succeed."""

    def send(self, bodies: Sequence[str]) -> None:
        """Send any number of messages."""

    def has_backlog(self) -> bool:
        """Return whether more messages wait than are in progress."""


class Cursor(Protocol):
    """Where the search for missed pairs stopped."""

    def load(self) -> str:
        """Return the last key that was checked; empty to start at the beginning."""

    def save(self, key: str) -> None:
        """Save the last key that was checked; empty at the end of the bucket."""


class ThreadResult[Made](Protocol):
    """The result of a finished thread."""

    def result(self) -> Made:
        """Return what the act returned, or raise what it raised."""


class Pool(Protocol):
    def submit[Made](self, act: Callable[[], Made], /) -> ThreadResult[Made]:
        """Run something in a thread, in parallel with everything else submitted."""


class Parallel(Protocol):
    """Runs things in parallel.

    Use cases start no threads themselves, as the exploration could not order them.
    """

    def pool(self) -> AbstractContextManager[Pool]:
        """Return threads that end with the `with` block. Read results after it."""


class Metrics(Protocol):
    """Metrics for alarms and dashboards. It never raises."""

    def add(self, metric: Metric, value: float = 1) -> None:
        """Add to a metric."""


class Bus(Protocol):
    """The bus on which change events are published."""

    def put(self, changes: Sequence["Change"]) -> None:
        """Publish any number of changes. If it raises, some may have been published."""


class WrittenRows(Protocol):
    """The verdicts table's rows as stored by any release."""

    def since(self, moment: datetime) -> Iterator[StoredRow]:
        """Yield rows written at that time or later, oldest write first."""

    def of(self, pair_ids: Iterable[str]) -> Iterator[StoredRow]:
        """Return the current rows of pairs, omitting missing ones."""


class DeadLetterSink(Protocol):
    """The dead-letter queue, for an operator to look at."""

    def dead_letter(self, body: str) -> None:
        """Move a message that cannot be processed to the dead-letter queue."""


class WebhookQueue(DeadLetterSink, Protocol):
    """The queue of webhooks that are still to be delivered, and its dead-letter queue."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Make a received message visible again in `seconds`."""


class WebhookReceiver(Protocol):
    """The user's own server."""

    def take(self, webhook: "Webhook") -> None:
        """Deliver one webhook. Raises Undelivered unless the receiver accepts it."""
