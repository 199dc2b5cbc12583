"""The story of one pair: from an upload to a row that moves forward."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from facepair.domain import clock
from facepair.domain.pair import Role, Upload, fingerprint
from facepair.domain.picture import Fitted, Unusable, fit
from facepair.domain.retry import Backoff, Blocked, Later
from facepair.domain.row import Case, Row
from facepair.domain.verdict import Outcome, Policy
from facepair.stories.ask import Question
from facepair.stories.ports import Uploads, Verdicts

logger = logging.getLogger(__name__)

MEGABYTE = 1_000_000


class Postponed(Exception):
    """Not now: the message has to come back in `seconds`. The row says why, where there is something to say."""

    def __init__(self, reason: Later | Blocked, seconds: int) -> None:
        super().__init__(f"in {seconds} s: {reason}")
        self.reason = reason
        self.seconds = seconds


@dataclass(frozen=True)
class Attempt:
    """One receive of a message: its receive count, from 1, and the seconds that its worker has still to live."""

    receive_count: int
    time_left: Callable[[], float]


@dataclass(frozen=True)
class _Read:
    """A picture that was read: its version, what identifies its content, and that content fit to be sent, or why it
    cannot be."""

    version_id: str | None
    identity: str
    fitted: Fitted | Unusable


class Asks(Protocol):
    """Brings an outcome, at most once per two contents."""

    def ask(self, question: Question) -> Outcome: ...


@dataclass(frozen=True, kw_only=True)
class Comparer:
    """Compares pairs."""

    uploads: Uploads
    verdicts: Verdicts
    asker: Asks
    policy: Policy
    max_upload_megabytes: int
    backoff: Backoff

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        """Bring a pair's row up to date with the bucket; the row, or None if there was nothing new to write.

        Raises Postponed for what passes by itself. Anything else that it raises is unexpected and safe to try again.
        """
        try:
            return self._compare(pair_id, attempt)
        except Later as later:  # nothing to say in the row: another worker is at it, or the bucket changed meanwhile
            raise Postponed(later, self._delay(later, attempt)) from later

    def _compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        pair = self.uploads.find(pair_id)
        if not pair.uploads:
            logger.info("Nothing to compare: both pictures have been deleted")
            return None
        if pair.missing:
            versions = {role: self.uploads.version(upload) for role, upload in pair.uploads.items()}
            return self._write(Row.waiting(pair, versions, self.policy))
        row = self.verdicts.row(pair_id)
        if row and row.stands_for(pair):
            logger.info("Nothing to compare: the row for these uploads, or newer ones, stands")
            return None
        read = {role: self._read(upload) for role, upload in pair.uploads.items()}
        first, second = read["first"], read["second"]
        case = Case(
            pair=pair,
            versions={role: each.version_id for role, each in read.items()},
            policy=self.policy,
            fingerprint=fingerprint(pair_id, first.identity, second.identity),
        )
        if isinstance(first.fitted, Unusable) or isinstance(second.fitted, Unusable):
            return self._write(Row.unusable(case, _problems(read)))
        question = Question(pair_id, case.fingerprint, first.fitted, second.fitted, attempt.time_left)
        return self._ask(case, question, attempt)

    def _read(self, upload: Upload) -> _Read:
        if upload.size > self.max_upload_megabytes * MEGABYTE:
            too_large = Unusable(
                "IMAGE_INVALID_SIZE",
                f"it has {upload.size / MEGABYTE:.1f} MB; at most {self.max_upload_megabytes} MB are looked at",
            )
            return _Read(self.uploads.version(upload), f"{upload.etag}, {upload.size} bytes", too_large)
        content, version_id = self.uploads.read(upload)
        fitted: Fitted | Unusable
        try:
            fitted = fit(content)
        except Unusable as unusable:
            fitted = unusable
        return _Read(version_id, hashlib.sha256(content).hexdigest(), fitted)

    def _ask(self, case: Case, question: Question, attempt: Attempt) -> Row | None:
        """Ask about two usable pictures, and write the verdict, or PENDING with what keeps it."""
        try:
            outcome = self.asker.ask(question)
        except (Later, Blocked) as reason:
            seconds = self._delay(reason, attempt)
            if reason.code:
                retry_at = clock.now() + timedelta(seconds=seconds)
                self._write(Row.pending(case, reason.code, reason.message, retry_at))
            raise Postponed(reason, seconds) from reason
        return self._write(Row.judged(case, outcome))

    def _delay(self, reason: Later | Blocked, attempt: Attempt) -> int:
        if isinstance(reason, Blocked):
            return self.backoff.seconds_blocked(attempt.receive_count, reason.pause)
        if reason.code is None:
            return self.backoff.seconds_soon()
        return self.backoff.seconds(attempt.receive_count, reason.retry_after or 0)

    def _write(self, row: Row) -> Row | None:
        if self.verdicts.write(row):
            logger.info(
                "%s", row.verdict, extra={"verdict": row.verdict, "code": row.code, "similarity": row.similarity}
            )
            return row
        logger.info("Row not written: a newer one stands", extra={"verdict": row.verdict, "code": row.code})
        return None


def _problems(read: dict[Role, _Read]) -> dict[Role, Unusable]:
    return {role: each.fitted for role, each in read.items() if isinstance(each.fitted, Unusable)}
