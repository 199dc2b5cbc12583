"""Erase a pair: delete its pictures and everything about its faces, so that no running worker can bring them back.

An erasure covers all pictures up to one second of S3's clock. Each table guards itself. In the ledger, the erasure
takes the next call number: a worker that read the ledger before cannot open its call, and one that reads it later
sees that its pictures are too old. The pair's row becomes a tombstone: a worker that read the row before cannot write.
Later rows carry the erasure's second.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from facepair.domain import clock
from facepair.domain.erasure import SECOND, Charged, Erasure, Stored
from facepair.domain.history import Version, pair_among
from facepair.domain.ledger import State, is_taken
from facepair.domain.pair import Names, Pair, Upload
from facepair.domain.retry import Unavailable

logger = logging.getLogger(__name__)

IN_FLIGHT = timedelta(seconds=2)
"""Margin after a worker's deadline, for clock skew and a last request in progress."""
MOST_TRIES = 7
"""Attempts. Each retry means that the pair was written in between."""


class Pictures(Protocol):
    """The images bucket with all versions and unfinished uploads."""

    def versions(self, pair_id: str) -> tuple[datetime, Sequence[Version]]:
        """Return the second of the listing, by S3's clock, and everything in the pair's folder uploaded up to then."""

    def delete(self, versions: Sequence[Version]) -> None:
        """Delete versions for good."""

    def abort(self, pair_id: str, until: datetime) -> int:
        """Abort multipart uploads started up to that second. Return how many."""


class Rows(Protocol):
    """The verdicts table."""

    def stored(self, pair_id: str) -> Stored | None:
        """Return the pair's item, row or tombstone, even if it is unreadable."""

    def entomb(self, pair_id: str, stored: Stored | None, moment: datetime) -> bool:
        """Replace the item that was read (or its absence) by a tombstone. Return False if it has changed."""


class Charges(Protocol):
    """The ledger."""

    def of_pair(self, pair_id: str) -> Sequence[Charged]:
        """Return all rows of a pair by number."""

    def mark(self, pair_id: str, rows: Sequence[Charged], moment: datetime, by: str) -> Charged | None:
        """Add an erasure under the number after these rows. Return its row, or None if the number is taken."""

    def settle(self, mark: Charged, until: datetime) -> None:
        """Record that everything is deleted except what workers can save until then."""

    def strip(self, charged: Charged, moment: datetime) -> None:
        """Remove all face data from a row; a late completion omits it too."""

    def forget(self, charged: Charged) -> None:
        """Remove the fingerprints too, at the end of an erasure."""


class Records(Protocol):
    """The idempotency records, decisions, and in-flight markers."""

    def take(self, fingerprint: str) -> datetime | None:
        """Delete the record of two contents. If its worker may still save an answer, keep it and return until when."""

    def reviewed(self, fingerprints: Collection[str]) -> Collection[str]:
        """Return which contents have opinions of reviewers or a decision."""

    def take_review(self, fingerprint: str) -> None:
        """Delete the opinions of reviewers about two contents, and the decision."""

    def unmark(self, objects: str) -> None:
        """Delete the in-flight marker of a pair's objects, unless a worker may have the pair."""


@dataclass(frozen=True, kw_only=True)
class Eraser:
    """Erases pairs in two steps that never sleep.

    `erase` deletes; `confirm` checks again once no worker can save anything about the pictures. Both raise Unavailable
    and can be repeated.
    """

    pictures: Pictures
    rows: Rows
    ledger: Charges
    records: Records
    names: Names

    def erase(self, pair_id: str, by: str) -> Erasure:
        """Delete everything about a pair's pictures up to this second. `by` is the ARN of the person who erases.

        The order matters. The erasure's ledger row comes first: no call can be opened after it. Calls and records come
        next, so that a worker that sees the tombstone finds no answer about erased pictures. After the tombstone, no
        worker that started before it can write a row. If a row about a later upload exists, start again.
        """
        erasure = Erasure(pair_id=pair_id, erased_by=by)
        for _ in range(MOST_TRIES):
            moment, versions = self.pictures.versions(pair_id)
            erasure.erased_at = moment
            erasure.uploads += self.pictures.abort(pair_id, moment)
            rows = self.ledger.of_pair(pair_id)
            if not (versions or erasure.uploads or rows or self.rows.stored(pair_id)):
                return erasure
            erasure.known = True
            mark = self.ledger.mark(pair_id, rows, moment, by)
            if mark is None:
                continue
            calls = _taken([*rows, mark])
            busy = self._take_calls(erasure, calls)
            row_objects = self._take_row(erasure, {each.fingerprint for each in calls if each.fingerprint})
            if row_objects is None:
                continue
            # First, because an erasure that dies and is repeated finds no pictures and no row that name the markers.
            self._unmark(row_objects | self._objects(pair_id, versions))
            self._take_pictures(erasure, versions)
            now = clock.now()
            until = max([moment + SECOND, *(each + IN_FLIGHT for each in busy)])
            self.ledger.settle(mark, until)
            erasure.ask_again_in = max(0.0, (until - now).total_seconds())
            logger.info("Pair erased, not confirmed yet", extra={"pair_id": pair_id, "by": by})
            return erasure
        raise Unavailable(f"the pair {pair_id!r} was written again and again; erase it again")

    def confirm(self, pair_id: str, by: str) -> Erasure:
        """Check again, and confirm if no worker can still save anything about the erased pictures.

        An interrupted erasure starts again.
        """
        rows = self.ledger.of_pair(pair_id)
        mark = next((each for each in reversed(rows) if each.state is State.ERASED), None)
        if mark is None or mark.alive_until is None or mark.erased_at is None:
            return self.erase(pair_id, by)
        now, versions = self.pictures.versions(pair_id)
        moment = mark.erased_at
        erasure = Erasure(pair_id=pair_id, erased_by=by, erased_at=moment, known=True)
        left = max((mark.alive_until - clock.now()).total_seconds(), (moment + SECOND - now).total_seconds())
        if left > 0:
            erasure.ask_again_in = left
            return erasure
        erasure.uploads = self.pictures.abort(pair_id, moment)
        late = [each for each in versions if each.upload.last_modified < moment + SECOND]
        self._unmark(self._objects(pair_id, late))
        self._take_pictures(erasure, late)
        calls = _taken(rows)
        self._take_calls(erasure, calls)
        for call in calls:
            if call.fingerprint:
                self.ledger.forget(call)
        erasure.complete = True
        logger.info("Erasure confirmed", extra={"pair_id": pair_id, "by": by})
        return erasure

    def _take_calls(self, erasure: Erasure, calls: Sequence[Charged]) -> list[datetime]:
        """Strip calls, then delete their records. Return the times until which workers may save answers.

        A worker that has an answer from before the strip also has a record in progress. That record stays: if this
        eraser dies, the next one finds it too.
        """
        telling = [call for call in calls if call.describes_faces or not call.erased_at]
        for call in telling:
            self.ledger.strip(call, erasure.erased_at)
        erasure.calls += sum(not call.erased_at for call in telling)
        erasure.transaction_ids = [call.transaction_id for call in calls if call.transaction_id]
        erasure.unanswered = sum(call.is_open for call in calls)
        erasure.expired = bool(calls) and calls[0].call > f"{1:06d}"
        fingerprints = sorted({call.fingerprint for call in calls if call.fingerprint})
        return [until for each in fingerprints if (until := self.records.take(each))]

    def _take_row(self, erasure: Erasure, fingerprints: set[str]) -> set[str] | None:
        """Delete everything found through the row, then replace it by a tombstone. Return its marker's name.

        Return None if the row is about an upload later than this erasure. Reviews are looked for after the row is read:
        a decision that is written later changes the row, so the tombstone fails and both are read again.
        """
        for _ in range(MOST_TRIES):
            stored = self.rows.stored(erasure.pair_id)
            for fingerprint in sorted(self.records.reviewed(fingerprints)):
                self.records.take_review(fingerprint)
            if stored and stored.is_later_than(erasure.erased_at):
                return None
            if stored and stored.fingerprint and stored.fingerprint not in fingerprints:
                self.records.take_review(stored.fingerprint)
                self.records.take(stored.fingerprint)
            if self.rows.entomb(erasure.pair_id, stored, erasure.erased_at):
                if stored and not stored.is_tombstone:
                    erasure.rows += 1
                    erasure.expired |= stored.rests_on_call and not fingerprints
                if stored and stored.fingerprint and stored.may_get_opinions:  # perhaps just before the tombstone
                    self.records.take_review(stored.fingerprint)
                return _objects(_pair(erasure.pair_id, stored)) if stored else set()
        return None

    def _take_pictures(self, erasure: Erasure, versions: Sequence[Version]) -> None:
        if not versions:
            return
        self.pictures.delete(versions)
        erasure.versions += len(versions)

    def _objects(self, pair_id: str, versions: Sequence[Version]) -> set[str]:
        return _objects(pair_among(pair_id, versions, self.names, clock.now()))

    def _unmark(self, objects: set[str]) -> None:
        for each in sorted(objects):
            self.records.unmark(each)


def _objects(pair: Pair) -> set[str]:
    """Return the name of the pair's in-flight marker, if it can have one."""
    return {pair.objects} if pair.uploads else set()


def _pair(pair_id: str, stored: Stored) -> Pair:
    """Return the row's objects, which name its in-flight marker."""
    now = clock.now()
    uploads = {role: Upload(key, etag, 0, now) for role, (key, etag) in stored.objects.items()}
    return Pair(pair_id, uploads.get("first"), uploads.get("second"), now)


def _taken(rows: Sequence[Charged]) -> list[Charged]:
    """Return the calls about erased pictures."""
    return [row for row in rows if row.state is not State.ERASED and is_taken(row, rows)]
