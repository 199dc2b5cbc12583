"""The contract's part "Uploading", through the deployed stack."""

from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest

from facepair.domain.pair import ROLES
from tests.support.deployed import ANNA, BEN, Deployed, notification, picture
from tests.support.waiting import next_second

PAIR_IDS = [
    "plain",
    "a/deep/er/folder",
    "with spaces  and a trailing one ",
    "plus+plus",
    "100%",
    "%2Fnot%20a%20slash",
    "Zoë/日本語/🙂",
    "quotes'\"&<>=?#;:@$!*()[]{}|^~`\\,",
]
NAMES = [
    ("FIRST.JPG", "Second.jpeg"),
    ("first", "second"),
    ("first.pdf", "second.exe"),  # both are JPEGs: content decides
    ("fIrSt.a b+c", "second."),
    ("first.ü", "second.🙂"),
]


@pytest.fixture(scope="module", autouse=True)
def uploaded(deployed: Deployed) -> None:
    """Upload the pairs that need nothing else: all first pictures, then all second ones."""
    keys = [
        *((f"{pair_id}/first.jpg", f"{pair_id}/second.jpg") for pair_id in PAIR_IDS),
        *((f"names {number}/{first}", f"names {number}/{second}") for number, (first, second) in enumerate(NAMES)),
    ]
    for keys_of_one_role in zip(*keys, strict=True):
        for key in keys_of_one_role:
            deployed.upload(key, picture(ANNA, key))
        deployed.idle()


@pytest.mark.parametrize("pair_id", PAIR_IDS)
def test_a_pair_id_is_everything_before_the_last_slash(deployed: Deployed, pair_id: str) -> None:
    row = deployed.settled(pair_id)

    assert (row["pair_id"], row["verdict"], row["code"]) == (pair_id, "PASS", "SUCCESS")
    assert row["first"]["key"] == f"{pair_id}/first.jpg"
    assert len(deployed.ledger(pair_id)) == 1


@pytest.mark.parametrize(("number", "names"), list(enumerate(NAMES)))
def test_the_stem_in_any_case_is_the_role_and_the_extension_is_nothing(
    deployed: Deployed, number: int, names: tuple[str, str]
) -> None:
    row = deployed.settled(f"names {number}")

    assert row["verdict"] == "PASS"
    assert (row["first"]["key"], row["second"]["key"]) == tuple(f"names {number}/{name}" for name in names)


@pytest.mark.parametrize(("early", "late"), [("first", "second"), ("second", "first")])
def test_either_picture_may_come_first_and_waits_for_the_other(
    deployed: Deployed, early: Literal["first", "second"], late: Literal["first", "second"]
) -> None:
    pair_id = f"{early} comes first"

    deployed.upload(f"{pair_id}/{early}.jpg", picture(ANNA, pair_id))
    waiting = deployed.row_with(pair_id, "WAITING")
    deployed.upload(f"{pair_id}/{late}.jpg", picture(ANNA, f"{pair_id}, {late}"))
    row = deployed.settled(pair_id)

    assert waiting["waiting_for"] == late
    assert late not in waiting
    assert row["verdict"] == "PASS"
    assert "waiting_for" not in row
    assert [call["state"] for call in deployed.ledger(pair_id)] == ["ANSWERED"]


def test_the_same_contents_uploaded_again_are_not_paid_for_again(deployed: Deployed) -> None:
    pair_id = "uploaded twice"
    deployed.upload_in_turn(pair_id)
    row = deployed.settled(pair_id)

    next_second()
    for role in ROLES:
        deployed.upload_pair(pair_id, only=role)
        deployed.idle()
    again = deployed.row_that(pair_id, lambda row_now: row_now["uploaded_at"] > row["uploaded_at"])

    assert len(deployed.ledger(pair_id)) == len(deployed.asked(picture(ANNA, f"{pair_id}, first"))) == 1
    unchanged = ("verdict", "code", "similarity", "transaction_id", "fingerprint")
    assert {name: again[name] for name in unchanged} == {name: row[name] for name in unchanged}


def test_a_message_that_comes_twice_changes_nothing(deployed: Deployed) -> None:
    pair_id = "delivered twice"
    deployed.upload_in_turn(pair_id)
    deployed.settled(pair_id)
    deployed.idle()
    row = deployed.row(pair_id)

    for role in ROLES:
        deployed.send(notification(f"{pair_id}/{role}.jpg"))
    deployed.idle()

    assert deployed.row(pair_id) == row
    assert len(deployed.ledger(pair_id)) == 1


def test_a_picture_with_another_content_is_a_new_comparison(deployed: Deployed) -> None:
    pair_id = "taken again"
    deployed.upload_in_turn(pair_id, ANNA, BEN)
    rejected = deployed.settled(pair_id)

    deployed.upload(f"{pair_id}/second.jpg", picture(ANNA, "taken again"))
    passed = deployed.row_with(pair_id, "PASS")

    assert rejected["verdict"] == "REJECT"
    assert passed["fingerprint"] != rejected["fingerprint"]
    assert passed["second"]["version_id"] != rejected["second"]["version_id"]
    assert passed["first"]["version_id"] == rejected["first"]["version_id"]
    assert [call["fingerprint"] for call in deployed.ledger(pair_id)] == [
        rejected["fingerprint"],
        passed["fingerprint"],
    ]


def test_of_two_objects_of_one_role_the_newest_counts(deployed: Deployed) -> None:
    pair_id = "two firsts"
    deployed.upload(f"{pair_id}/first.png", picture(BEN, pair_id))
    next_second()
    deployed.upload(f"{pair_id}/first.jpg", picture(ANNA, pair_id))
    deployed.upload(f"{pair_id}/second.jpg", picture(ANNA, f"{pair_id}, second"))
    before = deployed.settled(pair_id)

    next_second()
    deployed.upload(f"{pair_id}/first.png", picture(BEN, f"{pair_id}, again"))
    after = deployed.row_with(pair_id, "REJECT")

    assert (before["verdict"], before["first"]["key"]) == ("PASS", f"{pair_id}/first.jpg")
    assert after["first"]["key"] == f"{pair_id}/first.png"


def test_a_pair_within_a_pairs_folder_is_another_pair(deployed: Deployed) -> None:
    deployed.upload("nest/first.jpg", picture(ANNA, "nest"))
    deployed.upload_in_turn("nest/inner", ANNA, BEN)

    assert deployed.settled("nest/inner")["verdict"] == "REJECT"
    assert deployed.row_with("nest", "WAITING")["waiting_for"] == "second"


def test_what_is_no_picture_of_a_pair_is_ignored_with_a_metric_and_a_line_in_the_log(deployed: Deployed) -> None:
    keys = ["ignored/", "ignored/third.jpg", "ignored/first.jpg.bak", "ignored/.first", "first.jpg", "/second.jpg"]
    deployed.idle()
    before = deployed.metrics()

    for key in keys:
        deployed.upload(key, b"whatever")
    deployed.idle()

    assert deployed.metrics()["IgnoredUploads"] - before["IgnoredUploads"] == len(keys)
    for key in keys:
        [ignored] = deployed.log_of(key)
        assert ignored["message"] == "Upload ignored: not named as a picture of a pair"
        assert ignored["expected"] == ["<pair id>/first.*", "<pair id>/second.*"]
    assert deployed.row("ignored") is None
    assert deployed.messages("DeadLetterQueue") == 0


def test_pictures_that_were_deleted_meanwhile_are_no_error(without_notifications: Deployed) -> None:
    deployed = without_notifications

    deployed.upload_pair("deleted")
    for role in ROLES:
        deployed.sandbox.aws("s3").delete_object(
            Bucket=deployed.sandbox.outputs["ImagesBucket"], Key=f"deleted/{role}.jpg"
        )
    deployed.resume()
    deployed.idle()

    assert deployed.row("deleted") is None
    logged = [line["message"] for line in deployed.log_of("deleted/first.jpg")]
    assert "Nothing to compare: both pictures have been deleted" in logged


def test_pictures_that_come_at_once_are_compared_once(deployed: Deployed) -> None:
    pair_ids = [f"at once {number}" for number in range(4)]
    uploads = [
        (f"{pair_id}/{role}.jpg", picture(ANNA, pair_id)) for pair_id in pair_ids for role in ("first", "second")
    ]

    with ThreadPoolExecutor(len(uploads)) as threads:
        list(threads.map(lambda upload: deployed.upload(*upload), uploads))
    deployed.idle()

    for pair_id in pair_ids:
        assert deployed.settled(pair_id)["verdict"] == "PASS"
        assert len(deployed.ledger(pair_id)) == 1
        assert len(deployed.asked(picture(ANNA, pair_id))) == 1
