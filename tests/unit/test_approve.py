"""Approving a retry after an unknown outcome."""

from datetime import timedelta

import pytest

from facepair.domain.ledger import State
from facepair.domain.outcome import Outcome
from facepair.domain.retry import Unavailable
from facepair.domain.verdict import Verdict
from facepair.use_cases.approve import Answer, Approval
from tests.fakes import NOON, SUCCESS
from tests.world import World

ANN, BOB = "arn:aws:iam::1:user/ann", "arn:aws:sts::1:assumed-role/ops/bob"
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")


@pytest.fixture
def held(world: World) -> World:
    """Return Anna's pair after a call without an answer; the next call will be answered."""
    world.api.answers(UNKNOWN, SUCCESS)
    world.upload_pair()
    world.work()
    assert (world.stored().verdict, world.api.posts) == (Verdict.UNDETERMINED, 1)
    return world


def approve(world: World, pair_id: str = "anna", by: str = ANN) -> Answer:
    [answer] = world.approver().approve([pair_id], by)
    return answer


def test_an_approval_becomes_one_more_call_and_its_verdict(held: World) -> None:
    answer = approve(held)
    held.work()

    assert (answer.approval, answer.permitted_by) == (Approval.APPROVED, ANN)
    assert (held.stored().verdict, held.api.posts) == (Verdict.PASS, 2)
    assert [call.permitted_by for call in held.ledger.of_pair("anna")] == [ANN, None]


def test_without_an_approval_no_worker_calls_again(held: World) -> None:
    held.upload_pair()
    held.work()

    assert (held.stored().verdict, held.api.posts) == (Verdict.UNDETERMINED, 1)


def test_a_second_approval_of_a_call_names_the_first_operator(held: World) -> None:
    approve(held, by=ANN)
    second = approve(held, by=BOB)
    held.work()

    assert (second.approval, second.permitted_by) == (Approval.ALREADY_APPROVED, ANN)
    assert held.api.posts == 2


def test_of_two_approvals_at_the_same_moment_one_is_written(held: World) -> None:
    held.ledger.at("approve", lambda: approve(held, by=BOB))

    answer = approve(held, by=ANN)

    assert (answer.approval, answer.permitted_by) == (Approval.ALREADY_APPROVED, BOB)


def test_a_second_unanswered_call_needs_its_own_approval(held: World) -> None:
    held.api.answers(UNKNOWN, SUCCESS)
    approve(held)
    held.work()
    held.upload_pair()
    held.work()
    assert (held.stored().verdict, held.api.posts) == (Verdict.UNDETERMINED, 2)

    answer = approve(held, by=BOB)
    held.work()

    assert answer.approval is Approval.APPROVED
    assert (held.stored().verdict, held.api.posts) == (Verdict.PASS, 3)


def test_a_free_refusal_does_not_use_up_the_approval(held: World) -> None:
    held.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"), SUCCESS)
    approve(held)

    held.work()
    assert held.stored().verdict is Verdict.UNDETERMINED
    held.time.passes(3600)
    held.work()

    assert held.stored().verdict is Verdict.PASS
    assert held.ledger.states("anna") == [State.UNKNOWN, State.REFUSED, State.ANSWERED]


def test_an_approved_call_whose_worker_dies_is_not_repeated(held: World) -> None:
    approve(held)
    calls = held.ledger.of_pair("anna")
    held.ledger.open("anna", calls[0].fingerprint, 2, held.time.now() + timedelta(seconds=60), NOON)

    assert approve(held, by=BOB).approval is Approval.ALREADY_APPROVED  # it is in flight
    held.time.passes(61)
    held.work()

    assert (held.stored().verdict, held.api.posts) == (Verdict.UNDETERMINED, 1)
    assert approve(held, by=BOB).approval is Approval.APPROVED


def test_a_call_that_was_answered_late_needs_no_approval(held: World) -> None:
    [first] = held.ledger.of_pair("anna")
    second = held.ledger.open("anna", first.fingerprint, 2, NOON, NOON)
    held.ledger.complete(second, State.ANSWERED, SUCCESS)

    assert approve(held).approval is Approval.NOT_UNKNOWN


def put(world: World, first: int, second: int) -> None:
    """Upload Anna's pair with pictures of these shades and process the messages."""
    world.time.passes(300)
    world.upload("anna/first.jpg", shade=first)
    world.upload("anna/second.jpg", shade=second)
    world.work()


def approved(world: World) -> list[str]:
    """Return the calls that have an approval."""
    return [call.call for call in world.ledger.of_pair("anna") if call.permitted_by]


def test_an_approval_covers_only_the_swapped_contents_of_the_row(world: World) -> None:
    world.api.answers(UNKNOWN)
    put(world, 1, 2)
    put(world, 3, 4)
    put(world, 2, 1)
    assert world.api.posts == 2

    assert approve(world).approval is Approval.APPROVED
    assert approved(world) == ["000001"]
    world.api.answers(SUCCESS)
    world.work()

    assert (world.stored().verdict, world.api.posts) == (Verdict.PASS, 3)
    put(world, 3, 4)  # not approved
    assert (world.stored().verdict, world.api.posts) == (Verdict.UNDETERMINED, 3)


def test_pictures_swapped_back_and_forth_are_approved_call_by_call(world: World) -> None:
    world.api.answers(UNKNOWN)
    put(world, 1, 2)
    approve(world)
    put(world, 2, 1)
    put(world, 1, 2)
    assert world.api.posts == 2

    assert approve(world).approval is Approval.APPROVED
    assert approved(world) == ["000001", "000002"]
    world.api.answers(SUCCESS)
    world.work()

    assert (world.stored().verdict, world.api.posts) == (Verdict.PASS, 3)


@pytest.mark.parametrize(("others", "approval"), [(False, Approval.APPROVED), (True, Approval.NOT_UNKNOWN)])
def test_a_swapped_row_of_an_earlier_release_is_approved_if_its_contents_are_certain(
    world: World, others: bool, approval: Approval
) -> None:
    world.api.answers(UNKNOWN)
    put(world, 1, 2)
    if others:
        put(world, 3, 4)
    put(world, 2, 1)
    del world.item()["call"]

    assert approve(world).approval is approval
    assert approved(world) == ([] if others else ["000001"])


def test_a_lost_message_is_sent_again_with_the_next_approval(held: World) -> None:
    held.queue.at("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        approve(held)

    assert approve(held).approval is Approval.ALREADY_APPROVED
    held.work()

    assert held.stored().verdict is Verdict.PASS


def test_a_pair_of_another_verdict_is_not_approved(world: World) -> None:
    world.upload_pair()
    world.work()

    answer = approve(world)

    assert (answer.approval, answer.verdict, answer.code) == (Approval.NOT_UNKNOWN, Verdict.PASS, "SUCCESS")
    assert world.queue.bodies == []


def test_undetermined_for_another_reason_is_no_unknown_outcome(world: World) -> None:
    world.api.answers(Outcome(code="BAD_ANSWER", message="broken", pricing_strategy="PAY"))
    world.upload_pair()
    world.work()

    assert approve(world).approval is Approval.NOT_UNKNOWN
    assert world.api.posts == 1


def test_a_pair_whose_pictures_were_deleted_is_not_approved(held: World) -> None:
    deleted = held.stored().pictures_deleted()
    held.verdicts.items["anna"] = deleted.item()

    assert approve(held).approval is Approval.PICTURES_DELETED
    assert approved(held) == []
    assert held.queue.bodies == []


def test_a_pair_that_does_not_exist_is_not_approved(world: World) -> None:
    assert approve(world, "unknown") == Answer(pair_id="unknown", approval=Approval.NO_PAIR)


def test_a_pair_that_is_named_twice_is_answered_once(held: World) -> None:
    assert len(held.approver().approve(["anna", "anna"], ANN)) == 1
    assert len(held.queue.bodies) == 1


def two_held(world: World) -> None:
    """Add Bea's pair, held like Anna's."""
    world.api.answers(UNKNOWN)
    world.upload("bea/first.jpg")
    world.upload("bea/second.jpg")
    world.work()


def test_a_damaged_row_does_not_keep_other_pairs_from_approval(held: World, caplog: pytest.LogCaptureFixture) -> None:
    two_held(held)
    held.verdicts.items["anna"]["uploaded_at"] = 7

    answers = held.approver().approve(["anna", "bea"], ANN)

    assert [each.approval for each in answers] == [Approval.UNREADABLE, Approval.APPROVED]
    assert len(held.queue.bodies) == 1
    assert [getattr(each, "pair_id", None) for each in caplog.records if each.levelname == "ERROR"] == ["anna"]


def test_a_damaged_call_does_not_keep_other_pairs_from_approval(held: World) -> None:
    two_held(held)
    held.ledger.at("of_pair", ValueError("call 000001 of the pair 'anna' cannot be read"))

    answers = held.approver().approve(["anna", "bea"], ANN)

    assert [each.approval for each in answers] == [Approval.UNREADABLE, Approval.APPROVED]
    assert len(held.queue.bodies) == 1


def test_approved_pairs_get_their_messages_although_a_table_fails(held: World) -> None:
    two_held(held)
    held.ledger.at("of_pair", lambda: None, Unavailable("DynamoDB is down"))

    with pytest.raises(Unavailable, match="DynamoDB"):
        held.approver().approve(["anna", "bea"], ANN)

    assert approved(held) == ["000001"]
    assert len(held.queue.bodies) == 1
