"""The verdicts table's rows as they are, by whomever they were written."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Key

from facepair.aws.clients import aws_errors
from facepair.domain import clock
from facepair.domain.change import Image
from facepair.domain.verdict import Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


class WrittenRows:
    """A facepair.stories.ports.WrittenRows over VerdictsTable and its index `by_verdict`."""

    def __init__(self, table: "Table") -> None:
        self._table = table

    def since(self, moment: datetime) -> Iterator[Image]:
        """Rows written at that moment or later, in the order of their writing, page by page."""
        return heapq.merge(*(self._of_verdict(each, moment) for each in Verdict), key=lambda image: image["updated_at"])

    def of(self, pair_ids: Iterable[str]) -> Iterator[Image]:
        """The rows of pairs, as they are at this moment; those that exist."""
        for pair_id in pair_ids:
            with aws_errors():
                item = self._table.get_item(Key={"pair_id": pair_id}, ConsistentRead=True).get("Item")
            if item:
                yield item

    def _of_verdict(self, verdict: Verdict, moment: datetime) -> Iterator[Image]:
        query: dict[str, Any] = {
            "IndexName": "by_verdict",
            "KeyConditionExpression": Key("verdict").eq(verdict) & Key("updated_at").gte(clock.iso(moment)),
        }
        while True:
            with aws_errors():
                page = self._table.query(**query)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]
