"""Verdicts, our own codes, and what is charged.

Without pydantic, so that readers of rows start quickly; the models are in `outcome.py`.
"""

from enum import StrEnum
from typing import Literal

from facepair.advance.codes import COMPARISON_CODES, UNDOCUMENTED, Code, Meaning


class Verdict(StrEnum):
    """A pair's verdict; docs/guide/reading.md says when."""

    PASS = "PASS"
    MANUAL_CHECK = "MANUAL_CHECK"
    REJECT = "REJECT"
    RETAKE = "RETAKE"
    WAITING = "WAITING"
    PENDING = "PENDING"
    UNDETERMINED = "UNDETERMINED"


CERTAINTY = {
    Verdict.WAITING: 0,
    Verdict.PENDING: 1,
    Verdict.UNDETERMINED: 2,
    Verdict.PASS: 3,
    Verdict.MANUAL_CHECK: 3,
    Verdict.REJECT: 3,
    Verdict.RETAKE: 3,
}
"""For the same two uploads, a row's verdict may only become as certain or more."""
FINAL = frozenset(verdict for verdict, certainty in CERTAINTY.items() if certainty == 3)
"""Verdicts that stand until a picture is uploaded again."""

OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
"""Called, perhaps charged, no answer."""
API_NOT_ANSWERING = "API_NOT_ANSWERING"
"""Too many calls in a row went unanswered; the fleet stopped calling."""
BAD_ANSWER = "BAD_ANSWER"
"""The answer breaks the API's contract."""
NETWORK_ERROR = "NETWORK_ERROR"
"""The API was not reached."""
CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
"""The credentials are missing, or generate-token refuses them."""
TOO_LITTLE_TIME = "TOO_LITTLE_TIME"
"""Not called: the worker would not have lived to receive the answer."""
PICTURE_UNREADABLE = "PICTURE_UNREADABLE"
"""S3 refuses to return a picture (archived, or its key is not allowed)."""
WORKER_DIED = "WORKER_DIED"
"""Every worker that took the pair died."""
PICTURES_DELETED = "PICTURES_DELETED"
"""A picture was deleted or expired while the pair was PENDING."""

OWN_CODES = {
    NETWORK_ERROR: Code(Meaning.RETRY, "FREE"),
    TOO_LITTLE_TIME: Code(Meaning.RETRY, "FREE"),
    API_NOT_ANSWERING: Code(Meaning.BLOCKED, "FREE"),
    CREDENTIALS_INVALID: Code(Meaning.BLOCKED, "FREE"),
    WORKER_DIED: Code(Meaning.HOLD, "FREE"),
    PICTURE_UNREADABLE: Code(Meaning.RETRY, "FREE"),
    PICTURES_DELETED: Code(Meaning.HOLD, "FREE"),
    OUTCOME_UNKNOWN: Code(Meaning.HOLD, "PAY"),
    BAD_ANSWER: Code(Meaning.HOLD, "PAY"),
}
"""Codes that the API never returns."""
CODES = COMPARISON_CODES | OWN_CODES
"""Every code that a row can have, except undocumented ones."""


def is_charged(code: str | None, pricing_strategy: str | None) -> bool:
    """Return whether a call can be on the invoice: the rule for CallsTable's `charged`.

    The code's documented tag decides. A stated PAY also makes a call charged, but a stated FREE does not make a paid
    code free: ADVANCE's newer pages call the field deprecated and always FREE. Undocumented codes are charged unless
    stated FREE. Without a code there was no answer, so the call may be charged.
    """
    if code is None:
        return True
    if code not in CODES:
        return not _says(pricing_strategy, "FREE")
    return CODES[code].pricing == "PAY" or _says(pricing_strategy, "PAY")


def is_paid_but_stated_free(code: str | None, pricing_strategy: str | None) -> bool:
    """Return whether the API stated FREE under a paid code."""
    return code in CODES and CODES[code].pricing == "PAY" and _says(pricing_strategy, "FREE")


def _says(pricing_strategy: str | None, value: Literal["FREE", "PAY"]) -> bool:
    return pricing_strategy is not None and pricing_strategy.strip().upper() == value


def comparison_code(code: str) -> Code:
    return CODES.get(code, UNDOCUMENTED)
