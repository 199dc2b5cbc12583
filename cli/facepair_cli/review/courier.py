"""Carries the desk's requests to the stack, one at a time, and the answers back."""

import logging
from collections.abc import Mapping
from typing import Any

from facepair_cli.review.desk import Desk
from facepair_cli.review.ports import NotAnswered, Refused, ReviewBackend

logger = logging.getLogger(__name__)


def carry(desk: Desk, stack: ReviewBackend) -> None:
    """Carry requests until the desk has ended."""
    while request := desk.next_request():
        _carry(request, desk, stack)


def carry_due(desk: Desk, stack: ReviewBackend) -> bool:
    """Carry the request that is due. Return whether one was."""
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
    except Exception as error:  # without the courier every later decision would be lost in silence
        logger.exception("The courier met an error")
        desk.not_answered(f"facepair review met an error ({type(error).__name__}); its terminal says more.")
