"""The story of one pair: from an upload to a row that moves forward."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from facepair import clock
from facepair.ask import Question
from facepair.aws.uploads import Uploads
from facepair.aws.verdicts import Verdicts
from facepair.pair import Pair, Role, Upload, fingerprint
from facepair.picture import Fitted, Unusable, fit
from facepair.retry import Backoff, Blocked, Later
from facepair.row import PictureRow, Row
from facepair.verdict import Outcome, Policy, Verdict, verdict

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
    """One receive of a message: the how-manieth it is, and the seconds that its worker has still to live."""

    receive_count: int
    time_left: Callable[[], float]


@dataclass(frozen=True)
class _Prepared:
    """A picture that was read: what identifies its content, and that content fit to be sent, or why it cannot be."""

    row: PictureRow
    identity: str
    fitted: Fitted | Unusable


class Comparer:
    """Compares pairs. Every collaborator is passed in; `ask` brings an outcome at most once per two contents."""

    def __init__(
        self,
        uploads: Uploads,
        verdicts: Verdicts,
        ask: Callable[[Question], Outcome],
        settle: Callable[[str, Outcome], None],
        policy: Policy,
        retention: timedelta,
        max_upload_megabytes: int,
        backoff: Backoff,
    ) -> None:
        self._uploads = uploads
        self._verdicts = verdicts
        self._ask = ask
        self._settle = settle
        self._policy = policy
        self._retention = retention
        self._max_upload_megabytes = max_upload_megabytes
        self._backoff = backoff

    def compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        """Bring a pair's row up to date with the bucket; the row, or None if there was nothing new to write.

        Raises Postponed for what passes by itself. Anything else that it raises is unexpected and safe to try again.
        """
        try:
            return self._compare(pair_id, attempt)
        except Later as later:  # nothing to say in the row: another worker is at it, or the bucket changed meanwhile
            raise Postponed(later, self._delay(later, attempt)) from later

    def _compare(self, pair_id: str, attempt: Attempt) -> Row | None:
        pair = self._uploads.find(pair_id)
        if not pair.uploads:
            logger.info("Nothing to compare: both pictures have been deleted")
            return None
        if pair.missing:
            return self._write(self._waiting(pair))
        if self._verdicts.judged(pair):
            logger.info("Nothing to compare: the row for these uploads, or newer ones, stands")
            return None
        first, second = (self._prepare(upload) for upload in pair.uploads.values())
        row = Row(
            pair=pair,
            verdict=Verdict.UNDETERMINED,
            policy=self._policy,
            pictures={"first": first.row, "second": second.row},
            fingerprint=fingerprint(pair_id, first.identity, second.identity),
        )
        if isinstance(first.fitted, Unusable) or isinstance(second.fitted, Unusable):
            return self._write(_unusable(row, {"first": first.fitted, "second": second.fitted}))
        return self._judge(row, first.fitted, second.fitted, attempt)

    def _waiting(self, pair: Pair) -> Row:
        pictures = {role: PictureRow(upload, self._uploads.version(upload)) for role, upload in pair.uploads.items()}
        return Row(pair, Verdict.WAITING, self._policy, pictures, waiting_for=pair.missing[0])

    def _prepare(self, upload: Upload) -> _Prepared:
        if upload.size > self._max_upload_megabytes * MEGABYTE:
            too_large = Unusable(
                "IMAGE_INVALID_SIZE",
                f"it has {upload.size / MEGABYTE:.1f} MB; at most {self._max_upload_megabytes} MB are looked at",
            )
            unread = PictureRow(upload, self._uploads.version(upload))
            return _Prepared(unread, f"{upload.etag}, {upload.size} bytes", too_large)
        content, version_id = self._uploads.read(upload)
        fitted: Fitted | Unusable
        try:
            fitted = fit(content)
        except Unusable as unusable:
            fitted = unusable
        return _Prepared(PictureRow(upload, version_id), hashlib.sha256(content).hexdigest(), fitted)

    def _judge(self, row: Row, first: Fitted, second: Fitted, attempt: Attempt) -> Row | None:
        """Ask about two usable pictures, and write the verdict, or PENDING with what keeps it."""
        pair_id = row.pair.pair_id
        try:
            outcome = self._ask(Question(pair_id, row.fingerprint or "", first, second, attempt.time_left))
            self._settle(pair_id, outcome)
        except (Later, Blocked) as reason:
            seconds = self._delay(reason, attempt)
            if reason.code:
                retry_at = clock.now() + timedelta(seconds=seconds)
                pending = replace(row, verdict=Verdict.PENDING, code=reason.code, message=reason.message)
                self._write(replace(pending, retry_at=retry_at))
            raise Postponed(reason, seconds) from reason
        return self._write(_judged(row, outcome, self._policy))

    def _delay(self, reason: Later | Blocked, attempt: Attempt) -> int:
        if isinstance(reason, Blocked):
            return self._backoff.seconds_blocked(attempt.receive_count, reason.pause)
        if reason.code is None:
            return self._backoff.seconds_soon()
        return self._backoff.seconds(attempt.receive_count, reason.retry_after or 0)

    def _write(self, row: Row) -> Row | None:
        if self._verdicts.write(row, self._retention):
            logger.info(
                "%s", row.verdict, extra={"verdict": row.verdict, "code": row.code, "similarity": row.similarity}
            )
            return row
        logger.info("Row not written: a newer one stands", extra={"verdict": row.verdict, "code": row.code})
        return None


def _unusable(row: Row, fitted: dict[Role, Fitted | Unusable]) -> Row:
    """RETAKE by our own look at the pictures, without a call, under the code that the API would have answered."""
    problems = {role: why for role, why in fitted.items() if isinstance(why, Unusable)}
    return replace(
        row,
        verdict=Verdict.RETAKE,
        retake=tuple(problems),
        code=next(iter(problems.values())).code,
        message="; ".join(f"{role} picture: {why.message}" for role, why in problems.items()),
    )


def _judged(row: Row, outcome: Outcome, policy: Policy) -> Row:
    decided, retake = verdict(outcome, policy)
    return replace(
        row,
        verdict=decided,
        retake=retake,
        code=outcome.code,
        message=outcome.message,
        similarity=outcome.similarity,
        transaction_id=outcome.transaction_id,
        pricing_strategy=outcome.pricing_strategy,
        pictures={
            "first": replace(row.pictures["first"], seen=outcome.first),
            "second": replace(row.pictures["second"], seen=outcome.second),
        },
    )
