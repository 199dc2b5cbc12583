"""What comes in messages: S3's notifications, read with no more assumptions than needed.

Powertools' models reject `s3:TestEvent` and odd source addresses, and leave keys URL-encoded.
"""

import json
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote_plus

from pydantic import BaseModel, Field


class Malformed(Exception):
    """A message that is no notification; the exception says why."""


@dataclass(frozen=True)
class CreatedObject:
    """An object that a message says was created; `etag` where it says so."""

    key: str
    etag: str | None = None


class _Object(BaseModel):
    key: str
    etag: object = Field(None, alias="eTag")  # used if it is a text: an odd one must not cost the message

    def created(self) -> CreatedObject:
        etag = self.etag if isinstance(self.etag, str) else None
        return CreatedObject(unquote_plus(self.key, errors="strict"), etag)


class _S3(BaseModel):
    object: _Object


class _Record(BaseModel):
    event_name: str = Field("", alias="eventName")
    s3: _S3 | None = None


class _Notification(BaseModel):
    records: list[_Record] = Field([], alias="Records")
    event: object = Field(None, alias="Event")


def created_objects(body: str) -> list[CreatedObject]:
    """The objects that a message says were created; none for a test event, a deletion and the like.

    Raises Malformed for anything that is not a JSON object of that form.
    """
    try:
        notification = _Notification.model_validate_json(body)
        return [
            record.s3.object.created()
            for record in notification.records
            if record.s3 and record.event_name.startswith("ObjectCreated:")
        ]
    except ValueError as error:
        raise Malformed(f"not an S3 notification: {body[:200]!r}") from error


def is_in_foreign_envelope(body: str) -> bool:
    """Return whether a message is JSON, but neither S3's notification nor its test event.

    SNS wraps notifications as text, and EventBridge has a format of its own. Uploads in them are not read.
    """
    notification = _Notification.model_validate_json(body)
    return "records" not in notification.model_fields_set and notification.event != "s3:TestEvent"


def created_notification(key: str, etag: str) -> str:
    """The message that S3 sends for a created object, as far as `created_objects` reads it."""
    created = {"key": quote_plus(key, safe="/"), "eTag": etag}
    record = {"eventName": "ObjectCreated:Missed", "s3": {"object": created}}
    return json.dumps({"Records": [record]})
