"""Bus, receiver and their functions fail: every change still arrives, and comparing does not wait."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.cloud import Sandbox
from sandbox.receiver import Delivery, EmulatedReceiver, ReceiverReply
from tests.e2e.test_publish_and_deliver import sample
from tests.support.deployed import ANNA, BEN, Deployed
from tests.support.faulty_aws import FaultyAws
from tests.support.leaks import leaks

ROOT = Path(__file__).parents[2]
HURRIED = {"WEBHOOK_BACKOFF_FIRST_SECONDS": "1", "WEBHOOK_BACKOFF_LONGEST_SECONDS": "2"}
FEW_RETRIES = {"PublishFunctionChanges": {"MaximumRetryAttempts": 3}}
FOUR_DAYS_MS = 4 * 86400 * 1000


class Town(Deployed):
    """A stack behind a proxy to AWS, with a scripted receiver."""

    def __init__(self, sandbox: Sandbox, aws: FaultyAws) -> None:
        super().__init__(sandbox)
        self.aws = aws

    @property
    def receiver(self) -> EmulatedReceiver:
        return self.sandbox.receiver

    @property
    def host(self) -> Any:
        return self.sandbox.host

    def write(self, pair_id: str, verdict: str = "PASS", **more: dict[str, Any]) -> None:
        """Write a row as an operator would."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        item = {"pair_id": {"S": pair_id}, "verdict": {"S": verdict}, "updated_at": {"S": now}} | more
        self.sandbox.aws("dynamodb").put_item(TableName=self.sandbox.outputs["VerdictsTable"], Item=item)

    def deliveries(self, pair_id: str) -> list[Delivery]:
        """Return all deliveries about a pair, accepted or not."""
        return [each for each in self.receiver.deliveries if each.message["data"]["pair_id"] == pair_id]

    def arrived(self, *pair_ids: str, within: float = 60) -> None:
        """Wait until a webhook of each pair was accepted."""

        def missing() -> set[str]:
            return set(pair_ids) - {each.message["data"]["pair_id"] for each in self.receiver.taken.values()}

        self.wait(lambda: not missing(), lambda: f"webhooks of {missing()} have not come", within=within)

    def lying_in(self, queue: str) -> list[dict[str, Any]]:
        """Take the messages from the queue in that output."""
        return [json.loads(body) for body in self.take(queue)]


@contextmanager
def held(town: Town) -> Iterator[None]:
    """Pause queues and streams."""
    town.host.pause()
    try:
        yield
    finally:
        town.host.resume()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The deployed stack with short times: webhooks are retried after seconds, changes published at most four times."""
    folder = tmp_path_factory.mktemp("out")
    with FaultyAws() as aws:
        environment = {"AWS_ENDPOINT_URL": aws.url} | HURRIED
        parameters = {"LogLevel": "DEBUG"}
        with Sandbox(ROOT, parameters, logs=folder / "logs", overrides=FEW_RETRIES, environment=environment) as sandbox:
            aws.upstream = sandbox.variables["AWS_ENDPOINT_URL"]
            town = Town(sandbox, aws)
            yield town
            assert not (found := leaks(town)), "\n".join(found)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_lost(town: Town) -> Iterator[None]:
    """Replaces the fixture of the other fault tests, which have another stack."""
    yield
    town.idle()
    assert town.lying_in("WebhookDeadLetterQueue") == []
    assert town.lying_in("UnpublishedQueue") == []


@pytest.fixture(autouse=True)
def fair_weather(town: Town) -> Iterator[None]:
    yield
    town.aws.clear()
    town.receiver.always(None)


# --- receiver ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        ReceiverReply(500),
        ReceiverReply(302, {"Location": "http://127.0.0.1:9/elsewhere"}),
        ReceiverReply(410),
        ReceiverReply(503, {"Retry-After": "1"}),
        ReceiverReply(drop="after"),
    ],
    ids=lambda refusal: f"{refusal.status} {refusal.drop or ''}",
)
def test_what_a_receiver_does_not_take_comes_again_under_the_same_id(town: Town, refusal: ReceiverReply) -> None:
    pair_id = f"refused {refusal.status} {refusal.drop}"
    town.receiver.answer(refusal, refusal)

    town.write(pair_id)

    town.arrived(pair_id)
    attempts = town.deliveries(pair_id)
    assert len(attempts) == 3
    assert len({each.id for each in attempts}) == 1
    assert len({each.body for each in attempts}) == 1
    assert all(each.verified for each in attempts)


def test_a_slow_receiver_delays_only_itself(town: Town) -> None:
    town.receiver.always(ReceiverReply(500, delay=15))
    town.write("slow")
    town.wait(lambda: town.deliveries("slow"), lambda: "the slow receiver was not asked")

    town.upload_pair("compared meanwhile", ANNA, BEN)
    town.settled("compared meanwhile", within=15)
    town.receiver.always(None)

    town.arrived("slow", "compared meanwhile")
    reasons = [str(line.get("reason")) for line in town.log("DeliverFunction") if line.get("pair_id") == "slow"]
    assert any("no answer within 10 s" in reason for reason in reasons), reasons


def test_a_receiver_that_is_down_for_long_gets_everything_when_it_is_back(town: Town) -> None:
    town.receiver.always(ReceiverReply(drop="before"))
    pairs = [f"down {number}" for number in range(5)]
    for pair_id in pairs:
        town.upload_pair(pair_id, ANNA, BEN)
    for pair_id in pairs:
        town.settled(pair_id)
    deferred = [line for line in town.log("DeliverFunction") if "Not delivered" in str(line.get("message"))]

    town.receiver.always(None)

    town.arrived(*pairs)
    assert deferred


def test_what_was_refused_for_three_days_lies_among_the_dead_letters(town: Town) -> None:
    town.receiver.answer(ReceiverReply(500))
    event = sample("webhook-message")
    event["Records"][0]["attributes"]["SentTimestamp"] = str(int(time.time() * 1000) - FOUR_DAYS_MS)

    answer = town.invoke("DeliverFunction", event)

    assert answer == {"batchItemFailures": []}
    assert town.lying_in("WebhookDeadLetterQueue") == [sample("verdict-changed")]


def test_a_secret_that_cannot_be_read_for_a_while_loses_nothing(town: Town) -> None:
    fault = town.aws.fault("GetSecretValue", "deny", "WebhookSecret", times=2)

    town.write("unsigned")

    town.arrived("unsigned")
    assert fault.met == 2


# --- bus and stream ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["throttle", "deny", "drop", "lose_response"])
def test_a_bus_that_fails_for_a_while_loses_nothing_and_comparing_goes_on(town: Town, kind: Any) -> None:
    fault = town.aws.fault("PutEvents", kind, times=2)

    town.upload_pair(f"bus {kind}", ANNA, BEN)
    town.settled(f"bus {kind}")

    town.arrived(f"bus {kind}")
    # An event whose response was lost arrived before it is put again.
    town.wait(lambda: fault.met == 2, lambda: f"the fault was met {fault.met} times")
    assert len({each.id for each in town.deliveries(f"bus {kind}")}) == 1


def test_an_unreadable_row_raises_an_alarm_and_delays_no_other(town: Town) -> None:
    with held(town):
        town.write("before bad")
        town.write("bad", verdict="PASSED", message={"S": "private"})
        town.write("after bad")

    town.arrived("before bad", "after bad")
    town.wait(lambda: town.messages("UnpublishedQueue"), lambda: "UnpublishedQueue is empty")
    [told] = town.lying_in("UnpublishedQueue")
    assert (told["pair_id"], "verdict" in told["reason"], "private" in json.dumps(told)) == ("bad", True, False)
    assert town.deliveries("bad") == []

    town.write("bad", verdict="PASS")  # fixed
    town.arrived("bad")


def test_a_publisher_that_is_killed_between_the_bus_and_its_checkpoint_loses_nothing(town: Town) -> None:
    pairs = [f"killed {number}" for number in range(40)]
    with held(town):
        for pair_id in pairs:
            town.write(pair_id)
    town.wait(lambda: any(town.deliveries(pair_id) for pair_id in pairs), lambda: "nothing was published")

    killed = [one for one in town.host.environments() if one.function.logical_id == "PublishFunction" and one.busy]
    for environment in killed:
        environment.kill()

    town.arrived(*pairs)
    assert killed, "the batch was over before it could be interrupted"
    for pair_id in pairs:
        assert len({each.id for each in town.deliveries(pair_id)}) == 1
    assert any(len(town.deliveries(pair_id)) > 1 for pair_id in pairs), (
        "nothing was published twice: it was killed too early"
    )


def test_unpublished_events_raise_an_alarm_and_can_be_resent(town: Town) -> None:
    town.aws.fault("PutEvents", "deny", "unlucky", times=None)
    with held(town):
        town.write("unlucky")
        town.write("lucky")
    town.wait(lambda: town.messages("UnpublishedQueue"), lambda: "UnpublishedQueue is empty")
    town.arrived("lucky")
    [told] = town.lying_in("UnpublishedQueue")
    assert told["DDBStreamBatchInfo"]["batchSize"] == 1
    assert town.deliveries("unlucky") == []
    town.aws.clear()

    answer = town.post("OperateUrl", {"action": "resend", "pair_ids": ["unlucky"]})

    assert answer["published"] == 1
    town.arrived("unlucky")
    assert len(town.deliveries("lucky")) == 1, "it was told at every try of the one before it"
