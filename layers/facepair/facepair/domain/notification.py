"""Parse S3's notifications leniently.

Powertools' models reject `s3:TestEvent` and unusual source addresses, and leave keys URL-encoded.
"""

import json
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote_plus

from pydantic import BaseModel, Field


class Malformed(Exception):
    """A message is not a notification; the exception says why."""


@dataclass(frozen=True)
class CreatedObject:
    """An object whose creation was notified; `etag` if given."""

    key: str
    etag: str | None = None


class _Object(BaseModel):
    key: str
    etag: object = Field(None, alias="eTag")  # ignored unless it is text, as an odd ETag must not reject the message

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
    """Return the created objects; none for test events, deletions and the like.

    Raises Malformed unless the body is such a JSON object.
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
    """Return whether a body is JSON but neither S3's notification nor its test event.

    SNS and EventBridge wrap notifications in formats that are not read.
    """
    notification = _Notification.model_validate_json(body)
    return "records" not in notification.model_fields_set and notification.event != "s3:TestEvent"


def created_notification(key: str, etag: str) -> str:
    """Return an S3 notification with the fields that `created_objects` reads."""
    created = {"key": quote_plus(key, safe="/"), "eTag": etag}
    record = {"eventName": "ObjectCreated:Missed", "s3": {"object": created}}
    return json.dumps({"Records": [record]})
