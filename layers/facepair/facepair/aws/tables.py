"""DynamoDB tables for several threads."""

from typing import TYPE_CHECKING, Any

from boto3.dynamodb.transform import TransformationInjector
from botocore.config import Config

from facepair.aws.clients import PATIENT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import DynamoDBServiceResource


def tables_of(session: Any, config: Config = PATIENT, **where: Any) -> "DynamoDBServiceResource":
    """Return a DynamoDB resource whose tables several threads may use.

    boto3 numbers the placeholders of all conditions with one counter per resource, so conditions that two threads build
    at once would get each other's names. Here each request has its own counter.
    """
    tables: DynamoDBServiceResource = session.resource("dynamodb", config=config, **where)
    tables.meta.client.meta.events.register_first("before-parameter-build.dynamodb", _build_conditions)
    return tables


def _build_conditions(params: dict[str, Any], model: Any, **_: Any) -> None:
    TransformationInjector().inject_condition_expressions(params, model)
