"""Progress while verdicts arrive: a terminal shows what fits, a log each verdict once."""

import io
from collections.abc import Mapping, Sequence
from datetime import timedelta

import click
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from facepair.domain.pair import Pair
from facepair.domain.retry import Unavailable
from facepair.domain.row import Case, Row
from facepair.domain.verdict import Verdict
from facepair.use_cases.ports import Verdicts
from facepair_cli.submit.submitter import REPLACED, Followed
from facepair_cli.submit.submitting import follow
from facepair_cli.submit.verdicts_coming import LATEST, VerdictsComing
from tests.fakes import NOON, SUCCESS, picture
from tests.world import POLICY, World


class Pairs:
    """Many pairs with the same two pictures, whose rows a test writes."""

    def __init__(self, world: World, count: int) -> None:
        self._world = world
        for role in ("first", "second"):
            world.bucket.put(f"pair/{role}.jpg", picture())
        found = world.bucket.find("pair")
        self.pairs = [Pair(f"pair {number}", found.first, found.second, found.listed_at) for number in range(count)]
        self.followed = Followed(world.verdicts, self.pairs)

    def passed(self, *numbers: int) -> None:
        for number in numbers:
            self._write(Row.judged(self._case(number), SUCCESS))

    def pending(self, number: int, code: str, minutes: int = 1) -> None:
        retry_at = NOON + timedelta(minutes=minutes)
        self._write(Row.pending(self._case(number), code, "later", retry_at))

    def _write(self, row: Row) -> None:
        self._world.verdicts.write(row, None)

    def _case(self, number: int) -> Case:
        return Case(self.pairs[number], {}, POLICY, "f" * 64)


class Screen:
    """Return what was printed, in a terminal of 24 lines or into a log."""

    def __init__(self, *, terminal: bool) -> None:
        self._file = io.StringIO()
        self.console = Console(
            file=self._file, width=80, height=24, force_terminal=terminal, force_interactive=terminal, color_system=None
        )

    def taken(self) -> list[str]:
        """Return the lines since the last call."""
        text = self._file.getvalue()
        self._file.seek(0)
        self._file.truncate()
        return [line.rstrip() for line in text.splitlines()]


def test_a_terminal_shows_the_totals_the_waiting_pairs_and_the_latest_verdicts(world: World) -> None:
    pairs, screen = Pairs(world, 3000), Screen(terminal=True)
    pairs.passed(*range(2500))
    pairs.pending(2999, "SERVICE_BUSY")
    pairs.pending(2998, "SERVICE_BUSY", minutes=2)

    with VerdictsComing(screen.console, pairs.followed) as coming:
        screen.taken()
        coming.show(pairs.followed.look())
        drawn = [line for line in screen.taken() if line]

    assert drawn[0].endswith("2,500 pairs with a verdict  PASS 2,500")
    assert " ".join(drawn[1:3]) == (
        "500 pairs without a verdict: 2 PENDING (SERVICE_BUSY), 498 not compared yet; "
        "next try at 2026-01-31T12:01:00.000Z"
    )
    assert [line.split()[:3] for line in drawn[5:]] == [["PASS", "pair", f"{2499 - age}"] for age in range(LATEST)]
    assert len(drawn) < 24


def test_a_terminal_is_redrawn_in_place(world: World) -> None:
    pairs, screen = Pairs(world, 2), Screen(terminal=True)

    with VerdictsComing(screen.console, pairs.followed) as coming:
        coming.show(pairs.followed.look())
        pairs.passed(0, 1)
        screen.taken()
        coming.show(pairs.followed.look())
        drawn = screen.taken()

    assert any(line.startswith("\r\x1b[2K\x1b[1A\x1b[2K") or "\x1b[1A" in line for line in drawn)
    assert not any("without a verdict" in line for line in drawn)


def test_a_log_has_each_verdict_once_then_the_totals(world: World) -> None:
    pairs, screen = Pairs(world, 3), Screen(terminal=False)

    with VerdictsComing(screen.console, pairs.followed) as coming:
        pairs.passed(1)
        coming.show(pairs.followed.look())
        pairs.passed(0, 2)
        coming.show(pairs.followed.look())
        coming.show(pairs.followed.look())

    names, _, *entries, sums = screen.taken()
    assert names.split() == ["Verdict", "Pair", "Similarity", "Seconds"]
    assert [line.split()[:3] for line in entries] == [["PASS", "pair", number] for number in "102"]
    assert sums == "3 pairs with a verdict  PASS 3"


def test_a_log_gives_a_reason_for_waiting_once_when_it_changes(world: World) -> None:
    pairs, screen = Pairs(world, 4), Screen(terminal=False)

    with VerdictsComing(screen.console, pairs.followed) as coming:
        for number, code in enumerate(["SERVICE_BUSY", "SERVICE_BUSY", "NETWORK_ERROR", "NETWORK_ERROR"]):
            pairs.pending(number, code)
            coming.show(pairs.followed.look())

    lines = [line for line in screen.taken() if "without a verdict:" in line]
    assert [line.partition(": ")[2].partition(", ")[0] for line in lines] == [
        "1 PENDING (SERVICE_BUSY)",
        "2 PENDING (SERVICE_BUSY)",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_replaced_pair_is_reported_without_a_verdict(world: World, terminal: bool) -> None:
    pairs, screen = Pairs(world, 1), Screen(terminal=terminal)
    pairs.passed(0)
    [pair] = pairs.pairs
    world.verdicts.items[pair.pair_id] |= {"uploaded_at": "2026-01-31T13:00:00.000Z"}

    with VerdictsComing(screen.console, pairs.followed) as coming:
        coming.show(pairs.followed.look())

    drawn = "\n".join(screen.taken())
    assert f"pair 0: {REPLACED}" in drawn
    assert Verdict.PASS not in drawn


# --- lost connections ------------------------------------------------------------------------------------------------


class LineOfVerdicts:
    """Poll for verdicts over a connection that fails a few times, each time with another botocore error."""

    def __init__(self, verdicts: Verdicts, *errors: Exception) -> None:
        self._verdicts = verdicts
        self._errors = [*errors]

    def rows(self, pair_ids: Sequence[str]) -> Mapping[str, Row]:
        if self._errors:
            raise Unavailable("AWS cannot be asked") from self._errors.pop(0)
        return self._verdicts.rows(pair_ids)


NO_LINE = EndpointConnectionError(endpoint_url="https://dynamodb")
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchGetItem")
EXPIRED = ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "it has expired"}}, "BatchGetItem")


def test_waiting_survives_lost_connections_and_shows_each_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, pairs = Screen(terminal=False), Pairs(world, 1)
    pairs.passed(0)
    monkeypatch.setattr("time.sleep", lambda _: None)

    followed = follow(LineOfVerdicts(world.verdicts, NO_LINE, NO_LINE, THROTTLED), pairs.pairs, screen.console)  # type: ignore[arg-type]

    assert not followed.waiting
    text = " ".join(screen.taken())
    assert text.count("AWS was not reached: Could not connect to the endpoint URL") == 1
    assert text.count("Still waiting: everything was sent.") == 1
    assert "1 pair with a verdict" in text


def test_waiting_ends_with_an_error_that_is_not_temporary(world: World) -> None:
    screen, pairs = Screen(terminal=False), Pairs(world, 1)

    with pytest.raises(click.ClickException) as raised:
        follow(LineOfVerdicts(world.verdicts, EXPIRED), pairs.pairs, screen.console)  # type: ignore[arg-type]

    assert "it has expired. Sign in again. 1 pair without a verdict yet. Everything was sent" in raised.value.message
