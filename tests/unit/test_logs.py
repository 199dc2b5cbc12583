"""Log lines: constant messages, and no similarity or face position, because logs outlive an erasure."""

import ast
import logging
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from facepair.domain.outcome import Face, Outcome, Seen
from facepair.domain.retry import Unavailable
from tests.fakes import SUCCESS
from tests.support import ROOT
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


def formatted_messages(path: Path) -> Iterator[int]:
    """Yield the lines of calls of a logger that format their message."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="logger") | ast.Attribute(attr="logger")), args=args):
                if len(args) > 1 or any(isinstance(each, ast.JoinedStr | ast.BinOp | ast.Call) for each in args):
                    yield node.lineno


def test_log_messages_are_constant() -> None:
    files = [path for folder in ("layers", "functions", "cli") for path in (ROOT / folder).rglob("*.py")]

    assert files
    assert {str(path.relative_to(ROOT)): lines for path in files if (lines := list(formatted_messages(path)))} == {}
