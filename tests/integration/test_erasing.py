"""Tombstones in a real table, and what an erasure removes from the others."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from facepair.aws.erasable import ErasableCalls, ErasableRecords, ErasableRows
from facepair.aws.erasable_pairs import ErasablePairs, ListingCursor
from facepair.aws.idempotency import PowertoolsIdempotency
from facepair.aws.in_flight import InFlightMarkers
from facepair.aws.ledger import CallsTable
from facepair.aws.reads import BatchedFirstReads
from facepair.aws.transactions import through_conflicts
from facepair.aws.verdicts import VerdictsTable
from facepair.aws.written_rows import StoredRows
from facepair.domain import clock
from facepair.domain.erasure import Charged
from facepair.domain.ledger import OF_CHARGES, OF_CONTENTS, OF_FACES, State
from facepair.domain.outcome import Outcome
from facepair.domain.retention import Retention
from facepair.domain.retry import Later
from facepair.domain.row import PairItem
from facepair.domain.verdict import Verdict
from tests.integration.test_idempotency import Context
from tests.integration.test_verdicts_table import KEPT, T, state
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import Resources

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SUCCESS = Outcome(code="SUCCESS", message="OK", similarity=Decimal("69.0"), transaction_id="t1", pricing_strategy="PAY")


def rows(deployed: Resources, pair_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployed.table("CallsTable").query(
        KeyConditionExpression="pair_id = :pair_id", ExpressionAttributeValues={":pair_id": pair_id}
    )["Items"]
    return found


def marked(deployed: Resources, pair_id: str, moment: datetime = NOON) -> Charged | None:
    erasable = erasable_calls(deployed)
    return erasable.mark(pair_id, erasable.of_pair(pair_id), moment, "arn:eva")


def test_a_worker_that_read_the_ledger_before_an_erasure_cannot_open_its_call(
    deployed: Resources, pair_id: str
) -> None:
    calls = CallsTable(deployed.table("CallsTable"))
    assert marked(deployed, pair_id)

    with pytest.raises(Later, match="it was erased"):
        calls.open(pair_id, "f1", 1, NOON, NOON)

    [mark] = calls.of_pair(pair_id)
    assert (mark.state, mark.erased_at, mark.call) == (State.ERASED, NOON, "000001")


def test_an_erasure_does_not_take_the_number_of_a_call(deployed: Resources, pair_id: str) -> None:
    calls, erasable = CallsTable(deployed.table("CallsTable")), erasable_calls(deployed)
    before = erasable.of_pair(pair_id)
    calls.open(pair_id, "f1", 1, NOON, NOON)

    assert erasable.mark(pair_id, before, NOON, "arn:eva") is None
    assert [row["state"] for row in rows(deployed, pair_id)] == ["SENT"]


def test_a_mark_whose_response_was_lost_is_recognised(deployed: Resources, faults: FaultyAws, pair_id: str) -> None:
    faults.fault("PutItem", "lose_response", "ERASED", times=1)

    assert marked(replace(deployed, url=faults.url), pair_id)

    assert [row["state"] for row in rows(deployed, pair_id)] == ["ERASED"]


def test_an_erasure_is_no_call_of_a_month(deployed: Resources, pair_id: str) -> None:
    marked(deployed, pair_id)

    assert pair_id not in {entry.pair_id for entry in CallsTable(deployed.table("CallsTable")).entries()}


def test_of_eight_calls_at_once_one_is_opened(deployed: Resources, pair_id: str) -> None:
    calls = CallsTable(deployed.table("CallsTable"))

    def opened(_: int) -> bool:
        with suppress(Later):
            calls.open(pair_id, "f1", 1, NOON, NOON)
            return True
        return False

    with ThreadPoolExecutor(8) as workers:
        assert sorted(workers.map(opened, range(8))) == [False] * 7 + [True]


def test_a_conflict_with_another_transaction_passes_by_itself() -> None:
    conflict = {"Error": {"Code": "TransactionConflictException"}}
    canceled = {
        "Error": {"Code": "TransactionCanceledException"},
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
    }
    answers: list[Any] = [ClientError(conflict, "UpdateItem"), ClientError(canceled, "TransactWriteItems")]  # type: ignore[arg-type]

    def write() -> str:
        if answers:
            raise answers.pop(0)
        return "written"

    assert through_conflicts(write) == "written"


def test_what_is_no_conflict_is_raised_at_once() -> None:
    def write() -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateItem")

    with pytest.raises(ClientError, match="AccessDenied"):
        through_conflicts(write)


# --- ledger -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", ["before", "after"])
def test_a_call_says_what_was_charged_and_nothing_of_faces_whenever_it_is_answered(
    deployed: Resources, pair_id: str, answered: str
) -> None:
    calls, erasable = CallsTable(deployed.table("CallsTable")), erasable_calls(deployed)
    call = calls.open(pair_id, "f1", 1, clock.now() + timedelta(minutes=1), NOON)

    if answered == "before":
        calls.complete(call, State.ANSWERED, SUCCESS, latency_ms=7)
    [charged] = erasable.of_pair(pair_id)
    erasable.strip(charged, NOON)
    if answered == "after":
        calls.complete(call, State.ANSWERED, SUCCESS, latency_ms=7)
    [stripped] = erasable.of_pair(pair_id)
    erasable.forget(stripped)

    [row] = rows(deployed, pair_id)
    assert not row.keys() & {"similarity", "outcome", "fingerprint"}
    assert (row["state"], row["code"], row["transaction_id"], row["pricing_strategy"], row["latency_ms"]) == (
        *("ANSWERED", "SUCCESS", "t1", "PAY", 7),
    )
    assert row["erased_at"] == "2026-01-31T12:00:00.000Z"
    [call] = calls.of_pair(pair_id)
    assert (call.erased, call.fingerprint, call.outcome) == (True, "", None)


def test_a_late_answer_with_a_lost_response_is_recognised_in_an_erased_row(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    faulty = CallsTable(replace(deployed, url=faults.url).table("CallsTable"))
    call = faulty.open(pair_id, "f1", 1, clock.now() + timedelta(minutes=1), NOON)
    [charged] = erasable_calls(deployed).of_pair(pair_id)
    erasable_calls(deployed).strip(charged, NOON)
    faults.fault("UpdateItem", "lose_response", "attribute_exists", times=1)

    faulty.complete(call, State.ANSWERED, SUCCESS)

    assert [row["state"] for row in rows(deployed, pair_id)] == ["ANSWERED"]


def test_an_erased_call_cannot_be_approved(deployed: Resources, pair_id: str) -> None:
    calls = CallsTable(deployed.table("CallsTable"))
    call = calls.open(pair_id, "f1", 1, NOON, NOON)
    [charged] = erasable_calls(deployed).of_pair(pair_id)
    erasable_calls(deployed).strip(charged, NOON)

    assert calls.approve(call, "ann") is False


def erasable_calls(deployed: Resources) -> ErasableCalls:
    return ErasableCalls(deployed.table("CallsTable"))


def erasable_rows(deployed: Resources) -> ErasableRows:
    return ErasableRows(deployed.table("VerdictsTable"))


def erasable_records(deployed: Resources) -> ErasableRecords:
    return ErasableRecords(deployed.tables, deployed.outputs["IdempotencyTable"])


# --- rows and records -------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_tombstone_and_only_the_very_row_that_was_read(deployed: Resources, pair_id: str) -> None:
    table, erasable = deployed.table("VerdictsTable"), erasable_rows(deployed)
    item = {
        "pair_id": pair_id,
        "verdict": "WAITING",
        "uploaded_at": "2026-01-31T12:00:01.000Z",
        "updated_at": "2026-01-31T12:00:02.000Z",
        "first": {"key": f"{pair_id}/first.jpg", "etag": "e1"},
        "fingerprint": "f1",
    }
    table.put_item(Item=item)
    read = erasable.stored(pair_id)
    assert read
    assert (read.uploaded_at, read.fingerprint, read.objects) == (
        NOON + SECOND,
        "f1",
        {"first": (f"{pair_id}/first.jpg", "e1")},
    )
    assert (read.is_later_than(NOON), read.is_later_than(NOON + SECOND)) == (True, False)

    table.put_item(Item=item | {"updated_at": "2026-01-31T12:00:03.000Z"})
    assert not erasable.entomb(pair_id, read, NOON + SECOND)
    assert not erasable.entomb(pair_id, None, NOON + SECOND)
    assert erasable.entomb(pair_id, erasable.stored(pair_id), NOON + SECOND)

    item = table.get_item(Key={"pair_id": pair_id})["Item"]
    assert item.keys() == {"pair_id", "erased_at", "expires_at"}
    assert item["erased_at"] == "2026-01-31T12:00:01.000Z"
    days = (int(item["expires_at"]) - clock.now().timestamp()) / 86400
    assert round(days) == 35


def test_reviews_of_any_number_of_contents_are_found(deployed: Resources, pair_id: str) -> None:
    fingerprints = [f"{pair_id}{number:03d}" for number in range(120)]
    for item_id in (f"decision#{fingerprints[0]}", f"opinions#{fingerprints[60]}", f"opinions#{fingerprints[119]}"):
        deployed.table("IdempotencyTable").put_item(Item={"id": item_id})

    assert erasable_records(deployed).reviewed(fingerprints) == {fingerprints[each] for each in (0, 60, 119)}
    assert erasable_records(deployed).reviewed([]) == set()


@pytest.mark.parametrize(
    "odd", [{"uploaded_at": "yesterday"}, {"uploaded_at": 7}, {"first": "a", "fingerprint": 3}, {"updated_at": 5}]
)
def test_a_row_that_cannot_be_read_becomes_a_tombstone_too(
    deployed: Resources, pair_id: str, odd: dict[str, Any]
) -> None:
    table, erasable = deployed.table("VerdictsTable"), erasable_rows(deployed)
    table.put_item(Item={"pair_id": pair_id, "verdict": "FOO"} | odd)

    stored = erasable.stored(pair_id)
    assert stored
    assert not stored.is_tombstone
    assert not stored.is_later_than(NOON)
    assert erasable.entomb(pair_id, stored, NOON)

    assert VerdictsTable(deployed.tables, table.name).item(pair_id) == PairItem(erased_at=NOON)


def test_a_tombstone_whose_response_was_lost_is_recognised(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    faulty = erasable_rows(replace(deployed, url=faults.url))
    faults.fault("PutItem", "lose_response", pair_id, times=1)

    assert faulty.entomb(pair_id, None, NOON)


def test_a_worker_that_does_not_know_of_an_erasure_writes_no_row(deployed: Resources, pair_id: str) -> None:
    table = VerdictsTable(deployed.tables, deployed.outputs["VerdictsTable"], retention=KEPT)
    row = state(Verdict.PASS, uploaded=10, pair_id=pair_id)
    erasable_rows(deployed).entomb(pair_id, None, T)

    with pytest.raises(Later, match="after this worker began"):
        table.write(row, None)
    assert table.write(row, T)
    with pytest.raises(Later, match="after this worker began"):
        table.write(state(Verdict.PASS, uploaded=20, pair_id=pair_id), None)

    current = table.row(pair_id)
    assert current
    assert (current.verdict, current.erased_before) == (Verdict.PASS, T)
    assert table.rows([pair_id]).keys() == {pair_id}


def test_readers_take_a_tombstone_for_no_row(deployed: Resources, pair_id: str) -> None:
    table = deployed.table("VerdictsTable")
    erasable_rows(deployed).entomb(pair_id, None, T)

    assert VerdictsTable(deployed.tables, table.name).row(pair_id) is None
    assert VerdictsTable(deployed.tables, table.name).rows([pair_id]) == {}
    assert list(StoredRows(table).of([pair_id])) == []


def test_an_erasure_by_an_earlier_release_is_known_until_it_expires(deployed: Resources, pair_id: str) -> None:
    table = deployed.table("IdempotencyTable")
    names = {name: deployed.outputs[f"{name.title()}Table"] for name in ("verdicts", "idempotency")}
    first_reads = BatchedFirstReads(deployed.tables, **names)
    assert first_reads.of(pair_id).erased_earlier is None
    item = {"id": f"erased#{hashlib.sha256(pair_id.encode()).hexdigest()}", "erased_at": int(NOON.timestamp())}

    table.put_item(Item=item)

    assert first_reads.of(pair_id).erased_earlier == NOON


def test_an_in_flight_marker_stays_while_a_worker_may_have_the_pair(deployed: Resources, pair_id: str) -> None:
    table = deployed.table("IdempotencyTable")
    in_flight = InFlightMarkers(table, comes_back=timedelta(minutes=12))
    in_flight.begin(pair_id, clock.now() + timedelta(minutes=1))

    erasable_records(deployed).unmark(pair_id)
    assert in_flight.mark(pair_id)
    in_flight.defer(pair_id, clock.now())
    erasable_records(deployed).unmark(pair_id)
    assert in_flight.mark(pair_id) is None


def test_every_attribute_that_the_ledger_writes_is_classified(deployed: Resources, pair_id: str) -> None:
    month = Retention(own=timedelta(days=30), images=timedelta(days=30))
    calls, erasable = CallsTable(deployed.table("CallsTable"), retention=month), erasable_calls(deployed)
    call = calls.open(pair_id, "f1", 1, NOON, NOON)
    calls.approve(call, "arn:ann")
    calls.complete(call, State.ANSWERED, SUCCESS, latency_ms=7)
    mark = marked(deployed, pair_id)
    assert mark
    erasable.settle(mark, NOON)
    erasable.strip(erasable.of_pair(pair_id)[0], NOON)
    calls.complete(calls.open(pair_id, "f2", 3, NOON, NOON), State.ANSWERED, SUCCESS, latency_ms=7)

    written = {name for row in rows(deployed, pair_id) for name in row}

    assert written == {*OF_FACES, *OF_CONTENTS, *OF_CHARGES}, "put a new attribute into a list of domain/erasure.py"


def test_pairs_below_a_prefix_are_found_in_all_places_page_by_page(deployed: Resources, pair_id: str) -> None:
    s3, bucket = deployed.client("s3"), deployed.outputs["ImagesBucket"]
    verdicts, calls = deployed.table("VerdictsTable"), deployed.table("CallsTable")
    s3.put_object(Bucket=bucket, Key=f"{pair_id}/bucket/first.jpg", Body=b"x")
    verdicts.put_item(Item={"pair_id": f"{pair_id}/row", "odd": True})
    erasable_rows(deployed).entomb(f"{pair_id}/tombstone", None, NOON)
    CallsTable(calls).open(f"{pair_id}/call", "f1", 1, NOON, NOON)
    pairs = ErasablePairs(s3, bucket, verdicts, calls)

    found, cursor, pages = list[str](), cast(ListingCursor | None, {}), 0
    while cursor is not None:
        page, cursor = pairs.below(f"{pair_id}/", cursor, lambda: True)
        cursor = cursor and json.loads(json.dumps(cursor))
        found, pages = found + page, pages + 1

    assert sorted(found) == [f"{pair_id}/{each}" for each in ("bucket", "call", "row")]
    assert pages >= 3
    assert pairs.below(f"{pair_id}/", {}, lambda: False) == (found, None)


def test_a_record_is_left_while_its_worker_may_save_and_deleted_once_saved(deployed: Resources, pair_id: str) -> None:
    records = erasable_records(deployed)
    idempotency = PowertoolsIdempotency(
        deployed.client("dynamodb"), deployed.outputs["IdempotencyTable"], expires_after_seconds=60
    )
    idempotency.register_lambda_context(Context(60))  # type: ignore[arg-type]
    seen: list[Any] = []

    def compare() -> Outcome:
        seen.append(records.take(pair_id))
        idempotency.discard(pair_id)
        seen.append(records.take(pair_id))
        return SUCCESS

    def compare_again() -> Outcome:
        return SUCCESS.model_copy(update={"message": "compared again"})

    idempotency.once(pair_id, compare)

    [in_progress, still_there] = seen
    assert still_there == in_progress
    assert in_progress > clock.now()
    assert records.take(pair_id) is None
    assert idempotency.once(pair_id, compare_again) == compare_again()
