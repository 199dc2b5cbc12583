"""Finds complete pairs that nobody compares: their event was lost, switched off, or ran out of receives."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched
from typing import Any

from facepair import clock
from facepair.aws.cursor import Cursor
from facepair.aws.queue import UploadsQueue
from facepair.aws.uploads import Uploads
from facepair.aws.verdicts import Verdicts, covers, is_newer
from facepair.events import created_notification
from facepair.pair import Names, Pair, Upload, folders
from facepair.verdict import Verdict

STOPPING_SECONDS = 30
"""Time that is kept for the last rows and the cursor."""


@dataclass(frozen=True)
class Found:
    """What one run saw and sent; `finished` if it came to the bucket's end."""

    objects: int
    pairs: int
    sent: int
    finished: bool


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


class MissedPairs:
    """Goes through the whole bucket, over as many runs as it takes, and holds no more than a page and a batch of it."""

    def __init__(
        self, uploads: Uploads, names: Names, verdicts: Verdicts, queue: UploadsQueue, cursor: Cursor, after: timedelta
    ) -> None:
        self._uploads = uploads
        self._names = names
        self._verdicts = verdicts
        self._queue = queue
        self._cursor = cursor
        self._after = after

    def send(self, time_left: Callable[[], float]) -> Found:
        """Enqueue what was missed, from where the last run stopped to the bucket's end or till `time_left` runs out."""
        listing = Listing(self._uploads, self._cursor.load(), time_left)
        pairs = sent = 0
        for batch in batched(self._complete(listing), Verdicts.BATCH, strict=False):
            pairs += len(batch)
            missed = list(self._missed(batch))
            for ten in batched(missed, UploadsQueue.BATCH, strict=False):
                self._queue.send([created_notification(pair.uploads["first"].key) for pair in ten])
            sent += len(missed)
        self._cursor.save(listing.last_key if listing.stopped else "")
        return Found(objects=listing.seen, pairs=pairs, sent=sent, finished=not listing.stopped)

    def _complete(self, listing: Listing) -> Iterator[Pair]:
        """Pairs of which both pictures have been there for long enough."""
        due = clock.now() - self._after
        for pair_id, uploads in folders(listing, self._names):
            # A folder that the end of the time cut in two is looked at as a whole: the next run begins behind it.
            listed = Pair.among(pair_id, uploads, self._names, clock.now())
            pair = self._uploads.find(pair_id) if listing.stopped else listed
            if pair.uploads and not pair.missing and pair.uploaded_at <= due:
                yield pair

    def _missed(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        by_id = {pair.pair_id: pair for pair in pairs}
        rows = self._verdicts.rows(list(by_id))
        return (pair for pair_id, pair in by_id.items() if self._is_missed(pair, rows.get(pair_id)))

    def _is_missed(self, pair: Pair, row: dict[str, Any] | None) -> bool:
        """No row for these uploads, or one that should have been replaced by now. UNDETERMINED waits for a person."""
        if row is None:
            return True
        if is_newer(row, pair):  # the picture that it speaks of has been deleted since
            return False
        if not covers(row, pair) or row["verdict"] == Verdict.WAITING:
            return True
        return row["verdict"] == Verdict.PENDING and clock.parse(row["retry_at"]) + self._after < clock.now()
