"""Check local pairs, upload them and follow them to their verdicts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from facepair.domain.pair import ROLES, Pair, Role, Upload
from facepair.domain.row import Row
from facepair.domain.verdict import FINAL, Verdict
from facepair.use_cases.ports import Verdicts
from facepair_cli.submit.submission import LARGEST_OBJECT, Considered, Content, LeftOut, Problem, Submission

SETTLED = FINAL | {Verdict.UNDETERMINED}
"""Verdicts that do not change on their own."""
ROWS_A_SECOND = 500
"""Bounds the cost of following: cents for ten thousand pairs."""
LONGEST_PAUSE_SECONDS = 15.0
GROWTH = 1.5
REPLACED = "The pair was uploaded again; its row has the newer verdict"


class Drop(Protocol):
    """The images bucket, for uploads."""

    def find(self, pair_id: str) -> Pair:
        """Return the pair as it is in the bucket now."""

    def holds(self, upload: Upload, sha256: str) -> bool:
        """Return whether an object has this SHA-256 (hex); False if unknown or if the object has changed since."""

    def upload(self, key: str, file: Path, sha256: str) -> str:
        """Upload a file, unless its content has another SHA-256. Return the new ETag. Raises OSError."""


class PictureFiles(Protocol):
    """Local pictures. Methods raise OSError."""

    def content(self, file: Path) -> Content: ...

    def problem(self, file: Path) -> Problem | None:
        """Return why a picture cannot be used, or None."""


@dataclass(frozen=True)
class Submitter:
    """Checks pairs and sends what the bucket lacks, by content."""

    drop: Drop
    pictures: PictureFiles

    def consider(self, submission: Submission) -> Considered | LeftOut:
        """Check a pair, locally and in the bucket; pictures are only checked if something has to be sent.

        Raises Unavailable.
        """
        pair_id, files = submission.pair_id, submission.files
        if why := submission.impossible():
            return LeftOut(pair_id, why)
        try:
            contents = {role: self.pictures.content(files[role].path) for role in ROLES}
            if any(content.size > LARGEST_OBJECT for content in contents.values()):
                return LeftOut(pair_id, "a picture of more than 5 GiB cannot be uploaded")
            in_bucket = self.drop.find(pair_id)
            there = frozenset(role for role in ROLES if self._counts(in_bucket.uploads.get(role), contents[role]))
            problems: dict[Role, Problem] = {}
            if len(there) < len(ROLES):
                found = {role: self.pictures.problem(files[role].path) for role in ROLES}
                problems = {role: problem for role, problem in found.items() if problem}
        except OSError as error:
            return LeftOut(pair_id, _unreadable(error))
        return Considered(submission, contents, in_bucket, there, problems)

    def _counts(self, upload: Upload | None, content: Content) -> bool:
        return upload is not None and upload.size == content.size and self.drop.holds(upload, content.sha256)

    def send(self, considered: Considered) -> Pair | LeftOut:
        """Upload what is missing. Return the pair as it is in the bucket now.

        Raises Unavailable, perhaps after part of it was uploaded.
        """
        etags = {role: upload.etag for role, upload in considered.in_bucket.uploads.items()}
        for role in considered.to_send:
            file, content = considered.submission.files[role], considered.contents[role]
            try:
                if self.pictures.content(file.path) != content:
                    return LeftOut(considered.pair_id, f"{file.path} changed after it was checked: run it again")
                etags[role] = self.drop.upload(file.key, file.path, content.sha256)
            except OSError as error:
                return LeftOut(considered.pair_id, _unreadable(error))
        pair = self.drop.find(considered.pair_id)
        if {role: upload.etag for role, upload in pair.uploads.items()} != etags:
            return LeftOut(considered.pair_id, REPLACED)
        return pair


def _unreadable(error: OSError) -> str:
    return f"{error.filename} cannot be read: {error.strerror}"


@dataclass(frozen=True, slots=True)
class Verdicted:
    """A pair's result: the row of exactly the contents sent, or None if they were replaced."""

    pair_id: str
    row: Row | None


class Followed:
    """Follows pairs, as found in the bucket, until their verdicts."""

    def __init__(self, verdicts: Verdicts, pairs: Iterable[Pair]) -> None:
        self._verdicts = verdicts
        self._waiting = {pair.pair_id: pair for pair in pairs}
        self._rows: dict[str, Row] = {}
        self._pause = 1.0
        self.settled: dict[str, Verdicted] = {}

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def look(self) -> list[Verdicted]:
        """Read the rows of waiting pairs; return those newly settled, in order."""
        self._rows = dict(self._verdicts.rows(list(self._waiting)))
        new = [
            Verdicted(pair_id, None if row.is_newer_than(pair) else row)
            for pair_id, pair in self._waiting.items()
            if (row := self._rows.get(pair_id)) and _is_settled(row, pair)
        ]
        for each in new:
            del self._waiting[each.pair_id]
            self.settled[each.pair_id] = each
        self._pause = 1.0 if new else min(LONGEST_PAUSE_SECONDS, self._pause * GROWTH)
        return new

    @property
    def pause(self) -> float:
        """Seconds until the next look: longer with more rows to read and while nothing changes."""
        return max(self._pause, self.waiting / ROWS_A_SECOND)

    @property
    def states(self) -> Mapping[tuple[Verdict, str | None], int]:
        """Count the waiting pairs by last seen verdict and code; pairs without a row are not counted."""
        return Counter((row.verdict, row.code) for row in self._own_rows())

    @property
    def next_try(self) -> datetime | None:
        """The earliest retry of a PENDING pair."""
        return min((row.retry_at for row in self._own_rows() if row.retry_at), default=None)

    def _own_rows(self) -> list[Row]:
        """The waiting pairs' rows, without those about older objects."""
        return [row for pair_id, pair in self._waiting.items() if (row := self._rows.get(pair_id)) and row.covers(pair)]


def _is_settled(row: Row, pair: Pair) -> bool:
    return row.is_newer_than(pair) or (row.verdict in SETTLED and row.covers(pair))
