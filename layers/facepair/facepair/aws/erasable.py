"""What an erasure deletes: versions of pictures, rows, records, and what the ledger says of faces."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import batched
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from facepair.aws.clients import aws_errors, condition_failed
from facepair.aws.in_flight import marker_id
from facepair.aws.ledger import CallsTable
from facepair.aws.record_id import record_id
from facepair.aws.review import decision_id, opinions_id
from facepair.aws.transactions import through_conflicts
from facepair.aws.uploads import ImagesBucket
from facepair.domain import clock
from facepair.domain.erasure import Charged, Record
from facepair.domain.history import Version
from facepair.domain.ledger import State
from facepair.domain.pair import Names, split
from facepair.domain.retry import Unavailable
from facepair.domain.row import Row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

BATCH = 1000
"""S3's limit of a DeleteObjects."""
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that an S3 key may have and XML 1.0 may not."""
SECOND = timedelta(seconds=1)
OF_FACES = ("similarity", "outcome")
"""Attributes of the ledger that say something of faces: similarity, positions, what was changed in the pictures."""


def delete_versions(s3: "S3Client", bucket: str, versions: Iterable[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
    """Delete versions, by key and version id, and yield S3's error for each that it refuses.

    A key with a character that XML cannot hold is deleted by itself: S3 refuses a whole batch with such a key.
    """
    for batch in batched(versions, BATCH, strict=False):
        for key, version_id in batch:
            if NOT_IN_XML.search(key):
                s3.delete_object(Bucket=bucket, Key=key, VersionId=version_id)
        named: Any = [{"Key": key, "VersionId": version} for key, version in batch if not NOT_IN_XML.search(key)]
        if named:
            yield from s3.delete_objects(Bucket=bucket, Delete={"Objects": named, "Quiet": True}).get("Errors", [])


class PictureVersions:
    """A facepair.use_cases.erase.Pictures."""

    def __init__(self, s3: "S3Client", bucket: str, names: Names) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._images = ImagesBucket(s3, bucket, names)

    @aws_errors()
    def now(self) -> datetime:
        """The second that it is by S3's own clock: the local one may go wrong by minutes."""
        answer = self._s3.list_object_versions(Bucket=self._bucket, MaxKeys=1)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def versions(self, pair_id: str, until: datetime) -> list[Version]:
        """What lies in the pair's folder itself and was uploaded in that second or before it."""
        return [each for each in self._images.versions(pair_id) if each.upload.last_modified < until + SECOND]

    def pair_ids(self, prefix: str) -> Iterator[str]:
        """Pairs below a prefix of which there is any version; some more than once."""
        with aws_errors():
            pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=prefix)
            for each in (
                each for page in pages for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ):
                pair_id, _ = split(each["Key"])
                if pair_id.startswith(prefix):
                    yield pair_id

    @aws_errors()
    def delete(self, versions: Sequence[Version]) -> None:
        """Delete versions for good. Raises Unavailable if S3 did not delete them all."""
        refused = list(
            delete_versions(self._s3, self._bucket, ((each.upload.key, each.version_id) for each in versions))
        )
        if refused:
            reason = f"{refused[0].get('Code')}: {refused[0].get('Message')}"
            raise Unavailable(f"S3 refused to delete {len(refused)} of {len(versions)} versions: {reason}")

    @aws_errors()
    def abort(self, pair_id: str, until: datetime) -> int:
        """Give up uploads in parts that were begun in that second or before it; how many."""
        count = 0
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=f"{pair_id}/")
        for each in (each for page in pages for each in page.get("Uploads", [])):
            if split(each["Key"])[0] == pair_id and each["Initiated"] < until + SECOND:
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"])
                count += 1
        return count


class ErasableRows:
    """A facepair.use_cases.erase.Rows."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def take(self, pair_id: str, until: datetime) -> Row | None:
        """Delete the pair's row if it speaks of uploads of that second or before it; the row."""
        earlier = Attr("uploaded_at").not_exists() | Attr("uploaded_at").lt(clock.iso(until + SECOND))
        try:
            taken = through_conflicts(
                lambda: self._table.delete_item(
                    Key={"pair_id": pair_id},
                    ConditionExpression=Attr("pair_id").exists() & earlier,
                    ReturnValues="ALL_OLD",
                )
            )
        except ClientError as error:
            if condition_failed(error):
                return None
            raise
        return Row.from_item(taken["Attributes"])

    def pair_ids(self, prefix: str) -> Iterator[str]:
        """Pairs below a prefix that have a row: a scan of the whole table."""
        yield from _scanned(self._table, prefix)


class ErasableCalls:
    """A facepair.use_cases.erase.Charges."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def of_pair(self, pair_id: str) -> list[Charged]:
        """All rows of a pair."""
        return [_charged(item) for item in CallsTable(self._table).rows_of_pair(pair_id)]

    def strip(self, charged: Charged, moment: datetime) -> None:
        """Take out of a row what describes faces; whoever completes it later leaves that out too."""
        self._update(
            charged,
            "SET #erased_at = :erased_at REMOVE " + ", ".join(f"#{name}" for name in OF_FACES),
            ExpressionAttributeNames={f"#{name}": name for name in ("erased_at", *OF_FACES)},
            ExpressionAttributeValues={":erased_at": clock.iso(moment)},
        )

    def forget(self, charged: Charged) -> None:
        """Take out what identifies the contents too: the end of an erasure."""
        self._update(charged, "REMOVE fingerprint")

    def pair_ids(self, prefix: str) -> Iterator[str]:
        """Pairs below a prefix of which the ledger still says something: a scan of the whole table."""
        yield from _scanned(self._table, prefix, Attr("fingerprint").exists())

    @aws_errors()
    def _update(self, charged: Charged, expression: str, **values: Any) -> None:
        through_conflicts(
            lambda: self._table.update_item(
                Key={"pair_id": charged.pair_id, "call": charged.call},
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(pair_id)",  # it may have expired meanwhile
                **values,
            )
        )


class ErasableRecords:
    """A facepair.use_cases.erase.Records over IdempotencyTable."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    @aws_errors()
    def take(self, fingerprint: str) -> Record | None:
        """Delete the record of two contents, with the opinions and the decision about them, and return the record."""
        for each in (opinions_id(fingerprint), decision_id(fingerprint)):
            self._table.delete_item(Key={"id": each})
        taken = self._table.delete_item(Key={"id": record_id(fingerprint)}, ReturnValues="ALL_OLD").get("Attributes")
        if taken is None:
            return None
        if taken.get("status") != "INPROGRESS":
            return Record(in_progress_until=None)
        milliseconds = float(str(taken.get("in_progress_expiration", 0)))
        return Record(in_progress_until=datetime.fromtimestamp(milliseconds / 1000, UTC))

    @aws_errors()
    def unmark(self, objects: str) -> None:
        """Delete the mark of a pair's objects."""
        self._table.delete_item(Key={"id": marker_id(objects)})


def _charged(item: Mapping[str, Any]) -> Charged:
    return Charged(
        pair_id=item["pair_id"],
        call=item["call"],
        state=State(item["state"]),
        sent_at=clock.parse(item["sent_at"]),
        alive_until=clock.parse(item["alive_until"]),
        fingerprint=item.get("fingerprint", ""),
        transaction_id=item.get("transaction_id"),
        erased="erased_at" in item,
        tells=any(name in item for name in OF_FACES),
    )


def _scanned(table: "Table", prefix: str, also: ConditionBase | None = None) -> Iterator[str]:
    below: ConditionBase = Attr("pair_id").begins_with(prefix)
    scan: dict[str, Any] = {
        "FilterExpression": below & also if also else below,
        "ProjectionExpression": "pair_id",
    }
    while True:
        with aws_errors():
            page = table.scan(**scan)
        yield from (str(item["pair_id"]) for item in page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]
