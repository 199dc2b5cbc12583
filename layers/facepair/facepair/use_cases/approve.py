"""Approve one more call for pairs whose last call may have been charged without an answer."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

from facepair.domain import clock
from facepair.domain.ledger import Call, State
from facepair.domain.notification import created_notification
from facepair.domain.row import Row
from facepair.domain.verdict import OUTCOME_UNKNOWN, PICTURES_DELETED, Verdict
from facepair.use_cases.ports import Ledger, UploadsQueue, Verdicts

logger = logging.getLogger(__name__)


class Approval(StrEnum):
    """Outcome of a request to approve a retry."""

    APPROVED = "approved"
    ALREADY_APPROVED = "already approved"
    NOT_UNKNOWN = "not of unknown outcome"
    PICTURES_DELETED = "pictures deleted"
    NO_PAIR = "no such pair"
    UNREADABLE = "unreadable"


class Answer(BaseModel, frozen=True):
    """Result for one pair: `verdict` and `code` of its row, and in `permitted_by` the first operator who approved."""

    pair_id: str
    approval: Approval
    verdict: Verdict | None = None
    code: str | None = None
    permitted_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Approver:
    """Approves retries and enqueues their pairs.

    An approval is written once per call; its message can be sent again in case an earlier one was lost.
    """

    verdicts: Verdicts
    ledger: Ledger
    queue: UploadsQueue

    def approve(self, pair_ids: Iterable[str], by: str) -> list[Answer]:
        """Approve one more call in the name of `by`, an ARN. Raises Unavailable; the same request can be repeated."""
        answers: list[Answer] = []
        bodies: list[str] = []
        try:
            for pair_id in dict.fromkeys(pair_ids):
                try:
                    row = self.verdicts.row(pair_id)
                    answer = self._approve(pair_id, row, by)
                except ValueError as error:  # a damaged item must not block the other pairs
                    logger.error("Pair cannot be read", extra={"pair_id": pair_id, "reason": str(error)})
                    row, answer = None, Answer(pair_id=pair_id, approval=Approval.UNREADABLE)
                answers.append(answer)
                if row and answer.approval in (Approval.APPROVED, Approval.ALREADY_APPROVED):
                    bodies += [created_notification(each.key, each.etag) for each in row.pictures.values()][:1]
        finally:  # what is approved in the ledger needs its message, even if a table fails
            self.queue.send(bodies)
        return answers

    def _approve(self, pair_id: str, row: Row | None, by: str) -> Answer:
        if row is None:
            return Answer(pair_id=pair_id, approval=Approval.NO_PAIR)
        if row.code == PICTURES_DELETED:
            return Answer(pair_id=pair_id, approval=Approval.PICTURES_DELETED, verdict=row.verdict, code=row.code)
        call = self._unanswered(row)
        if call is None:
            approval, permitted_by = Approval.NOT_UNKNOWN, None
        elif call.permitted_by or _under_way(call):
            approval, permitted_by = Approval.ALREADY_APPROVED, call.permitted_by
        elif self.ledger.approve(call, by):
            approval, permitted_by = Approval.APPROVED, by
            logger.info("Approved a retry", extra={"pair_id": pair_id, "call": call.call, "by": by})
        else:  # another operator was faster, or the call was answered
            current = self.ledger.get(pair_id, call.call)
            approval, permitted_by = Approval.ALREADY_APPROVED, current.permitted_by if current else None
        return Answer(pair_id=pair_id, approval=approval, verdict=row.verdict, code=row.code, permitted_by=permitted_by)

    def _unanswered(self, row: Row) -> Call | None:
        """Return the last unanswered call for the row's contents, if that is why the row has no verdict."""
        if row.verdict is not Verdict.UNDETERMINED or row.code != OUTCOME_UNKNOWN:
            return None
        calls = [call for call in self.ledger.of_pair(row.pair_id) if not call.erased]
        contents = _contents(row, calls)
        calls = [call for call in calls if call.fingerprint in contents]
        if any(call.state is State.ANSWERED for call in calls):
            return None
        return next((call for call in reversed(calls) if call.unanswered), None)


def _contents(row: Row, calls: Sequence[Call]) -> set[str]:
    """Return the fingerprints of the row's contents: its own, and that of the call behind its outcome.

    They differ if the two pictures were swapped after the call. Rows of earlier releases name no call; theirs is
    unambiguous only if all calls in the ledger are for the same contents.
    """
    fingerprints = {call.fingerprint for call in calls}
    rests_on = {call.fingerprint for call in calls if call.call == row.call}
    if row.call is None and row.fingerprint not in fingerprints and len(fingerprints) == 1:
        rests_on = fingerprints
    return rests_on | ({row.fingerprint} if row.fingerprint else set())


def _under_way(call: Call) -> bool:
    return call.state is State.SENT and call.alive_until > clock.now()
