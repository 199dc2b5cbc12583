"""A person permits to call once more for pairs whose call may have been charged without an answer."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facepair.domain import clock
from facepair.domain.ledger import Call, State
from facepair.domain.notification import created_notification
from facepair.domain.row import Row
from facepair.domain.verdict import OUTCOME_UNKNOWN, PICTURES_DELETED, Verdict
from facepair.use_cases.ports import Ledger, UploadsQueue, Verdicts

logger = logging.getLogger(__name__)

MOST_PAIRS = 100
"""As many are permitted with one request: it is over long before its caller loses patience."""


class Permission(StrEnum):
    """What became of the wish to call once more for a pair."""

    PERMITTED = "permitted"
    ALREADY_PERMITTED = "already permitted"
    NOT_UNKNOWN = "not of unknown outcome"
    PICTURES_DELETED = "pictures deleted"
    NO_PAIR = "no such pair"


class Wanted(BaseModel):
    """For which pairs to call once more. Who asks is told by AWS, never by what is asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    pair_ids: tuple[str, ...] = Field(min_length=1, max_length=MOST_PAIRS)

    @classmethod
    def read(cls, body: str) -> Self:
        """What is asked for, in JSON. Raises ValueError in one sentence, with the remedy."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            remedy = f'say {{"pair_ids": ["..."]}}, at most {MOST_PAIRS} of them'
            raise ValueError(f"The request cannot be understood: {error.errors()[0]['msg']}; {remedy}.") from None


class Answer(BaseModel, frozen=True):
    """What is answered for a pair; `verdict` and `code` are its row's, `permitted_by` is who was first."""

    pair_id: str
    permission: Permission
    verdict: Verdict | None = None
    code: str | None = None
    permitted_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Permits:
    """Permissions, and the messages by which their pairs are taken up again.

    A permission is written once for a call. Its message may be sent again, should the one before have been lost.
    """

    verdicts: Verdicts
    ledger: Ledger
    queue: UploadsQueue

    def permit(self, pair_ids: Iterable[str], by: str) -> list[Answer]:
        """Permit it in the name of `by`, an ARN. Raises Unavailable; then it can be asked for again."""
        answers: list[Answer] = []
        bodies: list[str] = []
        for pair_id in dict.fromkeys(pair_ids):
            row = self.verdicts.row(pair_id)
            answers.append(self._permit(pair_id, row, by))
            if row and answers[-1].permission in (Permission.PERMITTED, Permission.ALREADY_PERMITTED):
                bodies += [created_notification(each.key, each.etag) for each in row.pictures.values()][:1]
        self.queue.send(bodies)
        return answers

    def _permit(self, pair_id: str, row: Row | None, by: str) -> Answer:
        if row is None:
            return Answer(pair_id=pair_id, permission=Permission.NO_PAIR)
        if row.code == PICTURES_DELETED:
            permission = Permission.PICTURES_DELETED
            return Answer(pair_id=pair_id, permission=permission, verdict=row.verdict, code=row.code)
        call = self._unanswered(row)
        if call is None:
            permission, permitted_by = Permission.NOT_UNKNOWN, None
        elif call.permitted_by or _under_way(call):
            permission, permitted_by = Permission.ALREADY_PERMITTED, call.permitted_by
        elif self.ledger.permit(call, by):
            permission, permitted_by = Permission.PERMITTED, by
            logger.info("Permitted to call once more", extra={"pair_id": pair_id, "call": call.call, "by": by})
        else:  # somebody else was faster, or it has been answered meanwhile
            stands = self.ledger.get(pair_id, call.call)
            permission, permitted_by = Permission.ALREADY_PERMITTED, stands.permitted_by if stands else None
        return Answer(
            pair_id=pair_id, permission=permission, verdict=row.verdict, code=row.code, permitted_by=permitted_by
        )

    def _unanswered(self, row: Row) -> Call | None:
        """The last call without an answer for the row's contents, if that is why the row has no verdict."""
        if row.verdict is not Verdict.UNDETERMINED or row.code != OUTCOME_UNKNOWN:
            return None
        calls = [call for call in self.ledger.of_pair(row.pair_id) if not call.erased]
        contents = _contents(row, calls)
        calls = [call for call in calls if call.fingerprint in contents]
        if any(call.state is State.ANSWERED for call in calls):
            return None
        return next((call for call in reversed(calls) if call.unanswered), None)


def _contents(row: Row, calls: Sequence[Call]) -> set[str]:
    """The fingerprints of the row's contents: its own, and that of the call it rests on.

    That call was made for the same two pictures in each other's role if they were swapped since.

    Rows of earlier releases name no call: theirs is known if the ledger has calls for one pair of contents only.
    """
    fingerprints = {call.fingerprint for call in calls}
    rests_on = {call.fingerprint for call in calls if call.call == row.call}
    if row.call is None and row.fingerprint not in fingerprints and len(fingerprints) == 1:
        rests_on = fingerprints
    return rests_on | ({row.fingerprint} if row.fingerprint else set())


def _under_way(call: Call) -> bool:
    return call.state is State.SENT and call.alive_until > clock.now()
