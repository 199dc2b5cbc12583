"""An answer becomes a verdict: every code of the API, and every code of our own, in one table."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, auto
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from facepair.domain.pair import ROLES, Role


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
"""For the same two uploads a row may only change to a verdict that is as certain or more."""
FINAL = frozenset(verdict for verdict, certainty in CERTAINTY.items() if certainty == 3)
"""Verdicts that stand until one of the two pictures is uploaded anew."""

OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
"""Called, perhaps charged, no answer."""
API_NOT_ANSWERING = "API_NOT_ANSWERING"
"""The fleet has stopped calling: too many calls in a row went unanswered."""
BAD_ANSWER = "BAD_ANSWER"
"""An answer that breaks the API's contract."""
NETWORK_ERROR = "NETWORK_ERROR"
"""The API was never reached."""
CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
"""The secret, or what generate-token says of it."""
TOO_LITTLE_TIME = "TOO_LITTLE_TIME"
"""The worker would not have lived to hear the answer, so it did not call."""
PICTURE_UNREADABLE = "PICTURE_UNREADABLE"
"""S3 refuses to return a picture: it is archived, or encrypted with a key that may not be used."""
WORKER_DIED = "WORKER_DIED"
"""The pair has ended every worker that took it."""
PICTURES_DELETED = "PICTURES_DELETED"
"""A picture was deleted or expired while the pair was PENDING."""
BUSY_CODES = frozenset({"SERVICE_BUSY", "RETRY_LATER"})
"""Refusals of a call that came too fast."""


class Meaning(StrEnum):
    """What a code asks us to do."""

    JUDGE = auto()  # the similarity decides
    RETAKE = auto()  # a picture cannot be used
    RETRY = auto()  # surely not charged: the same request, later
    BLOCKED = auto()  # the account is refused: the fleet makes no calls for a while
    RENEW_TOKEN = auto()  # the token is refused: get another one, then BLOCKED
    HOLD = auto()  # no verdict, and no safe way to go on alone


@dataclass(frozen=True)
class Code:
    """One row of the table: what a code means, what it costs by the documentation, which pictures it speaks of."""

    meaning: Meaning
    pricing: Literal["FREE", "PAY"]
    retake: tuple[Role, ...] = ()


# Sources: the API documentation's status codes of Face Comparison and its Glossary ("may appear in all responses").
COMPARISON_CODES = {
    "SUCCESS": Code(Meaning.JUDGE, "PAY"),
    "NO_FACE_DETECTED_FROM_FIRST_IMAGE": Code(Meaning.RETAKE, "PAY", ("first",)),
    "NO_FACE_DETECTED_FROM_SECOND_IMAGE": Code(Meaning.RETAKE, "PAY", ("second",)),
    "FIRST_IMAGE_LOW_QUALITY_FACE": Code(Meaning.RETAKE, "PAY", ("first",)),
    "SECOND_IMAGE_LOW_QUALITY_FACE": Code(Meaning.RETAKE, "PAY", ("second",)),
    "IMAGE_INVALID_FORMAT": Code(Meaning.RETAKE, "FREE", ROLES),  # the API does not say which picture
    "IMAGE_INVALID_SIZE": Code(Meaning.RETAKE, "FREE", ROLES),
    "ERROR": Code(Meaning.RETRY, "FREE"),
    "SERVICE_BUSY": Code(Meaning.RETRY, "FREE"),
    "RETRY_LATER": Code(Meaning.RETRY, "FREE"),
    "INSUFFICIENT_BALANCE": Code(Meaning.BLOCKED, "FREE"),
    "OVER_QUERY_LIMIT": Code(Meaning.BLOCKED, "FREE"),
    "ACCOUNT_DISABLED": Code(Meaning.BLOCKED, "FREE"),
    "IAM_FAILED": Code(Meaning.RENEW_TOKEN, "FREE"),
    "EMPTY_PARAMETER_ERROR": Code(Meaning.HOLD, "FREE"),
    "PARAMETER_ERROR": Code(Meaning.HOLD, "FREE"),
    "CLIENT_ERROR": Code(Meaning.HOLD, "FREE"),
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
OWN_CODES = frozenset(
    {
        API_NOT_ANSWERING,
        BAD_ANSWER,
        CREDENTIALS_INVALID,
        NETWORK_ERROR,
        OUTCOME_UNKNOWN,
        PICTURE_UNREADABLE,
        PICTURES_DELETED,
        TOO_LITTLE_TIME,
        WORKER_DIED,
    }
)
"""Codes that the API never answers."""
UNDOCUMENTED = Code(Meaning.HOLD, "PAY")
"""A code that is not in the documentation: never a REJECT, and charged unless it is stated FREE."""

# What generate-token answers instead of a token: free, so nothing is ever at stake but time. The code of the row is the
# API's own, or CREDENTIALS_INVALID where the API speaks of the credentials.
TOKEN_CODES = {
    "PARAMETER_ERROR": (Meaning.BLOCKED, CREDENTIALS_INVALID),  # signature error; timestamp error
    "EMPTY_PARAMETER_ERROR": (Meaning.BLOCKED, CREDENTIALS_INVALID),
    "IAM_FAILED": (Meaning.BLOCKED, CREDENTIALS_INVALID),  # access key not found or expired
    "CLIENT_ERROR": (Meaning.BLOCKED, "CLIENT_ERROR"),
    "ACCOUNT_DISABLED": (Meaning.BLOCKED, "ACCOUNT_DISABLED"),
    "INSUFFICIENT_BALANCE": (Meaning.BLOCKED, "INSUFFICIENT_BALANCE"),
    "OVER_QUERY_LIMIT": (Meaning.BLOCKED, "OVER_QUERY_LIMIT"),
    "ERROR": (Meaning.RETRY, "ERROR"),
    "SERVICE_BUSY": (Meaning.RETRY, "SERVICE_BUSY"),
    "RETRY_LATER": (Meaning.RETRY, "RETRY_LATER"),
}
DOCUMENTED_CODES = (COMPARISON_CODES.keys() | TOKEN_CODES.keys()) - OWN_CODES
"""Codes of the API's own documentation, of both endpoints."""


class Policy(BaseModel, frozen=True):
    """The thresholds in force, on the API's scale of 0 to 100."""

    pass_above: Decimal = Field(ge=0, le=100)
    reject_below: Decimal = Field(ge=0, le=100)

    @model_validator(mode="after")
    def _in_order(self) -> "Policy":
        if self.reject_below > self.pass_above:
            raise ValueError(f"RejectBelow ({self.reject_below}) must not be above PassAbove ({self.pass_above})")
        return self

    def judge(self, similarity: Decimal) -> Verdict:
        """Above 70 pass, from 55 to 70 manual check, below 55 reject (API documentation, with its thresholds)."""
        if similarity > self.pass_above:
            return Verdict.PASS
        if similarity < self.reject_below:
            return Verdict.REJECT
        return Verdict.MANUAL_CHECK


class Face(BaseModel, frozen=True):
    """Where a face is, in pixels of the uploaded picture as a viewer shows it."""

    id: str
    left: Decimal
    top: Decimal
    right: Decimal
    bottom: Decimal


class Seen(BaseModel, frozen=True):
    """One picture of an asked pair: the face that was compared, and what was changed to fit the API's limits."""

    face: Face | None = None
    adjusted: tuple[str, ...] = ()


class Outcome(BaseModel, frozen=True, hide_input_in_errors=True):
    """What asking has brought for two contents: plain JSON by `model_dump(mode="json")`, stored and used again.

    `call` is the ledger row of the call; `unsaved` says that this row could not be completed yet. `retry_at` is when
    the API wants to be asked again, where it said so. `reversed`: the API was sent the second picture as its first.
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
        """Whether it is worth remembering for good: a charged answer, or a verdict. What is uncertain the ledger knows,
        and a free refusal may be over with the next upload. So it knows what was asked the other way round: what is
        remembered has the fingerprint of a row of the ledger, by which an erasure finds it."""
        if self.code == OUTCOME_UNKNOWN or self.reversed:
            return False
        return self.charged or comparison_code(self.code).meaning is Meaning.RETAKE

    @property
    def paid_but_stated_free(self) -> bool:
        """Whether the API has stated FREE under a code that its documentation tags as paid."""
        return is_paid_but_stated_free(self.code, self.pricing_strategy)

    def turned_round(self) -> "Outcome":
        """The same outcome for the same two pictures in each other's role: faces have no order."""
        return self.model_copy(update={"first": self.second, "second": self.first, "reversed": not self.reversed})


def is_charged(code: str | None, pricing_strategy: str | None) -> bool:
    """Return whether a call can be on the invoice: the rule behind the attribute `charged` of CallsTable.

    The documented tag of the code decides. A stated PAY also makes a call charged, but a stated FREE does not make a
    paid code free: ADVANCE's newer pages call the field deprecated and always FREE. An undocumented code is charged
    unless stated FREE. A call without a code has no answer, so it may have been charged.
    """
    if code is None:
        return True
    if code not in COMPARISON_CODES:
        return not _says(pricing_strategy, "FREE")
    return COMPARISON_CODES[code].pricing == "PAY" or _says(pricing_strategy, "PAY")


def is_paid_but_stated_free(code: str | None, pricing_strategy: str | None) -> bool:
    """Return whether the answer says FREE under a code that the documentation tags as paid."""
    return code in COMPARISON_CODES and COMPARISON_CODES[code].pricing == "PAY" and _says(pricing_strategy, "FREE")


def _says(pricing_strategy: str | None, value: Literal["FREE", "PAY"]) -> bool:
    return pricing_strategy is not None and pricing_strategy.strip().upper() == value


def comparison_code(code: str) -> Code:
    """The table's row for a comparison's code."""
    return COMPARISON_CODES.get(code, UNDOCUMENTED)


def verdict(outcome: Outcome, policy: Policy) -> tuple[Verdict, tuple[Role, ...]]:
    """The verdict of an outcome, and which pictures have to be taken again. An error is never a REJECT."""
    code = comparison_code(outcome.code)
    if code.meaning is Meaning.JUDGE and outcome.similarity is not None:
        return policy.judge(outcome.similarity), ()
    if code.meaning is Meaning.RETAKE:
        other: dict[Role, Role] = {"first": "second", "second": "first"}
        return Verdict.RETAKE, tuple(other[role] for role in code.retake) if outcome.reversed else code.retake
    return Verdict.UNDETERMINED, ()
