"""The verdict row as it is stored."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from facepair.domain import clock
from facepair.domain.decision import Decision, Review
from facepair.domain.fitted import Unusable
from facepair.domain.outcome import Face, Outcome, Policy, Seen
from facepair.domain.pair import ROLES, Pair, Role, Upload
from facepair.domain.row import Case, PictureRow, Row
from facepair.domain.verdict import Verdict

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=7, microseconds=123456)
POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
FIRST = Upload("anna/first.jpg", "etag1", 1000, NOON)
SECOND = Upload("anna/second.jpg", "etag2", 2000, NOON + timedelta(seconds=1))
FACE = Face(id="1", left=Decimal("618"), top=Decimal("227.5"), right=Decimal("715.25"), bottom=Decimal("350"))
PAIR = Pair("anna", FIRST, SECOND, listed_at=LATER)


CASE = Case(PAIR, {"first": "v1", "second": "v2"}, POLICY, fingerprint="f" * 64)


def passed() -> Row:
    return Row.judged(
        CASE,
        Outcome(
            code="SUCCESS",
            message="OK",
            similarity=Decimal("70.0001"),
            transaction_id="196eb0c777789e58",
            pricing_strategy="PAY",
            first=Seen(face=FACE, adjusted=("rotated 90",)),
        ),
    )


def stored(row: Row) -> dict[str, Any]:
    """Return the row as the table's adapter writes it."""
    expires_at = int((LATER + timedelta(days=365)).timestamp())
    return row.model_copy(update={"updated_at": LATER, "expires_at": expires_at}).item()


def test_a_verdict_is_stored_with_every_attribute_of_the_contract() -> None:
    assert stored(passed()) == {
        "pair_id": "anna",
        "verdict": "PASS",
        "code": "SUCCESS",
        "message": "OK",
        "similarity": Decimal("70.0001"),
        "transaction_id": "196eb0c777789e58",
        "pricing_strategy": "PAY",
        "first": {
            "key": "anna/first.jpg",
            "version_id": "v1",
            "etag": "etag1",
            "size": 1000,
            "face": {
                "id": "1",
                "left": Decimal("618"),
                "top": Decimal("227.5"),
                "right": Decimal("715.25"),
                "bottom": Decimal("350"),
            },
            "adjusted": ("rotated 90",),
        },
        "second": {"key": "anna/second.jpg", "version_id": "v2", "etag": "etag2", "size": 2000, "adjusted": ()},
        "fingerprint": "f" * 64,
        "uploaded_at": "2026-01-31T12:00:01.000Z",
        "updated_at": "2026-01-31T12:00:07.123Z",
        "listed_at": "2026-01-31T12:00:07.123Z",
        "policy": {"pass_above": Decimal(70), "reject_below": Decimal(55)},
        "expires_at": int((LATER + timedelta(days=365)).timestamp()),
    }


def test_a_waiting_row_gives_its_reason_and_has_no_attributes_that_are_not_known_yet() -> None:
    alone = Pair("anna", FIRST, None, NOON)

    attributes = stored(Row.waiting(alone, {}, POLICY))

    assert attributes["waiting_for"] == "second"
    assert attributes["uploaded_at"] == "2026-01-31T12:00:00.000Z"
    assert not attributes.keys() & {"second", "code", "similarity", "retake", "retry_at", "fingerprint"}
    assert "version_id" not in attributes["first"]


def test_a_pending_row_says_when_the_next_try_is_due() -> None:
    row = Row.pending(CASE, "SERVICE_BUSY", "busy", retry_at=NOON)

    assert stored(row)["retry_at"] == "2026-01-31T12:00:00.000Z"


def test_a_retake_lists_the_pictures() -> None:
    problems: dict[Role, Unusable] = {role: Unusable("IMAGE_INVALID_SIZE", "too small") for role in ROLES}

    attributes = stored(Row.unusable(CASE, problems))

    assert list(attributes["retake"]) == ["first", "second"]
    assert attributes["message"] == "first picture: too small; second picture: too small"


def test_a_decision_is_stored_under_the_names_of_the_contract() -> None:
    review = Review(by="arn:aws:iam::1:user/rita", at=LATER, reason="Same person", from_=Verdict.MANUAL_CHECK)
    decided = passed().as_decided(Decision(verdict=Verdict.RETAKE, retake=("second",), review=review))

    attributes = stored(decided)

    assert (attributes["verdict"], attributes["retake"]) == ("RETAKE", ("second",))
    assert attributes["review"] == {
        "by": "arn:aws:iam::1:user/rita",
        "at": "2026-01-31T12:00:07.123Z",
        "reason": "Same person",
        "from": "MANUAL_CHECK",
    }
    assert attributes["similarity"] == Decimal("70.0001")


def test_a_row_survives_dynamodb_s_types_unchanged() -> None:
    attributes = stored(passed())

    item = {name: TypeSerializer().serialize(value) for name, value in attributes.items()}

    read = {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
    assert Row.from_item(read).item() == attributes
    assert item["verdict"] == {"S": "PASS"}
    assert item["similarity"] == {"N": "70.0001"}
    assert not [value for value in leaves(attributes) if isinstance(value, float)]


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOON, "2026-01-31T12:00:00.000Z"),
        (LATER, "2026-01-31T12:00:07.123Z"),
        (datetime(2026, 1, 31, 23, tzinfo=timezone(timedelta(hours=8))), "2026-01-31T15:00:00.000Z"),
    ],
)
def test_times_are_utc_in_milliseconds_and_sort_as_text(moment: datetime, text: str) -> None:
    assert clock.iso(moment) == text
    assert clock.iso(moment) < clock.iso(moment + timedelta(milliseconds=1))
    assert abs(clock.parse(text) - moment) < timedelta(milliseconds=1)


# --- round trip ------------------------------------------------------------------------------------------------------

# DynamoDB's limits for a number: 38 digits, and this exponent.
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=15)
moments = st.datetimes(
    datetime(1970, 1, 2),
    datetime(2999, 12, 30),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=9, minutes=30))]),
)
faces = st.builds(Face, id=st.text(), left=numbers, top=numbers, right=numbers, bottom=numbers)
pictures = st.builds(
    PictureRow,
    key=st.text(),
    version_id=st.none() | st.text(),
    etag=st.text(),
    size=st.integers(0, 5 * 10**12),
    face=st.none() | faces,
    adjusted=st.lists(st.text()).map(tuple),
)
thresholds = st.decimals(0, 100, allow_nan=False, places=6)
policies = st.tuples(thresholds, thresholds).map(
    lambda bounds: Policy(reject_below=min(bounds), pass_above=max(bounds))
)
reviews = st.builds(Review, by=st.text(), at=moments, reason=st.text(), from_=st.sampled_from(Verdict))
texts = st.none() | st.text()
ATTRIBUTES: dict[str, st.SearchStrategy[Any]] = {
    "pair_id": st.text(),
    "verdict": st.sampled_from(Verdict),
    "code": texts,
    "message": texts,
    "similarity": st.none() | thresholds,
    "transaction_id": texts,
    "pricing_strategy": texts,
    "call": texts,
    "first": st.none() | pictures,
    "second": st.none() | pictures,
    "retake": st.none() | st.lists(st.sampled_from(ROLES), min_size=1, unique=True).map(tuple),
    "waiting_for": st.none() | st.sampled_from(ROLES),
    "retry_at": st.none() | moments,
    "fingerprint": texts,
    "uploaded_at": moments,
    "updated_at": st.none() | moments,
    "listed_at": moments,
    "policy": policies,
    "review": st.none() | reviews,
    "erased_before": st.none() | moments,
    "expires_at": st.none() | st.integers(0, 10**11),
}


@given(st.builds(Row, **ATTRIBUTES))
def test_any_row_is_read_back_as_it_was_written(row: Row) -> None:
    stored = TypeSerializer().serialize(row.item())

    assert Row.from_item(TypeDeserializer().deserialize(stored)) == row


def test_the_random_rows_cover_every_attribute_of_a_row() -> None:
    assert ATTRIBUTES.keys() == Row.model_fields.keys()
