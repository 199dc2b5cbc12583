"""What comes by a function's URL under IAM (payload format 2.0), and what is answered.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


def caller(event: Mapping[str, Any]) -> str:
    """The ARN of who calls, as AWS has found it. Raises KeyError for an event that came in another way."""
    return str(event["requestContext"]["authorizer"]["iam"]["userArn"])


def body(event: Mapping[str, Any]) -> str:
    """Return what was posted, as text; bytes that are not UTF-8 are replaced, so that the request is refused."""
    posted = str(event.get("body", ""))
    return base64.b64decode(posted).decode(errors="replace") if event.get("isBase64Encoded") else posted


def answer(said: object, status: HTTPStatus = HTTPStatus.OK) -> dict[str, Any]:
    """The response, in JSON."""
    headers = {"Content-Type": "application/json"}
    return {"statusCode": int(status), "headers": headers, "body": json.dumps(said)}


def refusal(reason: str) -> dict[str, Any]:
    """The response to what cannot be understood."""
    return answer({"message": reason}, HTTPStatus.BAD_REQUEST)
