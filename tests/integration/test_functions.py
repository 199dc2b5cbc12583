"""The handlers in this process, so that coverage sees their wiring.

With template.yaml's environment variables, the sandbox's AWS and the emulator of the API.
"""

import importlib.util
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from docs import cost
from facepair.domain.metric import Metric
from facepair.domain.notification import created_objects
from facepair.use_cases.missed import STOPPING_SECONDS
from sandbox.advance_api.control import Control
from sandbox.aws import LocalAws
from sandbox.cloud import BASE_URL, CREDENTIALS, EmulatedAdvance
from sandbox.deploy import deploy
from sandbox.portraits import NEEDS_A_LOOK, jpeg, portrait
from sandbox.stack import Function, SandboxStack
from tests.support import ROOT

ANNA, BEN = jpeg(portrait(1, width=300, height=400)), jpeg(portrait(2, width=300, height=400))
NOTHING_FAILED: dict[str, list[object]] = {"batchItemFailures": []}

type Handler = Callable[[dict[str, Any], object], dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """Lambda's context."""

    function_name: str
    seconds_left: float = 60
    memory_limit_in_mb: int = 2048
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:x"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds_left * 1000)


@dataclass(frozen=True)
class Deployment:
    """A stack whose functions are run by hand: messages stay in the queue until taken."""

    stack: SandboxStack
    aws: LocalAws
    control: Control

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def output(self, name: str) -> str:
        return self.stack.outputs[name]

    def upload(self, **keys_and_contents: bytes) -> str:
        """Upload pictures of a new pair; return its id."""
        pair_id = f"pair {uuid4().hex[:8]} +é"
        for name, content in keys_and_contents.items():
            self.client("s3").put_object(Bucket=self.output("ImagesBucket"), Key=f"{pair_id}/{name}.jpg", Body=content)
        return pair_id

    def take(self) -> dict[str, Any]:
        """Return the waiting messages as Lambda's event."""
        received = self.client("sqs").receive_message(
            QueueUrl=self.output("UploadsQueue"), MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
        )
        return {"Records": [record(message) for message in received["Messages"]]}

    def delete(self, event: dict[str, Any]) -> None:
        for each in event["Records"]:
            self.client("sqs").delete_message(QueueUrl=self.output("UploadsQueue"), ReceiptHandle=each["receiptHandle"])

    def row(self, pair_id: str) -> dict[str, Any]:
        item: dict[str, Any] = self.client("dynamodb").get_item(
            TableName=self.output("VerdictsTable"), Key={"pair_id": {"S": pair_id}}
        )["Item"]
        return item


def record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


@pytest.fixture(scope="module")
def deployment(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    advance = EmulatedAdvance(tmp_path_factory.mktemp("advance") / "advance.log")
    stack = deploy(local_aws, ROOT / "template.yaml", f"functions-{uuid4().hex[:8]}", {BASE_URL: advance.url})
    local_aws.client("secretsmanager").put_secret_value(
        SecretId=stack.outputs["CredentialsSecret"], SecretString=json.dumps(CREDENTIALS)
    )
    control = advance.control
    yield Deployment(stack, local_aws, control)
    control.close()
    advance.close()


@pytest.fixture
def environment(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Sets Lambda's and the functions' variables for one test; undoes Powertools' changes to loggers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", deployment.aws.url)
    logger = logging.getLogger("facepair")
    before = logger.handlers[:], logger.level, logger.propagate
    yield monkeypatch
    logger.handlers[:], logger.level, logger.propagate = before[0], before[1], before[2]


def cold_start(function: Function, environment: pytest.MonkeyPatch) -> Handler:
    """Import the handler anew, as an execution environment does."""
    for name, value in function.environment.items():
        environment.setenv(name, value)
    # Powertools keeps a logger per name, which writes to stdout as it was then.
    environment.setenv("POWERTOOLS_SERVICE_NAME", uuid4().hex)
    module_name, _, handler_name = function.handler.rpartition(".")
    path = Path(function.code) / f"{module_name}.py"
    spec = importlib.util.spec_from_file_location(f"{function.logical_id}_{uuid4().hex}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = getattr(module, handler_name)
    return handler


@pytest.fixture
def compare_pair(deployment: Deployment, environment: pytest.MonkeyPatch) -> Handler:
    return cold_start(deployment.stack.functions["CompareFunction"], environment)


@pytest.fixture
def find_missed(deployment: Deployment, environment: pytest.MonkeyPatch) -> Handler:
    return cold_start(deployment.stack.functions["FindMissedFunction"], environment)


def counted(output: str) -> dict[str, float]:
    """Return the metrics in a function's output, in CloudWatch's embedded format."""
    metrics: dict[str, float] = {}
    for line in output.splitlines():
        blob = json.loads(line)
        for each in blob.get("_aws", {}).get("CloudWatchMetrics", []):
            assert each["Namespace"] == "facepair"
            for metric in each["Metrics"]:
                metrics[metric["Name"]] = metrics.get(metric["Name"], 0) + sum(blob[metric["Name"]])
    return metrics


def logged(output: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, output.splitlines()) if "_aws" not in line]


@dataclass(frozen=True)
class Requested:
    """A request to AWS: its operation, its only table, how many keys it reads, and the pool and task of its thread."""

    operation: str
    table: str
    keys: int
    pool: int | None
    task: int | None


@dataclass
class Requests:
    made: list[Requested] = field(default_factory=list)

    @property
    def operations(self) -> list[str]:
        return [each.operation for each in self.made]

    @property
    def at_once(self) -> list[list[str]]:
        """Return the operations of each pool's tasks."""
        pools = groupby(self.made, lambda each: each.pool)
        return [sorted(each.operation for each in made) for pool, made in pools if pool is not None]

    @property
    def in_sequence(self) -> int:
        """Return the longest chain; of a pool's tasks, which overlap, only the longest counts."""
        return sum(
            len(list(made)) if pool is None else max(Counter(each.task for each in made).values())
            for pool, made in groupby(self.made, lambda each: each.pool)
        )

    @property
    def reads(self) -> int:
        """Read units: one for each item up to 4 KB, or for a query."""
        return sum(each.keys for each in self.made) + self.operations.count("Query")

    def writes(self, verdicts: str) -> int:
        """Return the write units: one per write of an item up to 1 KB, and one for the index of a new verdict row."""
        written = [each.table for each in self.made if each.operation in ("PutItem", "UpdateItem", "DeleteItem")]
        return len(written) + written.count(verdicts)


@pytest.fixture
def requests(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Requests:
    requests, session, here, tasks = Requests(), boto3.Session(), threading.local(), count()
    submit, pools = ThreadPoolExecutor.submit, dict[ThreadPoolExecutor, int]()

    def submit_numbered(pool: ThreadPoolExecutor, act: Callable[[], object]) -> Future[object]:
        def numbered(task: int) -> object:
            here.pool, here.task = pools.setdefault(pool, len(pools)), task
            return act()

        return submit(pool, numbered, next(tasks))

    def counted(model: Any, params: Any, **_: Any) -> None:
        asked = json.loads(params["body"]) if model.service_model.service_name == "dynamodb" else {}
        keys = sum(len(each["Keys"]) for each in asked.get("RequestItems", {}).values())
        pool, task = getattr(here, "pool", None), getattr(here, "task", None)
        requests.made.append(Requested(model.name, asked.get("TableName", ""), keys, pool, task))

    session.events.register("before-call", counted)
    monkeypatch.setattr(boto3, "Session", lambda: session)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_numbered)
    return requests


# --- CompareFunction -------------------------------------------------------------------------------------------------


def test_an_upload_s_message_becomes_a_verdict_with_its_log_and_its_metrics(
    deployment: Deployment, compare_pair: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    pair_id = deployment.upload(first=ANNA, second=ANNA)
    event = deployment.take()

    answer = compare_pair(event, Context("CompareFunction"))

    assert answer == NOTHING_FAILED
    assert deployment.row(pair_id)["verdict"] == {"S": "PASS"}
    assert len(deployment.control.charges()) == 1
    output = capsys.readouterr().out
    metrics = counted(output)
    assert metrics[Metric.MESSAGES] == len(event["Records"])
    assert (metrics[Metric.PASS], metrics[Metric.CALLS], metrics[Metric.CHARGED_CALLS]) == (1, 1, 1)
    [written] = [line for line in logged(output) if line["message"] == "Row written"]
    assert written["verdict"] == "PASS"
    assert (written["pair_id"], written["key"].rpartition("/")[0]) == (pair_id, pair_id)
    assert written["message_id"] in {each["messageId"] for each in event["Records"]}
    assert written["function_request_id"] == Context("").aws_request_id
    deployment.delete(event)


def test_a_warm_comparison_makes_few_requests_and_a_duplicate_fewer(
    deployment: Deployment, compare_pair: Handler, requests: Requests
) -> None:
    def compare(**pictures: bytes) -> None:
        deployment.upload(**pictures)
        event = deployment.take()
        for each in event["Records"]:
            del requests.made[:]
            assert compare_pair({"Records": [each]}, Context("CompareFunction")) == NOTHING_FAILED
            made.append(Requests(requests.made[:]))
        deployment.delete(event)

    made: list[Requests] = []
    compare(first=ANNA, second=BEN)  # a cold start
    compare(first=jpeg(portrait(3, width=300, height=400)), second=ANNA)
    compare(first=ANNA)

    warm, duplicate, waiting = made[-3:]
    rows, calls = deployment.output("VerdictsTable"), deployment.output("CallsTable")
    before_the_post = [(each.operation, each.table) for each in warm.made].index(("PutItem", calls)) + 1
    assert (Counter(warm.operations), before_the_post, warm.in_sequence) == (cost.COMPARISON, 9, cost.IN_SEQUENCE)
    assert warm.at_once == [["GetObject", "GetObject", "Query", "UpdateItem"], ["BatchGetItem", "UpdateItem"]]
    assert (Counter(duplicate.operations), Counter(waiting.operations)) == (cost.DUPLICATE, cost.WAITING)
    assert (cost.COMPARISON.total(), cost.WAITING.total()) == (14, 4)
    assert warm.reads + waiting.reads == cost.READ_UNITS
    # The row that waited is removed from the index.
    assert warm.writes(rows) + waiting.writes(rows) + 1 == cost.WRITE_UNITS


def test_no_log_line_has_a_similarity_or_a_face_position_even_if_events_are_logged(
    deployment: Deployment,
    compare_pair: Handler,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    pair_id = deployment.upload(first=ANNA, second=ANNA)
    event = deployment.take()
    assert compare_pair(event, Context("CompareFunction")) == NOTHING_FAILED
    deployment.delete(event)
    row = deployment.row(pair_id)

    publish = cold_start(deployment.stack.functions["PublishFunction"], environment)
    written = {"eventID": "1", "dynamodb": {"NewImage": row, "SequenceNumber": "1"}}
    publish({"Records": [written]}, Context("PublishFunction"))

    output = capsys.readouterr().out
    [called] = [line for line in logged(output) if line["message"] == "Called the comparison API"]
    assert (called["code"], called["charged"]) == ("SUCCESS", True)
    assert called["transaction_id"] == row["transaction_id"]["S"]
    faces = [row[role]["M"]["face"]["M"] for role in ("first", "second")]
    edges = {face[edge]["N"] for face in faces for edge in ("left", "top", "right", "bottom")}
    values = {str(value) for line in logged(output) for value in line.values()}
    assert not values & (edges | {row["similarity"]["N"]})
    assert not [word for word in ("similarity", "face", "NewImage") if f'"{word}"' in output]


def test_a_warm_environment_keeps_its_clients_and_no_log_key_of_earlier_events(
    deployment: Deployment, compare_pair: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    for second in (BEN, ANNA):
        deployment.upload(first=ANNA, second=second)
        event = deployment.take()
        assert compare_pair(event, Context("CompareFunction")) == NOTHING_FAILED
        deployment.delete(event)
    capsys.readouterr()

    compare_pair({"Records": [record(message("{}"))]}, Context("CompareFunction"))

    [ignored] = logged(capsys.readouterr().out)
    assert ignored["message"].startswith("Message ignored")
    assert not ignored.keys() & {"pair_id", "key"}


def message(body: str) -> dict[str, Any]:
    return {
        "MessageId": "c8a9f6cc-0000-4000-8000-000000000000",
        "ReceiptHandle": "no such receipt",
        "Body": body,
        "Attributes": {"ApproximateReceiveCount": "1"},
    }


def test_an_unreadable_message_is_dead_lettered(deployment: Deployment, compare_pair: Handler) -> None:
    body = f"no notification {uuid4()}"

    assert compare_pair({"Records": [record(message(body))]}, Context("CompareFunction")) == NOTHING_FAILED

    received = deployment.client("sqs").receive_message(QueueUrl=deployment.output("DeadLetterQueue"))
    assert [each["Body"] for each in received["Messages"]] == [body]


def test_a_busy_api_s_message_fails_alone_and_is_invisible_until_its_next_try(
    deployment: Deployment, compare_pair: Handler
) -> None:
    pair_id = deployment.upload(first=ANNA, second=BEN)
    event = deployment.take()
    deployment.control.script(code="SERVICE_BUSY", times=None, retry_after="120s")

    answer = compare_pair(event, Context("CompareFunction"))
    deployment.control.clear()

    assert answer == {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in event["Records"]]}
    row = deployment.row(pair_id)
    assert (row["verdict"], row["code"]) == ({"S": "PENDING"}, {"S": "SERVICE_BUSY"})
    deployment.delete(event)


def test_a_check_says_whether_a_token_can_be_had_but_never_the_token(
    deployment: Deployment, compare_pair: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    charged = deployment.control.charges()
    deployment.control.script(endpoint="token", code="IAM_FAILED", message="access key expired", times=1)

    refused = compare_pair({"check": "token"}, Context("CompareFunction"))
    obtained = compare_pair({"check": "token"}, Context("CompareFunction"))

    assert refused["obtained"] is False
    assert refused["code"] == "CREDENTIALS_INVALID"
    assert "access key expired" in refused["message"]
    assert obtained == {"obtained": True}
    assert deployment.control.charges() == charged


def test_a_worker_without_time_makes_no_call(deployment: Deployment, compare_pair: Handler) -> None:
    deployment.upload(first=ANNA, second=BEN)
    event = deployment.take()
    before = len(deployment.control.calls("check"))

    answer = compare_pair(event, Context("CompareFunction", seconds_left=10))

    assert len(answer["batchItemFailures"]) == len(event["Records"])
    assert len(deployment.control.calls("check")) == before
    deployment.delete(event)


# --- FindMissedFunction ----------------------------------------------------------------------------------------------


def test_a_pair_whose_messages_were_lost_is_found_and_enqueued(
    deployment: Deployment, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    function = deployment.stack.functions["FindMissedFunction"]
    find_missed = cold_start(function, environment)
    environment.setenv("FIND_MISSED_AFTER_MINUTES", "0")  # read at the first event
    pair_id = deployment.upload(first=ANNA, second=BEN)
    deployment.delete(deployment.take())

    found = find_missed({}, Context("FindMissedFunction", seconds_left=900))

    assert found["finished"]
    event = deployment.take()
    keys = [created.key for each in event["Records"] for created in created_objects(each["body"])]
    assert f"{pair_id}/first.jpg" in keys
    assert found["sent"] == len(keys)
    output = capsys.readouterr().out
    assert counted(output) == {
        Metric.OBJECTS_SEEN: found["objects"],
        Metric.PAIRS_SEEN: found["pairs"],
        Metric.MISSED_PAIRS_SENT: found["sent"],
    }
    [line] = [line for line in logged(output) if line["message"] == "Searched for missed pairs"]
    assert line.items() >= found.items()
    deployment.delete(event)


def test_what_the_search_logs_has_the_functions_format_and_level(
    deployment: Deployment, environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_missed = cold_start(deployment.stack.functions["FindMissedFunction"], environment)
    environment.setenv("FIND_MISSED_AFTER_MINUTES", "0")  # read at the first event
    table = deployment.aws.client("dynamodb")
    pair_id = deployment.upload(first=ANNA, second=ANNA)
    poison = {"pair_id": {"S": pair_id}, "verdict": {"S": "PASS"}, "uploaded_at": {"N": "7"}}
    table.put_item(TableName=deployment.stack.outputs["VerdictsTable"], Item=poison)
    deployment.delete(deployment.take())

    find_missed({}, Context("FindMissedFunction"))

    [error] = [line for line in logged(capsys.readouterr().out) if line["message"] == "Row cannot be read"]
    assert (error["level"], error["pair_id"]) == ("ERROR", pair_id)
    assert logging.getLogger("facepair.use_cases.missed").isEnabledFor(logging.INFO)
    deployment.delete(deployment.take())


def test_a_search_without_time_stops_and_remembers_where(deployment: Deployment, find_missed: Handler) -> None:
    deployment.upload(first=ANNA)
    deployment.delete(deployment.take())

    found = find_missed({}, Context("FindMissedFunction", seconds_left=STOPPING_SECONDS - 1))

    assert (found["objects"], found["finished"]) == (0, False)


# --- ReviewFunction --------------------------------------------------------------------------------------------------

RITA = "arn:aws:sts::123456789012:assumed-role/Reviewers/rita"


def by_url(question: object, reviewer: str = RITA) -> dict[str, Any]:
    """Return a function URL's event, with the fields that are read."""
    context = {"authorizer": {"iam": {"userArn": reviewer}}}
    return {"requestContext": context, "body": json.dumps(question), "isBase64Encoded": False}


def test_a_reviewer_is_given_pairs_decides_and_gives_them_back(
    deployment: Deployment,
    compare_pair: Handler,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alike = jpeg(portrait(1, variation=NEEDS_A_LOOK, width=300, height=400))
    pair_id = deployment.upload(first=ANNA, second=alike)
    event = deployment.take()
    compare_pair(event, Context("CompareFunction"))
    deployment.delete(event)
    review_pairs = cold_start(deployment.stack.functions["ReviewFunction"], environment)
    capsys.readouterr()

    def ask(**question: object) -> dict[str, Any]:
        answer = review_pairs(by_url({"desk": "1"} | question), Context("ReviewFunction"))
        assert answer["statusCode"] == 200
        said: dict[str, Any] = json.loads(answer["body"])
        return said

    given = ask(action="pairs", count=1)
    [pair] = given["pairs"]
    back = ask(action="give_back", pair_ids=[pair_id])
    about = {"pair_id": pair_id, "fingerprint": pair["fingerprint"]}
    decided = ask(action="decide", verdict="PASS", reason="the same ears", **about)

    assert (given["reviewer"], given["waiting"], pair["pair_id"], back) == (RITA, 1, pair_id, {})
    assert decided["decided"] is True
    row = deployment.row(pair_id)
    assert (row["verdict"]["S"], row["review"]["M"]["by"]["S"]) == ("PASS", RITA)
    output = capsys.readouterr().out
    assert counted(output)[Metric.DECISIONS] == 1
    requested = [line for line in logged(output) if line["message"] == "Review requested"]
    assert [(line["by"], line["action"]) for line in requested] == [
        (RITA, "pairs"),
        (RITA, "give_back"),
        (RITA, "decide"),
    ]
    [shown] = [line for line in logged(output) if line["message"] == "Pairs shown"]
    assert (shown["by"], shown["pair_ids"]) == (RITA, [pair_id])
    [line] = [line for line in logged(output) if line["message"] == "Decided"]
    assert (line["pair_id"], line["verdict"], line["by"]) == (pair_id, "PASS", RITA)


def test_what_a_reviewer_s_page_cannot_have_meant_is_refused_in_a_sentence(
    deployment: Deployment, environment: pytest.MonkeyPatch
) -> None:
    review_pairs = cold_start(deployment.stack.functions["ReviewFunction"], environment)

    answer = review_pairs(by_url({"action": "erase"}), Context("ReviewFunction"))

    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["message"].startswith("the request cannot be understood: ")


# --- EraseFunction ----------------------------------------------------------------------------------------------------


def test_erasing_a_pair_with_one_call_makes_few_requests(
    deployment: Deployment, compare_pair: Handler, environment: pytest.MonkeyPatch, requests: Requests
) -> None:
    pair_id = deployment.upload(first=ANNA, second=ANNA)
    event = deployment.take()
    assert compare_pair(event, Context("CompareFunction")) == NOTHING_FAILED
    deployment.delete(event)
    erase_pair = cold_start(deployment.stack.functions["EraseFunction"], environment)

    def erase(action: str) -> Counter[str]:
        del requests.made[:]
        answer = erase_pair(by_url({"action": action, "pair_id": pair_id}), Context("EraseFunction"))
        erasure = json.loads(answer["body"])
        assert (erasure["known"], erasure["complete"]) == (True, action == "confirm")
        time.sleep(erasure["ask_again_in"] or 0)
        return Counter(requests.operations)

    listings = {"ListObjectVersions": 1, "ListMultipartUploads": 1, "Query": 1}
    # Written: the erasure and the tombstone. Updated: the call and the erasure. Deleted: record and in-flight marker.
    written = {"GetItem": 1, "BatchGetItem": 1, "PutItem": 2, "UpdateItem": 2, "DeleteItem": 2, "DeleteObjects": 1}
    assert erase("erase") == listings | written
    assert erase("confirm") == listings | {"UpdateItem": 1, "DeleteItem": 1}


# --- PublishFunction --------------------------------------------------------------------------------------------------


def inserted(sequence_number: str, **attributes: dict[str, str]) -> dict[str, Any]:
    """Return a record of the verdicts table's stream, as Lambda delivers it."""
    told = {"SequenceNumber": sequence_number, "ApproximateCreationDateTime": 1764270000, "NewImage": attributes}
    return {"eventID": sequence_number, "eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": told}


def test_a_record_with_a_value_of_the_wrong_type_does_not_block_its_shard(
    deployment: Deployment, environment: pytest.MonkeyPatch
) -> None:
    publish_verdict = cold_start(deployment.stack.functions["PublishFunction"], environment)
    row = {"verdict": {"S": "PASS"}, "updated_at": {"S": "2026-11-27T10:00:03.000Z"}}
    poison = inserted("1", pair_id={"S": "poison"}, uploaded_at={"N": "1764270000"}, **row)
    healthy = inserted("2", pair_id={"S": "healthy"}, uploaded_at={"S": "2026-11-27T10:00:00.000Z"}, **row)

    answer = publish_verdict({"Records": [poison, healthy]}, Context("PublishFunction"))

    assert answer == NOTHING_FAILED
    queue = deployment.stack.outputs["UnpublishedQueue"]
    [letter] = deployment.aws.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    told = json.loads(letter["Body"])
    assert (told["pair_id"], told["place"]) == ("poison", "1")
    assert "uploaded_at" in told["reason"]
