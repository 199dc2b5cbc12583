"""What an erasure finds and leaves: rows of the ledger, records, and what of a person remains elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel

from facepair.domain import clock
from facepair.domain.ledger import State
from facepair.domain.pair import Role
from facepair.domain.row import Moment
from facepair.domain.verdict import Meaning, comparison_code

OF_FACES = ("similarity", "outcome")
"""Attributes of CallsTable that describe faces: an erasure removes them, and a late completion leaves them out."""
OF_CONTENTS = ("fingerprint",)
"""Attributes of CallsTable that identify the pictures: removed when an erasure is confirmed, since it finds records by
them until then."""
OF_CHARGES = (
    *("pair_id", "call", "state", "owner", "sent_at", "answered_at", "alive_until", "latency_ms", "expires_at"),
    *("code", "transaction_id", "pricing_strategy", "charged", "permitted_by", "permitted_at"),
    *("earliest_upload", "erased_at", "erased_by"),
)
"""Attributes of CallsTable that stay, for the invoice. Each attribute that is written is in one of these lists."""

KEPT = timedelta(days=35)
"""How long tombstones are kept: longer than a message lives (14 days in its queue and the dead-letter queue, and again
after a redrive)."""
SECOND = timedelta(seconds=1)
CURSOR = timedelta(hours=101)
"""The search saves its cursor every hour, and Parameter Store keeps 100 versions of a parameter."""

BACKUPS = timedelta(days=35)
"""Of a table with point-in-time recovery (DynamoDB Developer Guide)."""
STREAM = timedelta(hours=24)
"""A table's stream keeps what was written and deleted (DynamoDB Developer Guide)."""
MESSAGES = timedelta(days=14)
"""The queues' MessageRetentionPeriod. It starts again when a dead letter is redriven."""


@dataclass(frozen=True)
class Charged:
    """A row of the ledger, as far as an erasure is concerned with it.

    `describes_faces` says whether it still does; `fingerprint` is empty once it is erased for good. `alive_until` is
    when the last worker that may still save something about it is dead; None in a row that does not say. `state` is
    None where it cannot be read.
    """

    pair_id: str
    call: str
    state: State | None
    alive_until: datetime | None
    code: str | None
    fingerprint: str
    transaction_id: str | None
    earliest_upload: datetime | None
    erased_at: datetime | None
    describes_faces: bool

    @property
    def is_open(self) -> bool:
        """Whether its answer is unknown: ADVANCE may have one."""
        return self.state in (State.SENT, State.UNKNOWN)

    @property
    def is_recorded(self) -> bool:
        """Whether its worker saves, or has saved, an idempotency record of its answer."""
        refused_for_good = comparison_code(self.code or "").meaning is Meaning.RETAKE
        return self.state is State.ANSWERED or (self.state is State.REFUSED and refused_for_good)


@dataclass(frozen=True)
class Record:
    """An idempotency record. `in_progress_until` is when its worker is dead at the latest, if it is at work."""

    in_progress_until: datetime | None


@dataclass(frozen=True)
class Stored:
    """A pair's item in VerdictsTable as an erasure sees it: a row, even one that cannot be read, or a tombstone.

    `state` identifies this very write of it. `objects` are key and ETag of its pictures; `uploaded_at` is None where
    it cannot be read.
    """

    state: Mapping[str, object]
    is_tombstone: bool
    erased_at: datetime | None = None
    uploaded_at: datetime | None = None
    fingerprint: str | None = None
    rests_on_call: bool = False
    objects: Mapping[Role, tuple[str, str]] = field(default_factory=dict)

    def is_later_than(self, moment: datetime) -> bool:
        """Whether it is about a picture that was uploaded after the second of that moment."""
        return self.uploaded_at is not None and self.uploaded_at >= moment + SECOND


class Erasure(BaseModel):
    """What was erased of a pair: everything up to the end of the second `erased_at`, by S3's clock. A later upload is a
    new submission. `erased_by` is the ARN of the person who asked.

    `known` says whether anything is, or was, stored about the pair. `complete`: nothing is left, and no worker can save
    anything more. Otherwise the function has to be asked again after `ask_again_in` seconds. `unanswered` counts calls
    whose transaction ids only ADVANCE knows; `expired` says that the ledger has no rows of earlier calls any more, by
    which their records would have been found.
    """

    pair_id: str
    erased_by: str
    erased_at: Moment = clock.at(0)
    known: bool = False
    versions: int = 0
    uploads: int = 0
    rows: int = 0
    calls: int = 0
    transaction_ids: list[str] = []
    unanswered: int = 0
    expired: bool = False
    complete: bool = False
    ask_again_in: float | None = None


def remaining(
    erased_at: datetime,
    *,
    log_days: int,
    webhook: bool,
    transactions: bool,
    unanswered: bool,
    expired: timedelta | None,
) -> Iterator[Mapping[str, str | None]]:
    """Yield where something of an erased person remains, and until when: None where only its keeper knows.

    `expired` is how long records are kept, where some can no longer be found.
    """

    def there(where: str, keeps: timedelta | None) -> Mapping[str, str | None]:
        return {"where": where, "until": clock.iso(erased_at + keeps) if keeps else None}

    yield there("point-in-time backups of VerdictsTable and CallsTable", BACKUPS)
    yield there("the stream of VerdictsTable", STREAM)
    yield there("the tombstones in VerdictsTable and CallsTable: pair ids and times", KEPT)
    yield there("in-flight markers in IdempotencyTable: hashes of a pair id and its file names", MESSAGES)
    yield there("logs of the functions: pair ids, codes and transaction ids", timedelta(days=log_days))
    yield there("UploadsQueue and its dead-letter queue: pair ids and file names", MESSAGES)
    yield there("dead letters that are redriven on their last day: pair ids and file names", 2 * MESSAGES)
    yield there("UnpublishedQueue: pair ids of events that could not be published", MESSAGES)
    yield there("the search's cursor in Parameter Store, with its history: perhaps a key of the pair", CURSOR)
    yield there("the subscribers of VerdictsBus; the event Pair erased informs them", None)
    if webhook:
        yield there("webhook messages not delivered yet: verdict, similarity and transaction id", MESSAGES)
        yield there("webhook messages that are redriven on their last day: the same", 2 * MESSAGES)
        yield there("the webhook's receiver; pair.erased informs it", None)
    if expired:
        yield there("idempotency records of calls whose ledger rows had expired: no pair id, found by none", expired)
    if transactions:
        yield there("ADVANCE.AI: ask for the deletion of what was sent with these transaction_ids", None)
    if unanswered:
        yield there("ADVANCE.AI: calls that were not answered; the ledger has the time of each", None)
