"""What the use cases need of the world. facepair/aws and facepair/advance stand behind it, and fakes in tests.

Where AWS does not do what it is asked (throttled, denied, down), a port raises Unavailable, unless it says otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from facepair.domain.change import Change, StoredRow
from facepair.domain.gate import Gate, Slot
from facepair.domain.ledger import Call, State
from facepair.domain.metric import Metric
from facepair.domain.pair import Pair, Upload
from facepair.domain.retry import Blocked, Closed, RateLimited
from facepair.domain.row import Decision, Row, Standing
from facepair.domain.start import Start
from facepair.domain.verdict import Outcome
from facepair.domain.webhook import Webhook

if TYPE_CHECKING:
    from facepair.domain.picture import Fitted  # decodes pictures, which most commands do not install


class Uploads(Protocol):
    """The images bucket."""

    def find(self, pair_id: str) -> Pair:
        """The pair as it is in the bucket now, whichever event came."""

    def all(self, after: str) -> Iterator[Upload]:
        """Every object whose key sorts behind `after`, in the order of their keys."""

    def read(self, upload: Upload) -> tuple[bytes, str | None]:
        """Content and version id of exactly the object that was listed. Raises Later if it has changed since, and
        Unreadable if S3 refuses to return it."""

    def version(self, upload: Upload) -> str | None:
        """The version id alone, without a download. Raises as `read` does."""


class Verdicts(Protocol):
    """The verdicts table."""

    def row(self, pair_id: str) -> Row | None:
        """A pair's row, as it is at this moment."""

    def standing(self, pair_id: str) -> Standing:
        """A pair's row, and what its item says of an erasure, as they are at this moment."""

    def rows(self, pair_ids: Iterable[str]) -> Mapping[str, Row]:
        """The rows of many pairs, by pair id; those that exist. They may be some moments old."""

    def pending(self) -> Iterator[Row]:
        """The PENDING rows, those that were written longest ago first. They may be some moments old."""

    def replace(self, stands: Row, row: Row) -> bool:
        """Write a row over exactly the one that was read; False, and nothing written, if it has changed since."""

    def write(self, row: Row, erased_at: datetime | None) -> bool:
        """Move the pair's row forward; False, and nothing written, if a newer one stands.

        `erased_at` is what `standing` said of an erasure when the worker began. Raises Later if the pair was erased
        since.
        """


class FirstRead(Protocol):
    """What a worker reads before anything that costs more."""

    def of(self, pair_id: str) -> Start:
        """The gate, the pair's item and erasures of the pair, as they are at this moment, each for itself."""


class Decisions(Protocol):
    """Reviewers' final decisions, by contents."""

    def of(self, fingerprint: str) -> Decision | None:
        """Return the decision about these two contents, whenever it was made."""

    def decide(self, row: Row, decision: Decision, opinions: int = 0) -> bool:
        """Make a decision about a row's contents, which ends the opinions about them. False, and nothing written, if
        the pair's row is not a MANUAL_CHECK of these contents any more, or is decided, or if the opinions are not of
        the version `opinions`."""


class Ledger(Protocol):
    """The calls to the comparison API: one row each, and one worker alone can write the next of a pair."""

    def of_pair(self, pair_id: str) -> Sequence[Call]:
        """All calls of a pair, oldest first."""

    def get(self, pair_id: str, call: str) -> Call | None:
        """One call; None if its row has expired."""

    def keep(self, call: Call) -> None:
        """Keep a row for at least as long as if it were written now."""

    def open(
        self, pair_id: str, fingerprint: str, number: int, alive_until: datetime, earliest_upload: datetime
    ) -> Call:
        """Write the row of a call that is about to be sent.

        Raises Later if this number is taken: another worker is calling, or the pair was erased.
        """

    def complete(self, call: Call, state: State, outcome: Outcome, latency_ms: int | None = None) -> None:
        """Write what became of a call. A late answer still replaces UNKNOWN; nothing replaces an answer.

        Raises Later if the call was answered while it was given up.
        """

    def approve(self, call: Call, by: str) -> bool:
        """Write that an operator approves one more call although this one was not answered.

        False if it was approved already, or was answered after all."""


class UnsavedRefusals(Protocol):
    """Free refusals that the ledger could not take. Without them their calls would count as perhaps charged."""

    def save(self, call: Call, refusal: Outcome) -> None:
        """Keep what a call was answered until its row can be completed."""

    def of(self, call: Call) -> Outcome | None:
        """The refusal of a call, if one was kept."""


class ComparisonApi(Protocol):
    """The paid API."""

    deadline: float
    """Seconds after which a call has ended, whatever it brought."""

    def compare(self, token: str, first: "Fitted", second: "Fitted") -> Outcome:
        """What one call brings; whatever goes wrong is an outcome too. `call` is not known to it."""


class Tokens(Protocol):
    """The access tokens."""

    def tokens(self) -> Iterator[str]:
        """Tokens to try, each after the one before it was refused; the last one is new. Raises Later or Blocked."""


class Idempotency(Protocol):
    """Runs a comparison once per fingerprint; afterwards its stored outcome is the answer."""

    def keep(self, fingerprint: str) -> None:
        """Keep a stored outcome for at least as long as if it were stored now."""

    def discard(self, fingerprint: str) -> None:
        """Delete a stored outcome that must not be used any more."""

    def once(self, fingerprint: str, compare: Callable[[], Outcome]) -> Outcome:
        """The outcome, new or stored. Raises Later while another worker is comparing, and what `compare` raises."""


class FleetGate(Protocol):
    """When the fleet may call: pace, blocked account, an API that does not answer. See domain/gate.py."""

    def look(self, seen: Gate) -> Closed | RateLimited | None:
        """What keeps all workers from calling now, by a state that was just read."""

    def enter(self, seen: Gate | None = None) -> Slot:
        """Take the next slot; or, while the gate is closed and a probe is due, be the one who tries.

        It is taken by the state that was `seen` if that still holds, else by what is read now. Raises Closed or
        RateLimited.
        """

    def report(self, slot: Slot, outcome: Outcome) -> None:
        """Record the outcome of a call, except a refused token: the same probe then goes on with another one.

        It never raises: an answer that was paid for comes first.
        """

    def give_back(self, slot: Slot) -> None:
        """Give a slot back that was not used for a call. It never raises."""

    def block(self, blocked: Blocked) -> Closed:
        """The account is refused: close for everybody. What is to be raised."""


class InFlight(Protocol):
    """Which pairs have a message in flight, and how often one has ended its worker. `objects` identifies a pair's."""

    def begin(self, objects: str, alive_until: datetime) -> int:
        """A worker begins; how many have begun without coming to an end, this one included.

        Raises Later while another one can be alive.
        """

    def defer(self, objects: str, until: datetime) -> None:
        """The worker came to an end, and the message will come back."""

    def finish(self, objects: str) -> None:
        """The worker came to an end, and the message is done."""

    def claim(self, objects: str, late: timedelta) -> bool:
        """Whether no message is known to be in flight, or the known one is `late`: then only the caller may
        send one. It can be claimed again when a worker has begun meanwhile."""

    def release(self, objects: str) -> None:
        """Undo a claim whose message was not sent, unless a worker has begun meanwhile."""


class UploadsQueue(Protocol):
    """The queue of uploads, and its dead-letter queue."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Let a received message come back in `seconds`."""

    def dead_letter(self, body: str) -> None:
        """Move a malformed message to the dead-letter queue at once: receiving it again would not help."""

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages, however many."""

    def has_backlog(self) -> bool:
        """Whether more messages wait to be received than are being worked on."""


class Cursor(Protocol):
    """Where the search for missed pairs stopped."""

    def load(self) -> str:
        """The last key that was looked at; empty to begin at the beginning."""

    def save(self, key: str) -> None:
        """Remember the last key that was looked at; empty for the bucket's end."""


class Parallel(Protocol):
    """Does several things at the same time. A use case starts no thread itself: the exploration could not order what
    its threads do."""

    def map[Given, Made](self, act: Callable[[Given], Made], given: Iterable[Given]) -> Iterable[Made]:
        """What an act makes of each thing, in the order of the things. Raises what an act raises."""


class Metrics(Protocol):
    """What is counted for alarms and dashboards. It never raises."""

    def add(self, metric: Metric, value: float = 1) -> None:
        """Add to a metric."""


class Bus(Protocol):
    """The bus on which change events are published."""

    def put(self, changes: Sequence[Change]) -> None:
        """Publish changes, however many. If it raises, some of them may have been published."""


class WrittenRows(Protocol):
    """The verdicts table's rows as stored, whichever release wrote them."""

    def since(self, moment: datetime) -> Iterator[StoredRow]:
        """Rows written at that moment or later, in the order of their writing."""

    def of(self, pair_ids: Iterable[str]) -> Iterator[StoredRow]:
        """The rows of pairs; those that exist."""


class DeadLetterSink(Protocol):
    """The dead-letter queue, for an operator to look at."""

    def dead_letter(self, body: str) -> None:
        """Move a message that cannot be processed to the dead-letter queue."""


class WebhookQueue(DeadLetterSink, Protocol):
    """The queue of webhooks that are still to be delivered, and its dead-letter queue."""

    def defer(self, receipt_handle: str, seconds: int) -> None:
        """Let a received message come back in `seconds`."""


class WebhookReceiver(Protocol):
    """The user's own server."""

    def take(self, webhook: Webhook) -> None:
        """Deliver one. Raises Undelivered if it does not say that it has taken it."""
