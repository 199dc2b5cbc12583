"""Verdicts from answers, and our own codes."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from facepair.advance.codes import COMPARISON_CODES, UNDOCUMENTED, Code, Meaning
from facepair.domain.pair import Role


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


class Policy(BaseModel, frozen=True):
    """The thresholds in force, on the scale of 0 to 100."""

    pass_above: Decimal = Field(ge=0, le=100)
    reject_below: Decimal = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> "Policy":
        if self.reject_below > self.pass_above:
            raise ValueError(f"RejectBelow ({self.reject_below}) must not be above PassAbove ({self.pass_above})")
        return self

    def judge(self, similarity: Decimal) -> Verdict:
        """Judge a similarity. The documentation's defaults: above 70 pass, 55 to 70 manual check, below 55 reject."""
        if similarity > self.pass_above:
            return Verdict.PASS
        if similarity < self.reject_below:
            return Verdict.REJECT
        return Verdict.MANUAL_CHECK


class Face(BaseModel, frozen=True):
    """A face's position in pixels of the upload as a viewer shows it."""

    id: str
    left: Decimal
    top: Decimal
    right: Decimal
    bottom: Decimal


class Seen(BaseModel, frozen=True):
    """One picture of a call: the compared face, and the changes made to fit."""

    face: Face | None = None
    adjusted: tuple[str, ...] = ()


class Outcome(BaseModel, frozen=True, hide_input_in_errors=True):
    """The result of asking about two contents, stored as JSON and reused.

    `call`: its ledger row. `unsaved`: that row is not completed yet. `retry_at`: when the API wants the next call.
    `reversed`: the second picture was sent as the first.
    """

    code: str
    message: str
    similarity: Decimal | None = None
    transaction_id: str | None = None
    pricing_strategy: str | None = None
    first: Seen = Seen()
    second: Seen = Seen()
    call: str | None = None
    unsaved: bool = False
    retry_at: datetime | None = None
    reversed: bool = False

    @property
    def charged(self) -> bool:
        """Whether the call can be on the invoice; see `is_charged`."""
        return is_charged(self.code, self.pricing_strategy)

    @property
    def settled(self) -> bool:
        """Whether to remember it for good: a charged answer, or a verdict.

        The ledger has unknown outcomes and reversed calls (a record needs the fingerprint of its ledger row, by which
        an erasure finds it). A free refusal may pass.
        """
        if self.code == OUTCOME_UNKNOWN or self.reversed:
            return False
        return self.charged or comparison_code(self.code).meaning is Meaning.RETAKE

    @property
    def paid_but_stated_free(self) -> bool:
        """Whether the API stated FREE under a paid code."""
        return is_paid_but_stated_free(self.code, self.pricing_strategy)

    def turned_round(self) -> "Outcome":
        """Return the outcome with the pictures' roles swapped; faces have no order."""
        return self.model_copy(update={"first": self.second, "second": self.first, "reversed": not self.reversed})


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


def verdict(outcome: Outcome, policy: Policy) -> tuple[Verdict, tuple[Role, ...]]:
    """Return the verdict and the pictures to take again. An error is never a REJECT."""
    code = comparison_code(outcome.code)
    if code.meaning is Meaning.JUDGE and outcome.similarity is not None:
        return policy.judge(outcome.similarity), ()
    if code.meaning is Meaning.RETAKE:
        other: dict[Role, Role] = {"first": "second", "second": "first"}
        return Verdict.RETAKE, tuple(other[role] for role in code.retake) if outcome.reversed else code.retake
    return Verdict.UNDETERMINED, ()
