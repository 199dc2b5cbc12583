"""Every alarm sounds at its fault, and no other does.

Each fault really happens. The metrics in the functions' logs are spread over the time that the alarms look back, with
ordinary hours before and after, and the alarms are evaluated by their definitions in the deployed template. An alarm on
a metric that is never emitted is an error.

AWS's own metrics are replaced: AWS/SQS by the queue's attributes; Errors and Invocations by a real invocation and its
result. Throttles and IteratorAge are made up, since nothing throttles or falls behind here; AWS's counting is assumed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import urllib3

from facepair.domain import clock
from sandbox.alarms import EXTRA_PERIODS, AlarmState, Datapoint, emitted, states
from sandbox.receiver import ReceiverReply
from tests.support import ROOT
from tests.support.deployed import ANNA_ON_ANOTHER_DAY, BEN
from tests.support.faulty_cloud import FaultyCloud, Worker, faulty_cloud
from tests.support.waiting import next_second

HOUR = 3600
LONG_AGO = -1e9
"""Outside every alarm's periods: only shows that a metric is emitted."""
STOP_AFTER_UNKNOWN = 2
LAST_MODIFIED = re.compile(rb"(?<=<LastModified>)[^<.Z]+")
AT_ALL_HOURS = {"Invocations", "ApproximateNumberOfMessagesVisible"}
"""Metrics that AWS always measures."""
DEATHS = 3
"""Worker deaths after which a pair is given up."""


# --- in CloudWatch's place --------------------------------------------------------------------------------------------


def of_lambda(cloud: FaultyCloud, name: str, function: str, value: float) -> Datapoint:
    dimensions = {"FunctionName": cloud.sandbox.outputs[function]}
    return Datapoint("AWS/Lambda", name, dimensions, "Count", value, LONG_AGO)


def of_queue(cloud: FaultyCloud, queue: str) -> Datapoint:
    url, name = cloud.sandbox.outputs[queue], "ApproximateNumberOfMessages"
    attributes = cloud.sandbox.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"]
    dimensions = {"QueueName": url.rpartition("/")[2]}
    return Datapoint("AWS/SQS", f"{name}Visible", dimensions, "Count", float(attributes[name]), LONG_AGO)


def invoke(cloud: FaultyCloud, function: str, event: object) -> list[Datapoint]:
    """Invoke a function and return what Lambda counts."""
    answer = cloud.sandbox.aws("lambda").invoke(FunctionName=cloud.sandbox.outputs[function], Payload=json.dumps(event))
    errors = int("FunctionError" in answer)
    return [of_lambda(cloud, name, function, value) for name, value in (("Invocations", 1), ("Errors", errors))]


def search(cloud: FaultyCloud) -> list[Datapoint]:
    return invoke(cloud, "FindMissedFunction", {})


class Watch:
    """The metrics emitted from now on."""

    def __init__(self, cloud: FaultyCloud) -> None:
        self.cloud = cloud
        self._before = {name: len(cloud.lines(name)) for name in cloud.sandbox.stack.functions}

    def points(self) -> list[Datapoint]:
        return [each for name, seen in self._before.items() for each in emitted(self.cloud.lines(name)[seen:])]

    def sum(self, metric: str) -> float:
        return sum(point.value for point in self.points() if point.name == metric)

    def until(self, metric: str, total: float = 1) -> None:
        self.cloud.wait(
            lambda: self.sum(metric) >= total, lambda: f"{metric} has come to {self.sum(metric)} instead of {total}"
        )


# --- The faults -------------------------------------------------------------------------------------------------------

type Making = Callable[[Watch], Iterator[list[Datapoint]]]
"""Causes a fault, yields CloudWatch's other metrics while it lasts, and ends it.

Only one message compares a pair: a second would be deferred, which is counted as well.
"""


@dataclass(frozen=True)
class Fault:
    make: Making
    alarms: frozenset[str]
    """Alarms that must sound."""
    silent: frozenset[str] = field(default_factory=frozenset)
    """Metrics of ordinary hours that are missing meanwhile."""


FAULTS: dict[str, Fault] = {}


def heard_by(*alarms: str, without: Sequence[str] = ()) -> Callable[[Making], Making]:
    def add(make: Making) -> Making:
        FAULTS[make.__name__] = Fault(make, frozenset(alarms), frozenset(without))
        return make

    return add


@heard_by("BlockedAlarm", "NoVerdictsAlarm")
def the_account_is_refused(watch: Watch) -> Iterator[list[Datapoint]]:
    watch.cloud.control.script(code="INSUFFICIENT_BALANCE", times=None)
    watch.cloud.upload_in_turn("alarms/refused")
    watch.until("Blocked")
    yield []
    watch.cloud.control.clear()


@heard_by("NoVerdictsAlarm")
def the_api_is_busy(watch: Watch) -> Iterator[list[Datapoint]]:
    watch.cloud.control.script(code="SERVICE_BUSY", times=None)
    watch.cloud.upload_in_turn("alarms/busy")
    watch.until("Postponed")
    yield []
    watch.cloud.control.clear()


@heard_by("OldestPostponedAlarm", "NoVerdictsAlarm")
def a_pair_waits_for_two_hours(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud = watch.cloud
    cloud.control.script(code="SERVICE_BUSY", times=None)
    with cloud.held():
        pair = cloud.put(cloud.pair("alarms/old"))
        event, _ = cloud.received(pair)
        attributes = event["Records"][0]["attributes"]
        attributes["SentTimestamp"] = str(int(attributes["SentTimestamp"]) - 2 * HOUR * 1000)
        cloud.invoke("CompareFunction", event)
        watch.until("OldestPostponed", 2 * HOUR)
        yield []
    cloud.control.clear()


@heard_by("NotAnsweringAlarm", "UndeterminedAlarm")
def the_api_does_not_answer(watch: Watch) -> Iterator[list[Datapoint]]:
    watch.cloud.control.script(drop="after_reading", times=None)
    for number in count():
        watch.cloud.upload_in_turn(f"alarms/unanswered {number}")
        if number >= STOP_AFTER_UNKNOWN:
            break
        watch.until("Undetermined", number + 1)
    watch.until("ApiNotAnswering")
    yield []
    watch.cloud.control.clear()


@heard_by("WorkerDiedAlarm", "UndeterminedAlarm", "CompareErrorsAlarm")
def a_picture_ends_every_worker(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud, pair = watch.cloud, watch.cloud.pair("alarms/deadly")
    cloud.aws.fault("GetObject", "delay", f"{pair.pair_id}/first", times=DEATHS, delay=5)
    with ExitStack() as workers:
        ready = [workers.enter_context(cloud.worker(Worker)) for _ in range(DEATHS)]
        with cloud.held():
            cloud.put(pair)
            events = cloud.received(pair)
            cloud.delete(*events)
        for worker in ready:
            worker.function = replace(worker.function, timeout=2)  # enough for a warm worker to start
            assert worker.start(events[0]).result(20).failed
    cloud.repeat(pair)
    watch.until("WorkerDied")
    yield [of_lambda(cloud, "Errors", "CompareFunction", 1)] * DEATHS


@heard_by("UnreadablePicturesAlarm")
def a_picture_is_archived(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud, pair_id = watch.cloud, "alarms/archived"
    refusals = cloud.aws.fault("GetObject", "deny", pair_id, times=None)
    cloud.upload_in_turn(pair_id)
    watch.until("UnreadablePictures")
    yield []
    refusals.times = refusals.met


@heard_by("CompareErrorsAlarm")
def a_table_is_denied(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud, pair_id = watch.cloud, "alarms/denied"
    cloud.aws.fault("Query", "deny", cloud.sandbox.outputs["CallsTable"], pair_id)
    cloud.upload_in_turn(pair_id)
    watch.until("UnexpectedErrors")
    yield []


@heard_by("SearchErrorsAlarm")
def the_search_is_denied_its_parameter(watch: Watch) -> Iterator[list[Datapoint]]:
    watch.cloud.aws.fault("GetParameter", "deny", "find-missed-cursor")
    counted = search(watch.cloud)
    watch.until("SearchErrors")
    yield counted


@heard_by("ChargesAlarm", "CompareErrorsAlarm")
def verdicts_cannot_be_written(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud, pairs = watch.cloud, [f"alarms/unwritten {number}" for number in range(6)]
    for pair_id in pairs:
        cloud.upload_pair(pair_id, only="first")
    for pair_id in pairs:
        cloud.row_with(pair_id, "WAITING")
    denied = (cloud.sandbox.outputs["VerdictsTable"], "alarms/unwritten")
    cloud.aws.fault("PutItem", "deny", *denied, times=None)
    for pair_id in pairs:
        cloud.upload_pair(pair_id, only="second")
    watch.until("ChargedCalls", len(pairs))
    yield []
    cloud.aws.clear()


@heard_by("SlowVerdictsAlarm")
def verdicts_come_ten_minutes_late(watch: Watch) -> Iterator[list[Datapoint]]:
    with uploaded_earlier(watch.cloud, timedelta(minutes=10)):
        watch.cloud.upload_in_turn("alarms/late")
        watch.until("SecondsToVerdict", 600)
    yield []


@heard_by("DeadLettersAlarm")
def a_message_is_malformed(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud = watch.cloud
    cloud.send("not a notification")
    cloud.wait(lambda: cloud.messages("DeadLetterQueue"), lambda: "nothing lies in the dead-letter queue")
    yield [of_queue(cloud, "DeadLetterQueue")]
    assert cloud.dead_letters() == ["not a notification"]


@heard_by("CompareSilentAlarm")
def nobody_takes_messages(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud = watch.cloud
    with cloud.held():
        cloud.put(cloud.pair("alarms/unread"))
        yield [of_queue(cloud, "UploadsQueue")]


@heard_by("MissedPairsAlarm")
def events_are_lost(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud = watch.cloud
    with cloud.held():
        cloud.put(cloud.pair("alarms/lost"))
        cloud.lose_messages()
        next_second()  # the search takes pairs older than FindMissedAfterMinutes, 0 here
        counted = search(cloud)
        watch.until("MissedPairsSent")
        yield counted


@heard_by("ThrottlesAlarm")
def lambda_refuses_to_start_a_function(watch: Watch) -> Iterator[list[Datapoint]]:
    yield [of_lambda(watch.cloud, "Throttles", "CompareFunction", 1)]


@heard_by("FindMissedSilentAlarm", without=["Invocations"])
def the_search_is_not_started(watch: Watch) -> Iterator[list[Datapoint]]:
    yield []


@heard_by("UnpublishedChangesAlarm")
def a_row_cannot_be_read(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud = watch.cloud
    item = {name: {"S": value} for name, value in {"pair_id": "alarms/unreadable", "verdict": "PASSED"}.items()}
    cloud.sandbox.aws("dynamodb").put_item(TableName=cloud.sandbox.outputs["VerdictsTable"], Item=item)
    cloud.wait(lambda: cloud.messages("UnpublishedQueue"), lambda: "the row is not in UnpublishedQueue")
    yield [of_queue(cloud, "UnpublishedQueue")]
    cloud.take("UnpublishedQueue")


@heard_by("BusDeadLettersAlarm")
def the_bus_cannot_use_its_key(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud, queue = watch.cloud, watch.cloud.sandbox.outputs["BusDeadLetterQueue"]
    # No emulator loses events because of a key, so send what EventBridge would.
    cloud.sandbox.aws("sqs").send_message(QueueUrl=queue, MessageBody="an encrypted event")
    yield [of_queue(cloud, "BusDeadLetterQueue")]
    cloud.take("BusDeadLetterQueue")


@heard_by("PublishErrorsAlarm")
def a_person_invokes_publishing(watch: Watch) -> Iterator[list[Datapoint]]:
    yield invoke(watch.cloud, "PublishFunction", {"republish": {"from": "the beginning"}})


@heard_by("PublishingBehindAlarm")
def publishing_is_an_hour_behind(watch: Watch) -> Iterator[list[Datapoint]]:
    yield [of_lambda(watch.cloud, "IteratorAge", "PublishFunction", HOUR * 1000)]


@heard_by("ReviewErrorsAlarm")
def the_function_of_reviewers_crashes(watch: Watch) -> Iterator[list[Datapoint]]:
    yield invoke(watch.cloud, "ReviewFunction", [])


@heard_by("WebhookDownAlarm")
def the_receiver_takes_nothing_for_two_hours(watch: Watch) -> Iterator[list[Datapoint]]:
    receiver = watch.cloud.sandbox.receiver
    receiver.always(ReceiverReply(500))
    invoke(watch.cloud, "DeliverFunction", webhook_sent(timedelta(hours=2)))
    watch.until("SecondsUndelivered", 2 * HOUR)
    yield []
    receiver.always(None)


@heard_by("UndeliveredWebhooksAlarm", "WebhookDownAlarm")
def the_receiver_takes_nothing_for_days(watch: Watch) -> Iterator[list[Datapoint]]:
    cloud, receiver = watch.cloud, watch.cloud.sandbox.receiver
    receiver.always(ReceiverReply(500))
    invoke(cloud, "DeliverFunction", webhook_sent(timedelta(days=4)))
    cloud.wait(lambda: cloud.messages("WebhookDeadLetterQueue"), lambda: "no webhook was given up")
    yield [of_queue(cloud, "WebhookDeadLetterQueue")]
    receiver.always(None)
    cloud.take("WebhookDeadLetterQueue")


@heard_by("DeliverErrorsAlarm")
def the_function_that_delivers_crashes(watch: Watch) -> Iterator[list[Datapoint]]:
    yield invoke(watch.cloud, "DeliverFunction", {})


@heard_by("OperateErrorsAlarm")
def the_function_of_operators_crashes(watch: Watch) -> Iterator[list[Datapoint]]:
    yield invoke(watch.cloud, "OperateFunction", {"body": "of an invocation that did not come by the URL"})


@heard_by("EraseErrorsAlarm")
def the_function_that_erases_crashes(watch: Watch) -> Iterator[list[Datapoint]]:
    yield invoke(watch.cloud, "EraseFunction", {"body": "of an invocation that did not come by the URL"})


def webhook_sent(ago: timedelta) -> Any:
    """Return an event with a webhook message sent that long ago."""
    event = json.loads((ROOT / "events" / "webhook-message.json").read_text())
    event["Records"][0]["attributes"]["SentTimestamp"] = str(int((clock.now() - ago).timestamp() * 1000))
    return event


@contextmanager
def uploaded_earlier(cloud: FaultyCloud, by: timedelta) -> Iterator[None]:
    """Make the bucket report earlier upload times."""
    forward = cloud.aws.forward

    def earlier(found: re.Match[bytes]) -> bytes:
        return (datetime.fromisoformat(found[0].decode()) - by).strftime("%Y-%m-%dT%H:%M:%S").encode()

    def backdated(*request: Any) -> urllib3.BaseHTTPResponse:
        response = forward(*request)
        body, listed = LAST_MODIFIED.subn(earlier, response.data)
        if not listed:
            return response
        return urllib3.HTTPResponse(body, response.headers, response.status, decode_content=False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud.aws, "forward", backdated)
        yield


# --- the alarms -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Observed:
    """What was measured in ordinary hours and during each fault."""

    ordinary: Sequence[Datapoint]
    faults: Mapping[str, Sequence[Datapoint]]

    def history(self, alarm: Mapping[str, Any], fault: str) -> list[AlarmState]:
        """Return the alarm's states before, during and after the fault."""
        background = [each for each in self.ordinary if each.name in AT_ALL_HOURS]
        measured = [(each.name, each.dimensions) for each in self.faults[fault]]
        lasting = [
            each
            for each in background
            if each.name not in FAULTS[fault].silent and (each.name, each.dimensions) not in measured
        ]
        period = period_of(alarm)
        looked_at = period * (int(alarm["EvaluationPeriods"]) + EXTRA_PERIODS)
        everything = [*self.ordinary, *(each for points in self.faults.values() for each in points)]
        timeline = [replace(each, time=LONG_AGO) for each in everything]
        phases = (self.ordinary, [*lasting, *self.faults[fault]], self.ordinary)
        for number, points in enumerate(phases):
            starts = range(number * looked_at, (number + 1) * looked_at, period)
            timeline += [replace(each, time=start) for start in starts for each in points]
        return states(alarm, timeline, [(number + 1) * looked_at for number in range(len(phases))])


def period_of(alarm: Mapping[str, Any]) -> int:
    metric = next((each["MetricStat"] for each in alarm.get("Metrics", []) if "MetricStat" in each), alarm)
    return int(metric["Period"])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    """A stack of its own, whose gate closes early."""
    with faulty_cloud(tmp_path_factory.mktemp("alarms"), warm=2, StopAfterUnknown=STOP_AFTER_UNKNOWN) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def alarms(cloud: FaultyCloud) -> dict[str, Mapping[str, Any]]:
    """The properties of every deployed alarm."""
    resources = cloud.sandbox.stack.resources
    return {name: each.properties for name, each in resources.items() if each.type == "AWS::CloudWatch::Alarm"}


@pytest.fixture(scope="module")
def observed(cloud: FaultyCloud) -> Observed:
    ordinary = ordinary_hours(cloud)
    faults = {}
    for name, fault in FAULTS.items():
        watch = Watch(cloud)
        making = fault.make(watch)
        counted = next(making)
        faults[name] = [*watch.points(), *counted]
        assert next(making, None) is None
        cloud.idle()
    return Observed(ordinary, faults)


def ordinary_hours(cloud: FaultyCloud) -> list[Datapoint]:
    """Compare pairs successfully, and search without a result."""
    watch = Watch(cloud)
    for name, second in {"same": "anna", "perhaps": ANNA_ON_ANOTHER_DAY, "other": BEN}.items():
        cloud.put(cloud.pair(f"alarms/ordinary {name}", second=second))
    cloud.idle()
    counted = search(cloud)
    return [
        *(point for point in watch.points() if point.name != "OldestPostponed"),
        *counted,
        *(
            of_lambda(cloud, name, each, 0)
            for each in cloud.sandbox.stack.functions
            for name in ("Errors", "Throttles")
        ),
        of_lambda(cloud, "IteratorAge", "PublishFunction", 300),
        *(of_queue(cloud, name) for name in cloud.sandbox.outputs if name.endswith("Queue")),
    ]


def test_every_alarm_is_for_a_fault(alarms: Mapping[str, Any]) -> None:
    assert frozenset().union(*(fault.alarms for fault in FAULTS.values())) == alarms.keys()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_heard_by_its_alarms_alone_and_only_while_it_lasts(
    observed: Observed, alarms: Mapping[str, Mapping[str, Any]], fault: str
) -> None:
    histories = {name: observed.history(alarm, fault) for name, alarm in alarms.items()}

    assert histories == {name: ["OK", "ALARM" if name in FAULTS[fault].alarms else "OK", "OK"] for name in alarms}
