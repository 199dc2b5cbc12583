"""What an erasure deletes: picture versions, rows, records, and the ledger's face data."""

import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import reduce
from itertools import batched
from operator import and_
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from facepair.aws.batch_get import batch_get
from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.decisions import decision_id, opinions_id
from facepair.aws.in_flight import marker_id
from facepair.aws.ledger import CallsTable, add_row
from facepair.aws.record_id import record_id
from facepair.aws.transactions import through_conflicts
from facepair.aws.uploads import ImagesBucket
from facepair.domain import clock
from facepair.domain.erasure import KEPT, SECOND, Charged, Stored
from facepair.domain.history import Version
from facepair.domain.ledger import OF_CONTENTS, OF_FACES, State
from facepair.domain.pair import ROLES, Names, Role, split
from facepair.domain.retry import Unavailable
from facepair.domain.stored_row import is_tombstone

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table
    from mypy_boto3_s3 import S3Client

BATCH = 1000
"""S3's limit for DeleteObjects."""
BATCH_GET = 100
"""DynamoDB's limit for BatchGetItem."""
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters allowed in S3 keys but not in XML 1.0."""
SAME = ("updated_at", "verdict", "fingerprint", "uploaded_at", "erased_at")
"""Attributes that together identify one write of a row."""


def delete_versions(s3: "S3Client", bucket: str, versions: Iterable[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
    """Delete versions, by key and version id, and yield S3's error for each that it refuses.

    A key with a character that XML does not allow is deleted by itself, since S3 would refuse the whole batch.
    """
    for batch in batched(versions, BATCH, strict=False):
        for key, version_id in batch:
            if NOT_IN_XML.search(key):
                s3.delete_object(Bucket=bucket, Key=key, VersionId=version_id)
        named: Any = [{"Key": key, "VersionId": version} for key, version in batch if not NOT_IN_XML.search(key)]
        if named:
            yield from s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True}).get("Errors", [])


class PictureVersions:
    """The `Pictures` port over ImagesBucket, with all versions and unfinished uploads."""

    def __init__(self, s3: "S3Client", bucket: str, names: Names) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._images = ImagesBucket(s3, bucket, names)

    def versions(self, pair_id: str) -> tuple[datetime, list[Version]]:
        moment, versions = self._images.dated_versions(pair_id)
        return moment, [each for each in versions if each.upload.last_modified < moment + SECOND]

    @aws_errors()
    def delete(self, versions: Sequence[Version]) -> None:
        """Delete versions for good. Raises Unavailable if S3 did not delete all of them."""
        refused = list(
            delete_versions(self._s3, self._bucket, ((each.upload.key, each.version_id) for each in versions))
        )
        if refused:
            reason = f"{refused[0].get('Code')}: {refused[0].get('Message')}"
            raise Unavailable(f"S3 refused to delete {len(refused)} of {len(versions)} versions: {reason}")

    @aws_errors()
    def abort(self, pair_id: str, until: datetime) -> int:
        count = 0
        for key, each in self._multipart_uploads(f"{pair_id}/"):
            if split(key)[0] == pair_id and each["Initiated"] < until + SECOND:
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=each["UploadId"])
                count += 1
        return count

    def _multipart_uploads(self, prefix: str) -> Iterator[tuple[str, Any]]:
        """Yield the uploads in progress below a prefix, each with its key.

        Keys may have characters that XML does not allow. botocore encodes those of other listings, but not of this one.
        """
        page: Any = {"IsTruncated": True}
        after: dict[str, Any] = {}
        while page.get("IsTruncated"):
            page = self._s3.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix, EncodingType="url", **after)
            decoded = unquote_plus if page.get("EncodingType") == "url" else str
            yield from ((decoded(each["Key"]), each) for each in page.get("Uploads", []))
            if page.get("IsTruncated"):
                after = {"KeyMarker": decoded(page["NextKeyMarker"]), "UploadIdMarker": page["NextUploadIdMarker"]}


class ErasableRows:
    """The `Rows` port over VerdictsTable. A tombstone has only `pair_id`, `erased_at` and `expires_at`."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def stored(self, pair_id: str) -> Stored | None:
        item = self._table.get_item(Key={"pair_id": pair_id}, ConsistentRead=True).get("Item")
        return _stored(item) if item else None

    @aws_errors()
    def entomb(self, pair_id: str, stored: Stored | None, moment: datetime) -> bool:
        if stored and stored.is_tombstone and stored.erased_at and stored.erased_at >= moment:
            return True
        tombstone: dict[str, Any] = {
            "pair_id": pair_id,
            "erased_at": clock.iso(moment),
            "expires_at": int((clock.now() + KEPT).timestamp()),
        }
        try:
            through_conflicts(
                lambda: self._table.put_item(
                    Item=tombstone,
                    ConditionExpression=_unchanged(stored),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            # botocore repeats a write whose response was lost; the repetition finds the first one.
            current: Any = error.response.get("Item", {})
            return "verdict" not in current and current.get("erased_at", {}).get("S") == tombstone["erased_at"]
        return True


def _unchanged(stored: Stored | None) -> ConditionBase:
    if stored is None:
        return Attr("pair_id").not_exists()
    same = (Attr(name).eq(stored.state[name]) if name in stored.state else Attr(name).not_exists() for name in SAME)
    return Attr("pair_id").exists() & reduce(and_, same)


def _stored(item: Mapping[str, Any]) -> Stored:
    """Return the readable part of an item, so that even a damaged one can be erased."""
    objects: dict[Role, tuple[str, str]] = {}
    for role in ROLES:
        with suppress(TypeError, KeyError):
            objects[role] = str(item[role]["key"]), str(item[role]["etag"])
    fingerprint = item.get("fingerprint")
    return Stored(
        state={name: item[name] for name in SAME if name in item},
        is_tombstone=is_tombstone(item),
        erased_at=_moment(item.get("erased_at")),
        uploaded_at=_moment(item.get("uploaded_at")),
        fingerprint=fingerprint if isinstance(fingerprint, str) and fingerprint else None,
        rests_on_call="call" in item,
        objects=objects,
    )


def _moment(value: object) -> datetime | None:
    try:
        return clock.parse(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class ErasableCalls:
    """The `Charges` port over CallsTable."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def of_pair(self, pair_id: str) -> list[Charged]:
        return [_charged(item) for item in CallsTable(self._table).rows_of_pair(pair_id)]

    @aws_errors()
    def mark(self, pair_id: str, rows: Sequence[Charged], moment: datetime, by: str) -> Charged | None:
        number = 1 + max((int(row.call) for row in rows if row.call.isdecimal()), default=0)
        item: dict[str, Any] = {
            "pair_id": pair_id,
            "call": f"{number:06d}",
            "state": State.ERASED,
            "owner": uuid.uuid4().hex,
            "erased_at": clock.iso(moment),
            "erased_by": by,
            "expires_at": int((clock.now() + KEPT).timestamp()),
        }
        return _charged(item) if add_row(self._table, item) else None

    def settle(self, mark: Charged, until: datetime) -> None:
        self._update(mark, "SET alive_until = :until", ExpressionAttributeValues={":until": clock.iso(until)})

    def strip(self, charged: Charged, moment: datetime) -> None:
        self._update(
            charged,
            "SET #erased_at = :erased_at REMOVE " + ", ".join(f"#{name}" for name in OF_FACES),
            ExpressionAttributeNames={f"#{name}": name for name in ("erased_at", *OF_FACES)},
            ExpressionAttributeValues={":erased_at": clock.iso(moment)},
        )

    def forget(self, charged: Charged) -> None:
        self._update(charged, "REMOVE " + ", ".join(OF_CONTENTS))

    @aws_errors()
    def _update(self, charged: Charged, expression: str, **values: Any) -> None:
        try:
            self._table.update_item(
                Key={"pair_id": charged.pair_id, "call": charged.call},
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(pair_id)",
                **values,
            )
        except ClientError as error:
            if not condition_failed(error):  # otherwise it has expired
                raise


class ErasableRecords:
    """The `Records` port over IdempotencyTable."""

    def __init__(self, tables: "DynamoDBServiceResource", table: str) -> None:
        self._tables = tables
        self._table = tables.Table(table)

    @aws_errors()
    def take(self, fingerprint: str) -> datetime | None:
        try:
            self._table.delete_item(
                Key={"id": record_id(fingerprint)},
                ConditionExpression="attribute_not_exists(id) OR #status <> :in_progress "
                "OR attribute_not_exists(in_progress_expiration) OR in_progress_expiration <= :now",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":in_progress": "INPROGRESS",
                    ":now": int(clock.now().timestamp() * 1000),
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not condition_failed(error):
                raise
            current: Any = error.response.get("Item")
            return clock.at(float(current["in_progress_expiration"]["N"]) / 1000)
        return None

    @aws_errors()
    def reviewed(self, fingerprints: Collection[str]) -> set[str]:
        about = {item_id(each): each for each in fingerprints for item_id in (decision_id, opinions_id)}
        found: set[str] = set()
        for ids in batched(about, BATCH_GET, strict=False):
            wanted = {
                self._table.name: {
                    "Keys": [{"id": each} for each in ids],
                    "ConsistentRead": True,
                    "ProjectionExpression": "id",
                }
            }
            found |= {about[item["id"]] for item in batch_get(self._tables, wanted)[self._table.name]}
        return found

    @aws_errors()
    def take_review(self, fingerprint: str) -> None:
        for each in (opinions_id(fingerprint), decision_id(fingerprint)):
            self._table.delete_item(Key={"id": each})

    @aws_errors()
    def unmark(self, objects: str) -> None:
        try:
            self._table.delete_item(
                Key={"id": marker_id(objects)},
                ConditionExpression="attribute_not_exists(alive_until) OR alive_until <= :now",
                ExpressionAttributeValues={":now": int(clock.now().timestamp())},
            )
        except ClientError as error:
            if not condition_failed(error):
                raise


def _charged(item: Mapping[str, Any]) -> Charged:
    """Return the readable part of a row, so that even a damaged one can be erased."""
    state = str(item.get("state"))
    return Charged(
        pair_id=item["pair_id"],
        call=item["call"],
        state=State(state) if state in {*State} else None,
        alive_until=_moment(item.get("alive_until")),
        fingerprint=str(item.get("fingerprint", "")),
        transaction_id=item.get("transaction_id"),
        earliest_upload=_moment(item.get("earliest_upload")),
        erased_at=_moment(item.get("erased_at")),
        describes_faces=any(name in item for name in OF_FACES),
    )
