"""`facepair redrive` and `facepair resend` with the whole stack running."""

import json

from sandbox.cloud import Sandbox
from tests.cli.conftest import CommandLine
from tests.support.deployed import Deployed, notification
from tests.support.waiting import eventually


def deliveries(sandbox: Sandbox, pair_id: str) -> list[str]:
    """Return the ids of a pair's webhook deliveries."""
    told = (each.message["data"] for each in sandbox.receiver.deliveries)
    return [each["id"] for each in told if each["pair_id"] == pair_id]


def test_a_redriven_upload_gets_its_verdict_without_a_second_charge(
    facepair: CommandLine, deployed: Deployed, sandbox: Sandbox
) -> None:
    deployed.upload_pair("redrive/1")
    deployed.settled("redrive/1")
    sqs, url = sandbox.aws("sqs"), sandbox.outputs["DeadLetterQueue"]
    sqs.send_message(QueueUrl=url, MessageBody=notification("redrive/1/first.jpg"))

    with facepair.terminal("redrive") as terminal:
        terminal.shows("Move about 1 message from DeadLetterQueue to UploadsQueue? [y/N]: ")
        terminal.type("y\n")
        done = terminal.ended()

    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("1 message moved to UploadsQueue.\n")
    deployed.idle()
    assert deployed.messages("DeadLetterQueue") == 0
    assert len(deployed.ledger("redrive/1")) == 1


def test_an_unreadable_dead_letter_stays_and_is_reported(
    facepair: CommandLine, deployed: Deployed, sandbox: Sandbox
) -> None:
    sandbox.aws("sqs").send_message(QueueUrl=sandbox.outputs["DeadLetterQueue"], MessageBody="rubbish")

    done = facepair("redrive", "--yes")

    assert done.returncode == 1
    assert done.stdout == "0 messages moved to UploadsQueue.\n"
    assert "1 message in DeadLetterQueue cannot be read and would only come back" in done.stderr
    assert ": rubbish\n" in done.stderr
    deployed.wait(lambda: deployed.take("DeadLetterQueue") == ["rubbish"], lambda: "the message is not in the queue")


def test_events_are_published_again_under_the_same_ids(
    facepair: CommandLine, deployed: Deployed, sandbox: Sandbox
) -> None:
    deployed.upload_in_turn("resend/1")
    row = deployed.settled("resend/1")
    [told] = eventually(lambda: deliveries(sandbox, "resend/1"), within=60)

    since = facepair("resend", "--since", row["updated_at"], "--json", "--yes")
    named = facepair("resend", "resend/1", "unknown", "--yes")

    assert since.returncode == 0, since.stderr
    assert json.loads(since.stdout)["published"] >= 1
    assert named.returncode == 1
    assert named.stdout == "1 event published.\n"
    assert named.stderr == "unknown has no row.\nError: 1 pair not published.\n"
    eventually(lambda: len(deliveries(sandbox, "resend/1")) >= 3, within=60)
    assert set(deliveries(sandbox, "resend/1")) == {told}
