"""No log line has a similarity or a face position, because logs outlive an erasure."""

import logging
from collections.abc import Callable
from decimal import Decimal

import pytest

from facepair.domain.outcome import Face, Outcome, Seen
from facepair.domain.retry import Unavailable
from tests.fakes import SUCCESS
from tests.world import World

EDGES = ("618.1234", "227.2345", "715.3456", "350.4567")
SIMILARITY = "87.654321"
FACE = Face(id="face 1", **dict(zip(("left", "top", "right", "bottom"), map(Decimal, EDGES), strict=True)))
JUDGED = SUCCESS.model_copy(update={"similarity": Decimal(SIMILARITY), "first": Seen(face=FACE)})
THROTTLED = Unavailable("ThrottlingException")


def nothing_fails(world: World) -> None:
    pass


def ledger_fails(world: World) -> None:
    world.ledger.at("complete", THROTTLED, THROTTLED)


def idempotency_fails(world: World) -> None:
    world.idempotency.at("save", THROTTLED)


def verdicts_fail(world: World) -> None:
    world.verdicts.at("write", THROTTLED)


def stored_row_cannot_be_read(world: World) -> None:
    world.work()
    world.item()["similarity"] = {"of": SIMILARITY}
    world.item()["first"]["face"] = {"left": EDGES[0]}
    world.upload("anna/second.jpg", shade=1)


def stored_outcome_cannot_be_read(world: World) -> None:
    stored = JUDGED.model_dump(mode="json") | {"similarity": {"of": SIMILARITY}, "second": {"face": EDGES}}
    world.idempotency.at("once", lambda: Outcome.model_validate(stored))


@pytest.mark.parametrize(
    "incident",
    [
        nothing_fails,
        ledger_fails,
        idempotency_fails,
        verdicts_fail,
        stored_row_cannot_be_read,
        stored_outcome_cannot_be_read,
    ],
)
def test_no_log_line_has_a_similarity_or_a_face_position(
    world: World, caplog: pytest.LogCaptureFixture, incident: Callable[[World], None]
) -> None:
    caplog.set_level(logging.DEBUG)
    world.api.answers(JUDGED)
    world.upload_pair()

    incident(world)
    for _ in range(8):
        world.work()
        world.time.passes(600)

    assert "Called the comparison API" in caplog.messages
    logged = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert not [secret for secret in (SIMILARITY, *EDGES, FACE.id) if secret in logged]
