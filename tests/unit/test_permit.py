"""A person permits to call once more: for whom, how often, and what becomes of it."""

from datetime import timedelta

import pytest

from facepair.domain.ledger import State
from facepair.domain.retry import Unavailable
from facepair.domain.verdict import Outcome, Verdict
from facepair.use_cases.permit import MOST_PAIRS, Answer, Permission, Wanted
from tests.fakes import NOON, SUCCESS
from tests.world import World

ANN, BOB = "arn:aws:iam::1:user/ann", "arn:aws:sts::1:assumed-role/ops/bob"
UNKNOWN = Outcome(code="OUTCOME_UNKNOWN", message="no answer")


@pytest.fixture
def held(world: World) -> World:
    """Anna's pair was called for without an answer; the next call will be answered."""
    world.api.answers(UNKNOWN, SUCCESS)
    world.upload_pair()
    world.work()
    assert (world.stored().verdict, world.api.posts) == (Verdict.UNDETERMINED, 1)
    return world


def permit(world: World, pair_id: str = "anna", by: str = ANN) -> Answer:
    [answer] = world.permits().permit([pair_id], by)
    return answer


def test_a_permission_becomes_one_more_call_and_its_verdict(held: World) -> None:
    answer = permit(held)
    held.work()

    assert (answer.permission, answer.permitted_by) == (Permission.PERMITTED, ANN)
    assert (held.stored().verdict, held.api.posts) == (Verdict.PASS, 2)
    assert [call.permitted_by for call in held.ledger.of_pair("anna")] == [ANN, None]


def test_without_a_permission_nobody_calls_again_whatever_comes(held: World) -> None:
    held.upload_pair()
    held.work()

    assert (held.stored().verdict, held.api.posts) == (Verdict.UNDETERMINED, 1)


def test_two_permissions_for_one_call_are_one_and_the_second_is_told_who_was_first(held: World) -> None:
    permit(held, by=ANN)
    second = permit(held, by=BOB)
    held.work()

    assert (second.permission, second.permitted_by) == (Permission.ALREADY_PERMITTED, ANN)
    assert held.api.posts == 2


def test_of_two_who_permit_at_the_same_moment_one_is_written_and_the_other_is_told(held: World) -> None:
    held.ledger.at("permit", lambda: permit(held, by=BOB))

    answer = permit(held, by=ANN)

    assert (answer.permission, answer.permitted_by) == (Permission.ALREADY_PERMITTED, BOB)


def test_a_second_unanswered_call_needs_a_permission_of_its_own(held: World) -> None:
    held.api.answers(UNKNOWN, SUCCESS)
    permit(held)
    held.work()
    held.upload_pair()
    held.work()
    assert (held.stored().verdict, held.api.posts) == (Verdict.UNDETERMINED, 2)

    answer = permit(held, by=BOB)
    held.work()

    assert answer.permission is Permission.PERMITTED
    assert (held.stored().verdict, held.api.posts) == (Verdict.PASS, 3)


def test_a_refusal_that_costs_nothing_does_not_use_the_permission_up(held: World) -> None:
    held.api.answers(Outcome(code="SERVICE_BUSY", message="busy", pricing_strategy="FREE"), SUCCESS)
    permit(held)

    held.work()
    assert held.stored().verdict is Verdict.UNDETERMINED
    held.time.passes(3600)
    held.work()

    assert held.stored().verdict is Verdict.PASS
    assert held.ledger.states("anna") == [State.UNKNOWN, State.REFUSED, State.ANSWERED]


def test_a_permitted_call_whose_worker_dies_is_not_repeated(held: World) -> None:
    permit(held)
    calls = held.ledger.of_pair("anna")
    held.ledger.open("anna", calls[0].fingerprint, 2, held.time.now() + timedelta(seconds=60), NOON)

    assert permit(held, by=BOB).permission is Permission.ALREADY_PERMITTED  # it is under way
    held.time.passes(61)
    held.work()

    assert (held.stored().verdict, held.api.posts) == (Verdict.UNDETERMINED, 1)
    assert permit(held, by=BOB).permission is Permission.PERMITTED


def test_a_call_that_was_answered_late_needs_no_permission(held: World) -> None:
    [first] = held.ledger.of_pair("anna")
    second = held.ledger.open("anna", first.fingerprint, 2, NOON, NOON)
    held.ledger.complete(second, State.ANSWERED, SUCCESS)

    assert permit(held).permission is Permission.NOT_UNKNOWN


def put(world: World, first: int, second: int) -> None:
    """Upload anna's pair with pictures of these shades, and let it be compared."""
    world.time.passes(300)
    world.upload("anna/first.jpg", shade=first)
    world.upload("anna/second.jpg", shade=second)
    world.work()


def permitted(world: World) -> list[str]:
    """The calls that have an approval."""
    return [call.call for call in world.ledger.of_pair("anna") if call.permitted_by]


def test_an_approval_is_for_the_swapped_contents_of_the_row_and_no_others(world: World) -> None:
    world.api.answers(UNKNOWN)
    put(world, 1, 2)
    put(world, 3, 4)
    put(world, 2, 1)
    assert world.api.posts == 2

    assert permit(world).permission is Permission.PERMITTED
    assert permitted(world) == ["000001"]
    world.api.answers(SUCCESS)
    world.work()

    assert (world.stored().verdict, world.api.posts) == (Verdict.PASS, 3)
    put(world, 3, 4)  # not approved
    assert (world.stored().verdict, world.api.posts) == (Verdict.UNDETERMINED, 3)


def test_pictures_swapped_back_and_forth_are_approved_call_by_call(world: World) -> None:
    world.api.answers(UNKNOWN)
    put(world, 1, 2)
    permit(world)
    put(world, 2, 1)
    put(world, 1, 2)
    assert world.api.posts == 2

    assert permit(world).permission is Permission.PERMITTED
    assert permitted(world) == ["000001", "000002"]
    world.api.answers(SUCCESS)
    world.work()

    assert (world.stored().verdict, world.api.posts) == (Verdict.PASS, 3)


@pytest.mark.parametrize(("others", "permission"), [(False, Permission.PERMITTED), (True, Permission.NOT_UNKNOWN)])
def test_a_swapped_row_of_an_earlier_release_is_approved_if_its_contents_are_certain(
    world: World, others: bool, permission: Permission
) -> None:
    world.api.answers(UNKNOWN)
    put(world, 1, 2)
    if others:
        put(world, 3, 4)
    put(world, 2, 1)
    del world.item()["call"]

    assert permit(world).permission is permission
    assert permitted(world) == ([] if others else ["000001"])


def test_a_message_that_was_lost_is_sent_again_with_the_next_wish(held: World) -> None:
    held.queue.at("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        permit(held)

    assert permit(held).permission is Permission.ALREADY_PERMITTED
    held.work()

    assert held.stored().verdict is Verdict.PASS


def test_a_pair_of_another_verdict_is_told_so_and_left_alone(world: World) -> None:
    world.upload_pair()
    world.work()

    answer = permit(world)

    assert (answer.permission, answer.verdict, answer.code) == (Permission.NOT_UNKNOWN, Verdict.PASS, "SUCCESS")
    assert world.queue.bodies == []


def test_undetermined_for_another_reason_is_no_unknown_outcome(world: World) -> None:
    world.api.answers(Outcome(code="BAD_ANSWER", message="broken", pricing_strategy="PAY"))
    world.upload_pair()
    world.work()

    assert permit(world).permission is Permission.NOT_UNKNOWN
    assert world.api.posts == 1


def test_a_pair_whose_pictures_were_deleted_is_not_approved(held: World) -> None:
    deleted = held.stored().pictures_deleted()
    held.verdicts.items["anna"] = deleted.item()

    assert permit(held).permission is Permission.PICTURES_DELETED
    assert permitted(held) == []
    assert held.queue.bodies == []


def test_a_pair_that_does_not_exist_is_told_so(world: World) -> None:
    assert permit(world, "nobody") == Answer(pair_id="nobody", permission=Permission.NO_PAIR)


def test_a_pair_that_is_named_twice_is_answered_once(held: World) -> None:
    assert len(held.permits().permit(["anna", "anna"], ANN)) == 1
    assert len(held.queue.bodies) == 1


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"pair_ids": []}', '{"pair_ids": ["a"], "by": "root"}'])
def test_a_request_that_cannot_be_understood_is_refused_with_the_remedy(body: str) -> None:
    with pytest.raises(ValueError, match=r'say \{"pair_ids": \["..."\]\}, at most 100 of them\.$'):
        Wanted.read(body)


def test_a_request_is_bounded() -> None:
    too_many = ", ".join(['"a"'] * (MOST_PAIRS + 1))
    with pytest.raises(ValueError, match="at most 100"):
        Wanted.read(f'{{"pair_ids": [{too_many}]}}')
