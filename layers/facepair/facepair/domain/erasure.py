"""What an erasure finds and leaves: ledger rows, records, and traces elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import BaseModel

from facepair.domain import clock
from facepair.domain.ledger import State
from facepair.domain.moment import Moment
from facepair.domain.pair import Role
from facepair.domain.verdict import Verdict

KEPT = timedelta(days=35)
"""Lifetime of tombstones: longer than a message can live (14 days in its queue and dead-letter queue, twice with a
redrive).
"""
SECOND = timedelta(seconds=1)
CURSOR = timedelta(hours=101)
"""The hourly search saves its cursor in Parameter Store, which keeps 100 versions."""

BACKUPS = timedelta(days=35)
"""Point-in-time recovery (DynamoDB Developer Guide)."""
STREAM = timedelta(hours=24)
"""Retention of a table's stream (DynamoDB Developer Guide)."""
MESSAGES = timedelta(days=14)
"""The queues' MessageRetentionPeriod; a redrive restarts it."""


@dataclass(frozen=True)
class Charged:
    """A ledger row as an erasure sees it.

    `alive_until`: when the last worker that may still save something is dead; None if unknown. `fingerprint` is empty
    once the erasure is confirmed. `state` is None if unreadable.
    """

    pair_id: str
    call: str
    state: State | None
    alive_until: datetime | None
    fingerprint: str
    transaction_id: str | None
    earliest_upload: datetime | None
    erased_at: datetime | None
    describes_faces: bool

    @property
    def is_open(self) -> bool:
        """Whether its answer is unknown; ADVANCE may have one."""
        return self.state in (State.SENT, State.UNKNOWN)


@dataclass(frozen=True)
class Stored:
    """A pair's item in VerdictsTable as an erasure sees it: a tombstone or a row, even an unreadable one.

    `state` identifies this write. `objects` are the keys and ETags of its pictures. `uploaded_at` is None if
    unreadable.
    """

    state: Mapping[str, object]
    is_tombstone: bool
    erased_at: datetime | None = None
    uploaded_at: datetime | None = None
    fingerprint: str | None = None
    rests_on_call: bool = False
    objects: Mapping[Role, tuple[str, str]] = field(default_factory=dict)

    @property
    def may_get_opinions(self) -> bool:
        """Whether reviewers can write opinions about its contents without changing the row."""
        return self.state.get("verdict") == Verdict.MANUAL_CHECK

    def is_later_than(self, moment: datetime) -> bool:
        """Whether it is about a picture uploaded after the second of `moment`."""
        return self.uploaded_at is not None and self.uploaded_at >= moment + SECOND


class Erasure(BaseModel):
    """What was erased of a pair: everything up to the end of the second `erased_at`, by S3's clock.

    A later upload is a new submission. `erased_by` is the caller's ARN. `known`: something is, or was, stored about the
    pair. `complete`: nothing is left and no worker can save more; otherwise ask again in `ask_again_in` seconds.
    `unanswered` counts calls whose transaction ids only ADVANCE knows. `expired`: ledger rows have expired, so their
    records cannot be found.
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
    """Yield where traces of the erased person remain, and until when; None if only the keeper knows.

    `expired` is the lifetime of records that can no longer be found, if there are any.
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
