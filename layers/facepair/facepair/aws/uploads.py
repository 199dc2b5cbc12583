"""The images bucket."""

import base64
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, error_code
from facepair.domain import clock
from facepair.domain.history import Version
from facepair.domain.pair import Names, Pair, Upload, split
from facepair.domain.retry import Later, Unreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import DeleteMarkerEntryTypeDef, ObjectTypeDef, ObjectVersionTypeDef

_REFUSED = {"InvalidObjectState", "AccessDenied", "403"}
_CHANGED = {"PreconditionFailed", "412", "NoSuchKey", "NoSuchVersion", "404", "ConditionalRequestConflict"}


class ImagesBucket:
    """The `Uploads` port over ImagesBucket, and the command line's `Drop`.

    Pictures are under `<pair id>/<first or second>.<ext>`.
    """

    def __init__(self, s3: "S3Client", bucket: str, names: Names) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._names = names

    @aws_errors()
    def find(self, pair_id: str) -> Pair:
        """Return the pair as it is in the bucket now, whatever the event said: S3 listings are consistent.

        The delimiter keeps the pictures of pair `a/b` out of pair `a`.
        """
        listed_at = clock.now()
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{pair_id}/", Delimiter="/"
        )
        found = (
            _upload(each) for page in pages for each in page.get("Contents", []) if split(each["Key"])[0] == pair_id
        )
        return Pair.among(pair_id, found, self._names, listed_at)

    def versions(self, pair_id: str) -> list[Version]:
        """Return all object versions and delete markers in the pair's folder, oldest first."""
        return self.dated_versions(pair_id)[1]

    @aws_errors()
    def dated_versions(self, pair_id: str) -> tuple[datetime, list[Version]]:
        """Return the second of the listing, by S3's clock, and what `versions` returns."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=f"{pair_id}/", Delimiter="/"
        )
        moment, found = None, []
        for page in pages:
            moment = moment or parsedate_to_datetime(page["ResponseMetadata"]["HTTPHeaders"]["date"])
            listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            found += [self._version(each) for each in listed if split(each["Key"])[0] == pair_id]
        assert moment  # a listing has at least one page
        return moment, sorted(found, key=lambda version: (version.upload.last_modified, version.latest))

    def all(self, after: str) -> Iterator[Upload]:
        """Yield objects whose key sorts after `after`, in key order, page by page."""
        with aws_errors():
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, StartAfter=after):
                yield from map(_upload, page.get("Contents", []))

    @aws_errors()
    def read(self, upload: Upload) -> tuple[bytes, str | None]:
        try:
            got = self._s3.get_object(Bucket=self._bucket, Key=upload.key, IfMatch=f'"{upload.etag}"')
            return got["Body"].read(), got.get("VersionId")
        except ClientError as error:
            raise _changed(error, upload) from error

    @aws_errors()
    def version(self, upload: Upload) -> str | None:
        try:
            return self._s3.head_object(Bucket=self._bucket, Key=upload.key, IfMatch=f'"{upload.etag}"').get(
                "VersionId"
            )
        except ClientError as error:
            raise _changed(error, upload) from error

    @aws_errors()
    def holds(self, upload: Upload, sha256: str) -> bool:
        """Return whether an object has this SHA-256 (hex), by the checksum that S3 computed.

        False if it has none or the object has changed. An ETag is not enough: under KMS it is no digest, and MD5 has
        collisions.
        """
        try:
            head = self._s3.head_object(
                Bucket=self._bucket, Key=upload.key, IfMatch=f'"{upload.etag}"', ChecksumMode="ENABLED"
            )
        except ClientError as error:
            if error_code(error) in _CHANGED:
                return False
            raise
        return head.get("ChecksumSHA256") == _base64(sha256)

    @aws_errors()
    def upload(self, key: str, file: Path, sha256: str) -> str:
        """Upload a file if its content still has this SHA-256. Return the new object's ETag. Raises OSError."""
        with file.open("rb") as content:
            put = self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=_base64(sha256),
            )
        return put["ETag"].strip('"')

    def _version(self, listed: "ObjectVersionTypeDef | DeleteMarkerEntryTypeDef") -> Version:
        key, etag, size = listed["Key"], str(listed.get("ETag", "")).strip('"'), int(str(listed.get("Size", 0)))
        return Version(
            Upload(key, etag, size, listed["LastModified"]),
            version_id=listed["VersionId"],
            role=self._names.role(key),
            latest=listed["IsLatest"],
            deleted="ETag" not in listed,
        )


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()


def _upload(listed: "ObjectTypeDef") -> Upload:
    return Upload(listed["Key"], listed["ETag"].strip('"'), listed["Size"], listed["LastModified"])


def _changed(error: ClientError, upload: Upload) -> Exception:
    if error_code(error) in _CHANGED:
        return Later(f"{upload.key} was overwritten or deleted while it was read")
    if error_code(error) in _REFUSED or error_code(error).startswith("KMS"):
        return Unreadable(error_code(error))
    return error
