"""The API's status codes, each with its documented message and price."""

from typing import Literal, NamedTuple

type Pricing = Literal["FREE", "PAY"]


class DocumentedCode(NamedTuple):
    message: str
    pricing: Pricing


COMPARISON: dict[str, DocumentedCode] = {
    "SUCCESS": DocumentedCode("OK", "PAY"),
    "NO_FACE_DETECTED_FROM_FIRST_IMAGE": DocumentedCode("No Face detected from the uploaded first picture", "PAY"),
    "NO_FACE_DETECTED_FROM_SECOND_IMAGE": DocumentedCode("No Face detected from the uploaded second picture", "PAY"),
    "FIRST_IMAGE_LOW_QUALITY_FACE": DocumentedCode("Face quality is too low of the uploaded first picture", "PAY"),
    "SECOND_IMAGE_LOW_QUALITY_FACE": DocumentedCode("Face quality is too low of the uploaded second picture", "PAY"),
    "IMAGE_INVALID_FORMAT": DocumentedCode(
        "Invalid image format, image format should be one of jpeg/jpg/png, "
        "and request content type should be image/jpeg or image/png",
        "FREE",
    ),
    "IMAGE_INVALID_SIZE": DocumentedCode(
        "Invalid image size, max image size should be less than 2M, "
        "and image dimension should be between 256 * 256 and 4096 * 4096",
        "FREE",
    ),
}

TOKEN: dict[str, DocumentedCode] = {
    "SUCCESS": DocumentedCode("OK", "FREE"),
    "ACCOUNT_DISABLED": DocumentedCode("Account Disabled", "FREE"),
}

GLOSSARY: dict[str, DocumentedCode] = {
    "ERROR": DocumentedCode("Server error", "FREE"),
    "EMPTY_PARAMETER_ERROR": DocumentedCode("Parameter should not be empty", "FREE"),
    "INSUFFICIENT_BALANCE": DocumentedCode(
        "Insufficient balance, please top up or contact your sales manager for help", "FREE"
    ),
    "SERVICE_BUSY": DocumentedCode(
        "Rate limit is exceeded, please retry after the suggested time in HTTP Header.", "FREE"
    ),
    "IAM_FAILED": DocumentedCode("Access denied: Token not found or expired", "FREE"),
    "PARAMETER_ERROR": DocumentedCode("Parameter should not be empty", "FREE"),
    "OVER_QUERY_LIMIT": DocumentedCode(
        "Quota exceeded. you have exceeded free query quota, please contact your sales manager for help", "FREE"
    ),
    "CLIENT_ERROR": DocumentedCode("HTTP 400 - Bad Request", "FREE"),
    "RETRY_LATER": DocumentedCode("Query failed, please retry after the suggested time in HTTP Header.", "FREE"),
}


def documented(endpoint: str, code: str) -> DocumentedCode:
    """Return the documentation of a code at an endpoint; an unknown code is free, with itself as message."""
    own = TOKEN if endpoint == "token" else COMPARISON
    return own.get(code) or GLOSSARY.get(code) or {**COMPARISON, **TOKEN}.get(code) or DocumentedCode(code, "FREE")
