"""The images bucket: what is found, and that exactly that is read."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from facepair.aws.uploads import ImagesBucket
from facepair.domain.pair import Names
from facepair.domain.retry import Later, Unreadable
from tests.support.resources import Resources


class Bucket:
    """The images bucket as uploaders use it."""

    def __init__(self, deployed: Resources) -> None:
        self._s3: Any = deployed.client("s3")
        self.name = deployed.outputs["ImagesBucket"]
        self.uploads = ImagesBucket(self._s3, self.name, Names("first", "second"))

    def put(self, key: str, content: bytes = b"picture", **options: str) -> str:
        version: str = self._s3.put_object(Bucket=self.name, Key=key, Body=content, **options)["VersionId"]
        return version

    def put_in_parts(self, key: str, *parts: bytes, **options: str) -> None:
        upload: dict[str, Any] = {"Bucket": self.name, "Key": key}
        upload["UploadId"] = self._s3.create_multipart_upload(**upload, **options)["UploadId"]
        done = [
            {"PartNumber": number, "ETag": self._s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
            for number, part in enumerate(parts, start=1)
        ]
        self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self.name, Key=key)


@pytest.fixture
def bucket(deployed: Resources) -> Bucket:
    return Bucket(deployed)


def test_both_pictures_are_found_with_what_identifies_them(bucket: Bucket, pair_id: str) -> None:
    bucket.put(f"{pair_id}/FIRST.JPG", b"one")
    bucket.put(f"{pair_id}/second", b"other")

    pair = bucket.uploads.find(pair_id)

    assert pair.first is not None
    assert pair.second is not None
    assert (pair.first.key, pair.first.size) == (f"{pair_id}/FIRST.JPG", 3)
    assert pair.first.etag.isalnum()
    assert pair.uploaded_at <= pair.listed_at


def test_a_pair_does_not_see_the_pictures_of_pairs_in_or_beside_its_folder(bucket: Bucket, pair_id: str) -> None:
    bucket.put(f"{pair_id}/first.jpg")
    for other in (f"{pair_id}/b", f"{pair_id}x", f"{pair_id}/"):
        bucket.put(f"{other}/second.jpg")
    bucket.put(f"{pair_id}/")

    pair = bucket.uploads.find(pair_id)

    assert pair.missing == ["second"]


@pytest.mark.parametrize(
    "folder", ["plus + and space", "percent %41 %2F", "Üñïçødé 安娜 🎉", "a//b", "dots/../x", "&<>\"'"]
)
def test_a_pair_is_found_whatever_its_name(bucket: Bucket, pair_id: str, folder: str) -> None:
    bucket.put(f"{pair_id}/{folder}/first.jpg", b"one")
    bucket.put(f"{pair_id}/{folder}/second.jpg")

    pair = bucket.uploads.find(f"{pair_id}/{folder}")

    assert pair.first is not None
    assert pair.missing == []
    assert bucket.uploads.read(pair.first)[0] == b"one"


def test_an_empty_or_missing_folder_has_no_pair(bucket: Bucket, pair_id: str) -> None:
    assert bucket.uploads.find(pair_id).missing == ["first", "second"]


def test_a_picture_is_read_with_its_version(bucket: Bucket, pair_id: str) -> None:
    version = bucket.put(f"{pair_id}/first.jpg", b"one")
    first = bucket.uploads.find(pair_id).uploads["first"]

    assert bucket.uploads.read(first) == (b"one", version)
    assert bucket.uploads.version(first) == version


def test_a_multipart_upload_is_read_like_any_other(bucket: Bucket, pair_id: str) -> None:
    bucket.put_in_parts(f"{pair_id}/first.jpg", bytes(5 * 1024 * 1024), b"end")

    first = bucket.uploads.find(pair_id).uploads["first"]

    assert "-2" in first.etag
    assert bucket.uploads.read(first)[0].endswith(b"end")


def test_the_content_is_known_of_what_was_uploaded_with_a_checksum_of_the_whole(
    bucket: Bucket, pair_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "picture"
    file.write_bytes(b"one")
    checksum = hashlib.sha256(b"one").hexdigest()
    bucket.uploads.upload(f"{pair_id}/a + %/first.jpg", file, checksum)
    bucket.put(f"{pair_id}/a + %/second.jpg", b"one")
    bucket.put_in_parts(f"{pair_id}/b/first.jpg", bytes(5 * 1024 * 1024), b"end", ChecksumAlgorithm="SHA256")

    pair, in_parts = bucket.uploads.find(f"{pair_id}/a + %"), bucket.uploads.find(f"{pair_id}/b")

    assert bucket.uploads.holds(pair.uploads["first"], checksum)
    assert not bucket.uploads.holds(pair.uploads["first"], hashlib.sha256(b"other").hexdigest())
    assert not bucket.uploads.holds(pair.uploads["second"], checksum)
    assert not bucket.uploads.holds(
        in_parts.uploads["first"], hashlib.sha256(bytes(5 * 1024 * 1024) + b"end").hexdigest()
    )


@pytest.mark.parametrize("look", [ImagesBucket.read, ImagesBucket.version])
def test_a_picture_overwritten_since_it_was_found_is_left_to_the_newer_event(
    bucket: Bucket, pair_id: str, look: Any
) -> None:
    bucket.put(f"{pair_id}/first.jpg", b"one")
    first = bucket.uploads.find(pair_id).uploads["first"]
    bucket.put(f"{pair_id}/first.jpg", b"two")

    with pytest.raises(Later, match=r"first\.jpg was overwritten or deleted"):
        look(bucket.uploads, first)


@pytest.mark.parametrize("look", [ImagesBucket.read, ImagesBucket.version])
def test_a_picture_that_was_deleted_since_it_was_found_is_tried_again(bucket: Bucket, pair_id: str, look: Any) -> None:
    bucket.put(f"{pair_id}/first.jpg", b"one")
    first = bucket.uploads.find(pair_id).uploads["first"]
    bucket.delete(f"{pair_id}/first.jpg")

    with pytest.raises(Later, match="deleted"):
        look(bucket.uploads, first)


def test_a_picture_in_an_archive_is_unreadable_until_it_is_restored(bucket: Bucket, pair_id: str) -> None:
    bucket.put(f"{pair_id}/first.jpg", StorageClass="GLACIER")
    first = bucket.uploads.find(pair_id).uploads["first"]

    with pytest.raises(Unreadable, match="InvalidObjectState"):
        bucket.uploads.read(first)
    bucket.put(f"{pair_id}/first.jpg")
    assert bucket.uploads.read(first)[0] == b"picture"


def test_the_same_content_uploaded_again_is_still_what_was_found(bucket: Bucket, pair_id: str) -> None:
    bucket.put(f"{pair_id}/first.jpg", b"one")
    first = bucket.uploads.find(pair_id).uploads["first"]
    bucket.put(f"{pair_id}/first.jpg", b"one")

    assert bucket.uploads.read(first)[0] == b"one"


def test_the_whole_bucket_is_listed_in_order_from_any_key_on(bucket: Bucket, pair_id: str) -> None:
    keys = [f"zz/{pair_id}/{number:02}/first.jpg" for number in range(5)]
    for key in keys:
        bucket.put(key)

    assert [upload.key for upload in bucket.uploads.all(after=keys[1]) if pair_id in upload.key] == keys[2:]
    everything = [upload.key for upload in bucket.uploads.all(after="")]
    assert [key for key in everything if key in keys] == keys
    assert everything == sorted(everything)
