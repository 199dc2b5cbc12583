"""Attempts to forge a verdict, an event or an identity. AWS must deny each."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from tests.rehearsal.deployment import Deployment

type Forgery = Callable[[], object]

FUNCTIONS = ("OperateFunction", "EraseFunction", "ReviewFunction", "PublishFunction", "CompareFunction")
QUEUES = ("UploadsQueue", "DeadLetterQueue", "UnpublishedQueue", "BusDeadLetterQueue")
CALLER = {"requestContext": {"authorizer": {"iam": {"userArn": "arn:aws:iam::1:user/boss"}}}, "body": "{}"}
"""Event of a function URL, as a caller could write it."""
RECORD = {
    "eventID": "1",
    "eventName": "INSERT",
    "eventSource": "aws:dynamodb",
    "dynamodb": {"SequenceNumber": "1", "NewImage": {"pair_id": {"S": "forged"}, "verdict": {"S": "PASS"}}},
}
"""Record of the verdicts table's stream."""
ROW = {"pair_id": {"S": "one person"}}


def forgeries(deployment: Deployment, person: str) -> dict[str, Forgery]:
    """Return named attempts by a person with only the managed policy of that logical id."""
    aws = partial(deployment.aws, person=person)
    outputs = deployment.outputs
    verdicts, calls, records = (outputs[name] for name in ("VerdictsTable", "CallsTable", "IdempotencyTable"))
    event = {"EventBusName": outputs["VerdictsBus"], "Source": "facepair", "DetailType": "Verdict changed"}
    picture = {"Bucket": outputs["ImagesBucket"], "Key": "one person/first.jpg"}
    dynamodb, sqs, s3 = aws("dynamodb"), aws("sqs"), aws("s3")
    payload = json.dumps(CALLER | {"Records": [RECORD]})
    return {
        **{
            f"invoke {name}": partial(aws("lambda").invoke, FunctionName=outputs[name], Payload=payload)
            for name in FUNCTIONS
        },
        **{
            f"send to {name}": partial(sqs.send_message, QueueUrl=outputs[name], MessageBody="forged")
            for name in QUEUES
        },
        "receive a dead letter": partial(sqs.receive_message, QueueUrl=outputs["DeadLetterQueue"]),
        "publish an event": partial(aws("events").put_events, Entries=[event | {"Detail": "{}"}]),
        "write a row": partial(dynamodb.put_item, TableName=verdicts, Item=ROW),
        "change a row": _set(dynamodb, verdicts, ROW),
        "delete a row": partial(dynamodb.delete_item, TableName=verdicts, Key=ROW),
        "change the ledger": _set(dynamodb, calls, ROW | {"call": {"S": "000001"}}),
        "delete a call": partial(dynamodb.delete_item, TableName=calls, Key=ROW | {"call": {"S": "000001"}}),
        "change the gate": _set(dynamodb, records, {"id": {"S": "gate"}}),
        "delete a record": partial(dynamodb.delete_item, TableName=records, Key={"id": {"S": "gate"}}),
        "delete a picture": partial(s3.delete_object, **picture),
    }


def is_denied(forge: Forgery) -> bool:
    """Try it; return whether AWS denied it."""
    try:
        forge()
    except ClientError as error:
        return "AccessDenied" in str(error)
    return False


def _set(dynamodb: Any, table: str, key: dict[str, Any]) -> Forgery:
    values = {":outcome": {"M": {"code": {"S": "SUCCESS"}}}, ":similarity": {"N": "97.1"}}
    change = "SET outcome = :outcome, similarity = :similarity"
    return partial(
        dynamodb.update_item, TableName=table, Key=key, UpdateExpression=change, ExpressionAttributeValues=values
    )
