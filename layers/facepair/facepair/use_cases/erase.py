"""A pair is erased: nothing of its pictures and faces stays here, and nobody who is still at work brings it back."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from typing import Protocol

from facepair.domain import clock
from facepair.domain.erasure import Charged, Erasure, Record
from facepair.domain.history import Version, pair_among
from facepair.domain.ledger import State
from facepair.domain.pair import Names, Pair, Upload
from facepair.domain.row import Row

AT_ONCE = 25
"""Pairs that are marked together, so that they wait together."""
AHEAD_SECONDS = 2.0
"""So far ahead of S3's clock a mark is set: it has to be there before its second is over."""
LOOK_AGAIN_SECONDS = 1.0
PATIENCE = timedelta(seconds=150)
"""For workers that are still at it: longer than CompareFunction may run."""


class Marks(Protocol):
    """Which pairs were erased."""

    def set(self, pair_id: str, moment: datetime) -> bool:
        """Let nothing be written any more of what was uploaded in the second of that moment or before it. Whether there
        was a mark already."""


class Pictures(Protocol):
    """The images bucket with all that it keeps."""

    def now(self) -> datetime:
        """The second that it is by the clock that dates uploads."""

    def versions(self, pair_id: str, until: datetime) -> Sequence[Version]:
        """What lies in the pair's folder itself and was uploaded in that second or before it."""

    def delete(self, versions: Sequence[Version]) -> None:
        """Delete versions for good."""

    def abort(self, pair_id: str, until: datetime) -> int:
        """Give up uploads in parts that were begun in that second or before it; how many."""


class Rows(Protocol):
    """The verdicts table."""

    def take(self, pair_id: str, until: datetime) -> Row | None:
        """Delete the pair's row if it speaks of uploads of that second or before it; the row."""


class Charges(Protocol):
    """The ledger."""

    def of_pair(self, pair_id: str) -> Sequence[Charged]:
        """All rows of a pair."""

    def strip(self, charged: Charged, moment: datetime) -> None:
        """Take out of a row what describes faces; whoever completes it later leaves that out too."""

    def forget(self, charged: Charged) -> None:
        """Take out what identifies the contents too: the end of an erasure."""


class Records(Protocol):
    """The idempotency records, and the marks of pairs that have a message under way."""

    def take(self, fingerprint: str) -> Record | None:
        """Delete the record of two contents; the record."""

    def unmark(self, objects: str) -> None:
        """Delete the mark of a pair's objects."""


@dataclass
class _Sight:
    """What an erasure has learnt of a pair so far: `in_progress` are records whose workers were at work, `saved` those
    that had been saved when they were deleted."""

    erasure: Erasure
    fingerprints: set[str] = field(default_factory=set)
    in_progress: dict[str, datetime] = field(default_factory=dict)
    saved: set[str] = field(default_factory=set)
    calls: Sequence[Charged] = ()

    def busy_until(self, now: datetime) -> datetime | None:
        """When the last worker is dead that can still save something of the faces: it asks, or has an answer that it
        has not saved. What it saves is found at the next look. The mark keeps it from rows and further calls."""
        asking = (call.alive_until for call in self.calls if call.state is State.SENT)
        saving = (
            call.alive_until
            for call in self.calls
            if call.state is State.ANSWERED and call.fingerprint not in self.saved
        )
        others = (until for fingerprint, until in self.in_progress.items() if fingerprint not in self.saved)
        return max((until for until in (*asking, *saving, *others) if until > now), default=None)


@dataclass(frozen=True, kw_only=True)
class Eraser:
    """Erases pairs. `waits(pair_id, until)` is told when somebody may still be at work with one."""

    marks: Marks
    pictures: Pictures
    rows: Rows
    ledger: Charges
    records: Records
    names: Names
    waits: Callable[[str, datetime], None]
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def erase(self, pair_ids: Iterable[str]) -> Iterator[Erasure]:
        """Erase pairs, one after the other. Raises Unavailable; then it can be begun again.

        First a mark for each: from then on nothing is written any more of what was uploaded up to its second. All that
        is there is deleted before that second is over, so that no later upload is answered with it; then the pair is
        looked through again and again, until there is nothing and nobody is at work.
        """
        for batch in batched(pair_ids, AT_ONCE, strict=False):
            sights = self._begin(batch)
            for sight in sights:
                self._finish(sight)
                yield sight.erasure

    def _begin(self, pair_ids: Sequence[str]) -> list[_Sight]:
        """Mark pairs, delete what is there, and wait until the marks' second is over. The marks have to be there before
        that: or an upload after it could be compared with a picture from before, unhindered."""
        ahead = AHEAD_SECONDS
        while True:
            began = self.monotonic()
            moment = self.pictures.now() + timedelta(seconds=ahead)
            read = self.monotonic()
            sights = [_Sight(Erasure(each, moment, known=self.marks.set(each, moment))) for each in pair_ids]
            if self.monotonic() - began < ahead:
                break
            ahead *= 2
        for sight in sights:
            self._sweep(sight)
        self.sleep(max(0.0, read + ahead + 1 - self.monotonic()))
        return sights

    def _finish(self, sight: _Sight) -> None:
        erasure, patience, told = sight.erasure, clock.now() + PATIENCE, False
        while self._sweep(sight) or sight.busy_until(clock.now()):
            if clock.now() > patience:
                return
            if busy_until := sight.busy_until(clock.now()):
                if not told:
                    self.waits(erasure.pair_id, busy_until)
                    told = True
                self.sleep(LOOK_AGAIN_SECONDS)
        erasure.complete = True
        for call in sight.calls:
            if call.fingerprint:
                self.ledger.forget(call)

    def _sweep(self, sight: _Sight) -> bool:
        """Delete what there is, pictures first: nobody can begin anew with them. Whether there was anything."""
        erasure, until = sight.erasure, sight.erasure.erased_at
        versions = self.pictures.versions(erasure.pair_id, until)
        self.pictures.delete(versions)
        uploads = self.pictures.abort(erasure.pair_id, until)
        row = self.rows.take(erasure.pair_id, until)
        calls = [call for call in self.ledger.of_pair(erasure.pair_id) if call.sent_at < until + timedelta(seconds=1)]
        sight.calls = calls
        sight.fingerprints |= {each for each in (row and row.fingerprint, *(c.fingerprint for c in calls)) if each}
        records = sum(self._take_record(sight, fingerprint) for fingerprint in sight.fingerprints)
        for objects in self._objects(erasure.pair_id, versions, row):
            self.records.unmark(objects)
        telling = [call for call in calls if call.tells or not call.erased]
        for call in telling:
            self.ledger.strip(call, until)
        erasure.versions += len(versions)
        erasure.uploads += uploads
        erasure.rows += row is not None
        erasure.calls += sum(not call.erased for call in telling)
        erasure.transaction_ids = [call.transaction_id for call in calls if call.transaction_id]
        erasure.unanswered = sum(call.state in (State.SENT, State.UNKNOWN) for call in calls)
        found = bool(versions or uploads or row or records or telling)
        erasure.known |= found or bool(calls)
        return found

    def _take_record(self, sight: _Sight, fingerprint: str) -> bool:
        record = self.records.take(fingerprint)
        if record is None:
            return False
        if record.in_progress_until is None:
            sight.saved.add(fingerprint)
        else:
            sight.in_progress[fingerprint] = record.in_progress_until
        return True

    def _objects(self, pair_id: str, versions: Sequence[Version], row: Row | None) -> set[str]:
        """What marks of messages under way are named after: the newest objects, and those of the row."""
        pairs = [pair_among(pair_id, versions, self.names, clock.now())]
        if row:
            of_row: Mapping[str, Upload] = {
                role: Upload(each.key, each.etag, each.size, row.uploaded_at) for role, each in row.pictures.items()
            }
            pairs.append(Pair(pair_id, of_row.get("first"), of_row.get("second"), row.listed_at))
        return {pair.objects for pair in pairs if pair.uploads}
