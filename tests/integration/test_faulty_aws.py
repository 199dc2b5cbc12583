"""The faulty proxy: what botocore makes of each fault, and what has reached AWS."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectionError, ReadTimeoutError

from tests.support.faulty_aws import FaultyAws, Kind
from tests.support.resources import HASTY, Resources


class Store:
    """A store written and read through the proxy; `written` looks past it."""

    def __init__(self, deployed: Resources, faults: FaultyAws, service: str) -> None:
        self._service = service
        self._faulty: Any = replace(deployed, url=faults.url, config=HASTY).client(service)
        self._direct: Any = deployed.client(service)
        self._outputs = deployed.outputs
        self.name = f"faulty/{uuid4()}"

    @property
    def operation(self) -> str:
        return {"s3": "PutObject", "dynamodb": "PutItem", "ssm": "PutParameter", "sqs": "SendMessage"}[self._service]

    def write(self) -> None:
        faulty, outputs = self._faulty, self._outputs
        match self._service:
            case "s3":
                faulty.put_object(Bucket=outputs["ImagesBucket"], Key=self.name, Body=b"x")
            case "dynamodb":
                faulty.put_item(TableName=outputs["VerdictsTable"], Item={"pair_id": {"S": self.name}})
            case "ssm":
                faulty.put_parameter(Name=f"/{self.name}", Value="x", Type="String")
            case "sqs":
                faulty.send_message(QueueUrl=outputs["DeadLetterQueue"], MessageBody=self.name)

    def written(self) -> bool:
        direct, outputs = self._direct, self._outputs
        match self._service:
            case "s3":
                listed = direct.list_objects_v2(Bucket=outputs["ImagesBucket"], Prefix=self.name)
                return bool(listed["KeyCount"])
            case "dynamodb":
                key = {"pair_id": {"S": self.name}}
                return "Item" in direct.get_item(TableName=outputs["VerdictsTable"], Key=key)
            case "ssm":
                return bool(direct.get_parameters(Names=[f"/{self.name}"])["Parameters"])
            case _:
                received = direct.receive_message(QueueUrl=outputs["DeadLetterQueue"], MaxNumberOfMessages=10)
                return self.name in {message["Body"] for message in received.get("Messages", [])}


@pytest.fixture(params=["s3", "dynamodb", "ssm", "sqs"])
def store(request: pytest.FixtureRequest, deployed: Resources, faults: FaultyAws) -> Store:
    return Store(deployed, faults, request.param)


def test_without_a_fault_everything_passes(store: Store) -> None:
    store.write()

    assert store.written()


@pytest.mark.parametrize(
    ("kind", "codes"),
    [("throttle", {"SlowDown", "ThrottlingException"}), ("deny", {"AccessDenied", "AccessDeniedException"})],
)
def test_an_operation_is_refused_with_aws_s_own_words_and_does_not_happen(
    store: Store, faults: FaultyAws, kind: Kind, codes: set[str]
) -> None:
    faults.fault(store.operation, kind)

    with pytest.raises(ClientError) as error:
        store.write()

    assert error.value.response["Error"]["Code"] in codes
    assert not store.written()


@pytest.mark.parametrize(("kind", "arrives"), [("drop", False), ("lose_response", True)])
def test_a_broken_connection_says_nothing_of_whether_the_request_arrived(
    store: Store, faults: FaultyAws, kind: Kind, arrives: bool
) -> None:
    faults.fault(store.operation, kind)

    with pytest.raises((ConnectionClosedError, ConnectionError)):
        store.write()

    assert store.written() is arrives


def test_a_delayed_operation_comes_too_late_for_who_does_not_wait(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    fault = faults.fault("PutItem", "delay", delay=0.3)
    table = replace(deployed, url=faults.url, config=HASTY.merge(Config(read_timeout=0.1))).table("VerdictsTable")

    with pytest.raises(ReadTimeoutError):
        table.put_item(Item={"pair_id": pair_id})
    table.put_item(Item={"pair_id": pair_id})

    assert fault.met == 1


def test_a_fault_ends_after_so_many_times_and_befalls_only_what_contains_its_words(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    client = replace(deployed, url=faults.url, config=HASTY).client("dynamodb")
    verdicts, calls = deployed.outputs["VerdictsTable"], deployed.outputs["CallsTable"]
    fault = faults.fault("GetItem", "deny", verdicts, times=2)

    def succeeds(table: str, **more: str) -> bool:
        key = {"pair_id": pair_id} | more
        try:
            client.get_item(TableName=table, Key={name: {"S": value} for name, value in key.items()})
        except ClientError:
            return False
        return True

    outcomes = [succeeds(calls, call="1"), succeeds(verdicts), succeeds(verdicts), succeeds(verdicts)]

    assert outcomes == [True, False, False, True]
    assert fault.met == 2


def test_a_throttled_operation_is_repeated_by_the_functions_clients(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    fault = faults.fault("GetItem", "throttle", times=2)

    replace(deployed, url=faults.url).table("VerdictsTable").get_item(Key={"pair_id": pair_id})

    assert fault.met == 2
    assert faults.requests("GetItem", pair_id.partition("/")[0]) == 3


S3_USES: dict[str, Callable[[Any, str], object]] = {
    "ListObjectsV2": lambda s3, bucket: s3.list_objects_v2(Bucket=bucket, Prefix="counted/"),
    "ListObjectVersions": lambda s3, bucket: s3.list_object_versions(Bucket=bucket, Prefix="counted/"),
    "PutObject": lambda s3, bucket: s3.put_object(Bucket=bucket, Key="counted/é +%", Body=b"x"),
    "HeadObject": lambda s3, bucket: s3.head_object(Bucket=bucket, Key="counted/é +%"),
    "GetObject": lambda s3, bucket: s3.get_object(Bucket=bucket, Key="counted/é +%"),
    "DeleteObject": lambda s3, bucket: s3.delete_object(Bucket=bucket, Key="counted/another"),
    "DeleteObjects": lambda s3, bucket: s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "counted/nothing"}]}
    ),
}


@pytest.mark.parametrize("operation", S3_USES)
def test_requests_are_counted_by_operation_though_s3_does_not_name_its_own(
    deployed: Resources, faults: FaultyAws, operation: str
) -> None:
    s3, bucket = replace(deployed, url=faults.url), deployed.outputs["ImagesBucket"]
    deployed.client("s3").put_object(Bucket=bucket, Key="counted/é +%", Body=b"x")

    S3_USES[operation](s3.client("s3"), bucket)

    counts = {each: faults.requests(each) for each in S3_USES}
    assert counts == dict.fromkeys(S3_USES, 0) | {operation: 1}
    assert faults.requests(operation, "counted/") == 1
    assert faults.requests(operation, "elsewhere/") == 0
