"""Marks of erased pairs in a real table, and what an erasure takes out of the others."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from facepair.aws.erasable import ErasableCalls, ErasableRecords, ErasableRows
from facepair.aws.idempotency import PowertoolsIdempotency
from facepair.aws.ledger import CallsTable
from facepair.aws.transactions import through_conflicts
from facepair.domain import clock
from facepair.domain.ledger import State
from facepair.domain.retry import Later
from facepair.domain.verdict import Outcome
from tests.integration.test_idempotency import Context
from tests.support.faulty_aws import FaultyAws
from tests.support.resources import Resources

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SUCCESS = Outcome(code="SUCCESS", message="OK", similarity=Decimal("69.0"), transaction_id="t1", pricing_strategy="PAY")
NEW = Attr("call").not_exists()


def put(deployed: Resources, pair_id: str, uploaded_at: datetime, number: str = "1") -> bool:
    # As much of a call as others read, who scan the whole table.
    item = {"pair_id": pair_id, "call": number, "state": "SENT", "sent_at": clock.iso(NOON)}
    table = deployed.outputs["CallsTable"]
    return deployed.erased.put(table, item, NEW, pair_id=pair_id, uploaded_at=uploaded_at) is None


def rows(deployed: Resources, pair_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = deployed.table("CallsTable").query(
        KeyConditionExpression="pair_id = :pair_id", ExpressionAttributeValues={":pair_id": pair_id}
    )["Items"]
    return found


def test_a_write_passes_without_a_mark_and_behind_it_and_not_up_to_its_second(
    deployed: Resources, pair_id: str
) -> None:
    assert put(deployed, pair_id, NOON, "1")
    assert deployed.erased.set(pair_id, NOON) is False

    for uploaded_at in (NOON - SECOND, NOON, NOON + timedelta(milliseconds=999)):
        with pytest.raises(Later, match="the pair was erased"):
            put(deployed, pair_id, uploaded_at, "2")
    assert put(deployed, pair_id, NOON + SECOND, "2")

    assert [row["call"] for row in rows(deployed, pair_id)] == ["1", "2"]


def test_a_condition_of_one_s_own_that_fails_is_told_apart_from_an_erasure(deployed: Resources, pair_id: str) -> None:
    assert [put(deployed, pair_id, NOON), put(deployed, pair_id, NOON)] == [True, False]


def test_the_later_of_two_erasures_stands(deployed: Resources, pair_id: str) -> None:
    assert [deployed.erased.set(pair_id, NOON), deployed.erased.set(pair_id, NOON - SECOND)] == [False, True]

    with pytest.raises(Later):
        put(deployed, pair_id, NOON)


def test_of_eight_writes_at_once_one_is_carried_out(deployed: Resources, pair_id: str) -> None:
    with ThreadPoolExecutor(8) as writers:
        assert sorted(writers.map(lambda _: put(deployed, pair_id, NOON), range(8))) == [False] * 7 + [True]


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


# --- The ledger -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", ["before", "after"])
def test_a_call_says_what_was_charged_and_nothing_of_faces_whenever_it_is_answered(
    deployed: Resources, pair_id: str, answered: str
) -> None:
    calls, erasable = CallsTable(deployed.table("CallsTable"), erased=deployed.erased), erasable_calls(deployed)
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


def test_a_late_answer_whose_response_was_lost_is_recognised_in_a_row_that_was_erased(
    deployed: Resources, faults: FaultyAws, pair_id: str
) -> None:
    faulty = CallsTable(replace(deployed, url=faults.url).table("CallsTable"), erased=deployed.erased)
    call = faulty.open(pair_id, "f1", 1, clock.now() + timedelta(minutes=1), NOON)
    [charged] = erasable_calls(deployed).of_pair(pair_id)
    erasable_calls(deployed).strip(charged, NOON)
    faults.fault("UpdateItem", "lose_response", "attribute_exists", times=1)

    faulty.complete(call, State.ANSWERED, SUCCESS)

    assert [row["state"] for row in rows(deployed, pair_id)] == ["ANSWERED"]


def test_an_erased_call_cannot_be_approved(deployed: Resources, pair_id: str) -> None:
    calls = CallsTable(deployed.table("CallsTable"), erased=deployed.erased)
    call = calls.open(pair_id, "f1", 1, NOON, NOON)
    [charged] = erasable_calls(deployed).of_pair(pair_id)
    erasable_calls(deployed).strip(charged, NOON)

    assert calls.approve(call, "ann") is False


def erasable_calls(deployed: Resources) -> ErasableCalls:
    return ErasableCalls(deployed.table("CallsTable"))


# --- Rows and records -------------------------------------------------------------------------------------------------


def test_a_row_of_a_later_upload_is_not_taken(deployed: Resources, pair_id: str) -> None:
    table, rows = deployed.table("VerdictsTable"), ErasableRows(deployed.table("VerdictsTable"))
    item = {
        "pair_id": pair_id,
        "verdict": "WAITING",
        "uploaded_at": "2026-01-31T12:00:01.000Z",
        "listed_at": "2026-01-31T12:00:01.500Z",
        "policy": {"pass_above": 70, "reject_below": 55},
    }
    table.put_item(Item=item)

    assert rows.take(pair_id, NOON) is None
    taken = rows.take(pair_id, NOON + SECOND)

    assert taken is not None
    assert taken.pair_id == pair_id
    assert rows.take(pair_id, NOON + SECOND) is None


def test_the_record_that_powertools_has_made_is_found_while_it_is_in_progress_and_when_it_is_saved(
    deployed: Resources, pair_id: str
) -> None:
    records = ErasableRecords(deployed.table("IdempotencyTable"))
    idempotency = PowertoolsIdempotency(
        deployed.client("dynamodb"), deployed.outputs["IdempotencyTable"], expires_after_seconds=60
    )
    idempotency.register_lambda_context(Context(60))  # type: ignore[arg-type]
    seen: list[Any] = []

    def compare() -> Outcome:
        seen.append(records.take(pair_id))
        return SUCCESS

    idempotency.once(pair_id, compare)

    [in_progress] = seen
    assert in_progress.in_progress_until > clock.now()
    saved = records.take(pair_id)
    assert saved is not None
    assert saved.in_progress_until is None
    assert records.take(pair_id) is None
