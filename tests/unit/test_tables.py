"""One DynamoDB resource in several threads."""

from collections.abc import Callable
from typing import Any

import boto3
from boto3.dynamodb.conditions import Attr, Equals

from facepair.aws.tables import tables_of


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
