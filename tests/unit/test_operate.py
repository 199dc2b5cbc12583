"""What operators can ask for, and what is logged of it."""

import json
import logging
from itertools import count
from typing import Any

import pytest

from facepair.domain.notification import created_notification, created_objects
from facepair.domain.operator_request import (
    MOST_PAIRS,
    DeadLettersOf,
    Redrive,
    RequestRefused,
    Resend,
    Retry,
    requested,
)
from facepair.use_cases.operate import Operator
from facepair.use_cases.redrive import Route
from tests.unit.test_publish import World as Events
from tests.unit.test_redrive import DeadLetterQueue, Destination
from tests.world import World

ANN = "arn:aws:iam::1:user/ann"


def operator(world: World, dead_letters: DeadLetterQueue | None = None) -> Operator:
    route = Route(dead_letters or DeadLetterQueue([]), Destination(), created_objects)
    routes = {DeadLettersOf.UPLOADS: route}
    return Operator(approver=world.approver(), resender=Events().resender, routes=routes)


def operate(operator: Operator, **request: Any) -> dict[str, Any]:
    return dict(operator.operate(requested(json.dumps(request)), ANN, lambda: True))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"action": "retry"}',
        '{"action": "retry", "pair_ids": []}',
        '{"action": "retry", "pair_ids": ["a"], "by": "root"}',
        '{"action": "resend"}',
        '{"action": "resend", "since": "yesterday"}',
        '{"action": "resend", "since": "2026-01-31T12:00:00"}',
        '{"action": "resend", "since": "2026-01-31T12:00:00Z", "pair_ids": ["a"]}',
        '{"action": "redrive", "queue": "https://sqs/1/another"}',
        '{"action": "erase", "pair_ids": ["a"]}',
    ],
)
def test_a_request_that_is_not_understood_is_refused_with_the_remedy(body: str) -> None:
    with pytest.raises(RequestRefused, match=r"Update facepair to the release of the stack\.$") as refused:
        requested(body)

    assert "\n" not in str(refused.value)


def test_the_request_of_an_earlier_release_is_answered_with_update_facepair() -> None:
    with pytest.raises(RequestRefused, match="Update facepair"):
        requested('{"pair_ids": ["anna"]}')


def test_a_request_names_a_bounded_number_of_pairs() -> None:
    with pytest.raises(RequestRefused, match="at most 100"):
        requested(Retry(pair_ids=("a",)).model_dump_json().replace('"a"', ",".join(['"a"'] * (MOST_PAIRS + 1))))


@pytest.mark.parametrize(
    ("request_", "logged"),
    [
        (Retry(pair_ids=("anna",)), ["Retry requested"]),
        (Resend(pair_ids=("anna",)), ["Resend requested", "Events resent"]),
        (Redrive(queue=DeadLettersOf.UPLOADS), ["Redrive requested", "Dead letters redriven"]),
    ],
    ids=["retry", "resend", "redrive"],
)
def test_every_operation_is_logged_with_who_asked(
    world: World, caplog: pytest.LogCaptureFixture, request_: Any, logged: list[str]
) -> None:
    with caplog.at_level(logging.INFO, logger="facepair.use_cases.operate"):
        operator(world).operate(requested(request_.model_dump_json()), ANN, lambda: True)

    lines = [each for each in caplog.records if each.name == "facepair.use_cases.operate"]
    assert [each.message for each in lines] == logged
    assert {each.__dict__["by"] for each in lines} == {ANN}


def test_an_answer_about_dead_letters_shows_the_beginning_of_some_that_cannot_be_read(world: World) -> None:
    bodies = [f"rubbish {number} " + "x" * 1000 for number, _ in zip(count(), range(7), strict=False)]
    dead_letters = DeadLetterQueue([*bodies, created_notification("anna/first.jpg", "etag")])

    done = operate(operator(world, dead_letters), action="redrive", queue="uploads")

    assert (done["sent"], len(done["unreadable"]), done["more"]) == (1, 7, False)
    assert list(done["shown"].values()) == [body[:200] for body in bodies[:5]]


def test_without_a_webhook_its_dead_letters_are_refused(world: World) -> None:
    with pytest.raises(RequestRefused, match="This stack has no webhook"):
        operate(operator(world), action="redrive", queue="webhooks")
