"""Which writes to the verdicts table are change events; the events' schema and examples."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord, DynamoDBStreamEvent
from hypothesis import given
from hypothesis import strategies as st

from facepair.aws.stream import write_of
from facepair.domain.change import PairErased, VerdictChanged, Write, schema
from facepair.domain.outcome import Face, Policy
from facepair.domain.row import PictureRow, Row
from facepair.domain.verdict import Verdict

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = {"pass_above": Decimal(70), "reject_below": Decimal(55)}
ASKED = {"code": "SUCCESS", "message": "OK", "transaction_id": "196eb", "pricing_strategy": "PAY", "policy": POLICY}
WAITING = {"pair_id": "anna", "verdict": "WAITING", "waiting_for": "second", "policy": POLICY} | {
    "uploaded_at": "2026-01-31T12:00:00.000Z",
    "updated_at": "2026-01-31T12:00:01.000Z",
}
PASS = {"pair_id": "anna", "verdict": "PASS", "similarity": Decimal("91.5"), "fingerprint": "f" * 64} | {
    "uploaded_at": "2026-01-31T12:00:05.000Z",
    "updated_at": "2026-01-31T12:00:08.123Z",
    **ASKED,
}
PENDING = {"pair_id": "anna", "verdict": "PENDING", "code": "SERVICE_BUSY", "message": "busy", "policy": POLICY} | {
    "fingerprint": "f" * 64,
    "retry_at": "2026-01-31T12:01:00.000Z",
    "uploaded_at": "2026-01-31T12:00:05.000Z",
    "updated_at": "2026-01-31T12:00:06.000Z",
}
LATER = {"updated_at": "2026-01-31T13:00:00.000Z"}


def written(old: dict[str, Any] | None, new: dict[str, Any] | None, *, expired: bool = False) -> Write:
    return Write(old, new, NOON, expired, place="1")


def verdict_changed(old: dict[str, Any] | None, new: dict[str, Any]) -> VerdictChanged:
    change = written(old, new).change()
    assert isinstance(change, VerdictChanged)
    return change


def detail(change: VerdictChanged | PairErased) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(change.json())
    return parsed


# --- changes ---------------------------------------------------------------------------------------------------------


def test_a_first_row_is_a_change_without_a_previous_verdict() -> None:
    result = detail(verdict_changed(None, WAITING))

    assert (result["verdict"], result["waiting_for"]) == ("WAITING", "second")
    assert "previous_verdict" not in result


def test_another_verdict_is_a_change_from_the_previous_one() -> None:
    result = detail(verdict_changed(WAITING, PASS))

    assert (result["previous_verdict"], result["verdict"], result["similarity"]) == ("WAITING", "PASS", 91.5)


@pytest.mark.parametrize("changed", [{"verdict": "REJECT"}, {"code": "RETRY_LATER"}, {"fingerprint": "e" * 64}])
def test_another_verdict_code_or_fingerprint_is_a_change(changed: dict[str, str]) -> None:
    assert verdict_changed(PENDING, PENDING | changed).previous_verdict == "PENDING"


@pytest.mark.parametrize(
    "changed",
    [
        {"retry_at": "2026-01-31T13:30:00.000Z"} | LATER,
        LATER,
        {"message": "still busy"},
        {"expires_at": Decimal(1)},
        {},
    ],
)
def test_other_attributes_are_no_change(changed: dict[str, Any]) -> None:
    assert written(PENDING, PENDING | changed).change() is None


def test_a_review_is_a_change() -> None:
    review = {
        "by": "arn:aws:iam::1:user/eve",
        "at": "2026-02-01T12:00:00.000Z",
        "reason": "same",
        "from": "MANUAL_CHECK",
    }

    result = detail(verdict_changed(PASS | {"verdict": "MANUAL_CHECK"}, PASS | LATER | {"review": review}))

    assert (result["previous_verdict"], result["verdict"]) == ("MANUAL_CHECK", "PASS")


# --- deletions -------------------------------------------------------------------------------------------------------


def test_a_deleted_row_is_an_erased_pair() -> None:
    erased = written(PASS, None).change()

    assert isinstance(erased, PairErased)
    assert detail(erased) == {"id": erased.id, "pair_id": "anna", "erased_at": "2026-01-31T12:00:00.000Z"}


def test_an_expired_row_is_no_change() -> None:
    assert written(PASS, None, expired=True).change() is None


def test_an_item_without_a_verdict_is_no_row() -> None:
    mark = {"pair_id": "anna", "erased_at": "2026-01-31T12:00:00.000Z"}

    assert isinstance(written(PASS, mark).change(), PairErased)
    assert written(mark, None).change() is None
    assert written(None, mark).change() is None
    assert "previous_verdict" not in detail(verdict_changed(mark, WAITING))


@pytest.mark.parametrize(
    ("identity", "expired"),
    [
        ({"type": "Service", "principalId": "dynamodb.amazonaws.com"}, True),
        ({"type": "AssumedRole", "principalId": "AROA:eve"}, False),
        (None, False),
    ],
)
def test_only_dynamodb_s_own_deletion_is_an_expiry(identity: dict[str, str] | None, expired: bool) -> None:
    record: dict[str, Any] = {
        "eventName": "REMOVE",
        "dynamodb": {"OldImage": {"pair_id": {"S": "anna"}, "verdict": {"S": "PASS"}}, "SequenceNumber": "7"},
    }

    write = write_of(DynamoDBRecord(record | ({"userIdentity": identity} if identity else {})))

    assert (write.expired, write.new, write.place) == (expired, None, "7")
    assert (write.change() is None) == expired


# --- ids -------------------------------------------------------------------------------------------------------------


def test_a_change_that_is_published_again_keeps_its_id() -> None:
    assert VerdictChanged.to(PASS).id == verdict_changed(WAITING, PASS).id == verdict_changed(WAITING, dict(PASS)).id


@pytest.mark.parametrize("row", [PENDING, WAITING, PENDING | {"verdict": "UNDETERMINED", "code": "OUTCOME_UNKNOWN"}])
def test_rewriting_an_unfinished_row_keeps_the_id(row: dict[str, Any]) -> None:
    assert VerdictChanged.to(row).id == VerdictChanged.to(row | LATER | {"retry_at": "2026-01-31T14:00:00.000Z"}).id


def test_each_change_of_a_pair_has_its_own_id() -> None:
    uploaded_anew = {"uploaded_at": "2026-02-01T12:00:00.000Z", "updated_at": "2026-02-01T12:00:01.000Z"}
    first_again = {"uploaded_at": "2026-02-02T12:00:00.000Z", "updated_at": "2026-02-02T12:00:01.000Z"}
    life = [
        None,
        WAITING,
        PENDING,
        PENDING | {"code": "INSUFFICIENT_BALANCE"},
        PASS,
        PASS | {"verdict": "REJECT"} | LATER,
        PASS | {"fingerprint": "e" * 64} | uploaded_anew,
        PASS | first_again,
        None,
    ]

    ids = [change.id for old, new in pairwise(life) if (change := written(old, new).change())]

    assert len(ids) == len(life) - 1
    assert len(set(ids)) == len(ids)


def test_two_pairs_never_share_an_id() -> None:
    assert VerdictChanged.to(PASS).id != VerdictChanged.to(PASS | {"pair_id": "ben"}).id


# --- what an event must not contain ----------------------------------------------------------------------------------


def test_an_event_says_nothing_of_pictures_faces_or_file_names() -> None:
    face = Face(id="face-id", left=Decimal(618), top=Decimal(227), right=Decimal(715), bottom=Decimal(350))
    picture = PictureRow(key="anna/passport of anna.jpg", version_id="v1", etag="e1", size=1234567, face=face)
    row = Row(
        pair_id="anna",
        verdict=Verdict.PASS,
        first=picture,
        second=picture,
        uploaded_at=NOON,
        updated_at=NOON,
        listed_at=NOON,
        policy=Policy(pass_above=Decimal(70), reject_below=Decimal(55)),
    )

    result = VerdictChanged.to(row.item()).json()

    for secret in ("passport", "face", "618", "227", "v1", "e1", "1234567", "first", "second"):
        assert secret not in result


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=5))
def test_an_unknown_attribute_is_not_published(more: dict[str, Any]) -> None:
    result = detail(VerdictChanged.to(more | PASS))

    assert result.keys() - {"id"} == PASS.keys()


# --- malformed rows --------------------------------------------------------------------------------------------------


def test_a_row_of_two_attributes_is_published_as_far_as_it_goes() -> None:
    result = detail(verdict_changed(None, {"pair_id": "anna", "verdict": "PASS"}))

    assert result == {"id": result["id"], "pair_id": "anna", "verdict": "PASS"}


def test_an_unreadable_row_is_published_once_it_is_repaired() -> None:
    assert verdict_changed(PASS | {"verdict": "PASSED", "policy": 7}, PASS).previous_verdict == "PASSED"


@pytest.mark.parametrize(
    "unreadable",
    [
        {"verdict": "PASSED"},
        {"verdict": Decimal(7)},
        {"verdict": []},
        {"updated_at": "yesterday"},
        {"updated_at": Decimal(1764270000)},
        {"uploaded_at": Decimal(1764270000)},
        {"uploaded_at": ["2026-01-31T12:00:00.000Z"]},
        {"uploaded_at": "0001-01-01T00:00:00+14:00"},  # before the first moment that UTC can express
        {"retry_at": Decimal(1)},
        {"retry_at": {}},
        {"policy": "strict"},
        {"code": []},
        {"retake": {"first", "third"}},
        {"similarity": "high"},
    ],
)
def test_an_error_about_an_unreadable_row_contains_no_personal_data(unreadable: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(unreadable))) as refused:
        written(None, PASS | unreadable).change()

    assert not any(said in str(refused.value) for said in ("91.5", "196eb", "strict"))


# --- schema and examples ---------------------------------------------------------------------------------------------


def test_the_published_schema_matches_the_code() -> None:
    published = json.loads((ROOT / "docs" / "reference" / "events.schema.json").read_text())

    assert published == schema(), "run `make reference`; removing or changing a field breaks readers"


@pytest.mark.parametrize("example", ["verdict-changed", "pair-erased"])
def test_the_examples_match_the_schema(example: str) -> None:
    event = json.loads((ROOT / "events" / f"{example}.json").read_text())

    jsonschema.validate(event["detail"], schema(), format_checker=jsonschema.FormatChecker())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**event["detail"], "pair_id": 7}, schema())


def test_the_example_event_matches_the_example_stream_record() -> None:
    sample = DynamoDBStreamEvent(json.loads((ROOT / "events" / "rows-written.json").read_text()))
    example = json.loads((ROOT / "events" / "verdict-changed.json").read_text())

    [change] = [write_of(record).change() for record in sample.records]

    assert change is not None
    assert (change.detail_type, detail(change)) == (example["detail-type"], example["detail"])


def test_every_published_row_matches_the_schema() -> None:
    for row in (WAITING, PENDING, PASS, PASS | {"verdict": "RETAKE", "retake": ["first", "second"]}):
        jsonschema.validate(detail(VerdictChanged.to(row)), schema())
