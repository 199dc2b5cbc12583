"""Versions are deleted in batches, except for keys that XML cannot hold."""

import xml.etree.ElementTree as Xml
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from facepair.aws.erasable import delete_versions

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Bucket:
    """An S3 client that accepts only batches that are valid XML."""

    def __init__(self) -> None:
        self.deleted: list[str] = []
        self.requests = 0
        self.client = boto3.client("s3")
        answer: Any = self._answer
        self.client.meta.events.register("before-send.s3", answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        self.requests += 1
        if request.method == "POST":
            keys = Xml.fromstring(request.body).iter(f"{NAMESPACE}Key")
            self.deleted += [each.text or "" for each in keys]
            answer = b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'
        else:
            self.deleted.append(request.url)
            answer = b""
        return AWSResponse(request.url, 200, {}, _Raw(answer))  # type: ignore[arg-type]


class _Raw:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> list[bytes]:
        return [self._content]


@pytest.mark.parametrize("odd", ["p\x08\x1bx/first.jpg", "p\uffff/first.jpg"])
def test_a_key_that_xml_cannot_hold_is_deleted_by_itself(odd: str) -> None:
    bucket = Bucket()
    plain = ["a/first.jpg", "b\n<&>/first.jpg", "é\u202e/second.jpg"]

    refused = list(delete_versions(bucket.client, "bucket", [(key, "v1") for key in [*plain, odd]]))

    assert refused == []
    assert bucket.deleted[1:] == plain
    assert "versionId=v1" in bucket.deleted[0]
    assert bucket.requests == 2


def test_many_versions_are_deleted_a_thousand_at_a_time() -> None:
    bucket = Bucket()

    list(delete_versions(bucket.client, "bucket", [(f"{number}", "v") for number in range(2_500)]))

    assert (bucket.requests, len(bucket.deleted)) == (3, 2_500)
