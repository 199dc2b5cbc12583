"""The stream of the verdicts table's writes."""

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from facepair.domain import clock
from facepair.domain.change import Write

TIME_TO_LIVE = "dynamodb.amazonaws.com"
"""Who deletes expired rows (DynamoDB Developer Guide, "DynamoDB Streams and Time to Live")."""


def write_of(record: DynamoDBRecord) -> Write:
    """The write that a record of the stream (NEW_AND_OLD_IMAGES) tells of."""
    told = record.dynamodb
    if told is None:
        raise ValueError(f"the stream's record {record.event_id} tells of nothing")
    seconds = told.approximate_creation_date_time
    return Write(
        old=told.old_image or None,
        new=told.new_image or None,
        at=clock.at(seconds) if seconds else clock.now(),
        expired=record.user_identity.get("principalId") == TIME_TO_LIVE,
        place=str(told.sequence_number),
    )
