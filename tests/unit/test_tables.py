"""DynamoDB in several threads, and when it throttles a read of several items."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from boto3.dynamodb.conditions import Attr, Equals

from facepair.aws.batch_get import PAUSES, batch_get
from facepair.aws.tables import tables_of
from facepair.domain.retry import Unavailable


class BuiltMeanwhile(Equals):
    """A condition during whose building another thread makes a request."""

    meanwhile: Callable[[], object]

    def get_expression(self) -> Any:
        type(self).meanwhile()
        return super().get_expression()


def test_a_condition_is_not_confused_with_one_that_is_built_at_the_same_time() -> None:
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    tables = tables_of(session)
    events: Any = tables.meta.client.meta.events
    sent: list[dict[str, Any]] = []
    events.register("before-parameter-build", lambda params, **_: sent.append(dict(params)))
    events.register("before-call", lambda **_: (Sent(), {}))
    table = tables.Table("table")

    BuiltMeanwhile.meanwhile = lambda: table.get_item(Key={"id": "other"})

    condition = Attr("a").eq(1) & BuiltMeanwhile(Attr("b"), 2) & Attr("c").eq(3)
    table.delete_item(Key={"id": "1"}, ConditionExpression=condition)

    [request] = [each for each in sent if "ConditionExpression" in each]
    assert sorted(request["ExpressionAttributeNames"].values()) == ["a", "b", "c"]


class Sent:
    """An HTTP response."""

    status_code = 200


class Throttling:
    """Leaves out every key for so many requests."""

    def __init__(self, requests: int) -> None:
        self._left = requests

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self._left -= 1
        if self._left >= 0:
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        return {"Responses": {"table": [{"id": "1"}]}, "UnprocessedKeys": {}}


def read(requests_throttled: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[float]]:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    tables: Any = Throttling(requests_throttled)
    return batch_get(tables, {"table": {"Keys": [{"id": "1"}]}}), pauses


def test_items_that_were_left_out_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    found, pauses = read(3, monkeypatch)

    assert found == {"table": [{"id": "1"}]}
    assert pauses == list(PAUSES[:3])


def test_items_that_are_left_out_again_and_again_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match="items of table"):
        read(100, monkeypatch)
