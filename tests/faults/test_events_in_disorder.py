"""Events come twice, at once, late or never: each pair is compared once."""

from tests.support.deployed import BEN, notification, picture
from tests.support.faulty_cloud import FaultyCloud
from tests.support.waiting import next_second


def test_eight_workers_at_once_on_the_same_pair_make_one_call(cloud: FaultyCloud) -> None:
    pair = cloud.pair("disorder/eightfold")
    with cloud.held():
        cloud.put(pair, {"delay": 1})
        cloud.repeat(pair, 14)

    cloud.when_asked(pair)
    cloud.wait(lambda: busy(cloud) >= 2, lambda: "never two workers were busy at once")

    assert cloud.paid_once(pair)["verdict"] == "PASS"
    cloud.idle()
    assert len(cloud.charges(pair)) == 1
    assert [state for state in cloud.states(pair) if state != "REFUSED"] == ["ANSWERED"]


def test_eight_pairs_at_once_are_each_paid_once(cloud: FaultyCloud) -> None:
    pairs = [cloud.pair(f"disorder/{number} of eight") for number in range(8)]
    with cloud.held():
        for pair in pairs:
            cloud.put(pair, {"delay": 0.5})
            cloud.repeat(pair, 2)

    for pair in pairs:
        assert cloud.paid_once(pair)["verdict"] == "PASS"


def test_an_event_that_comes_again_brings_the_stored_answer(cloud: FaultyCloud) -> None:
    pair = cloud.put(cloud.pair("disorder/again"))
    row = cloud.paid_once(pair)
    cloud.idle()

    cloud.forget("VerdictsTable", pair_id=pair.pair_id)
    cloud.repeat(pair)
    again = cloud.paid_once(pair)

    assert again["similarity"] == row["similarity"]
    assert again["first"] == row["first"]
    assert len(cloud.charges(pair)) == 1


def test_the_ledger_answers_when_the_idempotency_record_has_expired(cloud: FaultyCloud) -> None:
    pair = cloud.put(cloud.pair("disorder/days later"))
    row = cloud.paid_once(pair)
    cloud.idle()

    cloud.forget("VerdictsTable", pair_id=pair.pair_id)
    forget_all(cloud, "IdempotencyTable")
    cloud.repeat(pair)
    again = cloud.paid_once(pair)

    assert again["similarity"] == row["similarity"]
    assert again["first"] == row["first"]
    assert len(cloud.charges(pair)) == 1


def test_a_message_redriven_from_the_dead_letter_queue_is_compared_once(cloud: FaultyCloud) -> None:
    pair = cloud.pair("disorder/redriven")
    with cloud.held():
        cloud.put(pair)
        cloud.lose_messages()
    dead_letters = cloud.sandbox.outputs["DeadLetterQueue"]
    cloud.sandbox.aws("sqs").send_message(QueueUrl=dead_letters, MessageBody=notification(f"{pair.pair_id}/first.jpg"))

    for body in cloud.dead_letters() * 2:
        cloud.send(body)

    assert cloud.paid_once(pair)["verdict"] == "PASS"


def test_a_picture_overwritten_while_it_is_compared_is_compared_anew(cloud: FaultyCloud) -> None:
    pair = cloud.put(cloud.pair("disorder/overwritten"), {"delay": 1.2})
    cloud.when_asked(pair)
    next_second()
    cloud.upload(f"{pair.pair_id}/second.jpg", picture(BEN, "overwriting"))

    row = cloud.row_with(pair.pair_id, "REJECT")
    cloud.idle()

    assert cloud.row_with(pair.pair_id, "REJECT") == row
    assert len(cloud.charges(pair)) == 2  # two distinct pairs of contents
    assert cloud.states(pair).count("ANSWERED") == 2


def test_a_multipart_upload_is_an_upload_like_any_other(cloud: FaultyCloud) -> None:
    pair, s3 = cloud.pair("disorder/multipart"), cloud.sandbox.aws("s3")
    where = {"Bucket": cloud.sandbox.outputs["ImagesBucket"], "Key": f"{pair.pair_id}/first.jpg"}

    cloud.upload(f"{pair.pair_id}/second.jpg", pair.second)
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=pair.first)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)

    assert cloud.paid_once(pair)["verdict"] == "PASS"


def test_a_pair_whose_events_never_came_is_found(cloud: FaultyCloud) -> None:
    pair = cloud.pair("disorder/never came")
    with cloud.held():
        cloud.put(pair)
        cloud.lose_messages()
    assert cloud.row(pair.pair_id) is None
    next_second()  # the search takes pairs older than FindMissedAfterMinutes, 0 here

    found = cloud.invoke("FindMissedFunction", {})

    assert found["sent"] >= 1
    assert cloud.paid_once(pair)["verdict"] == "PASS"


def busy(cloud: FaultyCloud) -> int:
    return sum(environment.busy for environment in cloud.host.environments())


def forget_all(cloud: FaultyCloud, table: str) -> None:
    items = cloud.sandbox.aws("dynamodb").scan(TableName=cloud.sandbox.outputs[table])["Items"]
    for item in items:
        cloud.forget(table, id=item["id"]["S"])
