"""The sandbox's AWS, where moto alone is wrong."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from sandbox.aws import LocalAws
from tests.support.waiting import eventually


def test_of_eight_conditional_writes_at_once_exactly_one_wins(local_aws: LocalAws) -> None:
    dynamodb, table, races, racers = local_aws.client("dynamodb"), f"races-{uuid4()}", 20, 8
    # Long, so that moto takes time to read it between check and write: without a lock every race fails.
    condition = " AND ".join(f"attribute_not_exists({name})" for name in ["id", *(f"a{n}" for n in range(60))])
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )

    def wins(race: int, racer: int, start: threading.Barrier) -> bool:
        start.wait()
        try:
            item = {"id": {"S": str(race)}, "racer": {"N": str(racer)}}
            dynamodb.put_item(TableName=table, Item=item, ConditionExpression=condition)
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(racers) as pool:
        winners = []
        for race in range(races):
            start = threading.Barrier(racers)
            winners.append(sum(pool.map(wins, [race] * racers, range(racers), [start] * racers)))

    assert winners == [1] * races


def test_an_upload_that_waits_for_leave_gets_it_once(local_aws: LocalAws) -> None:
    address = urlsplit(local_aws.url)
    request = (
        f"PUT /{uuid4()} HTTP/1.1\r\nHost: s3.amazonaws.com\r\nContent-Length: 0\r\nExpect: 100-continue\r\n"
        "Connection: close\r\n\r\n"
    )

    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request.encode())
        with connection.makefile("rb") as answers:
            answer = answers.read()

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_a_long_poll_delays_no_other_request_and_ends_when_a_message_comes(local_aws: LocalAws) -> None:
    sqs = local_aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"polled-{uuid4()}")["QueueUrl"]
    received: list[str] = []

    def poll() -> None:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        received.extend(message["Body"] for message in answer["Messages"])

    began = time.monotonic()
    poller = threading.Thread(target=poll)
    poller.start()
    sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    sqs.send_message(QueueUrl=queue, MessageBody="here")
    poller.join()

    assert received == ["here"]
    assert time.monotonic() - began < 20


def test_a_long_poll_without_a_message_ends_empty(local_aws: LocalAws) -> None:
    sqs = local_aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"empty-{uuid4()}")["QueueUrl"]

    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)


def test_long_polls_can_be_ended_early(local_aws: LocalAws) -> None:
    sqs = local_aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"ended-{uuid4()}")["QueueUrl"]
    answers: list[Any] = []
    poller = threading.Thread(target=lambda: answers.append(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)))
    poller.start()

    def ended() -> bool:
        local_aws.end_polls()
        return not poller.is_alive()

    eventually(ended)
    assert "Messages" not in answers[0]


def test_a_long_poll_of_a_queue_that_is_not_there_fails(local_aws: LocalAws) -> None:
    sqs = local_aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"gone-{uuid4()}")["QueueUrl"]
    sqs.delete_queue(QueueUrl=queue)

    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)


def test_a_message_comes_back_into_a_long_poll_when_its_visibility_timeout_is_over(local_aws: LocalAws) -> None:
    sqs = local_aws.client("sqs")
    queue = sqs.create_queue(QueueName=f"back-{uuid4()}", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    sqs.receive_message(QueueUrl=queue)

    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MessageSystemAttributeNames=["All"])

    assert answer["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_clients_ignore_the_account_that_the_machine_is_configured_for(
    local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")

    assert local_aws.client("sts").get_caller_identity()["Account"] == "123456789012"


def test_objects_survive_the_way_through(local_aws: LocalAws) -> None:
    s3, bucket, content = local_aws.client("s3"), f"objects-{uuid4()}", bytes(range(256)) * 40_000
    s3.create_bucket(Bucket=bucket)

    s3.put_object(Bucket=bucket, Key="ünïcode + %20/first.jpg", Body=content)

    assert s3.get_object(Bucket=bucket, Key="ünïcode + %20/first.jpg")["Body"].read() == content
    assert s3.head_object(Bucket=bucket, Key="ünïcode + %20/first.jpg")["ContentLength"] == len(content)


def test_dynamodb_values_of_every_type_survive_the_way_through(local_aws: LocalAws) -> None:
    dynamodb, table = local_aws.client("dynamodb"), f"values-{uuid4()}"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    flat = {"s": {"S": "é"}, "n": {"N": "1.5"}, "b": {"B": b"\xff"}, "yes": {"BOOL": True}, "none": {"NULL": True}}
    sets = {"ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"\xfe"]}}
    item = {"id": {"S": "1"}, **flat, **sets, "m": {"M": flat | {"l": {"L": [{"M": flat}, {"L": []}]}}}}

    dynamodb.put_item(TableName=table, Item=item)

    assert dynamodb.get_item(TableName=table, Key={"id": {"S": "1"}})["Item"] == item


def test_a_service_that_no_template_uses_is_there_all_the_same(local_aws: LocalAws) -> None:
    zones = local_aws.client("ec2").describe_availability_zones()["AvailabilityZones"]

    assert "us-east-1a" in {zone["ZoneName"] for zone in zones}
