"""DynamoDB tables for several threads, and their pages."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from boto3.dynamodb.transform import TransformationInjector
from botocore.config import Config

from facepair.aws.clients import PATIENT, aws_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table


def tables_of(session: Any, config: Config = PATIENT, **where: Any) -> "DynamoDBServiceResource":
    """Return a DynamoDB resource whose tables several threads may use.

    boto3 numbers the placeholders of all conditions with one counter per resource, so conditions that two threads build
    at once would get each other's names. Here each request has its own counter.
    """
    tables: DynamoDBServiceResource = session.resource("dynamodb", config=config, **where)
    tables.meta.client.meta.events.register_first("before-parameter-build.dynamodb", _build_conditions)
    return tables


def pages(table: "Table", operation: Literal["query", "scan"], **request: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every page of a query or scan, with items as Python values. Raises Unavailable."""
    paginator: Any = table.meta.client.get_paginator(operation)
    with aws_errors():
        yield from paginator.paginate(TableName=table.name, **request)


def items(table: "Table", operation: Literal["query", "scan"], **request: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every item of a query or scan, page by page. Raises Unavailable."""
    return (item for page in pages(table, operation, **request) for item in page["Items"])


def _build_conditions(params: dict[str, Any], model: Any, **_: Any) -> None:
    TransformationInjector().inject_condition_expressions(params, model)
