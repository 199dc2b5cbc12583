"""Versions are deleted in batches, except for keys that XML cannot hold."""

import xml.etree.ElementTree as Xml
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote_plus, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from facepair.aws.erasable import PictureVersions, delete_versions
from facepair.domain.pair import Names

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


class Uploading:
    """An S3 client with multipart uploads in progress, listed one per page in S3's way."""

    def __init__(self, *keys: str, encodes: bool) -> None:
        self.keys = sorted(keys)
        self.encodes = encodes
        self.aborted: list[str] = []
        self.client = boto3.client("s3")
        answer: Any = self._answer
        self.client.meta.events.register("before-send.s3", answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        if request.method == "DELETE":
            self.aborted.append(unquote(url.path).removeprefix("/"))
            return AWSResponse(request.url, 204, {}, _Raw(b""))  # type: ignore[arg-type]
        page = self._page({name: value for name, [value] in parse_qs(url.query).items()})
        return AWSResponse(request.url, 200, {}, _Raw(page.encode()))  # type: ignore[arg-type]

    def _page(self, asked: dict[str, str]) -> str:
        encoded = self.encodes and asked.get("encoding-type") == "url"
        named = quote_plus if encoded else escape
        left = [key for key in self.keys if key.startswith(asked["prefix"]) and key > asked.get("key-marker", "")]
        upload = "".join(
            f"<Upload><Key>{named(key)}</Key><UploadId>u</UploadId><Initiated>2026-01-31T12:00:00Z</Initiated></Upload>"
            f"<NextKeyMarker>{named(key)}</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
            for key in left[:1]
        )
        return (
            f"<ListMultipartUploadsResult><Prefix>{named(asked['prefix'])}</Prefix>{upload}"
            f"<IsTruncated>{str(len(left) > 1).lower()}</IsTruncated>"
            f"{'<EncodingType>url</EncodingType>' if encoded else ''}</ListMultipartUploadsResult>"
        )


@pytest.mark.parametrize(
    ("pair_id", "encodes"), [("a\x01b", True), ("a b+%41&é", True), ("a b+%41&é", False), ("none", True)]
)
def test_multipart_uploads_are_aborted_whatever_their_keys_contain(pair_id: str, encodes: bool) -> None:
    keys = [f"{pair_id}/first.jpg", f"{pair_id}/other +.jpg", f"{pair_id}/second.jpg"] if pair_id != "none" else []
    s3 = Uploading(*keys, f"{pair_id}/below/first.jpg", encodes=encodes)
    pictures = PictureVersions(s3.client, "bucket", Names("first", "second"))

    assert pictures.abort(pair_id, datetime(2026, 1, 31, 12, tzinfo=UTC)) == len(keys)
    assert s3.aborted == keys
