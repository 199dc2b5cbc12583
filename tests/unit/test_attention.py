"""Which findings need an operator."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from facepair.aws.written_rows import StoredRows
from facepair.domain import clock
from facepair.domain.backlog import Backlog, Count, Oldest
from facepair.domain.gate import Gate, GateState
from facepair.domain.verdict import API_NOT_ANSWERING, Verdict
from facepair_cli.reading.attention import DEAD_LETTERS, Status, look

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
COUNTS = {verdict: Count(0) for verdict in Verdict}
NOTHING = Backlog(0, 0)
CALM = Status(
    verdicts=COUNTS
    | {Verdict.PASS: Count(10_000, lower_bound=True), Verdict.RETAKE: Count(5), Verdict.WAITING: Count(9)},
    unsettled=Count(0),
    unreadable=Count(0),
    oldest={Verdict.WAITING: Oldest("lonely", clock.iso(NOON - timedelta(days=20)))},
    queue=Backlog(3, 2),
    dead_letters=dict.fromkeys(DEAD_LETTERS, NOTHING),
    gate=Gate(),
)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)


def test_done_deferred_and_waiting_pairs_need_no_operator() -> None:
    assert list(CALM.attention()) == []


@pytest.mark.parametrize(
    ("queue", "remedy"),
    [
        ("DeadLetterQueue", "`facepair redrive`"),
        ("UnpublishedQueue", "`facepair resend --since …`"),
        ("BusDeadLetterQueue", "`facepair resend --since …`"),
        ("WebhookDeadLetterQueue", "`facepair redrive --webhooks`"),
    ],
)
def test_messages_in_any_dead_letter_queue_need_attention(queue: str, remedy: str) -> None:
    queues = dict(CALM.dead_letters) | {queue: Backlog(waiting=1, in_flight=1)}

    [sentence] = replace(CALM, dead_letters=queues).attention()

    assert sentence.startswith(f"2 messages lie in {queue}: ")
    assert remedy in sentence


def test_pictures_that_s3_does_not_return_need_attention() -> None:
    [sentence] = replace(CALM, unreadable=Count(2)).attention()

    assert sentence.startswith("2 pairs are PENDING with PICTURE_UNREADABLE")
    assert "UnreadablePicturesAlarm" in sentence


def test_a_blocked_account_needs_attention_and_its_reason_is_shown() -> None:
    gate = Gate(code="INSUFFICIENT_BALANCE", message="top up", closed_at=NOON.timestamp(), reopens_at=NOON.timestamp())

    [sentence] = replace(CALM, gate=gate).attention()

    assert gate.state is GateState.BLOCKED
    assert "since 2026-01-31T12:00:00.000Z (INSUFFICIENT_BALANCE: top up)" in sentence


def test_an_api_that_does_not_answer_needs_attention() -> None:
    gate = Gate(code=API_NOT_ANSWERING, message="no answer within 15 s", closed_at=NOON.timestamp())

    [sentence] = replace(CALM, gate=gate).attention()

    assert gate.state is GateState.NOT_ANSWERING
    assert sentence.startswith("ADVANCE does not answer since 2026-01-31T12:00:00.000Z")


def test_pairs_with_deleted_pictures_need_no_operator() -> None:
    assert list(replace(CALM, verdicts=COUNTS | {Verdict.UNDETERMINED: Count(7)}).attention()) == []


@pytest.mark.parametrize(
    ("verdict", "command"),
    [(Verdict.UNDETERMINED, "facepair list --verdict UNDETERMINED"), (Verdict.MANUAL_CHECK, "facepair review")],
)
def test_pairs_that_only_an_operator_can_unblock_need_attention(verdict: Verdict, command: str) -> None:
    def counted(count: Count) -> Status:
        unsettled = count if verdict is Verdict.UNDETERMINED else Count(0)
        return replace(CALM, verdicts=COUNTS | {verdict: count}, unsettled=unsettled)

    [one] = counted(Count(1)).attention()
    [many] = counted(Count(10_000, lower_bound=True)).attention()

    assert one.startswith(f"1 pair is {verdict}")
    assert many.startswith(f"10,000 or more pairs are {verdict}")
    assert command in one


def test_a_pair_deferred_for_over_an_hour_needs_attention() -> None:
    def waiting(since: timedelta) -> Status:
        oldest = Oldest("slow/1", clock.iso(NOON - since), code="SERVICE_BUSY", message="too fast")
        return replace(CALM, oldest={Verdict.PENDING: oldest})

    [sentence] = waiting(timedelta(minutes=61)).attention()

    assert "slow/1" in sentence
    assert "SERVICE_BUSY: too fast" in sentence
    assert list(waiting(timedelta(minutes=59)).attention()) == []


@pytest.mark.parametrize("uploaded_at", ["yesterday", "2026-01-31", Decimal(7)])
def test_a_waiting_pair_whose_time_cannot_be_read_needs_attention(uploaded_at: Any) -> None:
    oldest = {Verdict.PENDING: Oldest("odd/1", uploaded_at)}

    [sentence] = replace(CALM, oldest=oldest).attention()

    assert sentence.startswith("odd/1, uploaded at")


def test_pairs_behind_a_closed_gate_are_not_listed_as_well() -> None:
    oldest = Oldest("slow/1", clock.iso(NOON - timedelta(days=1)), code="ACCOUNT_DISABLED", message="no")
    gate = Gate(code="ACCOUNT_DISABLED", message="no", closed_at=NOON.timestamp())

    sentences = list(replace(CALM, oldest={Verdict.PENDING: oldest}, gate=gate).attention())

    assert len(sentences) == 1


class TableWithOddTimes:
    """VerdictsTable, whose rows have times of different types."""

    name = "verdicts"

    def __init__(self) -> None:
        self.meta = SimpleNamespace(client=self)

    def query(self, **_: Any) -> dict[str, Any]:
        rows = [{"pair_id": "a", "uploaded_at": clock.iso(NOON)}, {"pair_id": "b", "uploaded_at": Decimal(7)}]
        return {"Items": rows, "Count": 2, "ScannedCount": 2}


def test_a_row_whose_time_is_no_text_does_not_hide_the_state(capsys: pytest.CaptureFixture[str]) -> None:
    queue, gate = SimpleNamespace(backlog=lambda: NOTHING), SimpleNamespace(read=Gate)

    seen = look(StoredRows(cast(Any, TableWithOddTimes())), queue, {}, gate)

    assert (seen.verdicts[Verdict.PENDING], seen.oldest) == (Count(2), {})
    assert "The oldest PENDING pair is not known" in capsys.readouterr().err
