"""Records of the verdicts table's stream."""

from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from facepair.domain import clock
from facepair.domain.change import Write

TIME_TO_LIVE = "dynamodb.amazonaws.com"
"""The principal that deletes expired rows (DynamoDB Developer Guide, "DynamoDB Streams and Time to Live")."""


def write_of(record: DynamoDBRecord) -> Write:
    """Return the write that a record of the stream (NEW_AND_OLD_IMAGES) describes."""
    change = record.dynamodb
    if change is None:
        raise ValueError(f"the stream's record {record.event_id} has no change")
    seconds = change.approximate_creation_date_time
    return Write(
        old=change.old_image or None,
        new=change.new_image or None,
        at=clock.at(seconds) if seconds else clock.now(),
        expired=record.user_identity.get("principalId") == TIME_TO_LIVE,
        place=str(change.sequence_number),
    )
