"""Carries the desk's requests to the stack, one at a time, and returns the answers."""

import logging
from collections.abc import Mapping
from typing import Any

from facepair_cli.review.desk import Desk
from facepair_cli.review.ports import NotAnswered, Refused, ReviewBackend

logger = logging.getLogger(__name__)


def carry(desk: Desk, stack: ReviewBackend) -> None:
    while request := desk.next_request():
        _carry(request, desk, stack)


def carry_due(desk: Desk, stack: ReviewBackend) -> bool:
    """Carry the request that is due. Return whether there was one."""
    request = desk.due()
    if request:
        _carry(request, desk, stack)
    return bool(request)


def _carry(request: Mapping[str, Any], desk: Desk, stack: ReviewBackend) -> None:
    try:
        desk.answered(stack.ask(request))
    except NotAnswered as error:
        desk.not_answered(str(error))
    except Refused as error:
        desk.refused(str(error))
    except Exception as error:  # if the courier died, later decisions would be lost silently
        logger.exception("The courier met an error")
        desk.not_answered(f"facepair review met an error ({type(error).__name__}); its terminal says more.")
