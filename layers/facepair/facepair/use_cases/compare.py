"""Compare one pair: from an upload to a row that moves forward."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from facepair.domain import clock
from facepair.domain.decision import Decision
from facepair.domain.fitted import Fitted, Unusable, check_size_of_upload
from facepair.domain.notification import CreatedObject
from facepair.domain.outcome import Policy
from facepair.domain.pair import Pair, Role, Upload, fingerprint
from facepair.domain.reads import FirstRead
from facepair.domain.retry import Backoff, Later, RetryReason, Unreadable
from facepair.domain.row import Case, Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.ask import Concluded, Question
from facepair.use_cases.ports import (
    Decisions,
    FirstReads,
    FleetGate,
    InFlight,
    Parallel,
    ThreadResult,
    Uploads,
    Verdicts,
)

logger = logging.getLogger(__name__)

MOST_DEATHS = 3
"""Workers that a pair may crash before it is given up."""


class Deferred(Exception):
    """The message must come back in `seconds`. The row may say why."""

    def __init__(self, reason: RetryReason, seconds: int) -> None:
        super().__init__(f"in {seconds} s: {reason}")
        self.reason = reason
        self.seconds = seconds


@dataclass(frozen=True)
class Attempt:
    """One receive of a message about an object.

    `receive_count` starts at 1; `time_left` returns the seconds left to this worker.
    """

    created: CreatedObject
    receive_count: int
    time_left: Callable[[], float]


@dataclass(frozen=True)
class _Fetched:
    """A picture's version and content, or why it is not downloaded."""

    upload: Upload
    version_id: str | None
    content: bytes | Unusable


@dataclass(frozen=True)
class _Read:
    """A picture that was read: its version, its content's identity, and the fitted content or the reason why it is
    unusable.
    """

    version_id: str | None
    identity: str
    fitted: Fitted | Unusable


@dataclass(frozen=True)
class _Looked:
    """A pair, and what was read while its in-flight marker was written. `is_new`: the ledger has no row of it."""

    pair: Pair
    fetched: Mapping[Role, ThreadResult[_Fetched]]
    is_new: ThreadResult[bool]


class Asks(Protocol):
    """Returns an outcome, charged at most once per two contents."""

    def is_new(self, pair_id: str) -> bool: ...

    def ask(self, question: Question) -> Concluded: ...


@dataclass(frozen=True, kw_only=True)
class Comparer:
    first_reads: FirstReads
    uploads: Uploads
    verdicts: Verdicts
    decisions: Decisions
    in_flight: InFlight
    gate: FleetGate
    asker: Asks
    parallel: Parallel
    policy: Policy
    max_upload_megabytes: int
    backoff: Backoff

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        """Bring a pair's row up to date with the bucket. Return the row, or None if nothing changed.

        Raises Deferred for temporary obstacles. Any other exception is unexpected and safe to retry.
        """
        try:
            return self._compare(pair_id, attempt)
        except RetryReason as reason:
            raise Deferred(reason, reason.delay(self.backoff, attempt.receive_count)) from reason

    def _compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        """Check what is cheap first: the gate and the row, then the bucket, then the pictures."""
        first_read = self.first_reads.of(pair_id)
        reason = self.gate.look(first_read.gate)
        row, erased_at = first_read.item.row, first_read.item.erased_at
        if row and row.verdict is Verdict.PENDING and row.speaks_of(attempt.created):
            self._go_on_waiting(row, reason, attempt)
        pair = self.uploads.find(pair_id)
        if row and row.waits_in_vain(pair):
            return self._settle_deleted(row)
        if not pair.uploads:
            logger.info("Nothing to compare: both pictures have been deleted")
            return None
        _check_not_erased(pair, first_read)
        if pair.missing:
            versions = {role: self._version(upload) for role, upload in pair.uploads.items()}
            return self._write(Row.waiting(pair, versions, self.policy), erased_at)
        if row and row.settles(pair):
            logger.info("Nothing to compare: the row for these uploads, or newer ones, stands")
            return None
        unread = self._unread(pair, row)
        if reason:
            raise self._deferred(reason, attempt, partial(Row.pending, unread), erased_at)
        return self._take(unread, attempt, first_read)

    def _settle_deleted(self, row: Row) -> Row | None:
        """Handle a picture that was deleted while its pair waited."""
        return self._replace(row, row.pictures_deleted())

    def _replace(self, expected: Row, row: Row) -> Row | None:
        if self.verdicts.replace(expected, row):
            logger.info("Row written", extra={"verdict": row.verdict, "code": row.code})
            return row
        logger.info("Row not written: it has changed", extra={"verdict": row.verdict, "code": row.code})
        return None

    def _unread(self, pair: Pair, row: Row | None) -> Case:
        """Return the case of a pair whose pictures are not read yet, with the facts of a row about the same objects."""
        if row and row.covers(pair):
            versions = {role: picture.version_id for role, picture in row.pictures.items()}
            return Case(pair, versions, self.policy, row.fingerprint)
        return Case(pair, {}, self.policy)

    def _go_on_waiting(self, row: Row, reason: RetryReason | None, attempt: Attempt) -> None:
        """Defer a waiting pair without listing its folder, if it still has to wait.

        Replaces only the row that was read: a newer one knows better, and an erased one must not return. Raises
        Deferred or Later.
        """
        if reason:
            seconds = reason.delay(self.backoff, attempt.receive_count)
            if reason.code:
                retry_at = clock.now() + timedelta(seconds=seconds)
                self._replace(row, row.waiting_on(reason.code, reason.message, retry_at))
            raise Deferred(reason, seconds)
        wait = (row.retry_at - clock.now()).total_seconds() if row.retry_at else 0
        if wait > 0:
            raise Later(f"the pair waits: {row.code}", retry_after=wait)

    def _take(self, unread: Case, attempt: Attempt, first_read: FirstRead) -> Row | None:
        """Compare under an in-flight marker, so that a pair that crashes worker after worker is noticed.

        The pictures are downloaded meanwhile, but only decoded once the marker is written: decoding can crash.
        """
        pair = unread.pair
        alive_until = clock.now() + timedelta(seconds=attempt.time_left())
        with self.parallel.pool() as pool:
            begun = pool.submit(partial(self.in_flight.begin, pair.objects, alive_until))
            is_new = pool.submit(partial(self.asker.is_new, pair.pair_id))
            fetched = {role: pool.submit(partial(self._fetch, upload)) for role, upload in pair.uploads.items()}
        if begun.result() > MOST_DEATHS:
            row = self._write(Row.worker_died(unread), first_read.item.erased_at)
            self.in_flight.finish(pair.objects)
            return row
        try:
            row = self._judge(_Looked(pair, fetched, is_new), attempt, first_read)
        except Deferred as deferred:
            self.in_flight.defer(pair.objects, clock.now() + timedelta(seconds=deferred.seconds))
            raise
        except Exception:
            self.in_flight.defer(pair.objects, clock.now())
            raise
        self.in_flight.finish(pair.objects)
        return row

    def _judge(self, looked: _Looked, attempt: Attempt, first_read: FirstRead) -> Row | None:
        """Read both pictures, ask about them if they are usable, and write the verdict or why it is deferred."""
        pair, erased_at = looked.pair, first_read.item.erased_at
        try:
            fetched = {role: each.result() for role, each in looked.fetched.items()}
        except Unreadable as unreadable:
            pending = partial(Row.pending, Case(pair, {}, self.policy))
            raise self._deferred(unreadable, attempt, pending, erased_at) from unreadable
        is_new = looked.is_new.result()
        read = {role: _read(each) for role, each in fetched.items()}
        first, second = read["first"], read["second"]
        contents = fingerprint(pair.pair_id, first.identity, second.identity)
        case = Case(pair, {role: each.version_id for role, each in read.items()}, self.policy, contents)
        if isinstance(first.fitted, Unusable) or isinstance(second.fitted, Unusable):
            return self._settle(Row.unusable(case, _problems(read)), self.decisions.of(contents), erased_at)
        question = Question(
            pair_id=pair.pair_id,
            fingerprint=contents,
            reversed_fingerprint=fingerprint(pair.pair_id, second.identity, first.identity),
            first=first.fitted,
            second=second.fitted,
            earliest_upload=pair.earliest_upload,
            time_left=attempt.time_left,
            gate=first_read.gate,
            is_new=is_new,
        )
        try:
            answer = self.asker.ask(question)
        except RetryReason as reason:
            pending = partial(Row.pending, case)
            raise self._deferred(reason, attempt, pending, erased_at) from reason
        decision = answer.last_read.decision if answer.last_read else self.decisions.of(contents)
        return self._settle(Row.judged(case, answer.outcome), decision, erased_at)

    def _deferred(
        self,
        reason: RetryReason,
        attempt: Attempt,
        pending: Callable[[str, str, datetime], Row],
        erased_at: datetime | None,
    ) -> Deferred:
        """Return the Deferred to raise. If the reason has a code, write it and the next attempt to the row."""
        seconds = reason.delay(self.backoff, attempt.receive_count)
        if reason.code:
            retry_at = clock.now() + timedelta(seconds=seconds)
            self._write(pending(reason.code, reason.message, retry_at), erased_at)
        return Deferred(reason, seconds)

    def _fetch(self, upload: Upload) -> _Fetched:
        try:
            check_size_of_upload(upload.size, self.max_upload_megabytes)
        except Unusable as too_large:
            return _Fetched(upload, self._version(upload), too_large)
        content, version_id = self.uploads.read(upload)
        return _Fetched(upload, version_id, content)

    def _version(self, upload: Upload) -> str | None:
        """Return the version id; None if S3 refuses, and the row names the picture without it."""
        try:
            return self.uploads.version(upload)
        except Unreadable as unreadable:
            logger.warning("Version of a picture not known", extra={"reason": unreadable.message})
            return None

    def _settle(self, row: Row, decision: Decision | None, erased_at: datetime | None) -> Row | None:
        """Write a verdict. A reviewer's decision about these two contents prevails, even if made meanwhile."""
        if written := self._write(row.as_decided(decision) if decision else row, erased_at):
            return written
        current = self.first_reads.of(row.pair_id).item.row
        if decision is None and current and current.decision and current.fingerprint == row.fingerprint:
            return self._write(row.as_decided(current.decision), erased_at)
        return None

    def _write(self, row: Row, erased_at: datetime | None) -> Row | None:
        if self.verdicts.write(row, erased_at):
            logger.info("Row written", extra={"verdict": row.verdict, "code": row.code})
            return row
        logger.info("Row not written: a newer one stands", extra={"verdict": row.verdict, "code": row.code})
        return None


def _check_not_erased(pair: Pair, first_read: FirstRead) -> None:
    """Raise Later for a picture that is being erased.

    When the message comes back, the picture is gone from the bucket. If the erasure was interrupted, the message ends
    in the dead-letter queue, which raises an alarm.
    """
    moment = max((each for each in (first_read.item.erased_at, first_read.erased_earlier) if each), default=None)
    if moment and pair.earliest_upload <= moment:
        raise Later("the pair was erased after a picture of it was uploaded")


def _read(fetched: _Fetched) -> _Read:
    """Fit pictures one at a time: two at once could exceed the function's memory."""
    content, upload = fetched.content, fetched.upload
    if isinstance(content, Unusable):
        return _Read(fetched.version_id, f"{upload.etag}, {upload.size} bytes", content)
    fitted: Fitted | Unusable
    try:
        fitted = fit(content)
    except Unusable as unusable:
        fitted = unusable
    return _Read(fetched.version_id, hashlib.sha256(content).hexdigest(), fitted)


def fit(content: bytes) -> Fitted:
    """Fit a picture to the API's limits. Raises Unusable."""
    from facepair.domain import picture  # loads decoders, which a first upload and a duplicate do not need

    return picture.fit(content)


def _problems(read: dict[Role, _Read]) -> dict[Role, Unusable]:
    return {role: each.fitted for role, each in read.items() if isinstance(each.fitted, Unusable)}
