"""Whole tables read page by page, and what that takes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from facepair.aws.reading import BYTES_OF_A_UNIT, Entries, Extent, JudgedRows
from facepair.domain import clock
from facepair.domain.entry import Cost
from facepair.domain.judgement import Judgement
from facepair.domain.verdict import Verdict
from tests.support.resources import Resources

MAY = datetime(2032, 5, 1, tzinfo=UTC)
LARGE = "x" * 200_000
"""Five of these are a page: DynamoDB's pages end at 1 MB."""
SECOND = timedelta(seconds=1)


def put_row(deployed: Resources, pair_id: str, at: datetime, **said: Any) -> None:
    deployed.table("VerdictsTable").put_item(
        Item={
            "pair_id": pair_id,
            "verdict": "PASS",
            "message": LARGE,
            "uploaded_at": clock.iso(at),
            "updated_at": clock.iso(at),
            "policy": {"pass_above": 70, "reject_below": 55},
        }
        | said
    )


def test_rows_of_a_time_come_from_all_pages_with_what_figures_need_and_nothing_else(
    deployed: Resources, pair_id: str
) -> None:
    for number in range(12):
        put_row(deployed, f"{pair_id}/{number:02}", MAY + number * SECOND)
    put_row(deployed, f"{pair_id}/before", MAY - timedelta(milliseconds=1))
    put_row(deployed, f"{pair_id}/end", MAY + 12 * SECOND)
    put_row(deployed, f"{pair_id}/waiting", MAY, verdict="WAITING")

    read = list(JudgedRows(deployed.table("VerdictsTable")).written([Verdict.PASS], MAY, MAY + 12 * SECOND))

    assert [row["pair_id"] for row in read] == [f"{pair_id}/{number:02}" for number in range(12)]
    assert "message" not in read[0]
    assert Judgement.of(read[0]).updated_at == MAY


def test_rows_of_any_time_are_read_where_none_is_given(deployed: Resources, pair_id: str) -> None:
    put_row(deployed, pair_id, MAY, verdict="REJECT", similarity=7)

    read = JudgedRows(deployed.table("VerdictsTable")).written([Verdict.REJECT])

    assert pair_id in [row["pair_id"] for row in read]


def test_every_call_is_read_of_all_pages_with_what_it_cost(deployed: Resources, pair_id: str) -> None:
    row = {"pair_id": pair_id, "sent_at": clock.iso(MAY), "owner": LARGE}
    with deployed.table("CallsTable").batch_writer() as batch:
        for number in range(12):
            answer = {"code": "SUCCESS", "transaction_id": f"t{number}", "answered_at": clock.iso(MAY + SECOND)}
            batch.put_item(row | answer | {"call": f"{number:06d}", "state": "ANSWERED"})
        batch.put_item(row | {"call": "000012", "state": "SENT"})

    entries = {each.call: each for each in Entries(deployed.table("CallsTable")).all() if each.pair_id == pair_id}

    assert sorted(entries) == [f"{number:06d}" for number in range(13)]
    assert (entries["000003"].transaction_id, entries["000003"].at) == ("t3", MAY + SECOND)
    assert (entries["000003"].cost, entries["000012"].cost) == (Cost.CHARGED, Cost.UNKNOWN)


def test_what_there_is_to_read_is_told_by_dynamodb(deployed: Resources, pair_id: str) -> None:
    put_row(deployed, pair_id, MAY)

    rows, calls = JudgedRows(deployed.table("VerdictsTable")).extent(), Entries(deployed.table("CallsTable")).extent()

    assert rows.name == f"the index by_verdict of {deployed.outputs['VerdictsTable']}"
    assert calls.name == f"the table {deployed.outputs['CallsTable']}"
    assert rows.items > 0


def test_a_read_unit_is_eight_kilobytes_begun_and_a_million_cost_an_eighth_of_a_dollar() -> None:
    assert Extent("a table", 1, 1).read_units == 1
    assert Extent("a table", 10, 10 * BYTES_OF_A_UNIT).read_units == 10
    assert Extent("a table", 10**9, 8192 * 10**6).us_dollars == 0.125
