"""A pair's history as `facepair show` prints it, also from rows of earlier releases."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from facepair.domain import clock
from facepair.domain.gate import Gate
from facepair.domain.history import Mark, Version, pair_among
from facepair.domain.ledger import Charge
from facepair.domain.pair import Names, Role, Upload
from facepair_cli.reading.pair_history import PairHistory, events, next_steps, rendered

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = Names("first", "second")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def version(
    key: str, seconds: float, *, role: Role | None = None, latest: bool = True, deleted: bool = False
) -> Version:
    etag, size = ("", 0) if deleted else ("etag", 1_000)
    return Version(Upload(key, etag, size, after(seconds)), f"{key} of {seconds}", role, latest, deleted)


def found(row: dict[str, Any] | None, **known: Any) -> PairHistory:
    nothing: dict[str, Any] = {"calls": [], "versions": [], "mark": None, "gate": Gate()}
    return PairHistory(pair_id="anna", row=row, **(nothing | known))


def row(verdict: str, **attributes: Any) -> dict[str, Any]:
    return {"pair_id": "anna", "verdict": verdict, "updated_at": clock.iso(after(60)), **attributes}


def call(seconds: float, state: str, **attributes: Any) -> dict[str, Any]:
    return {"pair_id": "anna", "call": "000001", "state": state, "sent_at": clock.iso(after(seconds)), **attributes}


def lines(of: PairHistory) -> list[str]:
    return [f"{event.what}; {'; '.join(event.details)}".strip("; ") for event in events(of)]


def test_uploads_calls_and_row_are_in_the_order_in_which_they_happened() -> None:
    pair = found(
        row("PASS", code="SUCCESS", message="OK", similarity=Decimal("88.2")),
        calls=[call(5, "ANSWERED", code="SUCCESS", pricing_strategy="PAY", similarity=Decimal("88.2"), latency_ms=700)],
        versions=[version("anna/second.png", 0, role="second"), version("anna/first.jpg", 3, role="first")],
    )

    assert lines(pair) == [
        "anna/second.png was uploaded: the second picture; 1,000 bytes, version anna/second.png of 0",
        "anna/first.jpg was uploaded: the first picture; 1,000 bytes, version anna/first.jpg of 3",
        "ADVANCE was called (000001): SUCCESS, charged; similarity 88.2, it took 700 ms",
        "The row was written: PASS; SUCCESS: OK",
    ]


def test_a_change_to_a_picture_is_listed_under_its_version() -> None:
    changed = {"version_id": "anna/first.jpg of 9", "adjusted": ["rotated 90", "re-encoded at quality 95"]}
    versions = [version("anna/first.jpg", 0, role="first", latest=False), version("anna/first.jpg", 9, role="first")]

    old, new, _ = lines(found(row("PASS", first=changed), versions=versions))

    assert old.endswith("of 0; overwritten or deleted since")
    assert new.endswith("of 9; changed to fit: rotated 90, re-encoded at quality 95")


def test_deletions_and_files_with_other_names_are_listed() -> None:
    versions = [version("anna/notes.txt", 0), version("anna/first.jpg", 5, role="first", deleted=True)]

    assert lines(found(None, versions=versions)) == [
        "anna/notes.txt was uploaded: ignored, as its name matches no role; 1,000 bytes, version anna/notes.txt of 0",
        "anna/first.jpg was deleted",
    ]


@pytest.mark.parametrize(
    ("state", "code", "pricing_strategy", "charge"),
    [
        ("ANSWERED", "SUCCESS", "PAY", "charged"),
        ("ANSWERED", "SUCCESS", "FREE", "charged"),
        ("REFUSED", "NO_FACE_DETECTED_FROM_FIRST_IMAGE", "FREE", "charged"),
        ("REFUSED", "A_CODE_OF_TOMORROW", "FREE", "free"),
        ("ANSWERED", "NO_FACE_DETECTED_FROM_FIRST_IMAGE", None, "charged"),
        ("REFUSED", "SERVICE_BUSY", None, "free"),
        ("UNKNOWN", "OUTCOME_UNKNOWN", None, "perhaps charged"),
        ("SENT", None, None, "perhaps charged"),
        (None, None, None, "perhaps charged"),
    ],
)
def test_a_call_of_an_earlier_release_is_priced_by_the_rule(
    state: str | None, code: str | None, pricing_strategy: str | None, charge: str
) -> None:
    assert Charge.of(state, code, pricing_strategy) == charge


@pytest.mark.parametrize(("charged", "charge"), [(True, "charged"), (False, "free")])
def test_the_row_s_attribute_says_whether_it_was_charged(charged: bool, charge: str) -> None:
    assert Charge.of("ANSWERED", "A_CODE_OF_TOMORROW", None, charged) == charge


def test_json_has_charged_for_every_call_also_of_earlier_releases() -> None:
    sent = {"sent_at": clock.iso(NOON), "call": "000001"}
    calls = [
        sent | {"state": "REFUSED", "code": "NO_FACE_DETECTED_FROM_FIRST_IMAGE", "pricing_strategy": "FREE"},
        sent | {"state": "REFUSED", "code": "SERVICE_BUSY"},
        sent | {"state": "ANSWERED", "code": "A_CODE_OF_TOMORROW", "charged": False},
        {"call": "erased"},
    ]

    document = found(None, calls=calls).document()

    assert [call.get("charged") for call in document["calls"]] == [True, False, False, None]


def test_an_approval_and_a_decision_are_shown_with_who_and_when() -> None:
    pair = found(
        row("REJECT", review={"by": "eva", "at": clock.iso(after(50)), "from": "MANUAL_CHECK", "reason": "the ears"}),
        calls=[call(30, "ANSWERED", permitted_by="ali", permitted_at=clock.iso(after(20)), code="SUCCESS")],
    )

    approval, _, decided, _ = lines(pair)

    assert approval == "ali approved one more call"
    assert decided.startswith("It was decided by eva at 2026-01-31T12:00:50.000Z, it was MANUAL_CHECK: the ears")


def test_a_ledger_row_emptied_by_an_erasure_is_accepted() -> None:
    assert lines(found(None, calls=[{"pair_id": "anna", "call": "000001"}])) == []


@pytest.mark.parametrize(
    ("verdict", "attributes", "sentence"),
    [
        ("WAITING", {"waiting_for": "second"}, "waits for the second picture"),
        ("PENDING", {"retry_at": "2026-01-31T13:00:00.000Z", "code": "SERVICE_BUSY"}, "at 2026-01-31T13:00:00.000Z"),
        ("UNDETERMINED", {}, "An operator must act: see the runbook"),
        ("MANUAL_CHECK", {}, "facepair review"),
        ("RETAKE", {"retake": ["first", "second"]}, "a new picture: first and second"),
    ],
)
def test_the_history_says_what_a_pair_waits_for(verdict: str, attributes: dict[str, Any], sentence: str) -> None:
    [only] = next_steps(found(row(verdict, **attributes)), NOON)

    assert sentence in only


def test_a_final_verdict_waits_for_nothing() -> None:
    assert list(next_steps(found(row("PASS")), NOON)) == []


def test_a_pending_pair_names_what_stops_the_whole_fleet_and_until_when() -> None:
    gate = Gate(code="ACCOUNT_DISABLED", message="no", closed_at=NOON.timestamp(), reopens_at=after(600).timestamp())

    _, fleet = next_steps(found(row("PENDING", retry_at="soon"), gate=gate), NOON)

    assert fleet == (
        "All workers have been waiting since 2026-01-31T12:00:00.000Z (ACCOUNT_DISABLED: no); "
        "the next try is at 2026-01-31T12:10:00.000Z."
    )


def test_an_active_worker_and_a_message_in_flight_are_listed() -> None:
    mark = Mark(due=after(720), begun=2, alive_until=after(120))

    _, worker, message, deaths = next_steps(found(None, mark=mark), NOON)

    assert worker == "A worker may be processing it until 2026-01-31T12:02:00.000Z."
    assert message == "Its message is in the queue and comes back by 2026-01-31T12:12:00.000Z."
    assert deaths == "2 workers started on it and did not finish."


def test_the_pair_is_the_objects_that_exist_now() -> None:
    versions = [
        version("anna/first.jpg", 0, role="first", latest=False),
        version("anna/first.jpg", 5, role="first"),
        version("anna/second.jpg", 1, role="second", latest=False),
        version("anna/second.jpg", 6, role="second", deleted=True),
    ]

    pair = pair_among("anna", versions, NAMES, NOON)

    assert pair.first == versions[1].upload
    assert pair.missing == ["second"]


def test_json_has_the_row_s_attributes_at_the_top_and_the_calls_beside_them() -> None:
    pair = found(row("PASS"), calls=[call(5, "ANSWERED")], versions=[version("anna/first.jpg", 0, role="first")])

    document = pair.document()

    assert document | row("PASS") == document
    assert document["calls"] == [call(5, "ANSWERED") | {"charged": True}]
    assert [upload["key"] for upload in document["uploads"]] == ["anna/first.jpg"]


def test_a_key_is_neither_read_as_markup_nor_cut_in_a_narrow_terminal() -> None:
    key = "[bold]anna[/]/" + "x" * 100
    file = io.StringIO()

    Console(file=file, width=60).print(rendered(found(row("PASS"), versions=[version(key, 0)]), NOON))

    assert key in "".join(line[21:].rstrip() for line in file.getvalue().splitlines())
