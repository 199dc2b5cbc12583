"""Find complete pairs without a message: their event was lost, switched off, or ran out of receives."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
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
"""Time that is kept for the last rows and the cursor."""
PAIRS_AT_ONCE = 100
"""As many are held in memory, and looked up together."""
WALKING_SECONDS = 450
"""Time that is kept for the walk through the bucket, half of what the search has."""


@dataclass(frozen=True)
class SearchResult:
    """What one run saw and sent; `finished` if it came to the bucket's end. `deleted` are pairs whose pictures were
    gone while they waited."""

    objects: int
    pairs: int
    sent: int
    finished: bool
    deleted: int = 0


class Listing:
    """The bucket's pictures from a key on, for as long as there is time."""

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
    """Looks at every pair that waits, then goes through the whole bucket, over as many runs as it takes. It holds no
    more than a page and a batch.

    A pair whose pictures are gone while it is PENDING is settled: while the gate is closed no worker would notice.

    A pair counts as missed when it has been complete, or overdue, for longer than `after`, and no message about it is
    known to be in flight. A pair older than `images_retention` is about to be deleted, and left alone.
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
        """Enqueue what was missed, from where the last run stopped to the bucket's end or till `time_left` runs out."""
        deleted = self._settle_deleted(time_left)
        listing = Listing(self.uploads, self.cursor.load(), time_left)
        backlog = self.queue.has_backlog()  # pairs without a row may be in it
        if backlog:
            logger.info("Nothing is enqueued: more messages wait than are being worked on")
        pairs = sent = 0
        for batch in batched(self._complete(listing), PAIRS_AT_ONCE, strict=False):
            missed = [] if backlog else list(self._missed(batch))
            self._enqueue(missed)
            pairs += len(batch)
            sent += len(missed)
        self.cursor.save(listing.last_key if listing.stopped else "")
        return SearchResult(objects=listing.seen, pairs=pairs, sent=sent, finished=not listing.stopped, deleted=deleted)

    def _settle_deleted(self, time_left: Callable[[], float]) -> int:
        """Say of pairs that wait in vain that their pictures were deleted; how many."""
        settled = 0
        for rows in batched(self.verdicts.pending(), PAIRS_AT_ONCE, strict=False):
            if time_left() < WALKING_SECONDS:
                logger.info("Not every waiting pair was looked at: the next search begins with the oldest again")
                break
            pairs = self.parallel.map(self.uploads.find, [row.pair_id for row in rows])
            for row in (row for row, pair in zip(rows, pairs, strict=True) if row.waits_in_vain(pair)):
                settled += self.verdicts.replace(row, row.pictures_deleted())
        return settled

    def _enqueue(self, missed: Sequence[Pair]) -> None:
        firsts = [pair.uploads["first"] for pair in missed]
        try:
            self.queue.send([created_notification(first.key, first.etag) for first in firsts])
        except Unavailable:  # some may have been sent: twice is better than never
            for pair in missed:
                self.in_flight.release(pair.objects)
            raise

    def _complete(self, listing: Listing) -> Iterator[Pair]:
        """Pairs of which both pictures have been there for long enough."""
        now = clock.now()
        for pair_id, uploads in folders(listing, self.names):
            # A folder that the end of the time cut in two is looked at as a whole: the next run begins behind it.
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
        """No row for these uploads, or one that should have been replaced by now.

        UNDETERMINED waits for a person, unless pictures that were deleted are there again.
        """
        if row is None:
            return True
        if row.is_newer_than(pair):  # the picture that it speaks of has been deleted since
            return False
        if not row.covers(pair) or row.verdict is Verdict.WAITING or row.code == PICTURES_DELETED:
            return True
        return row.verdict is Verdict.PENDING and row.retry_at is not None and row.retry_at + self.after < clock.now()
