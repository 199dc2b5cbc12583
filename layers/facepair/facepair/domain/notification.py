"""What comes in messages: S3's notifications, read with no more assumptions than needed.

Powertools' models reject `s3:TestEvent` and odd source addresses, and leave keys URL-encoded.
"""

import json
from urllib.parse import quote_plus, unquote_plus

from pydantic import BaseModel, Field


class Malformed(Exception):
    """A message that is no notification; the exception says why."""


class _Object(BaseModel):
    key: str


class _S3(BaseModel):
    object: _Object


class _Record(BaseModel):
    event_name: str = Field("", alias="eventName")
    s3: _S3 | None = None


class _Notification(BaseModel):
    records: list[_Record] = Field([], alias="Records")


def created_keys(body: str) -> list[str]:
    """Keys of the objects that a message says were created; none for a test event, a deletion and the like.

    Raises Malformed for anything that is not a JSON object of that form.
    """
    try:
        notification = _Notification.model_validate_json(body)
        return [
            unquote_plus(record.s3.object.key, errors="strict")
            for record in notification.records
            if record.s3 and record.event_name.startswith("ObjectCreated:")
        ]
    except ValueError as error:
        raise Malformed(f"not an S3 notification: {body[:200]!r}") from error


def created_notification(key: str) -> str:
    """The message that S3 sends for a created object, as far as `created_keys` reads it."""
    record = {"eventName": "ObjectCreated:Missed", "s3": {"object": {"key": quote_plus(key, safe="/")}}}
    return json.dumps({"Records": [record]})
