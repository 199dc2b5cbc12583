"""Tables of rows: in terminals of any width, and in a log."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.cells import cell_len
from rich.console import Console, Group

from facepair.domain.fitted import Unusable
from facepair.domain.outcome import Outcome, Policy, Seen
from facepair.domain.pair import ROLES, Pair, Upload
from facepair.domain.row import Case, Row
from facepair_cli.verdict_table import WIDEST, entry, heading

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = Policy(pass_above=Decimal(70), reject_below=Decimal(55))
ADJUSTED = Seen(adjusted=("rotated 90", "reduced from 3456x4608 to 3072x4096", "re-encoded at quality 95"))
REFUSED = "5 bytes, beginning with b'hello', are not a picture that can be read; upload a JPEG, PNG or HEIC"


def case(pair_id: str) -> Case:
    first, second = (Upload(f"{pair_id}/{role}.jpg", "etag", 1000, NOON) for role in ROLES)
    return Case(Pair(pair_id, first, second, NOON), {}, POLICY, fingerprint="f" * 64)


def judged(pair_id: str, similarity: str) -> Row:
    return Row.judged(case(pair_id), Outcome(code="SUCCESS", message="OK", similarity=Decimal(similarity)))


PASSED = Row.judged(
    case("a phone's picture"),
    Outcome(code="SUCCESS", message="OK", similarity=Decimal("99.3512345678"), first=ADJUSTED),
)
PENDING = Row.pending(case("busy"), "SERVICE_BUSY", "Rate limit is exceeded", retry_at=NOON)
RETAKE = Row.unusable(case("not a picture"), {"second": Unusable("IMAGE_INVALID_FORMAT", REFUSED)})
UNDETERMINED = Row.judged(case("lost"), Outcome(code="OUTCOME_UNKNOWN", message="called, then: reset by peer"))
WAITING = Row.waiting(Pair("équipe 東京/№ 7 + 50%", Upload("k", "e", 1, NOON), None, NOON), {}, POLICY)
ROWS = (PASSED, PENDING, RETAKE, UNDETERMINED, WAITING)


def printed(*rows: Row, width: int = 80, note: str = "", terminal: bool = False) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    console.print(Group(heading(), *(entry(row.item(), note=note, seconds=1.25) for row in rows)))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_console_or_than_is_easy_to_read(width: int) -> None:
    lines = printed(*ROWS, width=width, note="what a person says of it, at some length, so that it has to be wrapped")

    assert max(map(cell_len, lines)) <= min(width, WIDEST)


def test_a_name_with_control_codes_is_shown_escaped() -> None:
    text = "\n".join(printed(judged("\x1b]0;renamed\x07 \x9b2Jpair", "1")))

    assert "renamed" in text
    assert not [each for each in text.replace("\n", "") if not each.isprintable()]


def test_a_row_of_another_program_reaches_the_terminal_escaped() -> None:
    hostile = "\x1b[2J\u202e"
    row = dict.fromkeys(("pair_id", "verdict", "code", "message", "similarity", "retry_at", "waiting_for"), hostile)
    file = io.StringIO()

    Console(file=file, width=200).print(entry(row, note=hostile))

    assert all(line.isprintable() for line in file.getvalue().splitlines())
    assert r"waiting for \x1b[2J\u202e" in file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_lines_are_broken_between_words(width: int) -> None:
    text = " ".join(" ".join(printed(*ROWS, width=width)).split())

    for row in ROWS:
        assert f"{row.verdict} {row.pair_id}" in text
    assert f"IMAGE_INVALID_FORMAT: second picture: {REFUSED}" in text
    assert "first: rotated 90, reduced from 3456x4608 to 3072x4096, re-encoded at quality 95" in text


def test_verdict_pair_and_similarity_are_on_one_line_under_their_headings() -> None:
    names, rule, line, *_ = printed(judged("two people", "5.03"))

    assert names.split() == ["Verdict", "Pair", "Similarity", "Seconds"]
    assert set(rule) == {"─"}
    assert line.split() == ["REJECT", "two", "people", "5.03", "1.2"]
    assert [line.index("two"), line.index("5.03") + 4] == [names.index("Pair"), names.index("Similarity") + 10]


def test_details_follow_below_the_pair() -> None:
    assert [line.strip() for line in printed(PENDING, note="the API is busy at first")[3:]] == [
        "the API is busy at first",
        "SERVICE_BUSY: Rate limit is exceeded",
        "next try at 2026-01-31T12:00:00.000Z",
    ]
    assert [line.strip() for line in printed(WAITING)[3:]] == ["waiting for second"]
    assert [line.strip() for line in printed(judged("plain", "80"))[3:]] == []


def test_a_long_key_is_folded_and_not_cut() -> None:
    pair_id = "".join(f"{number:03}/" for number in range(50)) + "end"

    lines = printed(judged(pair_id, "80"))

    assert "".join(line[14:60].split(" ")[0] for line in lines[2:]) == pair_id


def test_a_key_is_never_read_as_markup() -> None:
    assert "[bold]anna[/]" in printed(judged("[bold]anna[/]", "80"), terminal=True)[2]


def test_only_terminals_get_colours() -> None:
    assert "\x1b[32mPASS" in "".join(printed(*ROWS, terminal=True))
    assert "\x1b" not in "".join(printed(*ROWS))
