"""What an erasure finds and leaves: versions, rows of the ledger, and what of a person remains elsewhere."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from facepair.domain import clock
from facepair.domain.ledger import State
from facepair.domain.pair import Upload

BACKUPS = timedelta(days=35)
"""Of a table with point-in-time recovery (DynamoDB Developer Guide)."""
STREAM = timedelta(hours=24)
"""A table's stream keeps what was written and deleted (DynamoDB Developer Guide)."""
MESSAGES = timedelta(days=14)
"""The queues' MessageRetentionPeriod."""


@dataclass(frozen=True)
class Version:
    """A version of an object, or a delete marker: then without an ETag. `upload_id` is of an upload in parts."""

    upload: Upload
    version_id: str
    latest: bool = False


@dataclass(frozen=True)
class Charged:
    """A row of the ledger, as far as an erasure is concerned with it. `tells` whether it still says something of the
    faces; `fingerprint` is empty when it has been erased for good."""

    pair_id: str
    call: str
    state: State
    sent_at: datetime
    alive_until: datetime
    fingerprint: str
    transaction_id: str | None
    erased: bool
    tells: bool


@dataclass(frozen=True)
class Record:
    """An idempotency record. `in_progress_until` is when its worker is dead at the latest, if it is at work."""

    in_progress_until: datetime | None


@dataclass
class Erasure:
    """What was erased of a pair: everything up to the end of the second `erased_at`, by S3's clock. What is uploaded
    later is a new submission.

    `known` if there was anything of the pair, or it had been erased before. `complete` if in the end nothing was found
    any more and nobody could be at work with it; if not, it has to be erased again. `unanswered` are calls of which
    ADVANCE knows and whose transaction ids nobody here does.
    """

    pair_id: str
    erased_at: datetime
    known: bool = False
    versions: int = 0
    uploads: int = 0
    rows: int = 0
    calls: int = 0
    transaction_ids: list[str] = field(default_factory=list)
    unanswered: int = 0
    complete: bool = False


def remaining(
    erased_at: datetime, *, log_days: int, webhook: bool, transactions: bool, unanswered: bool
) -> Iterator[Mapping[str, str | None]]:
    """Where something of an erased person remains, and until when: None where only its keeper knows."""

    def there(where: str, keeps: timedelta | None) -> Mapping[str, str | None]:
        return {"where": where, "until": clock.iso(erased_at + keeps) if keeps else None}

    yield there("point-in-time backups of VerdictsTable and CallsTable", BACKUPS)
    yield there("the stream of VerdictsTable", STREAM)
    yield there("logs of the functions: pair ids, and what the API answered", timedelta(days=log_days))
    yield there("messages under way and dead letters: pair ids and file names", MESSAGES)
    yield there("whoever listens to VerdictsBus; they are told by the event Pair erased", None)
    if webhook:
        yield there("the webhook's receiver; it is told by pair.erased", None)
    if transactions:
        yield there("ADVANCE.AI: ask for the deletion of what was sent with these transaction_ids", None)
    if unanswered:
        yield there("ADVANCE.AI: calls that were not answered; the ledger has the time of each", None)
