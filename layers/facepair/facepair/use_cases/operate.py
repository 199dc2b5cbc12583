"""Carry out operators' requests, and log who made them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from facepair.domain.operator_request import DeadLettersOf, OperatorRequest, Redrive, RequestRefused, Resend, Retry
from facepair.use_cases.approve import Approver
from facepair.use_cases.redrive import Route
from facepair.use_cases.resend import Resender

logger = logging.getLogger(__name__)

SHOWN = 5
"""Unreadable messages whose first part is returned."""
SHOWN_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Carries out operators' requests. `routes` lead from each dead-letter queue back to its queue."""

    approver: Approver
    resender: Resender
    routes: Mapping[DeadLettersOf, Route]

    def operate(self, operation: OperatorRequest, by: str, may_go_on: Callable[[], bool]) -> Mapping[str, Any]:
        """Return the response as plain JSON. `by` is the operator's ARN, as AWS reports it.

        Raises RequestRefused, or Unavailable if the request can be repeated.
        """
        match operation:
            case Retry():
                _log("Retry requested", by, pairs=len(operation.pair_ids))
                answers = self.approver.approve(operation.pair_ids, by)
                return {"answers": [each.model_dump(mode="json", exclude_none=True) for each in answers]}
            case Resend():
                return self._resend(operation, by, may_go_on)
            case Redrive():
                return self._redrive(operation, by, may_go_on)

    def _resend(self, wanted: Resend, by: str, may_go_on: Callable[[], bool]) -> Mapping[str, Any]:
        since = wanted.since and wanted.since.isoformat()
        _log("Resend requested", by, since=since, pair_ids=wanted.pair_ids)
        if wanted.since:
            done = self.resender.since(wanted.since, may_go_on)
        else:
            done = self.resender.pairs(wanted.pair_ids or ())
        _log("Events resent", by, published=done.published, go_on_since=done.since)
        return asdict(done)

    def _redrive(self, wanted: Redrive, by: str, may_go_on: Callable[[], bool]) -> Mapping[str, Any]:
        if wanted.queue not in self.routes:
            raise RequestRefused("This stack has no webhook: there are no dead letters to redrive.")
        _log("Redrive requested", by, queue=wanted.queue)
        done = self.routes[wanted.queue].redrive(may_go_on)
        _log("Dead letters redriven", by, queue=wanted.queue, sent=done.sent, unreadable=len(done.unreadable))
        shown = [*done.unreadable.values()][:SHOWN]
        return {
            "sent": done.sent,
            "unreadable": list(done.unreadable),
            "shown": {each.message_id: each.body[:SHOWN_CHARACTERS] for each in shown},
            "more": done.more,
        }


def _log(message: str, by: str, **facts: object) -> None:
    logger.info(message, extra={"by": by} | {name: fact for name, fact in facts.items() if fact is not None})
