"""Find complete pairs without a message: the event was lost or disabled, or the message ran out of receives."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import batched

from facepair.domain import clock
from facepair.domain.notification import created_notification
from facepair.domain.pair import Names, Pair, Upload, folders
from facepair.domain.retry import Unavailable
from facepair.domain.row import Row
from facepair.domain.verdict import PICTURES_DELETED, Verdict
from facepair.use_cases.ports import Cursor, InFlight, Parallel, Uploads, UploadsQueue, Verdicts

logger = logging.getLogger(__name__)

STOPPING_SECONDS = 30
"""Time reserved for the last rows and the cursor."""
PAIRS_AT_ONCE = 100
"""Pairs that are held in memory and looked up together."""
WALKING_SECONDS = 450
"""Time reserved for scanning the bucket, half of the total."""


@dataclass(frozen=True)
class SearchResult:
    """What one run saw and sent.

    `finished`: it reached the end of the bucket. `deleted`: waiting pairs whose pictures were deleted.
    """

    objects: int
    pairs: int
    sent: int
    finished: bool
    deleted: int = 0


class Listing:
    """Yield the bucket's pictures from a key on, until time runs out."""

    def __init__(self, uploads: Uploads, after: str, time_left: Callable[[], float]) -> None:
        self._uploads = uploads
        self._time_left = time_left
        self.last_key = after
        self.seen = 0
        self.stopped = False

    def __iter__(self) -> Iterator[Upload]:
        for upload in self._uploads.all(after=self.last_key):
            if self._time_left() < STOPPING_SECONDS:
                self.stopped = True
                return
            self.seen += 1
            self.last_key = upload.key
            yield upload


@dataclass(frozen=True, kw_only=True)
class MissedPairs:
    """Checks every waiting pair, then scans the whole bucket over as many runs as needed.

    Holds at most one page and one batch in memory. A PENDING pair whose pictures were deleted is settled here, because
    no worker notices while the gate is closed. A pair is missed if it has been complete or overdue for longer than
    `after` without a known message in flight. Pairs older than `images_retention` are skipped: they are about to be
    deleted.
    """

    uploads: Uploads
    names: Names
    verdicts: Verdicts
    in_flight: InFlight
    queue: UploadsQueue
    cursor: Cursor
    parallel: Parallel
    after: timedelta
    images_retention: timedelta

    def send(self, time_left: Callable[[], float]) -> SearchResult:
        """Enqueue missed pairs, from where the last run stopped until the bucket ends or `time_left` runs out."""
        deleted = self._settle_deleted(time_left)
        listing = Listing(self.uploads, self.cursor.load(), time_left)
        backlog = self.queue.has_backlog()  # it may hold pairs without a row
        if backlog:
            logger.info("Nothing enqueued: more messages wait than are in progress")
        pairs = sent = 0
        for batch in batched(self._complete(listing), PAIRS_AT_ONCE, strict=False):
            missed = [] if backlog else list(self._missed(batch))
            self._enqueue(missed)
            pairs += len(batch)
            sent += len(missed)
        self.cursor.save(listing.last_key if listing.stopped else "")
        return SearchResult(objects=listing.seen, pairs=pairs, sent=sent, finished=not listing.stopped, deleted=deleted)

    def _settle_deleted(self, time_left: Callable[[], float]) -> int:
        """Settle waiting pairs whose pictures were deleted. Return how many."""
        settled = 0
        for rows in batched(self.verdicts.pending(), PAIRS_AT_ONCE, strict=False):
            if time_left() < WALKING_SECONDS:
                logger.info("Not all waiting pairs checked: the next search starts with the oldest again")
                break
            with self.parallel.pool() as pool:
                pairs = [pool.submit(partial(self.uploads.find, row.pair_id)) for row in rows]
            for row in (row for row, pair in zip(rows, pairs, strict=True) if row.waits_in_vain(pair.result())):
                settled += self.verdicts.replace(row, row.pictures_deleted())
        return settled

    def _enqueue(self, missed: Sequence[Pair]) -> None:
        firsts = [pair.uploads["first"] for pair in missed]
        try:
            self.queue.send([created_notification(first.key, first.etag) for first in firsts])
        except Unavailable:  # some may have been sent; sending twice is harmless
            for pair in missed:
                self.in_flight.release(pair.objects)
            raise

    def _complete(self, listing: Listing) -> Iterator[Pair]:
        """Yield pairs that have been complete for long enough."""
        now = clock.now()
        for pair_id, uploads in folders(listing, self.names):
            # Finish a folder that the time limit cut in two, because the next run starts after it.
            listed = Pair.among(pair_id, uploads, self.names, clock.now())
            pair = self.uploads.find(pair_id) if listing.stopped else listed
            if not pair.uploads or pair.missing:
                continue
            if self.after <= now - pair.uploaded_at < self.images_retention:
                yield pair

    def _missed(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        by_id = {pair.pair_id: pair for pair in pairs}
        rows = self.verdicts.rows(by_id)
        return (
            pair
            for pair_id, pair in by_id.items()
            if self._is_missed(pair, rows.get(pair_id)) and self.in_flight.claim(pair.objects, self.after)
        )

    def _is_missed(self, pair: Pair, row: Row | None) -> bool:
        """Return whether these uploads have no row, or one that should have been replaced by now.

        UNDETERMINED waits for an operator, unless deleted pictures were uploaded again.
        """
        if row is None:
            return True
        if row.is_newer_than(pair):  # its picture was deleted since
            return False
        if not row.covers(pair) or row.verdict is Verdict.WAITING or row.code == PICTURES_DELETED:
            return True
        return row.verdict is Verdict.PENDING and row.retry_at is not None and row.retry_at + self.after < clock.now()
