"""What the codes of ADVANCE's documentation mean, and what they cost."""

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Literal

from facepair.domain.pair import ROLES, Role


class Meaning(StrEnum):
    """What to do about a code."""

    JUDGE = auto()  # the similarity decides
    RETAKE = auto()  # a picture is unusable
    RETRY = auto()  # not charged: repeat later
    BLOCKED = auto()  # the account is refused: the fleet pauses
    RENEW_TOKEN = auto()  # get another token; refused again, BLOCKED
    HOLD = auto()  # no verdict, and no safe automatic retry


@dataclass(frozen=True)
class Code:
    """A code's meaning, documented price, and the pictures to take again."""

    meaning: Meaning
    pricing: Literal["FREE", "PAY"]
    retake: tuple[Role, ...] = ()


# Sources in the API documentation: status codes of Face Comparison, and the Glossary ("may appear in all responses").
COMPARISON_CODES = {
    "SUCCESS": Code(Meaning.JUDGE, "PAY"),
    "NO_FACE_DETECTED_FROM_FIRST_IMAGE": Code(Meaning.RETAKE, "PAY", ("first",)),
    "NO_FACE_DETECTED_FROM_SECOND_IMAGE": Code(Meaning.RETAKE, "PAY", ("second",)),
    "FIRST_IMAGE_LOW_QUALITY_FACE": Code(Meaning.RETAKE, "PAY", ("first",)),
    "SECOND_IMAGE_LOW_QUALITY_FACE": Code(Meaning.RETAKE, "PAY", ("second",)),
    "IMAGE_INVALID_FORMAT": Code(Meaning.RETAKE, "FREE", ROLES),  # the API does not say which
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
}
UNDOCUMENTED = Code(Meaning.HOLD, "PAY")
"""Undocumented codes: never a REJECT, and charged unless stated FREE."""
BUSY_CODES = frozenset({"SERVICE_BUSY", "RETRY_LATER"})
"""Calls refused as too fast."""

# Codes of generate-token, which is free.
TOKEN_CODES = {
    "PARAMETER_ERROR": Meaning.BLOCKED,  # signature error; timestamp error
    "EMPTY_PARAMETER_ERROR": Meaning.BLOCKED,
    "IAM_FAILED": Meaning.BLOCKED,  # access key not found or expired
    "CLIENT_ERROR": Meaning.BLOCKED,
    "ACCOUNT_DISABLED": Meaning.BLOCKED,
    "INSUFFICIENT_BALANCE": Meaning.BLOCKED,
    "OVER_QUERY_LIMIT": Meaning.BLOCKED,
    "ERROR": Meaning.RETRY,
    "SERVICE_BUSY": Meaning.RETRY,
    "RETRY_LATER": Meaning.RETRY,
}
CREDENTIALS_CODES = frozenset({"PARAMETER_ERROR", "EMPTY_PARAMETER_ERROR", "IAM_FAILED"})
"""Codes of generate-token that are about the credentials."""
DOCUMENTED_CODES = COMPARISON_CODES.keys() | TOKEN_CODES.keys()
"""Documented codes of both endpoints."""
