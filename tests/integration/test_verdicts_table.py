"""Rows of the verdicts table only move forward, in whatever order workers finish."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from botocore.exceptions import ClientError

from facepair.aws.verdicts import BATCH, VerdictsTable
from facepair.domain import clock
from facepair.domain.outcome import Face, Policy
from facepair.domain.pair import Pair, Upload
from facepair.domain.retention import Retention
from facepair.domain.row import PictureRow, Row
from facepair.domain.verdict import Verdict
from tests.support.resources import Resources

T = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
KEPT = Retention(own=timedelta(days=365), images=timedelta(days=30))


def table_of(deployed: Resources, retention: Retention) -> VerdictsTable:
    name = deployed.outputs["VerdictsTable"]
    return VerdictsTable(deployed.tables, name, retention=retention)


@pytest.fixture
def verdicts(deployed: Resources) -> VerdictsTable:
    return table_of(deployed, KEPT)


def state(
    verdict: Verdict,
    *,
    contents: str | None = "A",
    uploaded: float = 0,
    listed: float = 1,
    pair_id: str = "",
    code: str | None = None,
) -> Row:
    """Return a worker's row: `contents` stands for both pictures, `uploaded` and `listed` are seconds after T."""
    at = T + timedelta(seconds=uploaded)
    first = Upload(f"{pair_id}/first.jpg", f"first {contents}", 1, at)
    second = Upload(f"{pair_id}/second.jpg", f"second {contents}", 1, at) if contents else None
    pair = Pair(pair_id, first, second, T + timedelta(seconds=listed))
    pictures: dict[str, Any] = {role: PictureRow.of(upload, None) for role, upload in pair.uploads.items()}
    return Row(
        pair_id=pair_id,
        verdict=verdict,
        policy=POLICY,
        uploaded_at=pair.uploaded_at,
        listed_at=pair.listed_at,
        fingerprint=contents,
        code=code,
        **pictures,
    )


def unread(verdict: Verdict, *, contents: str, listed: float) -> Row:
    """Return the same before the pictures are read."""
    return state(verdict, contents=contents, listed=listed).model_copy(update={"fingerprint": None})


def pair_of(row: Row) -> Pair:
    """Return the pair as the worker listed it."""
    uploads = (Upload(each.key, each.etag, each.size, row.uploaded_at) for each in row.pictures.values())
    first, *second = uploads
    return Pair(row.pair_id, first, second[0] if second else None, row.listed_at)


def renamed(row: Row, pair_id: str, **changed: Any) -> Row:
    return row.model_copy(update={"pair_id": pair_id} | changed)


def judged(verdicts: VerdictsTable, pair: Pair) -> bool:
    """Return whether there is nothing left to do for the pair."""
    row = verdicts.row(pair.pair_id)
    return row is not None and row.settles(pair)


def written(deployed: Resources, pair_id: str) -> dict[str, Any]:
    row: dict[str, Any] = deployed.table("VerdictsTable").get_item(Key={"pair_id": pair_id}, ConsistentRead=True)[
        "Item"
    ]
    return row


HISTORIES = {
    "one picture, the other, busy, passed": [
        state(Verdict.WAITING, contents=None, uploaded=0),
        state(Verdict.PENDING, uploaded=5),
        state(Verdict.PASS, uploaded=5),
    ],
    "both within a second": [
        state(Verdict.WAITING, contents=None, listed=0.3),
        state(Verdict.UNDETERMINED, listed=0.6),
        state(Verdict.REJECT, listed=0.6),
    ],
    "uploaded anew while the first verdict is in progress": [
        state(Verdict.PASS, contents="A", uploaded=0),
        state(Verdict.PENDING, contents="B", uploaded=10),
        state(Verdict.RETAKE, contents="B", uploaded=10),
    ],
    "overwritten within the same second": [
        state(Verdict.PASS, contents="A", listed=0.2),
        state(Verdict.PENDING, contents="B", listed=0.7),
        state(Verdict.MANUAL_CHECK, contents="B", listed=0.7),
    ],
    "overwritten within the same second, and not read yet": [
        state(Verdict.PASS, contents="A", listed=0.2),
        unread(Verdict.PENDING, contents="B", listed=0.7),
    ],
    "not read yet, and compared": [
        unread(Verdict.PENDING, contents="A", listed=0.2),
        unread(Verdict.PENDING, contents="B", listed=0.5),
        state(Verdict.PASS, contents="B", listed=0.7),
    ],
    "a new upload whose verdict is still to come": [
        state(Verdict.PASS, contents="A", uploaded=0),
        state(Verdict.UNDETERMINED, contents="B", uploaded=10),
        state(Verdict.PENDING, contents="C", uploaded=20),
    ],
    "the same contents uploaded again": [
        state(Verdict.PASS, contents="A", uploaded=0),
        state(Verdict.PENDING, contents="A", uploaded=10),
        state(Verdict.PASS, contents="A", uploaded=10),
    ],
    "both pictures replaced by one": [
        state(Verdict.PASS, contents="A", uploaded=0),
        state(Verdict.WAITING, contents=None, uploaded=10),
    ],
}


@pytest.mark.parametrize("history", HISTORIES)
def test_the_newest_state_stands_in_whatever_order_it_and_the_others_are_written(
    history: str, verdicts: VerdictsTable, deployed: Resources, pair_id: str
) -> None:
    newest = HISTORIES[history][-1]

    for number, order in enumerate(permutations(HISTORIES[history])):
        name = f"{pair_id}/{number}"
        for row in order:
            verdicts.write(renamed(row, name), None)

        current = written(deployed, name)
        assert (current["verdict"], current.get("fingerprint")) == (newest.verdict, newest.fingerprint), order
        assert current["uploaded_at"] == clock.iso(newest.uploaded_at)


@pytest.mark.parametrize("seed", range(2))
def test_no_row_ever_goes_back(seed: int, verdicts: VerdictsTable, deployed: Resources, pair_id: str) -> None:
    chance = random.Random(seed)
    certainty = list(Verdict)
    earlier = None

    for _ in range(40):
        contents = chance.choice("AB")
        uploaded = chance.choice((0, 10))
        row = state(
            chance.choice([verdict for verdict in certainty if verdict is not Verdict.WAITING]),
            contents=contents,
            uploaded=uploaded,
            listed=uploaded + 1 + (contents == "B"),
            pair_id=pair_id,
        )
        verdicts.write(row, None)
        now = written(deployed, pair_id)

        if earlier:
            assert (now["uploaded_at"], now["listed_at"]) >= (earlier["uploaded_at"], earlier["listed_at"])
            final = {"PASS", "MANUAL_CHECK", "REJECT", "RETAKE"}
            if now["listed_at"] == earlier["listed_at"] and earlier["verdict"] in final:
                assert now["verdict"] in final
        earlier = now


def test_a_state_that_is_older_is_not_written_and_says_so(verdicts: VerdictsTable, pair_id: str) -> None:
    assert verdicts.write(state(Verdict.PASS, uploaded=10, pair_id=pair_id), None)

    assert not verdicts.write(state(Verdict.PASS, uploaded=9, pair_id=pair_id), None)
    assert not verdicts.write(state(Verdict.PENDING, uploaded=10, pair_id=pair_id), None)


def test_a_pending_row_is_renewed_with_each_try(verdicts: VerdictsTable, deployed: Resources, pair_id: str) -> None:
    verdicts.write(state(Verdict.PENDING, code="SERVICE_BUSY", pair_id=pair_id), None)
    verdicts.write(state(Verdict.PENDING, code="INSUFFICIENT_BALANCE", listed=9, pair_id=pair_id), None)

    assert written(deployed, pair_id)["code"] == "INSUFFICIENT_BALANCE"


def updated_at(deployed: Resources, pair_id: str) -> datetime:
    item = deployed.table("VerdictsTable").get_item(Key={"pair_id": pair_id}, ConsistentRead=True)["Item"]
    return clock.parse(str(item["updated_at"]))


@pytest.mark.parametrize("seed", range(5))
def test_each_write_has_a_later_time_than_the_one_before_whatever_the_clocks_say(
    seed: int, verdicts: VerdictsTable, deployed: Resources, pair_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance, times = random.Random(seed), list[datetime]()

    for number in range(8):
        skewed = T + timedelta(milliseconds=chance.choice([0, 0, 1, -3_600_000, 3_600_000]))
        monkeypatch.setattr(clock, "now", lambda skewed=skewed: skewed)
        assert verdicts.write(state(Verdict.PENDING, uploaded=number, pair_id=pair_id), None), f"{seed=}"
        times.append(updated_at(deployed, pair_id))

    assert times == sorted(set(times)), f"{seed=}"


def test_a_write_that_meets_another_transaction_takes_its_time_after_it(
    verdicts: VerdictsTable, deployed: Resources, pair_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = deployed.tables.meta.client
    put = client.put_item

    def once_in_conflict(**request: Any) -> Any:
        monkeypatch.setattr(client, "put_item", put)
        assert table_of(deployed, KEPT).write(state(Verdict.WAITING, contents=None, pair_id=pair_id), None)
        others.append(updated_at(deployed, pair_id))
        raise ClientError({"Error": {"Code": "TransactionConflictException", "Message": "conflict"}}, "PutItem")

    others: list[datetime] = []
    monkeypatch.setattr(client, "put_item", once_in_conflict)

    assert verdicts.write(state(Verdict.PASS, uploaded=1, pair_id=pair_id), None)

    assert updated_at(deployed, pair_id) > others[0]


@pytest.mark.parametrize("unreadable", ["yesterday", "2026-99-99", "9999-12-31T23:59:59.999Z"])
def test_a_row_whose_time_cannot_be_read_is_replaced_all_the_same(
    verdicts: VerdictsTable, deployed: Resources, pair_id: str, unreadable: str
) -> None:
    verdicts.write(state(Verdict.PENDING, pair_id=pair_id), None)
    deployed.table("VerdictsTable").update_item(
        Key={"pair_id": pair_id},
        UpdateExpression="SET updated_at = :unreadable",
        ExpressionAttributeValues={":unreadable": unreadable},
    )

    assert verdicts.write(state(Verdict.PASS, pair_id=pair_id), None)

    assert abs(updated_at(deployed, pair_id) - clock.now()) < timedelta(minutes=5)


def test_nothing_of_an_earlier_state_is_left_in_a_row(
    verdicts: VerdictsTable, deployed: Resources, pair_id: str
) -> None:
    pending = state(Verdict.PENDING, code="SERVICE_BUSY", pair_id=pair_id)
    verdicts.write(renamed(pending, pair_id, retry_at=T), None)

    verdicts.write(state(Verdict.PASS, pair_id=pair_id), None)

    assert not written(deployed, pair_id).keys() & {"retry_at", "code", "waiting_for"}


def test_only_a_final_verdict_on_exactly_these_objects_stands(verdicts: VerdictsTable, pair_id: str) -> None:
    asked = pair_of(state(Verdict.PASS, pair_id=pair_id))
    assert not judged(verdicts, asked)

    verdicts.write(state(Verdict.UNDETERMINED, pair_id=pair_id), None)
    assert not judged(verdicts, asked)
    verdicts.write(state(Verdict.PASS, pair_id=pair_id), None)
    assert judged(verdicts, asked)

    assert not judged(verdicts, pair_of(state(Verdict.PASS, contents="B", pair_id=pair_id)))
    assert not judged(verdicts, pair_of(state(Verdict.PASS, uploaded=1, pair_id=pair_id)))


def test_of_two_final_verdicts_on_the_same_contents_that_of_the_later_look_stands(
    verdicts: VerdictsTable, deployed: Resources, pair_id: str
) -> None:
    verdicts.write(state(Verdict.REJECT, listed=5, pair_id=pair_id), None)

    assert not verdicts.write(state(Verdict.PASS, listed=1, pair_id=pair_id), None)

    assert written(deployed, pair_id)["verdict"] == "REJECT"


def test_a_row_is_replaced_only_if_it_is_exactly_the_one_that_was_read(
    verdicts: VerdictsTable, deployed: Resources, pair_id: str
) -> None:
    pending = state(Verdict.PENDING, code="SERVICE_BUSY", pair_id=pair_id)
    verdicts.write(pending, None)
    read = verdicts.row(pair_id)
    assert read is not None
    verdicts.write(pending, None)

    assert not verdicts.replace(read, read.pictures_deleted())
    read = verdicts.row(pair_id)
    assert read is not None
    assert verdicts.replace(read, read.pictures_deleted())

    replaced = written(deployed, pair_id)
    assert (replaced["verdict"], replaced["code"]) == ("UNDETERMINED", "PICTURES_DELETED")
    assert replaced["uploaded_at"] == clock.iso(pending.uploaded_at)
    assert replaced["updated_at"] > clock.iso(read.updated_at or T)
    deployed.table("VerdictsTable").delete_item(Key={"pair_id": pair_id})
    assert not verdicts.replace(read, read.pictures_deleted())
    assert verdicts.row(pair_id) is None


def test_pending_rows_are_found_and_no_others(verdicts: VerdictsTable, pair_id: str) -> None:
    names = {f"{pair_id}/{number}" for number in range(3)}
    for name in names:
        verdicts.write(state(Verdict.PENDING, pair_id=name), None)
    verdicts.write(state(Verdict.WAITING, contents=None, pair_id=f"{pair_id}/waiting"), None)

    assert {row.pair_id for row in verdicts.pending() if row.pair_id.startswith(pair_id)} == names


def test_rows_of_many_pairs_are_read_at_once_and_only_those_that_exist(verdicts: VerdictsTable, pair_id: str) -> None:
    names = [f"{pair_id}/{number}" for number in range(BATCH + 1)]
    row = state(Verdict.PASS)
    for name in names[::10]:
        verdicts.write(renamed(row, name), None)

    found = verdicts.rows(names)

    assert sorted(found) == sorted(names[::10])
    assert all(each.covers(pair_of(row)) for each in found.values())


def test_a_row_that_cannot_be_read_does_not_keep_its_neighbours_from_the_search(
    verdicts: VerdictsTable, deployed: Resources, pair_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    verdicts.write(state(Verdict.PASS, pair_id=pair_id), None)
    poison = {"pair_id": f"{pair_id}/poison", "verdict": "PASS", "uploaded_at": 7, "message": "private"}
    deployed.table("VerdictsTable").put_item(Item=poison)

    found = verdicts.rows([pair_id, f"{pair_id}/poison"])

    assert found.keys() == {pair_id}
    assert f"{pair_id}/poison" in str(vars(caplog.records[-1]))
    assert "private" not in caplog.text
    deployed.table("VerdictsTable").delete_item(Key={"pair_id": f"{pair_id}/poison"})


def test_the_index_finds_rows_by_verdict_and_the_row_expires(deployed: Resources, pair_id: str) -> None:
    brief = Retention(own=timedelta(days=1), images=timedelta(days=1))
    table = table_of(deployed, brief)
    table.write(state(Verdict.UNDETERMINED, pair_id=pair_id), None)

    found = deployed.table("VerdictsTable").query(
        IndexName="by_verdict",
        KeyConditionExpression="verdict = :verdict",
        ExpressionAttributeValues={":verdict": "UNDETERMINED"},
    )["Items"]

    [row] = [each for each in found if each["pair_id"] == pair_id]
    assert 86_000 < float(row["expires_at"]) - clock.now().timestamp() <= 86_400
    assert row["first"]["etag"] == "first A"


def test_similarity_and_face_keep_their_digits(verdicts: VerdictsTable, deployed: Resources, pair_id: str) -> None:
    digits = Decimal("69.123456789012345678901234567890123456")
    face = Face(id="1", left=Decimal("0.01"), top=Decimal("1234567.89"), right=digits, bottom=Decimal(0))
    row = state(Verdict.PASS, pair_id=pair_id)
    first = row.pictures["first"].model_copy(update={"face": face})

    verdicts.write(renamed(row, pair_id, similarity=digits, first=first), None)

    stored = written(deployed, pair_id)
    assert stored["similarity"] == digits
    assert stored["first"]["face"] == face.model_dump()


def test_damaged_waiting_rows_do_not_hide_the_others(
    deployed: Resources, verdicts: VerdictsTable, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [f"waiting/{random.randrange(10**9)}" for _ in range(3)]
    for pair_id in pairs:
        assert verdicts.write(state(Verdict.PENDING, pair_id=pair_id), None)
    table = deployed.tables.Table(deployed.outputs["VerdictsTable"])
    damaged, incomplete, sound = pairs
    table.update_item(
        Key={"pair_id": damaged}, UpdateExpression="SET uploaded_at = :odd", ExpressionAttributeValues={":odd": 7}
    )
    table.update_item(
        Key={"pair_id": incomplete},
        UpdateExpression="REMOVE #policy",
        ExpressionAttributeNames={"#policy": "policy"},
    )

    found = [row.pair_id for row in verdicts.pending()]

    assert [each for each in found if each in pairs] == [sound]
    assert {damaged, incomplete} <= {getattr(each, "pair_id", None) for each in caplog.records}
    for pair_id in pairs:
        table.delete_item(Key={"pair_id": pair_id})
