"""Requests and responses of a function URL with IAM authorization (payload format 2.0).

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


def caller(event: Mapping[str, Any]) -> str:
    """Return the caller's ARN, as verified by AWS. Raises KeyError for an event from another source."""
    return str(event["requestContext"]["authorizer"]["iam"]["userArn"])


def body(event: Mapping[str, Any]) -> str:
    """Return the body as text. Bytes that are not UTF-8 are replaced, so that the request is refused."""
    posted = str(event.get("body", ""))
    return base64.b64decode(posted).decode(errors="replace") if event.get("isBase64Encoded") else posted


def answer(said: object, status: HTTPStatus = HTTPStatus.OK) -> dict[str, Any]:
    """Return a JSON response."""
    headers = {"Content-Type": "application/json"}
    return {"statusCode": int(status), "headers": headers, "body": json.dumps(said)}


def refusal(reason: str) -> dict[str, Any]:
    """Return the response to a malformed request."""
    return answer({"message": reason}, HTTPStatus.BAD_REQUEST)
